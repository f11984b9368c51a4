/*
 * topic.h: topics: which tables and rollups are published, on which channel, and what their
 * notifications carry.
 */
#ifndef GS_TOPIC_H
#define GS_TOPIC_H

#include "base/base.h"

typedef enum TopicNotify
{
	TOPIC_NOTIFY_POSITION,		/* topic and position only */
	TOPIC_NOTIFY_ROW			/* the whole JSON event */
} TopicNotify;

typedef struct Topic
{
	Oid			relation;		/* a table, or a rollup's view */
	TopicNotify notify;
	char		channel[NAMEDATALEN];	/* to LISTEN on */
} Topic;

/*
 * The topic of a table or rollup, under the snapshot in force (the historic one while decoding);
 * false when it has none, or the extension is not installed. Reads the catalog each time.
 */
extern bool topic_lookup(Oid relation, Topic *topic);

/*
 * The topic's name: the relation's qualified name, quoted where identifiers need it; NULL when the
 * relation is gone.
 */
extern char *topic_name(Oid relation);

/*
 * Delete the topic of a relation, which may be gone already. False when there was none. Checks no
 * privilege.
 */
extern bool topic_delete(Oid relation);

/* Let a topic tell this much from now on. False when there is none. Checks no privilege. */
extern bool topic_set_notify(Oid relation, TopicNotify notify);

/*
 * The relation has another owner: rows that the one before has allowed to be sent are not sent any
 * more.
 */
extern void topic_new_owner(Oid relation);

extern void topic_owner_init(void);

#endif							/* GS_TOPIC_H */
