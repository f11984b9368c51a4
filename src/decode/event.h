/*
 * event.h: a change as one JSON object, for the output plugin, the decoder and the publisher.
 *
 * Each event is appended to a StringInfo without a newline; it begins with "{" and ends with "}",
 * so that a caller can put members in front or behind. All of it is valid in the database's
 * encoding and in UTF-8.
 */
#ifndef GS_EVENT_H
#define GS_EVENT_H

#include "base/base.h"

#include "access/htup.h"
#include "access/tupdesc.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"
#include "nodes/bitmapset.h"
#include "replication/reorderbuffer.h"
#include "utils/relcache.h"

#include "decode/json.h"
#include "rollup/model/message.h"

typedef struct EventOptions
{
	bool		xids;
	bool		lsn;
	bool		timestamp;
	bool		without_schema; /* do not name the tables' schemas */
	bool		quoted;			/* numbers as strings */
	bool		json_as_text;	/* values of type json and jsonb as strings */
	int			size;			/* how long an event may be; 0: as long as there is room for one */
	bool		skip_long;		/* nothing is told of one that would be longer */
	bool		strict;			/* what cannot be rendered is an error */
} EventOptions;

/* the action of an event that was published by itself, among those of the server's changes */
#define EVENT_PUBLISHED REORDER_BUFFER_CHANGE_MESSAGE

/* how long an event may be at most: a buffer's room, without what else is in a message */
#define EVENT_MAX_SIZE (1023 * 1024 * 1024)

/* the transaction an event belongs to; what is not known is zero, and not shown */
typedef struct EventStamp
{
	TransactionId xid;
	XLogRecPtr	commit_lsn;		/* of a prepared transaction, where it was prepared */
	TimestampTz commit_time;	/* likewise */
	TransactionId subxid;		/* where a subtransaction may still be rolled back */
	bool		prepared;
	const char *origin;			/* name; NULL where it is not to be shown, or there is none */
	XLogRecPtr	origin_lsn;		/* of the commit there */
} EventStamp;

/* one column as rows show it */
typedef struct EventColumn
{
	JsonColumn	json;
	int			index;			/* in the row */
	int16		len;			/* of its type */
	bool		byval;
	bool		is_json;		/* of type json or jsonb, or of a domain over them */
} EventColumn;

/* a row taken apart */
typedef struct EventRow
{
	Datum	   *values;
	bool	   *nulls;
} EventRow;

/* How the rows of a relation are shown, and under which name. */
typedef struct EventShape
{
	TupleDesc	desc;			/* of the tuples that come in */
	bool		full_identity;	/* old rows are logged whole */
	char	   *schema;			/* names; NULL when the relation that is named is gone */
	char	   *table;
	StringInfoData name;		/* ,"schema":"...","table":"..." */
	int			table_start;	/* in it, of the table's part */
	StringInfoData details;		/* members that are the same in each event of a row */
	bool		contained;		/* all columns are */
	int			ncolumns;
	Bitmapset  *key;			/* of these, those that tell rows apart */
	EventColumn *columns;		/* those that are shown, in the order in which they are */
	EventRow	old;			/* room to take rows apart */
	EventRow	new;
} EventShape;

/* What a shape is made from. */
typedef struct EventShapeSource
{
	Relation	rel;			/* whose tuples come in */
	/* whose columns are shown, by name: rel, or a partitioned table that it belongs to */
	Relation	shown;
	Oid			name;			/* the relation that is named */
	const Bitmapset *columns;	/* attribute numbers of shown; NULL for all */
	bool		types;			/* name the columns' types */
	bool		key;			/* name the primary key's columns */
} EventShapeSource;

/* ---- what cannot be rendered ---- */

/* An error in rendering, which would come again. */
typedef struct EventFault
{
	int			sqlerrcode;
	char	   *message;
	bool		too_long;
} EventFault;

/* What is missing from an event, and why. The columns are indexes in the shape's. */
typedef struct EventGaps
{
	Bitmapset  *new;			/* of the new row, or of a rollup's key and delta */
	Bitmapset  *old;
	EventFault	fault;
} EventGaps;

