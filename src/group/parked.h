/*
 * parked.h: events that a group has set aside, with their content: those that wait for another
 * attempt, those that wait behind one of the same key, and dead letters.
 */
#ifndef GS_PARKED_H
#define GS_PARKED_H

#include "base/base.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"

#include "group/group.h"
#include "log/log_batch.h"
#include "topic/position.h"

/* So many that wait in a partition keep it from taking new ones. */
#define PARKED_LIMIT 1000

typedef struct Parked
{
	LogEvent	event;			/* its texts are the caller's memory */
	int			attempts;		/* that have failed */
	TimestampTz due;			/* the next one, if it is not dead */
	bool		dead;
	const char *cause;			/* or NULL */
	TimestampTz since;			/* when it was set aside */
	ItemPointerData row;		/* where it is stored */
} Parked;

/* All that wait in a partition of a topic, by their offsets; -1: in any. */
extern List *parked_list(const ConsumerGroup *group, Oid topic, int partition);

/* All dead letters of it. */
extern List *parked_dead(const ConsumerGroup *group, Oid topic);

/* One that waits; NULL: there is none. The LSN tells it from one of an earlier topic. */
extern Parked *parked_find(const ConsumerGroup *group, Oid topic, int64 offset, XLogRecPtr lsn);

/* Whether the event waits, or this transaction has made a dead letter of it. */
extern bool parked_is_aside(const ConsumerGroup *group, Oid topic, const Position *position);

/* Whether the event stands there. */
extern bool parked_is_at(const LogEvent *event, const Position *position);

extern void parked_insert(const ConsumerGroup *group, Oid topic, const Parked *parked);
extern void parked_delete(const Parked *parked);

/* What one more failure makes of it: it waits, twice as long as the last time, or it is dead. */
extern void parked_fail(const ConsumerGroup *group, Parked *parked, const char *cause);

/* Give up all of a topic that wait. */
extern void parked_forget_waiting(const ConsumerGroup *group, Oid topic);

#endif							/* GS_PARKED_H */
