/*
 * event_topic.h: the topics of which a relation's rows are events.
 */
#ifndef GS_EVENT_TOPIC_H
#define GS_EVENT_TOPIC_H

#include "base/base.h"

#include "decode/event.h"
#include "decode/event_key.h"

typedef struct EventTopic
{
	Oid			relation;		/* whose topic it is: the relation, or what it is a partition of */
	bool		stored;			/* it keeps its events */
	EventShape *shape;			/* under its name, with its columns */
	EventKey	key;			/* of the events */
	EventKey	channel;		/* the columns by which there are channels, if any */
} EventTopic;

/*
 * The keys of a rollup's events, whose rows are of the partials: a group's first nkeys columns,
 * unless the topic says otherwise.
 */
extern void event_rollup_keys(EventKey *key, EventKey *channel, Oid rollup, TupleDesc partials,
							  int nkeys, MemoryContext context);

#endif							/* GS_EVENT_TOPIC_H */
