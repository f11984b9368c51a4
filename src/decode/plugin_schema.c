/*
 * plugin_schema.c: takes a transaction with DDL, and gives the events "changed" and "dropped" of
 * the relations that this session shows. Reads catalogs under historic snapshots; takes no lock.
 *
 * DDL can change rows that no event of a row tells of: a column with a default, another type. It
 * leaves invalidations of the relation cache, which the reorder buffer has gathered when the
 * transaction is decoded. They say that something may have changed, not what. So the relations are
 * looked at twice: where the transaction begins, under the snapshot of before, and where it ends.
 * Nothing need be remembered from one session to the next.
 */
#include "decode/plugin.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "storage/sinval.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "base/seal.h"

/* What matters of a relation. */
typedef struct SchemaState
{
	Oid			subject;		/* whose name events bear; InvalidOid: it has none */
	bool		shown;			/* under that name, by this session */
	char	   *schema;
	char	   *table;
	uint32		columns;		/* hash of names and types */
	Oid			file;			/* where its rows are */
} SchemaState;

typedef struct SchemaLook
{
	Oid			relid;
	bool		created;		/* by the transaction */
	bool		truncated;		/* likewise; that is an event of its own */
	bool		rebuilt;		/* likewise: a rollup */
	SchemaState before;
} SchemaLook;

/* A rollup's view, by which its deltas are shown, or a relation that has events of its own. */
static Oid
find_subject(PluginState *state, Relation rel, bool *shown)
{
	EventRelation *known = event_relation(rel);
	Oid			rollup = known->subject;
	PluginRelation *relation;

	if (OidIsValid(known->partials) || rollup != RelationGetRelid(rel))
	{
		*shown = plugin_shows_rollup(state, rollup);
		return rollup;
	}
	if (known->hidden && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		return InvalidOid;
	relation = plugin_relation(state, rel);
	*shown = relation->actions != 0;
	return relation->shown;
}

/* there is false where there is no such relation at all. */
static SchemaState
look_at(PluginState *state, Oid relid, bool *there)
{
	SchemaState now = {InvalidOid};
	Relation	rel = RelationIdGetRelation(relid);
	MemoryContext old;

	*there = rel != NULL;
	if (rel == NULL)
		return now;
	/* What is temporary or unlogged has no events. */
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_PERMANENT &&
		(rel->rd_rel->relkind == RELKIND_RELATION || rel->rd_rel->relkind == RELKIND_VIEW ||
		 rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE))
		now.subject = find_subject(state, rel, &now.shown);
	/* What is remembered outlives the look-ups of the other relations. */
	old = MemoryContextSwitchTo(state->transaction);
	if (OidIsValid(now.subject) && get_rel_name(now.subject) != NULL)
	{
		now.table = get_rel_name(now.subject);
		now.schema = get_namespace_name(get_rel_namespace(now.subject));
		now.columns = event_hash_columns(0, RelationGetDescr(rel));
		now.file = rel->rd_rel->relfilenode;
	}
	MemoryContextSwitchTo(old);
	if (now.schema == NULL)
		now.subject = InvalidOid;
	RelationClose(rel);
	return now;
}

static SchemaLook *
find_look(PluginState *state, Oid relid)
{
	ListCell   *cell;

	foreach(cell, state->looks)
		if (((SchemaLook *) lfirst(cell))->relid == relid)
			return lfirst(cell);
	return NULL;
}

static void
remember(PluginState *state, HTAB *seen, Oid relid)
{
	SchemaLook *look;
	MemoryContext old;
	bool		found;
	bool		there;

	if (relid < FirstNormalObjectId)
		return;
	hash_search(seen, &relid, HASH_ENTER, &found);
	if (found)
		return;
	look = MemoryContextAllocZero(state->transaction, sizeof(SchemaLook));
	look->relid = relid;
	look->before = look_at(state, relid, &there);
	look->created = !there;
	old = MemoryContextSwitchTo(state->transaction);
	state->looks = lappend(state->looks, look);
	MemoryContextSwitchTo(old);
}

/* The relations that this session has met so far, shown or not: a name may be shown from now on. */
static void
remember_all(PluginState *state, HTAB *seen)
{
	HASH_SEQ_STATUS all;
	PluginRelation *relation;
	List	   *relids = NIL;
	ListCell   *cell;

	/* Looking at one may change the table. */
	hash_seq_init(&all, state->relations);
	while ((relation = hash_seq_search(&all)) != NULL)
		relids = lappend_oid(relids, relation->relid);
	foreach(cell, relids)
		remember(state, seen, lfirst_oid(cell));
}

