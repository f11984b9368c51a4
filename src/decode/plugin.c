/*
 * plugin.c: the output plugin: takes decoded transactions and gives one JSON object a line for each
 * event, in commit order. A transaction without events gives nothing. Never writes, and never shows
 * the rows of gymstream's own tables.
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

/*
 * A transaction may have many changes of which none is shown. Without a word in between, one side
 * would take the other for dead.
 */
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

/*
 * The state lives in the context of the decoding, which is current here. The server frees that
 * context when the decoding ends, also after an error: no shutdown callback is needed.
 */
static void
plugin_startup(LogicalDecodingContext *ctx, OutputPluginOptions *output, bool is_init)
{
	PluginState *state = palloc0(sizeof(PluginState));
	PluginLook	look;

	ctx->output_plugin_private = state;
	plugin_options_read(&state->options, ctx->output_plugin_options);
	look = plugin_look_begin();
	plugin_names_check(&state->options);
	/* what is needed where no catalog can be read */
	state->database = get_database_name(MyDatabaseId);
	json_conversion_init();
	plugin_look_end(look);
	state->wire = state->options.debezium ? &plugin_debezium : &plugin_json;
	state->context = AllocSetContextCreate(ctx->context, "gymstream event", ALLOCSET_DEFAULT_SIZES);
	state->transaction =
		AllocSetContextCreate(ctx->context, "gymstream transaction", ALLOCSET_SMALL_SIZES);
	plugin_relations_init(
		state, AllocSetContextCreate(ctx->context, "gymstream plugin", ALLOCSET_DEFAULT_SIZES));
	plugin_write_init(ctx);
	output->output_type = OUTPUT_PLUGIN_TEXTUAL_OUTPUT;
	output->receive_rewrites = false;

	/* the server has taken the callbacks that are there for a wish */
	ctx->streaming = ctx->streaming && state->options.streaming && !is_init;
	if (!state->options.two_phase || is_init)
		ctx->twophase = false;
	else
		/* the server marks the slot as one for two-phase decoding when it finds this */
		ctx->twophase_opt_given = true;
}

/* Called while the WAL is read, before a snapshot is in force: no catalog may be read here. */
static bool
plugin_filter_origin(LogicalDecodingContext *ctx, GsOriginId origin)
{
	return ((PluginState *) ctx->output_plugin_private)->options.only_local &&
		   origin != GS_INVALID_ORIGIN;
}

/* No mark is written here: nobody knows yet whether the transaction has an event. */
static void
plugin_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;

	state->began = false;
	state->count = 0;
	state->counts = NIL;
	MemoryContextReset(state->transaction);
	plugin_schema_begin(ctx, txn);
}

/* What is being shown, for whoever has to know why it cannot be. */
typedef struct ChangePlace
{
	const EventShape *shape;
	const ReorderBufferTXN *txn;
} ChangePlace;

/*
 * An error stops a slot until its reason is gone: so it says where, and where not even more memory
 * helps how to go on. This runs inside error reporting: it reads what is in memory and looks up no
 * catalog. The names are NULL where the named relation is gone. A transaction in progress has no
 * end yet, and so no place to go on from.
 */
static void
change_context(void *argument)
{
	const ChangePlace *place = argument;

	errcontext("row of table \"%s.%s\", transaction %u",
			   place->shape->schema ? place->shape->schema : "",
			   place->shape->table ? place->shape->table : "", place->txn->xid);
	if (geterrcode() == ERRCODE_OUT_OF_MEMORY)
		errhint("Lower the option \"max-event-size\" to what there is memory for.");
	if (geterrcode() != ERRCODE_PROGRAM_LIMIT_EXCEEDED || MyReplicationSlot == NULL ||
		XLogRecPtrIsInvalid(place->txn->end_lsn))
		return;
	errhint("Set the option \"unrendered\" to \"event\", leave the table out by the option "
			"\"filter-tables\", leave columns out by a publication, or let the slot go on behind "
			"the transaction: SELECT pg_replication_slot_advance('%s', '%X/%X').",
			NameStr(MyReplicationSlot->data.name), LSN_FORMAT_ARGS(place->txn->end_lsn));
}

