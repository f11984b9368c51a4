/*
 * shared.h: what the backends and workers of a server share: one place for each database that
 * gymstream serves.
 */
#ifndef GS_SHARED_H
#define GS_SHARED_H

#include "base/base.h"

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/lwlock.h"

#define SHARED_ERROR_SIZE 256
#define SHARED_MESSAGE_SIZE 128
#define SHARED_INCIDENTS 32
#define SHARED_PAUSES 32

/* what the publisher found in its database */
typedef enum DatabaseState
{
	DATABASE_UNKNOWN,			/* not looked at yet */
	DATABASE_ABSENT,			/* no extension: nothing to do */
	DATABASE_IDLE,				/* the extension, but no topic */
	DATABASE_ACTIVE				/* topics: a decoder is wanted */
} DatabaseState;

/* what a publisher that ended by itself wants next; a failure when it said nothing */
typedef enum PublisherEnd
{
	PUBLISHER_FAILED,
	PUBLISHER_ABSENT,
	PUBLISHER_AGAIN
} PublisherEnd;

typedef enum SharedRole
{
	SHARED_PUBLISHER,
	SHARED_DECODER,
	SHARED_FOLDER
} SharedRole;
#define SHARED_PAIR 2			/* publisher and decoder live and die together */
#define SHARED_ROLES 3

/* what a worker could not do: incident.c says it in words */
typedef enum IncidentKind
{
	INCIDENT_NONE,				/* a free entry */
	INCIDENT_UNRENDERED,		/* an event was told without what cannot be rendered */
	INCIDENT_UNREAD,			/* an event was told without the group's row */
	INCIDENT_LATE,				/* the same, as an owner's functions took too long */
	/* an event was told without its content, since the worker died of it */
	INCIDENT_SKIPPED,
	INCIDENT_MISSED,			/* listeners were not told, for want of room */
	INCIDENT_RESET,				/* the slot was made anew */
	INCIDENT_FOLD				/* a rollup could not be folded */
} IncidentKind;

typedef struct Incident
{
	IncidentKind kind;
	Oid			relation;		/* InvalidOid: all topics */
	uint32		epoch;			/* of the last event that it happened to */
	uint32		index;
	XLogRecPtr	lsn;			/* InvalidXLogRecPtr: no event's */
	int			sqlerrcode;		/* 0: no error */
	char		message[SHARED_MESSAGE_SIZE];
	TimestampTz first_at;
	TimestampTz last_at;
	uint64		times;
} Incident;

/* what a worker leaves alone for a while */
typedef enum PauseKind
{
	PAUSE_READING,				/* the rollup's rows */
	PAUSE_ADDING,				/* deltas of its groups */
	PAUSE_FOLDING				/* its partials */
} PauseKind;

/* flags of what listeners were not told */
#define OWED_MISSED 1			/* notifications were skipped */
#define OWED_RESET 2			/* changes are lost, with the slot */

/* a rollup whose functions a worker leaves alone for a while */
typedef struct SharedPause
{
	Oid			relation;
	PauseKind	kind;
	int			times;			/* in sequence; 0: a free entry */
	int			sqlerrcode;		/* why; of a cancel, where the time was over */
	TimestampTz until;
} SharedPause;

