/*
 * plugin.c: the output plugin: takes decoded transactions and gives one JSON object a line for each event, in commit
 * order. A transaction without events gives nothing. Never writes, and never shows the rows of gymstream's own tables.
 */
#include "gymstream.h"

#include "event.h"
#include "nodes/parsenodes.h"
#include "replication/logical.h"
#include "replication/output_plugin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* a receiver hears of us at least every so many changes, shown or not */
#define CHANGES_PER_PROGRESS 100

typedef struct PluginState
{
	MemoryContext context;		/* reset after each event */
	EventOptions options;
	bool		transactions;	/* show begin and commit */
	bool		messages;		/* show other people's messages */
	bool		began;			/* this transaction had an event */
	int			changes;		/* since progress was reported last */
} PluginState;

PGDLLEXPORT void _PG_output_plugin_init(OutputPluginCallbacks *callbacks);

/* ---- options ---- */

typedef struct PluginOption
{
	const char *name;
	bool	   *value;
	bool		given;
} PluginOption;

static int
option_hint(const PluginOption *options, int n)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < n; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", options[i].name);
	return errhint("The options are %s; each is on or off.", names.data);
}

static void
options_read(PluginState *state, List *given)
{
	PluginOption options[] = {
		{"include-xids", &state->options.xids, false},
		{"include-lsn", &state->options.lsn, false},
		{"include-timestamp", &state->options.timestamp, false},
		{"include-transaction", &state->transactions, false},
		{"include-messages", &state->messages, false},
	};
	ListCell   *lc;

	state->options.xids = state->options.lsn = state->options.timestamp = true;
	foreach(lc, given)
	{
		DefElem    *element = lfirst_node(DefElem, lc);
		PluginOption *option = NULL;

		for (int i = 0; i < lengthof(options); i++)
		{
			if (strcmp(element->defname, options[i].name) == 0)
				option = &options[i];
		}
		if (option == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%s\" of output plugin gymstream", element->defname),
					 option_hint(options, lengthof(options))));
		if (option->given)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" of output plugin gymstream is given twice", option->name),
					 option_hint(options, lengthof(options))));
		option->given = true;
		*option->value = true;
		if (element->arg != NULL && !parse_bool(strVal(element->arg), option->value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value \"%s\" for option \"%s\" of output plugin gymstream",
							strVal(element->arg), option->name),
					 option_hint(options, lengthof(options))));
	}
}

/* ---- writing ---- */

static void
progress(LogicalDecodingContext *ctx)
{
	PluginState *state = ctx->output_plugin_private;

	if (GS_PLUGIN_REPORTS_PROGRESS && ++state->changes >= CHANGES_PER_PROGRESS)
	{
		OutputPluginUpdateProgress(ctx, false);
		state->changes = 0;
	}
}

/* Call before an event is written. */
static void
transaction_shown(LogicalDecodingContext *ctx, const EventStamp *stamp)
{
	PluginState *state = ctx->output_plugin_private;

	if (state->transactions && !state->began)
	{
		OutputPluginPrepareWrite(ctx, false);
		event_transaction(ctx->out, &state->options, stamp, "begin");
		OutputPluginWrite(ctx, false);
	}
	state->began = true;
}

/* ---- callbacks ---- */

static void
plugin_startup(LogicalDecodingContext *ctx, OutputPluginOptions *output, bool is_init)
{
	PluginState *state = palloc0(sizeof(PluginState));

	state->context = AllocSetContextCreate(ctx->context, "gymstream event", ALLOCSET_DEFAULT_SIZES);
	options_read(state, ctx->output_plugin_options);
	output->output_type = OUTPUT_PLUGIN_TEXTUAL_OUTPUT;
	output->receive_rewrites = false;
	ctx->output_plugin_private = state;
}

static void
plugin_begin(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	((PluginState *) ctx->output_plugin_private)->began = false;
}

static void
plugin_change(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, Relation rel, ReorderBufferChange *change)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	EventStamp	stamp = event_stamp(txn);
	EventRelation *relation = event_relation(rel);

	progress(ctx);
	if (!relation->hidden)
	{
		transaction_shown(ctx, &stamp);
		OutputPluginPrepareWrite(ctx, true);
		event_change(ctx->out, &state->options, &stamp, relation, change);
		OutputPluginWrite(ctx, true);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

static void
plugin_truncate(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, int n, Relation rels[], ReorderBufferChange *change)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	EventStamp	stamp = event_stamp(txn);

	progress(ctx);
	for (int i = 0; i < n; i++)
	{
		EventRelation *relation = event_relation(rels[i]);

		if (!event_shows_truncate(relation))
			continue;
		transaction_shown(ctx, &stamp);
		OutputPluginPrepareWrite(ctx, true);
		event_truncate(ctx->out, &state->options, &stamp, relation, change->data.truncate.cascade,
					   change->data.truncate.restart_seqs);
		OutputPluginWrite(ctx, true);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

static bool
render_message(StringInfo out, PluginState *state, const EventStamp *stamp, bool transactional, const char *prefix,
			   Size size, const char *content)
{
	RollupMessage message;

	if (transactional && strcmp(prefix, GS_MESSAGE_PREFIX) == 0 && message_read(content, size, stamp->xid, &message))
		return event_rollup(out, &state->options, stamp, &message);
	if (!state->messages)
		return false;
	event_message(out, &state->options, stamp, transactional, prefix, content, size);
	return true;
}

static void
plugin_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn, bool transactional,
			   const char *prefix, Size size, const char *content)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	EventStamp	stamp = {InvalidTransactionId, lsn, 0};
	StringInfoData event;

	progress(ctx);
	if (transactional)
		stamp = event_stamp(txn);
	initStringInfo(&event);
	if (render_message(&event, state, &stamp, transactional, prefix, size, content))
	{
		if (transactional)
			transaction_shown(ctx, &stamp);
		OutputPluginPrepareWrite(ctx, true);
		appendBinaryStringInfo(ctx->out, event.data, event.len);
		OutputPluginWrite(ctx, true);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}

static void
plugin_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
	PluginState *state = ctx->output_plugin_private;
	EventStamp	stamp = event_stamp(txn);

	state->changes = 0;
	OutputPluginUpdateProgress(ctx, !state->began);
	if (!state->transactions || !state->began)
		return;
	OutputPluginPrepareWrite(ctx, true);
	event_transaction(ctx->out, &state->options, &stamp, "commit");
	OutputPluginWrite(ctx, true);
}

void
_PG_output_plugin_init(OutputPluginCallbacks *callbacks)
{
	callbacks->startup_cb = plugin_startup;
	callbacks->begin_cb = plugin_begin;
	callbacks->change_cb = plugin_change;
	callbacks->truncate_cb = plugin_truncate;
	callbacks->message_cb = plugin_message;
	callbacks->commit_cb = plugin_commit;
}
