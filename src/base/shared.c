/*
 * shared.c: takes shared memory for the databases that gymstream serves, and tells their workers of
 * commits. Gives workers, status and utility commands a view of each other. Never starts a worker
 * and never reads a table.
 *
 * The lock guards the places and the fields marked so; LSNs and counters are atomics. A backend
 * does nothing at commit but compare an LSN, unless a decoder runs in its database: then it
 * advances an LSN and sets a latch.
 */
#include "base/shared.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/clock.h"
#include "base/region.h"
#include "base/settings.h"

/* how long create_topic waits for a decoder */
#define PREPARE_TIMEOUT_MS 5000

SharedState *shared_state = NULL;

/* this backend's place, good for a generation of places */
static SharedDatabase *my_place = NULL;
static uint32 my_generation = 0;

/* a worker's own entry */
static SharedDatabase *entered_place = NULL;
static SharedRole entered_role;

/* what is to be done at the end of the transaction */
static bool poke_at_commit = false;
static bool is_preparing = false;
static List *held_databases = NIL;	/* OIDs of databases, in TopMemoryContext */
static List *tried_databases = NIL;	/* likewise */

static void shared_at_xact_end(XactEvent event, void *arg);

static Size
shared_size(void)
{
	return add_size(offsetof(SharedState, databases),
					mul_size(settings_max_databases, sizeof(SharedDatabase)));
}

