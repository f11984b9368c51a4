/*
 * plugin_stream.c: marks of transactions that are shown before it is known whether they commit: in
 * blocks while they are in progress, or whole when they are prepared. Their events are those of
 * plugin.c.
 *
 * A block without events is not shown, nor is what becomes of a streamed transaction that had none.
 * What becomes of a prepared one is always shown: when it does, a restart may have forgotten what
 * there was.
 */
#include "decode/plugin.h"

#include "utils/memutils.h"

/*
 * The pointer is put to NULL, since the server keeps the transaction a little longer than the
 * plugin has a use for it.
 */
static void
forget_shown(ReorderBufferTXN *txn)
{
	if (txn->output_plugin_private != NULL)
		pfree(txn->output_plugin_private);
	txn->output_plugin_private = NULL;
}

/* ---- streaming ---- */

/* Writes nothing: the mark comes with the first event of the block. */
static void
stream_start(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;

	state->in_stream = true;
	state->began = false;
}

/*
 * What was collected is sent within its block, since the next write may belong to another
 * transaction. The state leaves the block last: the stamp must not show a commit that is not there.
 * The server calls this also where the transaction was rolled back while it was decoded. The half
 * of an event that is left then is dropped by plugin_write.c.
 */
static void
stream_stop(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;

	if (state->began)
	{
		EventStamp	stamp = plugin_stamp(state, txn, NULL);

		plugin_mark(ctx, &stamp, "stream_stop", NULL, false);
	}
	plugin_write_flush(ctx);
	state->in_stream = false;
}

/*
 * Of a whole transaction, or of a subtransaction of one that goes on. The stamp has no commit,
 * since there is none. A subtransaction that ends leaves the whole one in progress: only the end of
 * the whole one forgets that it was shown. A transaction of which nothing was shown ends in
 * silence, also for a subtransaction of it.
 */
static void
stream_abort(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr abort_lsn)
{
	ReorderBufferTXN *top = txn->toptxn ? txn->toptxn : txn;
	EventStamp	stamp = {.xid = top->xid, .subxid = top != txn ? txn->xid : InvalidTransactionId};

	if (plugin_mark_was_shown(top))
		plugin_mark(ctx, &stamp, "stream_abort", NULL, false);
	plugin_write_flush(ctx);
	if (top == txn)
		forget_shown(top);
}

/*
 * The last mark of a streamed transaction. No block is open any more, so that the stamp has the
 * position and the time of the end. The memory of what was shown is freed here, after its last use.
 */
static void
stream_end(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, const char *action, const char *gid)
{
	PluginState *state = ctx->output_plugin_private;
	bool		shown = plugin_mark_was_shown(txn);

	if (shown)
	{
		EventStamp	stamp = plugin_stamp(state, txn, NULL);

		plugin_mark(ctx, &stamp, action, gid, false);
	}
	plugin_write_flush(ctx);
	forget_shown(txn);
	state->changes = 0;
	OutputPluginUpdateProgress(ctx, !shown);
}

static void
stream_commit(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
	stream_end(ctx, txn, "stream_commit", NULL);
}

static void
stream_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr prepare_lsn)
{
	stream_end(ctx, txn, "stream_prepare", txn->gid);
}

/* ---- two-phase commit ---- */

/*
 * Flushed at once: no commit callback follows that would do it. The transaction never counts as
 * skipped, since its mark is always written.
 */
static void
mark_prepared(LogicalDecodingContext *ctx, const ReorderBufferTXN *txn, const EventStamp *stamp,
			  const char *action)
{
	plugin_mark(ctx, stamp, action, txn->gid, false);
	plugin_write_flush(ctx);
	OutputPluginUpdateProgress(ctx, false);
}

/*
 * Always written, whatever the option for marks of transactions says. A reader needs the gid to
 * match the end, which may come after a restart.
 */
static void
begin_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn)
{
	PluginState *state = ctx->output_plugin_private;
	EventStamp	stamp = plugin_stamp(state, txn, NULL);

	state->began = false;
	state->counts = NIL;
	MemoryContextReset(state->transaction);
	plugin_mark(ctx, &stamp, "begin_prepare", txn->gid, false);
	plugin_schema_begin(ctx, txn);
}

static void
show_prepare(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr prepare_lsn)
{
	EventStamp	stamp = plugin_stamp(ctx->output_plugin_private, txn, NULL);

	plugin_schema_end(ctx, txn);
	mark_prepared(ctx, txn, &stamp, "prepare");
}

/*
 * The stamp tells where and when the transaction was prepared. Position and time of the commit
 * replace both.
 */
static void
commit_prepared(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr commit_lsn)
{
	EventStamp	stamp = plugin_stamp(ctx->output_plugin_private, txn, NULL);

	stamp.prepared = false;
	stamp.commit_lsn = commit_lsn;
	stamp.commit_time = gs_txn_commit_time(txn);
	mark_prepared(ctx, txn, &stamp, "commit_prepared");
}

/* The time shown is when the transaction was prepared: nothing of it is ever committed. */
static void
rollback_prepared(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr prepare_end_lsn,
				  TimestampTz prepare_time)
{
	EventStamp	stamp = plugin_stamp(ctx->output_plugin_private, txn, NULL);

	stamp.prepared = true;
	stamp.commit_time = prepare_time;
	mark_prepared(ctx, txn, &stamp, "rollback_prepared");
}

/* Streamed changes, truncates and messages are shown by the callbacks of others. */
void
plugin_stream_init(OutputPluginCallbacks *callbacks)
{
	callbacks->stream_start_cb = stream_start;
	callbacks->stream_stop_cb = stream_stop;
	callbacks->stream_abort_cb = stream_abort;
	callbacks->stream_commit_cb = stream_commit;
	callbacks->stream_prepare_cb = stream_prepare;
	callbacks->stream_change_cb = callbacks->change_cb;
	callbacks->stream_truncate_cb = callbacks->truncate_cb;
	callbacks->stream_message_cb = callbacks->message_cb;
	callbacks->begin_prepare_cb = begin_prepare;
	callbacks->prepare_cb = show_prepare;
	callbacks->commit_prepared_cb = commit_prepared;
	callbacks->rollback_prepared_cb = rollback_prepared;
}
