/*
 * batch.h: events gathered from one or more transactions, and told to listeners in one.
 */
#ifndef GS_BATCH_H
#define GS_BATCH_H

#include "base/base.h"

#include "base/shared.h"
#include "publish/frame.h"
#include "publish/readback.h"
#include "topic/topic.h"

/* grows when the slot is made anew: kept with the stored topics, later */
#define BATCH_EPOCH 1

extern void batch_init(void);

/* Copies what it needs. stamp is the transaction's, from its BEGIN frame. */
extern void batch_add(const Frame *frame, const EventStamp *stamp, const char *body, Size size);

extern bool batch_is_full(void);

/*
 * Tell listeners of all events, in their order, in a transaction of its own; then forget them. Enters the position of the
 * last one in the place.
 */
extern void batch_tell(SharedDatabase *place);

/*
 * Between batch*.c
 */

typedef struct BatchEvent
{
	Frame		frame;
	EventStamp	stamp;
	char	   *body;			/* NULL where there is none */
	Size		size;

	/* of a rollup's event */
	RollupMessage delta;		/* its tuple becomes the sum of what it stands for */
	HeapTuple	own;			/* the event's own */
	bool		merged;			/* a later event of the same group has taken its delta */
	bool		read;			/* the row was wanted: */
	ReadbackGroup group;
} BatchEvent;

/* a topic, looked up once a batch */
typedef struct BatchTopic
{
	Topic		topic;
	char	   *name;			/* NULL: there is no such topic any more */
} BatchTopic;

extern BatchTopic *batch_topic(Oid relation);

/* Merge the events of each rollup, and read the rows of those that remain where they are wanted. */
extern void batch_merge_rollups(SharedDatabase *place, BatchEvent *events, int n);

/* The text of a notification. */
extern char *batch_payload(SharedDatabase *place, BatchEvent *event, const BatchTopic *topic);

#endif							/* GS_BATCH_H */
