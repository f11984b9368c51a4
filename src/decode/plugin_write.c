/*
 * plugin_write.c: takes events and brings them to whoever reads: through the SQL functions one
 * event a row; to a walsender's client many in one message, since each is a system call. These are
 * separated by newlines, and the last write of a transaction carries the position behind its
 * commit. Knows nothing of what is in an event.
 */
#include "decode/plugin.h"

#include "access/xact.h"
#include "replication/walsender.h"
#include "utils/memutils.h"

/* a message is sent when it has as many bytes */
#define BATCH_BYTES (64 * 1024)

/* what a large event has made larger is given back */
#define KEEP_BYTES (1024 * 1024)

/*
 * Events may share a message only in START_REPLICATION. A walsender also runs the SQL functions,
 * but these in a transaction.
 */
void
plugin_write_init(LogicalDecodingContext *ctx)
{
	PluginState *state = ctx->output_plugin_private;

	state->batching =
		state->options.batch && !state->options.pretty && am_walsender && !IsTransactionState();
	state->event_start = -1;
	initStringInfo(&state->scratch);
}

/*
 * One large event must not hold its memory until the session ends. The buffer stays in the context
 * in which it was made.
 */
static void
shrink_buffer(StringInfo buffer)
{
	resetStringInfo(buffer);
	if (buffer->maxlen > KEEP_BYTES)
	{
		MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(buffer->data));

		pfree(buffer->data);
		initStringInfo(buffer);
		MemoryContextSwitchTo(old);
	}
}

/*
 * An error that decoding survives, of a transaction that was rolled back meanwhile, may have left
 * half an event.
 */
static void
drop_unfinished(LogicalDecodingContext *ctx)
{
	PluginState *state = ctx->output_plugin_private;

	if (state->event_start >= 0)
		ctx->out->len = state->event_start;
	state->event_start = -1;
}

StringInfo
plugin_write_begin(LogicalDecodingContext *ctx)
{
	PluginState *state = ctx->output_plugin_private;

	/* An event is spread over lines only when it is complete: until then it stands apart. */
	if (state->options.pretty)
	{
		resetStringInfo(&state->scratch);
		return &state->scratch;
	}
	if (!state->batching)
	{
		OutputPluginPrepareWrite(ctx, true);
		return ctx->out;
	}
	drop_unfinished(ctx);
	if (state->header_len == 0)
	{
		OutputPluginPrepareWrite(ctx, true);
		state->header_len = ctx->out->len;
	}
	state->event_start = ctx->out->len;

	/*
	 * The newline belongs to the new event. Where that is dropped unfinished, the newline goes too.
	 */
	if (ctx->out->len > state->header_len)
		appendStringInfoCharMacro(ctx->out, '\n');
	return ctx->out;
}

/*
 * Without batching the server has the event now. With batching it stays in the server's buffer
 * until that is large enough, or the transaction ends.
 */
void
plugin_write_end(LogicalDecodingContext *ctx)
{
	PluginState *state = ctx->output_plugin_private;

	if (state->options.pretty)
	{
		OutputPluginPrepareWrite(ctx, true);
		json_append_pretty(ctx->out, state->scratch.data, state->scratch.len);
		shrink_buffer(&state->scratch);
		OutputPluginWrite(ctx, true);
	}
	else if (!state->batching)
		OutputPluginWrite(ctx, true);
	else
	{
		state->event_start = -1;
		if (ctx->out->len >= BATCH_BYTES)
			plugin_write_flush(ctx);
	}
}

void
plugin_write_flush(LogicalDecodingContext *ctx)
{
	PluginState *state = ctx->output_plugin_private;
	int			header_len = state->header_len;
	int			len;
	char		first;

	drop_unfinished(ctx);
	if (header_len == 0 || ctx->out->len == header_len)
		return;

	/*
	 * The header is written anew, for the position reached by now, over the one that is there. The
	 * server ends the header with a zero byte, and this falls on the first byte of the events. That
	 * byte is kept aside, and put back. The header's length must not change: the events behind it
	 * are not moved.
	 */
	len = ctx->out->len;
	first = ctx->out->data[header_len];
	OutputPluginPrepareWrite(ctx, true);
	Assert(ctx->out->len == header_len);
	ctx->out->data[header_len] = first;
	ctx->out->len = len;
	state->header_len = 0;
	OutputPluginWrite(ctx, true);
	shrink_buffer(ctx->out);
}
