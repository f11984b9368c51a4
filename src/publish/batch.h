/*
 * batch.h: events gathered from one or more transactions, and told to listeners in one.
 */
#ifndef GS_BATCH_H
#define GS_BATCH_H

#include "base/base.h"

#include "base/shared.h"
#include "decode/event_key.h"
#include "publish/frame.h"
#include "publish/readback.h"
#include "topic/position.h"
#include "topic/topic.h"

extern void batch_init(SharedDatabase *place);

/* Copies what it needs. stamp is the transaction's, from its BEGIN frame. */
extern void batch_add(const Frame *frame, const EventStamp *stamp, const char *body, Size size);

/* Whether it is to be told before this event is added. */
extern bool batch_is_full(const Frame *frame, const EventStamp *stamp);

/*
 * Tell listeners what they are owed, and of all events, in their order, in a transaction of its
 * own; then forget these. Enters the position of the last event in the place.
 */
extern void batch_tell(void);

/* What listeners are owed: topics of which notifications were skipped, and more of the kind. */
extern void batch_owed_init(SharedDatabase *place);

/* Whether anyone has to be told to read anew. */
extern bool batch_owed_any(void);

/*
 * Between batch*.c
 */

typedef struct BatchEvent
{
	Frame		frame;
	EventStamp	stamp;
	int64		offset;			/* in the topic's log, or POSITION_NO_OFFSET */
	char	   *body;			/* NULL where there is none */
	Size		size;
	char	   *key;			/* as JSON; NULL where it is not known, or there is none */
	char	   *old_key;		/* the same, where an update has changed it */

	/* of a rollup's event */
	RollupMessage delta;		/* its tuple becomes the sum of what it stands for */
	HeapTuple	own;			/* the event's own */
	bool		merged;			/* a later event of the same group has taken its delta */
	int			stands_for;		/* so many events, itself included */
	bool		read;			/* the row was wanted: */
	ReadbackGroup group;
} BatchEvent;

/* a topic, looked up once a batch */
typedef struct BatchTopic
{
	Topic		topic;
	char	   *name;			/* NULL: there is no such topic any more */
	Oid			partials;		/* of a rollup, those that the keys are of */
	EventKey	key;
	EventKey	channel;
} BatchTopic;

extern BatchTopic *batch_topic(Oid relation);

/* The position of an event, in the epoch of the batch. */
extern Position batch_position(const BatchEvent *event);

/* Notify, as the transaction is committed. */
extern void batch_notify(const char *channel, const char *payload);

/*
 * Append the events to the logs of topics that keep them, and give them their offsets. True where
 * the transaction has to be committed, and log_written called, before anybody is told.
 */
extern bool batch_log(SharedDatabase *place, BatchEvent *events, int n, uint32 epoch);

/* Whether that has anything to do, without a look at a catalog. */
extern bool batch_logs(const BatchEvent *events, int n, uint32 epoch);

/* A rollup's event as JSON, or NULL when there is none or it is too large. */
extern char *batch_rollup_json(BatchEvent *event);

/* Merge the events of each rollup, and read the rows of those that remain where they are wanted. */
extern void batch_merge_rollups(SharedDatabase *place, BatchEvent *events, int n);

/* Find the key and the channel of a rollup's event, which is not to be merged any more. */
extern void batch_key(BatchEvent *event, BatchTopic *topic);

/* The text of a notification of an event; good until the next text is asked for. */
extern char *batch_payload(SharedDatabase *place, BatchEvent *event, const BatchTopic *topic);

/* The same of one that has no more than an action; as good. */
extern char *batch_mark(const char *name, const Position *position, const char *action);

/* Notifications of this topic were skipped. */
extern void batch_owed_missed(Oid relation);

/* A topic was dropped, and its listeners do not know it: the body of its frame. */
extern void batch_owed_dropped(const char *body, Size size);

/*
 * In a transaction: have all of them told by its commit. Returns how many notifications that takes.
 */
extern int	batch_owed_tell(uint32 epoch);

/* That transaction is committed. */
extern void batch_owed_told(void);

#endif							/* GS_BATCH_H */
