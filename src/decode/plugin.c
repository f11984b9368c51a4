/*
 * plugin.c: the output plugin: takes decoded transactions and gives one JSON object a line for each event, in commit
 * order. A transaction without events gives nothing. Never writes, and never shows the rows of gymstream's own tables.
 */
#include "decode/plugin.h"

#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "replication/origin.h"
#include "replication/slot.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* a receiver hears of us at least every so many changes, shown or not */
#define CHANGES_PER_PROGRESS 100

PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks *callbacks);

/* ---- what callbacks share ---- */

void
plugin_progress(LogicalDecodingContext *ctx)
{
	PluginState *state = ctx->output_plugin_private;

	if (GS_PLUGIN_REPORTS_PROGRESS && ++state->changes >= CHANGES_PER_PROGRESS)
	{
		OutputPluginUpdateProgress(ctx, false);
		state->changes = 0;
	}
}

/* ---- callbacks ---- */

static void
plugin_startup(LogicalDecodingContext *ctx, OutputPluginOptions *output, bool is_init)
{
	PluginState *state = palloc0(sizeof(PluginState));
	PluginLook	look = plugin_look_begin();

	/* what is needed where no catalog can be read */
	state->database = get_database_name(MyDatabaseId);
	json_conversion_init();
	plugin_look_end(look);
	ctx->output_plugin_private = state;
	plugin_options_read(&state->options, ctx->output_plugin_options);
	state->wire = state->options.debezium ? &plugin_debezium : &plugin_json;
	state->context = AllocSetContextCreate(ctx->context, "gymstream event", ALLOCSET_DEFAULT_SIZES);
	state->transaction = AllocSetContextCreate(ctx->context, "gymstream transaction", ALLOCSET_SMALL_SIZES);
	plugin_relations_init(state, AllocSetContextCreate(ctx->context, "gymstream plugin", ALLOCSET_DEFAULT_SIZES));
	plugin_write_init(ctx);
	output->output_type = OUTPUT_PLUGIN_TEXTUAL_OUTPUT;
	output->receive_rewrites = false;

	/* the server has taken the callbacks that are there for a wish */
	ctx->streaming = ctx->streaming && state->options.streaming && !is_init;
	if (!state->options.two_phase || is_init)
		ctx->twophase = false;
	else
		ctx->twophase_opt_given = true;
}

static bool
plugin_filter_origin(LogicalDecodingContext *ctx, GsOriginId origin)
{
	return ((PluginState *) ctx->output_plugin_private)->options.only_local && origin != GS_INVALID_ORIGIN;
}

static void
plugin_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;

	state->began = false;
	state->count = 0;
	state->counts = NIL;
	MemoryContextReset(state->transaction);
}

/* What is being shown, for whoever has to know why it cannot be. */
typedef struct ChangePlace
{
	const EventShape *shape;
	const ReorderBufferTXN *txn;
} ChangePlace;

/* An error stops a slot until its reason is gone: so it says where, and where not even more memory helps how to go on. */
static void
change_context(void *argument)
{
	const ChangePlace *place = argument;

	errcontext("row of table \"%s.%s\", transaction %u", place->shape->schema ? place->shape->schema : "",
			   place->shape->table ? place->shape->table : "", place->txn->xid);
	if (geterrcode() != ERRCODE_PROGRAM_LIMIT_EXCEEDED || MyReplicationSlot == NULL || XLogRecPtrIsInvalid(place->txn->end_lsn))
		return;
	errhint("An event has at most 1 GB. Leave the table out by the option \"filter-tables\", leave columns out by a publication, or let the slot go on behind the transaction: SELECT pg_replication_slot_advance('%s', '%X/%X').",
			NameStr(MyReplicationSlot->data.name), LSN_FORMAT_ARGS(place->txn->end_lsn));
}

static PluginAction
action_of(ReorderBufferChange *change)
{
	return change->action == REORDER_BUFFER_CHANGE_INSERT ? PLUGIN_INSERT :
		change->action == REORDER_BUFFER_CHANGE_UPDATE ? PLUGIN_UPDATE : PLUGIN_DELETE;
}

static void
write_rows(LogicalDecodingContext *ctx, const EventStamp *stamp, PluginRelation *relation,
		   enum ReorderBufferChangeType action, const EventRow *new, const EventRow *old)
{
	PluginState *state = ctx->output_plugin_private;

	state->wire->rows(plugin_write_begin(ctx), state, stamp, relation, action, new, old);
	plugin_write_end(ctx);
}

static bool
key_changed(const PluginRelation *relation, const EventRow *new, const EventRow *old)
{
	for (int i = -1; (i = bms_next_member(relation->key, i)) >= 0;)
	{
		Form_pg_attribute attribute = TupleDescAttr(relation->shape.desc, i);

		if (new->nulls[i] != old->nulls[i] ||
			(!new->nulls[i] && !datum_image_eq(new->values[i], old->values[i], attribute->attbyval, attribute->attlen)))
			return true;
	}
	return false;
}

