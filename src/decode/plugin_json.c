/*
 * plugin_json.c: the wire format 'json': events as topics have them too. All of it is in event.c.
 */
#include "decode/plugin.h"

static void
json_rows(StringInfo out, PluginState *state, const EventStamp *stamp, PluginRelation *relation,
		  enum ReorderBufferChangeType action, const EventRow *new, const EventRow *old,
		  const EventGaps *gaps)
{
	event_rows(out, &state->options.event, stamp, &relation->shape, action, new, old, gaps);
}

static void
json_column(StringInfo out, void *argument, int column, Datum value)
{
	event_column(out, &((PluginRelation *) argument)->shape, column, value);
}

static void
json_prepare(PluginState *state, PluginRelation *relation)
{
	relation->contained = relation->shape.contained;
}

static void
json_truncate(StringInfo out, PluginState *state, const EventStamp *stamp, const EventShape *shape,
			  bool cascade, bool restart_identity)
{
	event_truncate(out, &state->options.event, stamp, shape, cascade, restart_identity);
}

static EventResult
json_rollup(StringInfo out, PluginState *state, const EventStamp *stamp,
			const RollupMessage *message)
{
	return event_rollup(out, &state->options.event, stamp, message);
}

static EventResult
json_published(StringInfo out, PluginState *state, const EventStamp *stamp,
			   PluginRelation *relation, HeapTuple row)
{
	return event_published(out, &state->options.event, stamp, &relation->shape, row);
}

static void
json_message(StringInfo out, PluginState *state, const EventStamp *stamp, bool transactional,
			 const char *prefix, const char *content, Size size, const EventFault *fault)
{
	event_message(out, &state->options.event, stamp, transactional, prefix, content, size, fault);
}

static void
json_mark(StringInfo out, PluginState *state, const EventStamp *stamp, const char *action,
		  const char *gid, bool first)
{
	event_mark(out, &state->options.event, stamp, action, gid, first);
}

const PluginWire plugin_json = {
	.by_key = false,
	.rows = json_rows,
	.column = json_column,
	.prepare = json_prepare,
	.truncate = json_truncate,
	.rollup = json_rollup,
	.published = json_published,
	.message = json_message,
	.mark = json_mark
};