/* Count an event with gaps; the log is told once a transaction. */
static void
log_gaps(PluginState *state, const EventStamp *stamp, const char *schema, const char *table,
		 const EventFault *fault)
{
	state->unrendered++;
	if (state->complained == stamp->xid && TransactionIdIsValid(stamp->xid))
		return;
	state->complained = stamp->xid;
	ereport(LOG,
			(errcode(fault->sqlerrcode),
			 errmsg("could not render an event of table \"%s.%s\" whole: %s", schema, table,
					fault->message),
			 errdetail("Transaction %u, which ends before %X/%X. The event's member \"unrendered\" "
					   "says what is missing.",
					   stamp->xid, LSN_FORMAT_ARGS(stamp->commit_lsn))));
}

static PluginAction
action_of(ReorderBufferChange *change)
{
	return change->action == REORDER_BUFFER_CHANGE_INSERT ? PLUGIN_INSERT :
		change->action == REORDER_BUFFER_CHANGE_UPDATE ? PLUGIN_UPDATE : PLUGIN_DELETE;
}

/* A row's change, as it is shown. */
typedef struct Change
{
	PluginState *state;
	EventStamp	stamp;
	PluginRelation *relation;
	enum ReorderBufferChangeType action;
	EventRow   *new;
	EventRow   *old;
	const EventGaps *gaps;
} Change;

static void
render_rows(StringInfo out, void *argument)
{
	const Change *change = argument;

	change->state->wire->rows(out, change->state, &change->stamp, change->relation, change->action,
							  change->new, change->old, change->gaps);
}

/*
 * Append the event; with gaps where it cannot be rendered whole, or where there are some to begin
 * with. The first attempt has the size that the reader asked for. The second one has more, since
 * names and members stand around the columns that were found to fit. The third one holds no value,
 * and an error in it is thrown.
 */
static void
append_rows(StringInfo out, Change *change, EventGaps *gaps)
{
	PluginState *state = change->state;
	const EventOptions *options = &state->options.event;
	bool		contained = change->relation->contained;
	EventShape *shape = &change->relation->shape;

	if (change->gaps == NULL)
	{
		if (event_try(render_rows, out, change, contained, options->size,
					  options->strict ? NULL : &gaps->fault))
			return;
		event_find_gaps(gaps, shape, change->new, change->old, state->wire->column,
						change->relation, options->size);
		change->gaps = gaps;
	}
	log_gaps(state, &change->stamp, shape->schema ? shape->schema : "",
			 shape->table ? shape->table : "", &gaps->fault);
	if (event_try(render_rows, out, change, contained, EVENT_MAX_SIZE, &gaps->fault))
		return;
	event_all_gaps(gaps, shape);
	render_rows(out, change);
}

static void
write_rows(LogicalDecodingContext *ctx, Change *change, EventGaps *gaps)
{
	append_rows(plugin_write_begin(ctx), change, gaps);
	plugin_write_end(ctx);
}

/*
 * Long values that stayed in the TOAST table must have been completed before. An incomplete one
 * would look like a change.
 */
static bool
key_changed(const PluginRelation *relation, const EventRow *new, const EventRow *old)
{
	for (int i = -1; (i = bms_next_member(relation->key, i)) >= 0;)
	{
		Form_pg_attribute attribute = TupleDescAttr(relation->shape.desc, i);

		if (new->nulls[i] != old->nulls[i] ||
			(!new->nulls[i] && !datum_image_eq(new->values[i], old->values[i], attribute->attbyval,
											   attribute->attlen)))
			return true;
	}
	return false;
}

/* What is to be known of a change before it is shown, from its values. */
typedef struct Judgement
{
	Change	   *change;
	bool		passes;			/* the row filter */
	/* what tells rows apart changes, which the wire format shows as two events */
	bool		moves;
} Judgement;

static void
judge_change(StringInfo out, void *argument)
{
	Judgement  *judgement = argument;
	Change	   *change = judgement->change;
	PluginRelation *relation = change->relation;

	if (relation->filter != NULL && !plugin_row_filter(relation->filter, &relation->shape,
													   &change->action, change->new, change->old))
		return;

	/*
	 * The filter may have turned an update into an insert or a delete. The row that does not pass
	 * is none of the reader's: it is not shown.
	 */
	judgement->passes = true;
	if (change->action == REORDER_BUFFER_CHANGE_INSERT)
		change->old = NULL;
	if (change->action == REORDER_BUFFER_CHANGE_DELETE)
		change->new = NULL;
	if (!change->state->wire->by_key || change->new == NULL || change->old == NULL)
		return;
	plugin_complete(&relation->shape, change->new, change->old);
	judgement->moves = key_changed(relation, change->new, change->old);
}

/*
 * False for a row that does not pass. A filter may fail: then nobody knows whether the row passes,
 * and the event is shown without any value.
 */
