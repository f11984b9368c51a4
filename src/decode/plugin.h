/*
 * plugin.h: what the files of the output plugin share: its options, its state and the order in
 * which a change goes through them.
 *
 * plugin.c and plugin_stream.c are called with a change, plugin_relation.c says whether and how its
 * relation is shown, plugin_publication.c and plugin_row_filter.c what publications say of it, a
 * PluginWire how it looks, plugin_write.c brings it to whoever reads.
 */
#ifndef GS_PLUGIN_H
#define GS_PLUGIN_H

#include "base/base.h"

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"

#include "decode/debezium.h"
#include "decode/event.h"

/* what can be shown, as bits */
typedef enum PluginAction
{
	PLUGIN_INSERT = 1 << 0,
	PLUGIN_UPDATE = 1 << 1,
	PLUGIN_DELETE = 1 << 2,
	PLUGIN_TRUNCATE = 1 << 3,
	PLUGIN_ROLLUP = 1 << 4,
	PLUGIN_MESSAGE = 1 << 5,
	PLUGIN_EVENT = 1 << 6,
	PLUGIN_ALL = (1 << 7) - 1
} PluginAction;

#define PLUGIN_ROWS (PLUGIN_INSERT | PLUGIN_UPDATE | PLUGIN_DELETE)

/*
 * a table of a list, or all of a schema, or of that name in any schema, or a message's prefix (as
 * name)
 */
typedef struct PluginPattern
{
	char	   *schema;			/* NULL for any */
	char	   *name;			/* NULL for any */
} PluginPattern;

typedef struct PluginOptions
{
	EventOptions event;
	bool		schemas;		/* name the tables' schemas */
	bool		types;			/* name the columns' types */
	bool		key;			/* name the primary key's columns */
	bool		origins;		/* name the origin */
	bool		transactions;	/* show begin and commit */
	bool		messages;		/* show other people's messages */
	bool		schema_changes; /* show DDL on what is shown */
	bool		streaming;
	bool		two_phase;
	bool		only_local;		/* nothing that came from elsewhere */
	bool		via_root;		/* partitions under their root's name */
	bool		pretty;
	bool		batch;			/* several events in one message to a walsender's client */
	bool		skip_output;	/* decode all and show nothing */
	bool		missing_tables; /* the list of tables may name what does not exist */
	bool		debezium;		/* the format, and these are its options: */
	bool		connect_schemas;	/* each event carries its schema */
	DebeziumDecimal decimal;
	char	   *topic_prefix;
	int			actions;		/* PluginAction bits */
	List	   *add_tables;		/* of PluginPattern, as the following; NIL for all */
	List	   *filter_tables;
	List	   *add_prefixes;
	List	   *filter_prefixes;
	List	   *publications;	/* names; NIL: all tables */
} PluginOptions;

/* A relation as this session shows it, prepared once and invalidated by the caches. */
typedef struct PluginRelation
{
	Oid			relid;			/* hash key */
	bool		valid;
	/* under whose name: itself, a partitioned table it belongs to, or a rollup's view */
	Oid			shown;
	int			actions;		/* PluginAction bits; 0: nothing is shown */
	MemoryContext context;		/* holds what follows */
	EventShape	shape;
	/* indexes in the row of the columns that tell rows apart, if the wire format asks for it */
	Bitmapset  *key;
	struct PluginRowFilter *filter; /* NULL: all rows */
	void	   *wire;			/* what the wire format has prepared */
	/* as the wire format shows them, all columns are; see event_gaps.c */
	bool		contained;
} PluginRelation;