typedef void (*EventRender) (StringInfo out, void *argument);
typedef void (*EventRenderColumn) (StringInfo out, void *argument, int column, Datum value);

/*
 * Have something rendered, of at most this size. False, with nothing appended and the reason in
 * fault, where it cannot be; with no fault given that is an error, as is what need not come again.
 * What contained promises is in event_gaps.c; where it is not kept, a subtransaction is begun, if
 * this is a transaction.
 */
extern bool event_try(EventRender render, StringInfo out, void *argument, bool contained, int size,
					  EventFault *fault);

/*
 * Find the columns of the rows, NULL where there is none, that render cannot append, or not within
 * the size in sum.
 */
extern void event_find_gaps(EventGaps *gaps, const EventShape *shape, const EventRow *new,
							const EventRow *old, EventRenderColumn render, void *argument,
							int size);

/* Leave all columns out. */
extern void event_all_gaps(EventGaps *gaps, const EventShape *shape);

/* Append {"code":...,"message":...,"columns":[...]}. */
extern void event_append_gaps(StringInfo out, const EventGaps *gaps, const EventShape *shape);

/* What has become of an event. */
typedef enum EventResult
{
	/* nothing was appended: there is none, or it is too long and such are skipped */
	EVENT_NONE,
	EVENT_WHOLE,
	EVENT_WITH_GAPS				/* its member "unrendered" says what is missing */
} EventResult;

/*
 * What rendering needs of a relation, prepared once a backend and invalidated by the relation
 * cache. A pointer to it is good until the next call of a function of this file.
 */
typedef struct EventRelation
{
	Oid			relid;			/* hash key */
	bool		valid;			/* all below is filled in and up to date */
	bool		topic_known;	/* has_topic is */
	/* gymstream's own tables, partials, no table at all: its rows are no events */
	bool		hidden;
	bool		has_topic;		/* the subject has a topic */
	bool		stored;			/* which keeps its events */
	/* what its events are about: relid itself, or for partials the rollup's view */
	Oid			subject;
	Oid			partials;		/* of a rollup's view; otherwise InvalidOid */
	MemoryContext context;		/* holds all that follows */
	TupleDesc	desc;			/* a copy */
	EventShape	shape;			/* of all columns */
	/* of partials, once there was an event: how many keys, and which of them canonical.h has */
	int			nkeys;			/* -1: there was none */
	Bitmapset  *alike;
	/* of which its rows are events: its own, and those of partitioned tables that it is part of */
	struct EventTopic *topics;
	int			ntopics;
	Oid		   *ancestors;		/* these tables, with a topic or without */
	int			nancestors;
	bool		is_ancestor;	/* of another entry: what invalidates this one, invalidates that */
} EventRelation;

/* Find the topics of an entry whose shape is ready: see event_topic.h. */
extern void event_topics_init(EventRelation *relation, Relation rel);

extern EventStamp event_stamp(const ReorderBufferTXN *txn);

/*
 * Looked up under the snapshot in force, historic while decoding. Never NULL for an open relation.
 */
extern EventRelation *event_relation(Relation rel);

/*
 * The same by OID; NULL when there is no such relation any more. Takes a lock only where no
 * decoding goes on.
 */
extern EventRelation *event_relation_by_oid(Oid relid);

/* A hash of the names and types of the columns that there are, combined with the one given. */
extern uint32 event_hash_columns(uint32 hash, TupleDesc desc);

/*
 * True when this table or rollup (its view) has a topic. Cached, and never waits for a lock on it.
 */
extern bool event_is_published(Oid relation);

/* Whether its events are stored. */
extern bool event_is_stored(Oid relation);

/* Whether events have a member for this column. */
extern bool event_shows_column(Form_pg_attribute attribute);

/* Make a shape in context, which holds it. */
extern void event_shape_init(EventShape *shape, const EventShapeSource *source,
							 MemoryContext context);

/* Have its columns shown as these options say. */
extern void event_shape_set_options(EventShape *shape, const EventOptions *options);

