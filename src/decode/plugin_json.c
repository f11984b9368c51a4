/*
 * plugin_json.c: the wire format 'json': events as topics have them too. All of it is in event.c.
 */
#include "decode/plugin.h"

static void
json_rows(StringInfo out, PluginState *state, const EventStamp *stamp, PluginRelation *relation,
		  enum ReorderBufferChangeType action, const EventRow *new, const EventRow *old)
{
	event_rows(out, &state->options.event, stamp, &relation->shape, action, new, old);
}

static void
json_truncate(StringInfo out, PluginState *state, const EventStamp *stamp, const EventShape *shape, bool cascade,
			  bool restart_identity)
{
	event_truncate(out, &state->options.event, stamp, shape, cascade, restart_identity);
}

static bool
json_rollup(StringInfo out, PluginState *state, const EventStamp *stamp, const RollupMessage *message)
{
	return event_rollup(out, &state->options.event, stamp, message);
}

static void
json_message(StringInfo out, PluginState *state, const EventStamp *stamp, bool transactional, const char *prefix,
			 const char *content, Size size)
{
	event_message(out, &state->options.event, stamp, transactional, prefix, content, size);
}

static void
json_mark(StringInfo out, PluginState *state, const EventStamp *stamp, const char *action, const char *gid, bool first)
{
	event_mark(out, &state->options.event, stamp, action, gid, first);
}

const PluginWire plugin_json = {false, json_rows, json_truncate, json_rollup, json_message, json_mark};
