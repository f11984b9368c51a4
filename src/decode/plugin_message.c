/*
 * plugin_message.c: takes a logical message and shows what it tells: a rollup's delta, an event of
 * a topic of no table, that a rollup was truncated, or the words of others.
 */
#include "decode/plugin.h"

#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "base/seal.h"
#include "decode/truncate.h"
#include "topic/row_message.h"

/* A message, as it is shown. */
typedef struct Message
{
	PluginState *state;
	EventStamp	stamp;
	bool		transactional;
	const char *prefix;
	const char *content;
	Size		size;
	const EventFault *fault;
} Message;

static void
render_message(StringInfo out, void *argument)
{
	const Message *message = argument;

	message->state->wire->message(out, message->state, &message->stamp, message->transactional,
								  message->prefix, message->content, message->size, message->fault);
}

/* An event of a topic of no table. False, with nothing appended, where it is not shown. */
static bool
append_published(StringInfo out, Message *message, const RowMessage *row)
{
	PluginState *state = message->state;
	Relation	rel = RelationIdGetRelation(row->relation);
	PluginRelation *relation;
	EventResult result = EVENT_NONE;

	/* it was dropped by the transaction itself */
	if (!RelationIsValid(rel))
		return false;
	if (state->in_stream && row->subxid != message->stamp.xid)
		message->stamp.subxid = row->subxid;
	relation = plugin_relation(state, rel);
	if ((relation->actions & PLUGIN_EVENT) && row_message_fits(row, RelationGetDescr(rel)))
		result =
			state->wire->published(out, state, &message->stamp, relation, row->row);
	RelationClose(rel);
	if (result == EVENT_WITH_GAPS)
		state->unrendered++;
	return result != EVENT_NONE;
}

/* False, with nothing appended, where it is not shown. */
static bool
append_message(StringInfo out, Message *message)
{
	PluginState *state = message->state;
	const EventOptions *options = &state->options.event;
	RollupMessage rollup;
	RowMessage	row;
	EventFault	fault;

	/*
	 * The prefix may be used by anybody. A content that is not a delta of a rollup or an event is
	 * shown as a message of others.
	 */
	if (message->transactional && strcmp(message->prefix, GS_MESSAGE_PREFIX) == 0 &&
		row_message_read(message->content, message->size, message->stamp.xid, &row))
		return append_published(out, message, &row);
	if (message->transactional && strcmp(message->prefix, GS_MESSAGE_PREFIX) == 0 &&
		message_read(message->content, message->size, message->stamp.xid, &rollup))
	{
		EventResult result;

		if (state->in_stream && rollup.subxid != message->stamp.xid)
			/* a reader of a streamed transaction drops it when the subtransaction is rolled back */
			message->stamp.subxid = rollup.subxid;
		if (!plugin_shows_rollup(state, rollup.rollup))
			return false;
		result = state->wire->rollup(out, state, &message->stamp, &rollup);
		if (result == EVENT_WITH_GAPS)
			state->unrendered++;
		return result != EVENT_NONE;
	}
	if (!state->options.messages || !(state->options.actions & PLUGIN_MESSAGE) ||
		!plugin_lists_prefix(&state->options, message->prefix))
		return false;

	/*
	 * Formatters of ours alone render a message: it is always contained. What stands for its
	 * content is short, and needs no second attempt.
	 */
	if (!event_try(render_message, out, message, true, options->size,
				   options->strict ? NULL : &fault))
	{
		state->unrendered++;
		message->fault = &fault;
		render_message(out, message);
	}
	return true;
}

/*
 * A message that belongs to no transaction comes at once, and txn may be NULL then. In a walsender
 * no transaction is open at that time: no catalog may be read, and what needs one was looked up at
 * startup. The position of the message stands for the commit that it does not have.
 */
void
plugin_message(LogicalDecodingContext *ctx, ReorderBufferTXN *txn, XLogRecPtr lsn,
			   bool transactional, const char *prefix, Size size, const char *content)
{
	PluginState *state = ctx->output_plugin_private;
	MemoryContext old = MemoryContextSwitchTo(state->context);
	Message		message = {state, {.commit_lsn = lsn}, transactional, prefix, content, size};
	StringInfoData event;

	plugin_progress(ctx);
	if (transactional && (truncate_of_message(ctx, txn, lsn, prefix, size, content) ||
						  plugin_schema_message(state, txn, prefix, size, content)))
	{
		MemoryContextSwitchTo(old);
		return;
	}
	if (transactional)
		message.stamp = plugin_stamp(state, txn, NULL);

	/*
	 * A delta may turn out to be no event only while it is rendered. So it is rendered apart, and a
	 * mark can still be written in front of it. The reset of the context frees the buffer.
	 */
	initStringInfo(&event);
	state->change_lsn = lsn;
	if (!state->options.skip_output && append_message(&event, &message))
	{
		if (transactional)
			plugin_transaction_shown(ctx, txn);
		appendBinaryStringInfo(plugin_write_begin(ctx), event.data, event.len);
		plugin_write_end(ctx);
		/* no commit will follow that would send it */
		if (!transactional)
			plugin_write_flush(ctx);
	}
	MemoryContextSwitchTo(old);
	MemoryContextReset(state->context);
}