typedef struct PluginState
{
	MemoryContext context;		/* reset after each event */
	MemoryContext cache;		/* of relations */
	PluginOptions options;
	const struct PluginWire *wire;
	const char *database;		/* whose log it is */
	HTAB	   *relations;
	PluginRelation *last;		/* found last */
	bool		batching;		/* events are collected in the message to be sent */
	int			header_len;		/* of that, what stands before the events; 0: none is begun */
	int			event_start;	/* in it, of the event being written; -1: none is */
	StringInfoData scratch;		/* an event before it is made pretty */
	/* this transaction, or this block of a streamed one, had an event */
	bool		began;
	bool		in_stream;		/* a block of a transaction in progress is being decoded */
	int			changes;		/* since progress was reported last */
	GsOriginId origin_id;		/* whose name is: */
	char	   *origin;
	bool		warned;			/* of a publication that is missing */
	uint64		unrendered;		/* events that could not be rendered whole, in this session */
	TransactionId complained;	/* the transaction of which the log has been told that */
	XLogRecPtr	change_lsn;		/* of the event at hand */
	XLogRecPtr	last_commit;	/* end of the last transaction that had an event */
	MemoryContext transaction;	/* reset when one begins; holds what follows */
	int64		count;			/* of its events */
	List	   *counts;			/* of them by table, as the wire format keeps them */
	List	   *looks;			/* at the relations that it may change; plugin_schema.c */
} PluginState;

/* A wire format: each appends one event. */
typedef struct PluginWire
{
	/*
	 * a row whose key changes is deleted and inserted; values that stayed are taken from the old
	 * row
	 */
	bool		by_key;
	void (*rows)(StringInfo out, PluginState *state, const EventStamp *stamp,
				 PluginRelation *relation, enum ReorderBufferChangeType action, const EventRow *new,
				 const EventRow *old, const EventGaps *gaps);
	EventRenderColumn column;	/* one column of them; the argument is the PluginRelation */
	void		(*prepare) (PluginState *state, PluginRelation *relation);
	void (*truncate)(StringInfo out, PluginState *state, const EventStamp *stamp,
					 const EventShape *shape, bool cascade, bool restart_identity);
	EventResult (*rollup)(StringInfo out, PluginState *state, const EventStamp *stamp,
						  const RollupMessage *message);
	/* an event of a topic of no table */
	EventResult (*published)(StringInfo out, PluginState *state, const EventStamp *stamp,
							 PluginRelation *relation, HeapTuple row);
	void (*message)(StringInfo out, PluginState *state, const EventStamp *stamp, bool transactional,
					const char *prefix, const char *content, Size size, const EventFault *fault);
	/* see event_mark */
	void (*mark)(StringInfo out, PluginState *state, const EventStamp *stamp, const char *action,
				 const char *gid, bool first);
} PluginWire;

/* ---- plugin_options.c ---- */

/*
 * Read what was given, a list of DefElem, on top of the defaults; an error names what is wrong with
 * it.
 */
extern void plugin_options_read(PluginOptions *options, List *given);

/* Whether a table is shown as far as the lists say, and a message of this prefix. */
extern bool plugin_lists_table(const PluginOptions *options, const char *schema, const char *name);
extern bool plugin_lists_prefix(const PluginOptions *options, const char *prefix);

/* ---- plugin_names.c ---- */

/* An error where the list of tables names what does not exist. In a transaction. */
extern void plugin_names_check(const PluginOptions *options);

/* ---- plugin_relation.c ---- */

extern void plugin_relations_init(PluginState *state, MemoryContext context);

/* How a relation is shown; never NULL. Good until the next call. */
extern PluginRelation *plugin_relation(PluginState *state, Relation rel);

/* Whether a rollup's deltas are shown: by its view. */
extern bool plugin_shows_rollup(PluginState *state, Oid rollup);

/* ---- plugin_publication.c ---- */

/* What the publications of the options say of a relation. */
typedef struct PluginPublished
{
	int			actions;		/* PluginAction bits */
	/* itself, or the partitioned table that is published in its place */
	Oid			shown;
	Bitmapset  *columns;		/* attribute numbers of shown; NULL for all */
	/* of expressions over shown: for insert, update, delete; NIL for all rows */
	List	   *filters[3];
} PluginPublished;