static void
show_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, PluginRelation *relation, ReorderBufferChange *change)
{
	PluginState *state = ctx->output_plugin_private;
	HeapTuple	old_tuple = gs_change_tuple(change->data.tp.oldtuple);
	HeapTuple	new_tuple = gs_change_tuple(change->data.tp.newtuple);
	EventRow   *old = old_tuple ? &relation->shape.old : NULL;
	EventRow   *new = new_tuple ? &relation->shape.new : NULL;
	enum ReorderBufferChangeType action = change->action;
	EventStamp	stamp;

	if (old)
		event_deform(&relation->shape, old, old_tuple);
	if (new)
		event_deform(&relation->shape, new, new_tuple);
	if (relation->filter != NULL && !plugin_row_filter(relation->filter, &relation->shape, &action, new, old))
		return;
	if (action != change->action)
	{
		old = action == REORDER_BUFFER_CHANGE_INSERT ? NULL : old;
		new = action == REORDER_BUFFER_CHANGE_DELETE ? NULL : new;
	}
	if (state->wire->by_key && new && old)
		plugin_complete(&relation->shape, new, old);
	plugin_transaction_shown(ctx, txn);
	stamp = plugin_stamp(state, txn, change->txn);
	state->change_lsn = change->lsn;
	if (new && old && key_changed(relation, new, old))
	{
		write_rows(ctx, &stamp, relation, REORDER_BUFFER_CHANGE_DELETE, NULL, old);
		write_rows(ctx, &stamp, relation, REORDER_BUFFER_CHANGE_INSERT, new, NULL);
	}
	else
		write_rows(ctx, &stamp, relation, action, new, old);
}

static void
plugin_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, Relation rel, ReorderBufferChange *change)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old;
	PluginRelation *relation;

	plugin_progress(ctx);
	if (state->options.skip_output)
		return;
	old = MemoryContextSwitchTo(state->context);
	relation = plugin_relation(state, rel);
	if (relation->actions & action_of(change))
	{
		ChangePlace place = {&relation->shape, txn};
		ErrorContextCallback callback = {error_context_stack, change_context, &place};

		error_context_stack = &callback;
		show_change(ctx, txn, relation, change);
		error_context_stack = callback.previous;
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

/*
 * A partition that is shown under its root's name is truncated with it; alone, under its own name: the root was not
 * truncated.
 */
static const EventShape *
truncated_shape(const PluginRelation *relation, Relation rel, int n, Relation rels[])
{
	if (!rel->rd_rel->relispartition || relation->shown == relation->relid)
		return &relation->shape;
	for (int i = 0; i < n; i++)
	{
		if (RelationGetRelid(rels[i]) == relation->shown)
			return NULL;
	}
	return &event_relation(rel)->shape;
}

static void
plugin_truncate(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, int n, Relation rels[], ReorderBufferChange *change)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);

	plugin_progress(ctx);
	for (int i = 0; i < n && !state->options.skip_output; i++)
	{
		PluginRelation *relation = plugin_relation(state, rels[i]);
		const EventShape *shape;
		EventStamp	stamp;

		if (!(relation->actions & PLUGIN_TRUNCATE))
			continue;
		shape = truncated_shape(relation, rels[i], n, rels);
		if (shape == NULL || shape->name.len == 0)
			continue;
		plugin_transaction_shown(ctx, txn);
		stamp = plugin_stamp(state, txn, change->txn);
		state->change_lsn = change->lsn;
		state->wire->truncate(plugin_write_begin(ctx), state, &stamp, shape, change->data.truncate.cascade,
							  change->data.truncate.restart_seqs);
		plugin_write_end(ctx);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

static bool
render_message(StringInfo out, PluginState *state, EventStamp *stamp, bool transactional, const char *prefix,
			   Size size, const char *content)
{
	RollupMessage message;

	if (transactional && strcmp(prefix, GS_MESSAGE_PREFIX) == 0 && message_read(content, size, stamp->xid, &message))
	{
		if (state->in_stream && message.subxid != stamp->xid)
			stamp->subxid = message.subxid;
		return plugin_shows_rollup(state, message.rollup) && state->wire->rollup(out, state, stamp, &message);
	}
	if (!state->options.messages || !(state->options.actions & PLUGIN_MESSAGE) ||
		!plugin_lists_prefix(&state->options, prefix))
		return false;
	state->wire->message(out, state, stamp, transactional, prefix, content, size);
	return true;
}

static void
plugin_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn, bool transactional,
			   const char *prefix, Size size, const char *content)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	EventStamp	stamp = {.commit_lsn = lsn};
	StringInfoData event;

	plugin_progress(ctx);
	if (transactional)
		stamp = plugin_stamp(state, txn, NULL);
	initStringInfo(&event);
	state->change_lsn = lsn;
	if (!state->options.skip_output && render_message(&event, state, &stamp, transactional, prefix, size, content))
	{
		if (transactional)
			plugin_transaction_shown(ctx, txn);
		appendBinaryStringInfo(plugin_write_begin(ctx), event.data, event.len);
		plugin_write_end(ctx);
		if (!transactional)
			plugin_write_flush(ctx);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

static void
plugin_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
	PluginState *state = ctx->output_plugin_private;

	if (state->began && state->options.transactions)
	{
		EventStamp	stamp = plugin_stamp(state, txn, NULL);

		plugin_mark(ctx, &stamp, "commit", NULL, false);
	}
	plugin_write_flush(ctx);
	if (state->began)
		state->last_commit = txn->end_lsn;
	state->changes = 0;
	OutputPluginUpdateProgress(ctx, !state->began);
}

void
_PG_output_plugin_init(OutputPluginCallbacks *callbacks)
{
	callbacks->startup_cb = plugin_startup;
	callbacks->filter_by_origin_cb = plugin_filter_origin;
	callbacks->begin_cb = plugin_begin;
	callbacks->change_cb = plugin_change;
	callbacks->truncate_cb = plugin_truncate;
	callbacks->message_cb = plugin_message;
	callbacks->commit_cb = plugin_commit;
	plugin_stream_init(callbacks);
}