static bool
is_shown(Judgement *judgement, EventGaps *gaps)
{
	Change	   *change = judgement->change;
	const EventOptions *options = &change->state->options.event;
	/* the executor may hold more than memory when a filter's expression fails */
	bool		contained = change->relation->filter == NULL;
	Change		before = *change;

	if (contained && !change->state->wire->by_key)
		return true;
	/* nothing is written: any buffer will do */
	if (event_try(judge_change, &change->state->scratch, judgement, contained, EVENT_MAX_SIZE,
				  options->strict ? NULL : &gaps->fault))
		return judgement->passes;
	/* The filter may have changed the action before it failed. */
	*change = before;
	event_all_gaps(gaps, &change->relation->shape);
	change->gaps = gaps;
	return true;
}

/*
 * Runs under the historic snapshot of the change, in the context of the event. The rows are taken
 * apart into the relation's own room, which the next change of the relation overwrites. Their
 * values point into the tuples, which the reorder buffer owns.
 */
static void
show_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, PluginRelation *relation,
			ReorderBufferChange *change)
{
	PluginState *state = ctx->output_plugin_private;
	HeapTuple	old = gs_change_tuple(change->data.tp.oldtuple);
	HeapTuple	new = gs_change_tuple(change->data.tp.newtuple);
	Change		shown = {.state = state, .relation = relation, .action = change->action};
	Judgement	judgement = {&shown};
	EventGaps	gaps = {NULL};

	if (old != NULL)
	{
		shown.old = &relation->shape.old;
		event_deform(&relation->shape, shown.old, old);
	}
	if (new != NULL)
	{
		shown.new = &relation->shape.new;
		event_deform(&relation->shape, shown.new, new);
	}

	/*
	 * The filter is asked before the transaction is said to have begun. A transaction of which no
	 * row passes must get no mark.
	 */
	if (!is_shown(&judgement, &gaps))
		return;
	/* The mark comes before the event begins: both are written to the same buffer. */
	plugin_transaction_shown(ctx, txn);
	shown.stamp = plugin_stamp(state, txn, change->txn);
	state->change_lsn = change->lsn;
	if (judgement.moves)
	{
		/*
		 * The copy is made before the delete is written, which may find gaps. The gaps of one event
		 * say nothing of the other one.
		 */
		Change		inserted = shown;

		shown.action = REORDER_BUFFER_CHANGE_DELETE;
		shown.new = NULL;
		write_rows(ctx, &shown, &gaps);
		memset(&gaps, 0, sizeof(gaps));
		inserted.action = REORDER_BUFFER_CHANGE_INSERT;
		inserted.old = NULL;
		write_rows(ctx, &inserted, &gaps);
	}
	else
		write_rows(ctx, &shown, &gaps);
}

/*
 * An error that decoding survives leaves the event's context as it is. The reset after the next
 * event frees what is left in it.
 */
static void
plugin_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, Relation rel,
			  ReorderBufferChange *change)
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
 * A partition that is shown under its root's name is truncated with it; alone, under its own name:
 * the root was not truncated.
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

/*
 * One truncate names several relations, and each one that is shown gives an event. The shape is
 * good only until the next relation is looked up.
 */
static void
plugin_truncate(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, int n, Relation rels[],
				ReorderBufferChange *change)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);

	plugin_progress(ctx);
	for (int i = 0; i < n && !state->options.skip_output; i++)
	{
		PluginRelation *relation = plugin_relation(state, rels[i]);
		const EventShape *shape;
		EventStamp	stamp;

		plugin_schema_truncated(state, relation->relid);
		if (!(relation->actions & PLUGIN_TRUNCATE))
			continue;
		shape = truncated_shape(relation, rels[i], n, rels);
		if (shape == NULL || shape->name.len == 0)
			continue;
		plugin_transaction_shown(ctx, txn);
		stamp = plugin_stamp(state, txn, change->txn);
		state->change_lsn = change->lsn;
		state->wire->truncate(plugin_write_begin(ctx), state, &stamp, shape,
							  change->data.truncate.cascade, change->data.truncate.restart_seqs);
		plugin_write_end(ctx);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

/*
 * Here all that was collected must be sent: the next write may belong to another transaction. A
 * transaction without events counts as skipped, and the server then tells a synchronous reader at
 * once, for whom a commit may be waiting.
 */
static void
plugin_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
	PluginState *state = ctx->output_plugin_private;

	plugin_schema_end(ctx, txn);
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