static void
shared_reset_place(SharedDatabase *place)
{
	MemSet(place, 0, sizeof(*place));
	for (int role = 0; role < SHARED_ROLES; role++)
		place->latches[role] = NULL;
	pg_atomic_init_u32(&place->pokes, 0);
	pg_atomic_init_u32(&place->preparing, 0);
	pg_atomic_init_u32(&place->waiting_xid, InvalidTransactionId);
	pg_atomic_init_u32(&place->queue_full, 0);
	pg_atomic_init_u32(&place->owed, 0);
	pg_atomic_init_u32(&place->slots_made, 0);
	pg_atomic_init_u32(&place->decoder_begins, 0);
	pg_atomic_init_u64(&place->wanted_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&place->decoded_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&place->sent_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&place->published_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&place->confirmed_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u64(&place->told_lsn, InvalidXLogRecPtr);
	pg_atomic_init_u32(&place->told_index, 0);
	pg_atomic_init_u64(&place->events, 0);
	pg_atomic_init_u64(&place->notifications, 0);
	pg_atomic_init_u64(&place->skipped, 0);
	pg_atomic_init_u64(&place->folded, 0);
	pg_atomic_init_u64(&place->incomplete, 0);
}

static void
shared_fill(void)
{
	MemSet(shared_state, 0, offsetof(SharedState, databases));
	shared_state->lock = &GetNamedLWLockTranche("gymstream")->lock;
	ConditionVariableInit(&shared_state->changed);
	ConditionVariableInit(&shared_state->progress);
	pg_atomic_init_u32(&shared_state->waiters, 0);
	/* A backend begins with 0. So its first question looks for its place. */
	pg_atomic_init_u32(&shared_state->generation, 1);
	pg_atomic_init_u32(&shared_state->prepared_poke, 0);
	for (int i = 0; i < settings_max_databases; i++)
		shared_reset_place(&shared_state->databases[i]);
}

void
shared_init(void)
{
	static Region region = {"gymstream", shared_size, (void **) &shared_state, shared_fill,
							"gymstream"};

	if (!settings_is_preloaded())
		return;
	region_add(&region);
	RegisterXactCallback(shared_at_xact_end, NULL);
}

SharedDatabase *
shared_find(Oid database)
{
	for (int i = 0; i < settings_max_databases; i++)
		if (shared_state->databases[i].database == database)
			return &shared_state->databases[i];
	return NULL;
}

SharedDatabase *
shared_take(Oid database)
{
	SharedDatabase *place = shared_find(database);

	if (place != NULL)
		return place;
	place = shared_find(InvalidOid);
	if (place == NULL)
	{
		shared_state->full = true;
		return NULL;
	}
	shared_reset_place(place);
	place->database = database;
	/* The generation grows last: whoever sees the new number and takes the lock finds the place. */
	pg_atomic_fetch_add_u32(&shared_state->generation, 1);
	return place;
}

SharedDatabase *
shared_mine(void)
{
	uint32		generation;

	if (shared_state == NULL)
		return NULL;
	/*
	 * Without the lock this number alone is read. The place may be freed at any time after that;
	 * the memory stays, so that an atomic in it can still be written.
	 */
	generation = pg_atomic_read_u32(&shared_state->generation);
	if (unlikely(generation != my_generation))
	{
		/*
		 * The number is read once more under the lock: the place and its number must be of the same
		 * moment.
		 */
		LWLockAcquire(shared_state->lock, LW_SHARED);
		my_place = OidIsValid(MyDatabaseId) ? shared_find(MyDatabaseId) : NULL;
		my_generation = pg_atomic_read_u32(&shared_state->generation);
		LWLockRelease(shared_state->lock);
	}
	return my_place;
}

void
shared_wake_launcher(void)
{
	/* The latch is read once, without the lock: it may become NULL between two looks. */
	Latch	   *latch = shared_state->launcher_latch;

	if (latch != NULL)
		SetLatch(latch);
}

void
shared_wake(SharedDatabase *place, SharedRole role)
{
	/* The worker may end at any time. A latch that is no longer its own is set in vain. */
	Latch	   *latch = place->latches[role];

	if (latch != NULL)
		SetLatch(latch);
}

void
shared_advance(pg_atomic_uint64 *lsn, XLogRecPtr to)
{
	uint64		current = pg_atomic_read_u64(lsn);

	while (current < to && !pg_atomic_compare_exchange_u64(lsn, &current, to))
		 /* current has been read again */ ;
}

void
shared_wake_waiters(void)
{
	/* The LSN has moved before the count is read: who counts itself later finds it moved. */
	pg_memory_barrier();
	if (pg_atomic_read_u32(&shared_state->waiters) > 0)
		ConditionVariableBroadcast(&shared_state->progress);
}

/* -----------------------------------------------------------------------------------------------
 * The end of a transaction. Runs after it has become visible; nothing here may fail.
 * ---------------------------------------------------------------------------------------------*/

static void
shared_poke(void)
{
	SharedDatabase *place;

	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	/* Where no publisher runs yet, wanted tells the launcher to look whether one is needed. */
	place = shared_find(MyDatabaseId);
	if (place != NULL)
	{
		place->wanted = true;
		pg_atomic_fetch_add_u32(&place->pokes, 1);
		shared_wake(place, SHARED_PUBLISHER);
	}
	LWLockRelease(shared_state->lock);
	if (place != NULL)
		shared_wake_launcher();
}

static void
shared_release_holds(void)
{
	ListCell   *cell;

	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	foreach(cell, held_databases)
	{
		/* The place may have been freed, and taken again without any hold. */
		SharedDatabase *place = shared_find(lfirst_oid(cell));

		if (place != NULL && place->holds > 0)
			place->holds--;
	}
	LWLockRelease(shared_state->lock);
	list_free(held_databases);
	held_databases = NIL;
	shared_wake_launcher();
}

/* Let the launcher look into databases that are new or can be connected to again. */
static void
shared_try_databases(bool commit)
{
	ListCell   *cell;

	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	foreach(cell, tried_databases)
	{
		/*
		 * Without a commit nothing has changed, and the list is only emptied. Where no place is
		 * left, the launcher lists the databases again later.
		 */
		SharedDatabase *place = commit ? shared_take(lfirst_oid(cell)) : NULL;

		if (place != NULL)
			place->wanted = true;
	}
	LWLockRelease(shared_state->lock);
	list_free(tried_databases);
	tried_databases = NIL;
	shared_wake_launcher();
}

static void
shared_at_commit(void)
{
	static XLogRecPtr last_commit = InvalidXLogRecPtr;
	SharedDatabase *place;

	/*
	 * A transaction that has written nothing leaves the LSN as it was. A worker's own transactions
	 * publish nothing.
	 */
	if (XactLastCommitEnd == last_commit || entered_place != NULL)
		return;
	last_commit = XactLastCommitEnd;

	place = shared_mine();
	if (place == NULL || place->latches[SHARED_DECODER] == NULL)
		return;
	/* The LSN comes before the latch: a decoder that is woken finds what it was woken for. */
	shared_advance(&place->wanted_lsn, last_commit);
	shared_wake(place, SHARED_DECODER);
}

static void
shared_at_xact_end(XactEvent event, void *arg)
{
	bool		commit = event == XACT_EVENT_COMMIT;

	if (!commit && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	if (shared_state == NULL)
		return;
	if (commit)
		shared_at_commit();

	if (unlikely(poke_at_commit))
	{
		/*
		 * A prepared transaction is committed by any backend, later, which knows nothing of this
		 * one's wishes. So a flag tells every backend to poke when it commits a prepared one.
		 */
		if (commit)
			shared_poke();
		else if (event == XACT_EVENT_PREPARE)
			pg_atomic_write_u32(&shared_state->prepared_poke, 1);
		poke_at_commit = false;
	}
	if (unlikely(is_preparing))
	{
		SharedDatabase *place = shared_mine();

		/* Whether a topic has come or not, the launcher looks again whether a decoder is needed. */
		if (place != NULL)
			pg_atomic_fetch_sub_u32(&place->preparing, 1);
		is_preparing = false;
		shared_poke();
	}
	if (unlikely(held_databases != NIL))
		shared_release_holds();
	if (unlikely(tried_databases != NIL))
	{
		if (event == XACT_EVENT_PREPARE)
			pg_atomic_write_u32(&shared_state->prepared_poke, 1);
		shared_try_databases(commit);
	}
}

void
shared_poke_at_commit(void)
{
	if (shared_state != NULL)
		poke_at_commit = true;
}

/* -----------------------------------------------------------------------------------------------
 * What backends ask of the launcher
 * ---------------------------------------------------------------------------------------------*/

bool
shared_prepare_decoder(void)
{
	SharedDatabase *place;
	TimestampTz deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), PREPARE_TIMEOUT_MS);
	bool		ready;

	if (shared_state == NULL)
		return false;

	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	place = shared_take(MyDatabaseId);
	/*
	 * The count tells the launcher that a decoder is wanted before there is a topic. It is taken
	 * back when the transaction ends, however it ends.
	 */
	if (place != NULL && !is_preparing)
	{
		is_preparing = true;
		pg_atomic_fetch_add_u32(&place->preparing, 1);
		pg_atomic_fetch_add_u32(&place->pokes, 1);
		place->wanted = true;
	}
	ready = place != NULL && place->ready;
	LWLockRelease(shared_state->lock);
	if (ready || place == NULL)
		return ready;

	shared_wake(place, SHARED_PUBLISHER);
	shared_wake_launcher();

	/*
	 * a new slot waits for all transactions that have written something: for this one it would wait
	 * in vain
	 */
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		return false;

	/* The flag is read without the lock: it is one byte, and a late look only costs a wait. */
	ConditionVariablePrepareToSleep(&shared_state->changed);
	while (!(ready = *(volatile bool *) &place->ready) &&
		   clock_is_ahead(deadline, PREPARE_TIMEOUT_MS))
		ConditionVariableTimedSleep(&shared_state->changed, 1000, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return ready;
}

/* True when no worker is in the database any more, nor on its way. */
static bool
shared_is_quiet(Oid database)
{
	SharedDatabase *place;
	bool		quiet;

	LWLockAcquire(shared_state->lock, LW_SHARED);
	/* A worker on its way has no number here yet. So the launcher's own mark counts, too. */
	place = shared_find(database);
	quiet = place == NULL || !place->occupied;
	for (int role = 0; role < SHARED_ROLES && place != NULL; role++)
		quiet = quiet && place->pids[role] == 0;
	LWLockRelease(shared_state->lock);
	return quiet;
}

void
shared_hold_database(Oid database)
{
	SharedDatabase *place;
	MemoryContext old;

	if (shared_state == NULL)
		return;

	old = MemoryContextSwitchTo(TopMemoryContext);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	place = shared_find(database);
	if (place != NULL)
	{
		/*
		 * The list comes first, since it may lack memory: a hold that is not on the list would
		 * never be given back.
		 */
		held_databases = lappend_oid(held_databases, database);
		place->holds++;
	}
	LWLockRelease(shared_state->lock);
	MemoryContextSwitchTo(old);
	/* A database without a place has no workers, so there is nothing to wait for. */
	if (place == NULL)
		return;

	shared_wake_launcher();
	/*
	 * The lock is not held while we wait: workers need it to leave. An interrupt ends the wait, and
	 * the abort gives the hold back.
	 */
	ConditionVariablePrepareToSleep(&shared_state->changed);
	while (!shared_is_quiet(database))
		ConditionVariableTimedSleep(&shared_state->changed, 1000, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
}

void
shared_try_at_commit(Oid database)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	if (shared_state != NULL && OidIsValid(database))
		tried_databases = lappend_oid(tried_databases, database);
	MemoryContextSwitchTo(old);
}

/* -----------------------------------------------------------------------------------------------
 * What workers tell of themselves
 * ---------------------------------------------------------------------------------------------*/

static void
shared_leave(int code, Datum arg)
{
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	/* Whoever waits for a database without workers looks at the number under the same lock. */
	entered_place->pids[entered_role] = 0;
	entered_place->latches[entered_role] = NULL;
	if (entered_role == SHARED_DECODER)
		entered_place->ready = false;
	else if (entered_role == SHARED_PUBLISHER)
		pg_atomic_write_u32(&entered_place->waiting_xid, InvalidTransactionId);
	LWLockRelease(shared_state->lock);
	shared_wake_launcher();
}

void
shared_enter(SharedDatabase *place, SharedRole role)
{
	entered_place = place;
	entered_role = role;
	/*
	 * The callback comes first: from the moment when the entry can be seen, an exit takes it away.
	 */
	before_shmem_exit(shared_leave, (Datum) 0);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	place->pids[role] = MyProcPid;
	/*
	 * Listeners tell one publisher from the next by this, also where the clock was set back: it
	 * only grows.
	 */
	if (role == SHARED_PUBLISHER)
		place->publisher_since = shared_state->newest_publisher =
			Max(GetCurrentTimestamp(), shared_state->newest_publisher + 1);
	place->latches[role] = MyLatch;
	LWLockRelease(shared_state->lock);
}

void
shared_note_problem(SharedDatabase *place, int sqlerrcode, const char *message)
{
	int			length = strlen(message);

	/* The message is cut between two characters: it is shown as text. */
	if (length >= SHARED_ERROR_SIZE)
		length = pg_mbcliplen(message, length, SHARED_ERROR_SIZE - 1);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	memcpy(place->error, message, length);
	place->error[length] = '\0';
	place->error_code = sqlerrcode;
	place->error_at = GetCurrentTimestamp();
	LWLockRelease(shared_state->lock);
}

void
shared_note_error(SharedDatabase *place)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	/*
	 * CopyErrorData must not run in ErrorContext, in which a PG_CATCH block is. The copy is freed
	 * here.
	 */
	ErrorData  *error = CopyErrorData();

	MemoryContextSwitchTo(old);
	/* the error may have come while the lock was held */
	LWLockReleaseAll();
	shared_note_problem(place, error->sqlerrcode,
						error->message ? error->message : "unknown error");
	FreeErrorData(error);
}

void
shared_note_well(SharedDatabase *place)
{
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	place->failing = false;
	LWLockRelease(shared_state->lock);
}