/* Places are taken by whoever needs one and freed by the launcher alone. */
typedef struct SharedDatabase
{
	/* written under the lock */
	Oid			database;		/* InvalidOid: free */
	DatabaseState state;
	PublisherEnd end;
	int			topics;
	int			holds;			/* commands that need the database without workers */
	bool		occupied;		/* the launcher has workers there */
	bool		wanted;			/* look whether the extension is there */
	/* the decoder has a slot: what is committed from now on is published */
	bool		ready;
	pid_t		pids[SHARED_ROLES];
	/* when the publisher entered; no two of a server have the same */
	TimestampTz publisher_since;
	char		error[SHARED_ERROR_SIZE];
	int			error_code;		/* of that error */
	TimestampTz error_at;
	/* the workers have ended with an error, and are not yet where they were */
	bool		failing;
	TimestampTz retry_at;		/* 0: not waiting to start workers again */
	uint32		epoch;			/* of positions; 0: not known yet */
	uint32		slots_known;	/* how many slots the epoch takes into account */
	TimestampTz missed_at;		/* notifications were skipped last */
	TimestampTz reset_at;		/* the slot was made anew last, with topics there */
	Incident	incidents[SHARED_INCIDENTS];
	SharedPause pauses[SHARED_PAUSES];

	/*
	 * read without the lock; a latch that is no longer theirs is woken in vain, which does no harm
	 */
	Latch	   *volatile latches[SHARED_ROLES];
	pg_atomic_uint32 pokes;		/* times the publisher was asked to look at its catalogs again */
	/* transactions in create_topic, which want a decoder before there is a topic */
	pg_atomic_uint32 preparing;
	pg_atomic_uint32 waiting_xid;	/* the publisher waits until this is visible */
	pg_atomic_uint32 queue_full;	/* the last notifications were skipped */
	pg_atomic_uint32 owed;		/* what all topics have to be told: OWED_... */
	pg_atomic_uint32 slots_made;	/* by decoders */
	/* odd while a decoder sets the LSNs back to where it begins */
	pg_atomic_uint32 decoder_begins;

	/* progress: LSNs only grow while workers run */
	pg_atomic_uint64 wanted_lsn;	/* end of the last commit in this database */
	pg_atomic_uint64 decoded_lsn;	/* WAL was read up to here */
	pg_atomic_uint64 sent_lsn;	/* end of the last commit that the publisher was sent */
	pg_atomic_uint64 published_lsn; /* end of the last commit that listeners were told of */
	pg_atomic_uint64 confirmed_lsn;
	pg_atomic_uint64 told_lsn;	/* position of the last event told: commit LSN */
	pg_atomic_uint32 told_index;
	pg_atomic_uint64 events;
	pg_atomic_uint64 notifications;
	pg_atomic_uint64 skipped;
	pg_atomic_uint64 folded;	/* groups */
	pg_atomic_uint64 incomplete;	/* events told without what could not be had */
} SharedDatabase;

typedef struct SharedState
{
	LWLock	   *lock;
	ConditionVariable changed;	/* workers have ended, or a decoder has become ready */
	ConditionVariable progress; /* decoded_lsn or published_lsn of a database have moved */
	pg_atomic_uint32 waiters;	/* for that */
	pg_atomic_uint32 generation;	/* grows whenever a place is taken or freed */
	/* a prepared transaction will have to poke, or try its database, at commit */
	pg_atomic_uint32 prepared_poke;
	pid_t		launcher_pid;
	TimestampTz newest_publisher;	/* the last publisher_since that was given out */
	Latch	   *volatile launcher_latch;
	bool		full;			/* a database found no place */
	SharedDatabase databases[FLEXIBLE_ARRAY_MEMBER];
} SharedState;

extern SharedState *shared_state;		/* NULL where not preloaded */

extern void shared_init(void);

/* The place of a database, NULL when it has none. The caller holds the lock. */
extern SharedDatabase *shared_find(Oid database);

/*
 * The same, taken when there is none yet; NULL when all are taken. The caller holds the lock
 * exclusively.
 */
extern SharedDatabase *shared_take(Oid database);

/* The place of this backend's database, or NULL. Takes the lock only after places have changed. */
extern SharedDatabase *shared_mine(void);

extern void shared_wake_launcher(void);
extern void shared_wake(SharedDatabase *place, SharedRole role);

/*
 * Once this transaction is committed, let this database's workers, if it has any, look at its
 * catalogs again.
 */
extern void shared_poke_at_commit(void);

/*
 * Before a transaction creates a topic: start the decoder, so that what is committed after the
 * topic is published. Waits for it for a short while, unless the transaction has written already,
 * which the decoder would wait for. False when it is not ready.
 */
extern bool shared_prepare_decoder(void);

/* Keep workers out of a database until the end of this transaction; returns once they are gone. */
extern void shared_hold_database(Oid database);

/* Once this transaction is committed, let the launcher look whether a database needs workers. */
extern void shared_try_at_commit(Oid database);

/* A worker's own: enters itself in the place, and leaves it when it exits. */
extern void shared_enter(SharedDatabase *place, SharedRole role);

/* Remember the error in hand, for status. In a PG_CATCH block, before rethrowing. */
extern void shared_note_error(SharedDatabase *place);
extern void shared_note_problem(SharedDatabase *place, int sqlerrcode, const char *message);

/* The workers are where they should be. */
extern void shared_note_well(SharedDatabase *place);

extern void shared_advance(pg_atomic_uint64 *lsn, XLogRecPtr to);

/* decoded_lsn or published_lsn have moved: wake who waits for that. Cheap where nobody does. */
extern void shared_wake_waiters(void);

#endif							/* GS_SHARED_H */