void
plugin_schema_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(Oid)};
	MemoryContext old;
	HTAB	   *seen;

	state->looks = NIL;
	if (!state->options.schema_changes || state->options.skip_output || txn->ninvalidations == 0)
		return;
	old = MemoryContextSwitchTo(state->context);
	control.hcxt = CurrentMemoryContext;
	seen = hash_create("gymstream relations of DDL", 64, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (uint32 i = 0; i < txn->ninvalidations; i++)
	{
		const SharedInvalidationMessage *message = &txn->invalidations[i];

		if (message->id == SHAREDINVALRELCACHE_ID && message->rc.dbId == MyDatabaseId)
			remember(state, seen, message->rc.relId);
		/* Another name of a schema invalidates no relation. */
		else if (message->id == NAMESPACEOID && message->cc.dbId == MyDatabaseId)
			remember_all(state, seen);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

void
plugin_schema_truncated(PluginState *state, Oid relid)
{
	SchemaLook *look = find_look(state, relid);

	if (look != NULL)
		look->truncated = true;
}

bool
plugin_schema_message(PluginState *state, ReorderBufferTXN *txn, const char *prefix, Size size,
					  const char *content)
{
	RollupMessage message;
	RollupNote	note;
	SchemaLook *look;

	if (strcmp(prefix, GS_MESSAGE_PREFIX) != 0 ||
		!message_read_note(content, size, txn->xid, &message, &note) || note != ROLLUP_REBUILT)
		return false;
	look = find_look(state, message.rollup);
	if (look != NULL)
		look->rebuilt = true;
	return true;
}

/* What is told at the end of a transaction. */
typedef struct SchemaEvents
{
	LogicalDecodingContext *ctx;
	ReorderBufferTXN *txn;
	List	   *told;			/* what was told, as text */
} SchemaEvents;

static bool
is_told(SchemaEvents *events, const char *action, const EventShape *shape)
{
	char	   *text = psprintf("%s%s", action, shape->name.data);
	ListCell   *cell;

	foreach(cell, events->told)
		if (strcmp(lfirst(cell), text) == 0)
			return true;
	events->told = lappend(events->told, text);
	return false;
}

/*
 * The second name is what the first has become; NULL where it has not. A rollup is looked at by its
 * view and by its partials, and a root by each of its partitions: the same is told once.
 */
static void
show_change(SchemaEvents *events, const char *action, const SchemaState *named,
			const SchemaState *renamed)
{
	LogicalDecodingContext *ctx = events->ctx;
	ReorderBufferTXN *txn = events->txn;
	PluginState *state = ctx->output_plugin_private;
	EventShape	shape = {NULL};
	EventStamp	stamp;

	event_name(&shape, named->schema, named->table);
	if (renamed != NULL)
		event_rename(&shape, renamed->schema, renamed->table, &state->options.event);
	if (is_told(events, action, &shape))
		return;
	plugin_transaction_shown(ctx, txn);
	stamp = plugin_stamp(state, txn, NULL);
	event_subject(plugin_write_begin(ctx), &state->options.event, &stamp, &shape, action);
	plugin_write_end(ctx);
}

/*
 * An event stands under each name that is shown: the one that the relation had, by which a reader
 * knows it, and another that it has now, which a reader may take for what had this name before.
 */
static void
show_look(SchemaEvents *events, const SchemaLook *look, const SchemaState *after)
{
	const SchemaState *before = &look->before;
	bool		was = OidIsValid(before->subject);
	bool		is = OidIsValid(after->subject);
	bool		renamed = was && is && (strcmp(before->schema, after->schema) != 0 ||
										strcmp(before->table, after->table) != 0);

	if (was && is && !renamed && !look->rebuilt && before->columns == after->columns &&
		(before->file == after->file || look->truncated))
		return;
	if (was && before->shown)
		show_change(events, is ? "changed" : "dropped", before, renamed ? after : NULL);
	/* What is new is told of by its rows. */
	if (is && after->shown && (renamed || (!was && !look->created)))
		show_change(events, "changed", after, NULL);
}

void
plugin_schema_end(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	SchemaEvents events = {ctx, txn, NIL};
	ListCell   *cell;

	foreach(cell, state->looks)
	{
		const SchemaLook *look = lfirst(cell);
		bool		there;
		SchemaState after = look_at(state, look->relid, &there);

		show_look(&events, look, &after);
	}
	state->looks = NIL;
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}
