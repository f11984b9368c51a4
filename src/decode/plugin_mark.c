/*
 * plugin_mark.c: takes a transaction and gives what all of its events carry, and the marks of where
 * it begins and ends. A transaction of which nothing is shown gets no mark.
 */
#include "decode/plugin.h"

#include "access/xact.h"
#include "replication/origin.h"

/*
 * A transaction is begun only where none is open, and only that one is ended afterwards. Beginning
 * and ending it switch the memory context, so the caller's one is put back both times. What is
 * looked up lives in the caller's context.
 */
PluginLook
plugin_look_begin(void)
{
	PluginLook	look = {CurrentMemoryContext, !IsTransactionState()};

	if (look.alone)
		StartTransactionCommand();
	MemoryContextSwitchTo(look.context);
	return look;
}

void
plugin_look_end(PluginLook look)
{
	if (look.alone)
		CommitTransactionCommand();
	MemoryContextSwitchTo(look.context);
}

/*
 * The origin may have been dropped since: then it has no name, and that is kept too. The name lives
 * as long as the session's cache, and the next origin frees it.
 */
static void
look_up_origin(PluginState *state, GsOriginId origin)
{
	PluginLook	look = plugin_look_begin();
	char	   *name = NULL;

	(void) replorigin_by_oid(origin, true, &name);
	if (state->origin != NULL)
		pfree(state->origin);
	state->origin = name ? MemoryContextStrdup(state->cache, name) : NULL;
	state->origin_id = origin;
	plugin_look_end(look);
}

/* NULL for none. The last one is kept: most transactions have the one of those before. */
static const char *
origin_name(PluginState *state, GsOriginId origin)
{
	if (!state->options.origins || origin == GS_INVALID_ORIGIN)
		return NULL;
	if (origin != state->origin_id)
		look_up_origin(state, origin);
	return state->origin;
}

/*
 * A transaction in progress has neither a commit nor a time of it. Its events name the
 * subtransaction, since a reader must drop them when that is rolled back. Of a prepared transaction
 * both are where and when it was prepared.
 */
EventStamp
plugin_stamp(PluginState *state, ReorderBufferTXN *txn, const ReorderBufferTXN *change_txn)
{
	EventStamp	stamp = {InvalidTransactionId};

	stamp.xid = txn->xid;
	stamp.origin = origin_name(state, txn->origin_id);
	stamp.origin_lsn = txn->origin_lsn;
	if (state->in_stream)
	{
		if (change_txn != NULL && change_txn->xid != txn->xid)
			stamp.subxid = change_txn->xid;
		return stamp;
	}
	stamp.commit_lsn = txn->final_lsn;
	stamp.prepared = gs_txn_is_prepared(txn);
	stamp.commit_time = stamp.prepared ? gs_txn_prepare_time(txn) : gs_txn_commit_time(txn);
	return stamp;
}

/* Marks are written like events, but are never filtered by tables or actions. */
void
plugin_mark(LogicalDecodingContext *ctx, const EventStamp *stamp, const char *action,
			const char *gid, bool first)
{
	PluginState *state = ctx->output_plugin_private;

	if (state->options.skip_output)
		return;
	state->wire->mark(plugin_write_begin(ctx), state, stamp, action, gid, first);
	plugin_write_end(ctx);
}

/*
 * The address alone says so. The memory behind it is allocated because plugin_stream.c frees it
 * when the transaction ends.
 */
bool
plugin_mark_was_shown(const ReorderBufferTXN *txn)
{
	return txn->output_plugin_private != NULL;
}

/*
 * The first block says that it is the first, so that a reader can begin to keep the transaction.
 * Blocks before it that had no event do not count.
 */
static void
stream_shown(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	EventStamp	stamp = plugin_stamp(ctx->output_plugin_private, txn, NULL);

	plugin_mark(ctx, &stamp, "stream_start", NULL, !plugin_mark_was_shown(txn));
	if (!plugin_mark_was_shown(txn))
		txn->output_plugin_private = MemoryContextAllocZero(ctx->context, sizeof(bool));
}

void
plugin_transaction_shown(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;

	if (state->began)
		return;
	state->began = true;
	if (state->in_stream)
		stream_shown(ctx, txn);
	/* A prepared transaction has been begun by its own mark, with or without events. */
	else if (state->options.transactions && !gs_txn_is_prepared(txn))
	{
		EventStamp	stamp = plugin_stamp(state, txn, NULL);

		plugin_mark(ctx, &stamp, "begin", NULL, false);
	}
}
