/*
 * topic.h: topics: which tables and rollups are published, on which channel, and what their
 * notifications carry.
 */
#ifndef GS_TOPIC_H
#define GS_TOPIC_H

#include "base/base.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/relcache.h"

typedef enum TopicNotify
{
	TOPIC_NOTIFY_POSITION,		/* topic and position only */
	TOPIC_NOTIFY_KEY,			/* the key too */
	TOPIC_NOTIFY_ROW,			/* the whole JSON event */
	TOPIC_NOTIFY_NONE			/* nobody is told */
} TopicNotify;

typedef struct Topic
{
	Oid			relation;		/* a table, or a rollup's view */
	TopicNotify notify;
	/* it has row-level security: nothing of its rows is told to everybody who listens */
	bool		is_private;
	char		channel[NAMEDATALEN];	/* to LISTEN on */
	TimestampTz created;
	Interval	retain;			/* how long events are kept */
	bool		stored;			/* that is longer than no time */
	int64		retain_bytes;	/* how much of them is kept at most; 0: no limit */
} Topic;

/*
 * The topic of a table or rollup, under the snapshot in force (the historic one while decoding);
 * false when it has none, or the extension is not installed. Reads the catalog each time.
 */
extern bool topic_lookup(Oid relation, Topic *topic);

/* What a row of the table topic says. */
extern void topic_read(HeapTuple tuple, TupleDesc desc, Topic *topic);

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

/* DDL on a table, of any kind: an error where what has a topic would change unseen from now on. */
extern void topic_check_altered(Oid relation);

extern void topic_owner_init(void);

/* Columns that topics name are renamed with the table's. */
extern void topic_columns_init(void);

/*
 * Between topic*.c
 */

/* An error where the relation is not the current user's, or is none. */
extern void topic_check_owner(Oid relation);

/* An error where this relation cannot be published, or not so. */
extern void topic_check_relation(Relation rel, TopicNotify notify);

/* An error where the server cannot publish. */
extern void topic_check_server(void);

/*
 * Whether the relation is the table of a topic of no table, which keeps no rows: its trigger says
 * so.
 */
extern bool topic_is_tableless(Relation rel);

/* Drop such a table, and its topic. False, and nothing is done, where it is none. */
extern bool topic_drop_tableless(Oid relid);

/* The SQL function, for those of other kinds of topics. */
extern Datum gs_create_topic(PG_FUNCTION_ARGS);

/* The argument 0 of a function. */
extern Oid	topic_relation_argument(FunctionCallInfo fcinfo);

/*
 * An error where these columns cannot be told of each event: they are none, or one stands there
 * twice, or old rows would not have them. argument is the name of the function's.
 */
extern void topic_check_columns(Relation rel, ArrayType *names, const char *argument);

/*
 * An error where nothing of the rows may be told to everybody who listens; what says what cannot be
 * done with the table's name.
 */
extern void topic_check_public(Relation rel, const char *what, const char *hint);

extern const char *topic_notify_name(TopicNotify notify);
extern bool topic_notify_of(const char *name, TopicNotify *notify);
extern bool topic_has_row_security(Oid relation);

/* The table topic, for one writer at a time. */
extern Relation topic_open_catalog(void);

/*
 * Whoever caches what this topic is looks again, a decoder at this transaction's place in the log.
 */
extern void topic_invalidate(Oid relation);

#endif							/* GS_TOPIC_H */