/* Allocates in CurrentMemoryContext. */
extern void plugin_published(PluginState *state, Relation rel, PluginPublished *published);

/* Whether a view in this schema is in one of the publications: all tables, or all of the schema. */
extern bool plugin_publishes_view(PluginState *state, Oid schema);

/* ---- plugin_row_filter.c ---- */

/* Make the filter of a relation in its context. NULL where no row is left out. */
extern struct PluginRowFilter *plugin_row_filter_make(const PluginPublished *published,
													  Relation rel, Relation shown,
													  MemoryContext context);

/*
 * Whether the change passes. An update of which only one row passes becomes an insert or a delete.
 * Values that stayed in the TOAST table are taken from the old row, into the new one, where that
 * has them.
 */
extern bool plugin_row_filter(struct PluginRowFilter *filter, const EventShape *shape,
							  enum ReorderBufferChangeType *action, EventRow *new, EventRow *old);

/* Take values that stayed in the TOAST table from the old row where that has them. */
extern void plugin_complete(const EventShape *shape, EventRow *new, const EventRow *old);

/* ---- plugin_write.c ---- */

extern void plugin_write_init(LogicalDecodingContext *ctx);

/* Where to append an event's JSON; then plugin_write_end. */
extern StringInfo plugin_write_begin(LogicalDecodingContext *ctx);
extern void plugin_write_end(LogicalDecodingContext *ctx);

/* Bring what was written to whoever reads. */
extern void plugin_write_flush(LogicalDecodingContext *ctx);

/* ---- plugin_mark.c ---- */

/*
 * A look into catalogs, also outside of a transaction: so a walsender starts, and tells what
 * becomes of a prepared one.
 */
typedef struct PluginLook
{
	MemoryContext context;
	bool		alone;
} PluginLook;

extern PluginLook plugin_look_begin(void);
extern void plugin_look_end(PluginLook look);

/* The stamp of a transaction's events; change_txn is the subtransaction, or NULL. */
extern EventStamp plugin_stamp(PluginState *state, ReorderBufferTXN *txn,
							   const ReorderBufferTXN *change_txn);

/*
 * Call before an event of a transaction is written: shows that the transaction begins, where asked
 * for.
 */
extern void plugin_transaction_shown(LogicalDecodingContext *ctx, ReorderBufferTXN *txn);

/* Write a mark of a transaction. */
extern void plugin_mark(LogicalDecodingContext *ctx, const EventStamp *stamp, const char *action,
						const char *gid, bool first);

/*
 * Whether a block of the streamed transaction was shown. The reorder buffer remembers it with the
 * transaction.
 */
extern bool plugin_mark_was_shown(const ReorderBufferTXN *txn);

/* ---- plugin_schema.c ---- */

/* Call where a transaction begins, and where it ends, both under its snapshot. */
extern void plugin_schema_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn);
extern void plugin_schema_end(LogicalDecodingContext *ctx, ReorderBufferTXN *txn);

/* If a transactional message says that a rollup was rebuilt, take it and return true. */
extern bool plugin_schema_message(PluginState *state, ReorderBufferTXN *txn, const char *prefix,
								  Size size, const char *content);

/* The transaction truncates a relation. */
extern void plugin_schema_truncated(PluginState *state, Oid relid);

/* ---- plugin.c ---- */

/* Report progress now and then; call for each change. */
extern void plugin_progress(LogicalDecodingContext *ctx);

/* ---- plugin_message.c ---- */

extern void plugin_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn,
						   bool transactional, const char *prefix, Size size,
						   const char *content);

/* ---- plugin_stream.c ---- */

extern void plugin_stream_init(OutputPluginCallbacks *callbacks);

/* ---- wire formats ---- */

extern const PluginWire plugin_json;
extern const PluginWire plugin_debezium;

#endif							/* GS_PLUGIN_H */