/* The index of a relation's primary key, deferrable or not; InvalidOid where there is none. */
extern Oid	event_primary_key(Relation rel);

/* The attribute numbers of an index's key columns; NIL for InvalidOid. */
extern List *event_key_columns(Oid index);

/* Take a tuple apart into the shape's own room. */
extern void event_deform(const EventShape *shape, EventRow *row, HeapTuple tuple);

/* The value stayed in the TOAST table and did not come with the change. */
static inline bool
event_is_unchanged(const EventColumn *column, const EventRow *row)
{
	return column->len == -1 && !row->nulls[column->index] &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(row->values[column->index]));
}

/* Take the rows of a change apart; NULL where it has none. */
extern void event_take(EventShape *shape, ReorderBufferChange *change, const EventRow **new,
					   const EventRow **old);

/* An insert, update or delete, whose rows were taken apart. Inside a transaction. */
extern EventResult event_change(StringInfo out, const EventOptions *options,
								const EventStamp *stamp, EventShape *shape,
								ReorderBufferChange *change, const EventRow *new,
								const EventRow *old);

/* An event that was published into a topic of no table: a row of its table's row type. */
extern EventResult event_published(StringInfo out, const EventOptions *options,
								   const EventStamp *stamp, EventShape *shape, HeapTuple row);

/* How many bytes its rows have, uncompressed; reads no long value. */
extern Size event_change_size(EventShape *shape, ReorderBufferChange *change);

/*
 * The same event from rows, new or old NULL where there is none; with gaps where some of it cannot
 * be rendered, otherwise NULL.
 */
extern void event_rows(StringInfo out, const EventOptions *options, const EventStamp *stamp,
					   const EventShape *shape, enum ReorderBufferChangeType action,
					   const EventRow *new, const EventRow *old, const EventGaps *gaps);

/* What the change is called in events. */
extern const char *event_action_name(enum ReorderBufferChangeType action);

/* Append a column as event_rows does; argument is the shape. */
extern void event_column(StringInfo out, void *argument, int column, Datum value);

/*
 * Whether a truncate of this relation is an event: it is a table, or the partials of a rollup.
 */
extern bool event_shows_truncate(const EventRelation *relation);

/* A truncate of what the shape names. */
extern void event_truncate(StringInfo out, const EventOptions *options, const EventStamp *stamp,
						   const EventShape *shape, bool cascade, bool restart_identity);

/*
 * A rollup's delta, while decoding or in any transaction. None when the rollup is gone or is not
 * what it was when the message was written.
 */
extern EventResult event_rollup(StringInfo out, const EventOptions *options,
								const EventStamp *stamp, const RollupMessage *message);

/*
 * In the new row of the shape of partials, put keys in place by which all events of the group name
 * it. Returns those, by their place in the row, that other events of the group may name otherwise.
 * Appends nothing.
 */
extern const Bitmapset *event_name_group(StringInfo out, EventRelation *relation, int nkeys);

/*
 * Somebody else's logical message; one that belongs to no transaction has a stamp without xid and
 * commit time. The fault says why its content cannot be rendered; NULL: it can.
 */
extern void event_message(StringInfo out, const EventOptions *options, const EventStamp *stamp,
						  bool transactional, const char *prefix, const char *content, Size size,
						  const EventFault *fault);

/* Give an empty shape these names, in CurrentMemoryContext; and behind them a second one. */
extern void event_name(EventShape *shape, const char *schema, const char *table);
extern void event_rename(EventShape *shape, const char *schema, const char *table,
						 const EventOptions *options);

/* An event that says nothing but what has happened to what the shape names. */
extern void event_subject(StringInfo out, const EventOptions *options, const EventStamp *stamp,
						  const EventShape *shape, const char *action);

/*
 * A mark of a transaction: action says which. With a gid where the transaction is a prepared one,
 * and first where it begins to be streamed.
 */
extern void event_mark(StringInfo out, const EventOptions *options, const EventStamp *stamp,
					   const char *action, const char *gid, bool first);

#endif							/* GS_EVENT_H */
