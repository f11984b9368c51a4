/*
 * batch_payload.c: takes an event and gives a notification's text: topic, position, and where the
 * topic wants it the event itself, with the row of a rollup's group. What is longer than a
 * notification may be is left out, and the text says so.
 */
#include "publish/batch.h"

#include "access/htup_details.h"
#include "utils/builtins.h"

#include "decode/json.h"
#include "rollup/model/message.h"
#include "topic/position.h"
#include "worker/incident.h"

/* what no notification has room for is not rendered whole */
static const EventOptions event_options = {.xids = true,.lsn = true,.timestamp = true,
.size = 8 * GS_NOTIFY_LIMIT,.skip_long = true};

/* In the delta, put the keys in place that the group's row shows. */
static void
show_keys(BatchEvent *event, TupleDesc desc)
{
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);

	heap_deform_tuple(event->delta.tuple, desc, values, nulls);

	/*
	 * A delta's key may look different from the row's, as 1.0 and 1.00 do. One notification shows
	 * one of them.
	 */
	for (int i = 0; i < event->delta.nkeys; i++)
	{
		values[i] = event->group.keys[i].value;
		nulls[i] = event->group.keys[i].isnull;
	}
	event->delta.tuple = heap_form_tuple(desc, values, nulls);
}

/* ,"row":... or ,"unread":... */
static void
append_group(StringInfo json, const ReadbackGroup *group)
{
	switch (group->state)
	{
		case READBACK_NO_ROW:
			appendStringInfoString(json, ",\"row\":null");
			break;
		/* Such an event has no JSON at all: batch_rollup_json has seen to that. */
		case READBACK_LONG:
			break;
		case READBACK_ROW:
			appendStringInfo(json, ",\"row\":%s", group->row);
			break;
		case READBACK_UNREAD:
			appendStringInfo(json, ",\"unread\":{\"code\":\"%s\",\"message\":",
							 unpack_sql_state(group->fault.sqlerrcode));
			json_append_string(json, group->fault.message, strlen(group->fault.message));
			appendStringInfoChar(json, '}');
			break;
	}
}

char *
batch_rollup_json(BatchEvent *event)
{
	EventRelation *relation = event_relation_by_oid(event->delta.partials);
	StringInfoData json;

	/* A row without room leaves no room for the delta either, so nothing is rendered. */
	if (event->read && event->group.state == READBACK_LONG)
		return NULL;

	/*
	 * The keys are NULL where no row was found. The relation is NULL where the partials are gone,
	 * and they may have other columns than the delta by now.
	 */
	if (event->read && event->group.keys != NULL && relation != NULL &&
		message_fits(&event->delta, relation->desc))
		show_keys(event, relation->desc);
	initStringInfo(&json);
	switch (event_rollup(&json, &event_options, &event->stamp, &event->delta))
	{
		case EVENT_NONE:
			return NULL;
		case EVENT_WITH_GAPS:
			event->frame.unrendered = true;
			break;
		case EVENT_WHOLE:
			break;
	}
	/* The group goes into the event's object, whose closing brace makes room for it. */
	if (event->read)
	{
		json.data[--json.len] = '\0';
		append_group(&json, &event->group);
		appendStringInfoChar(&json, '}');
	}
	return json.data;
}

/* Some of the event could not be rendered, as its text says. */
static void
note_unrendered(SharedDatabase *place, const BatchEvent *event, const Position *position)
{
	Incident incident = {.kind = INCIDENT_UNRENDERED,
						 .relation = event->frame.relation,
						 .epoch = position->epoch,
						 .lsn = position->lsn,
						 .index = position->index};

	incident_note(place, &incident);
	pg_atomic_fetch_add_u64(&place->incomplete, 1);
}

/*
 * {"topic":"...","position":"..."
 *
 * In one buffer for all: NOTIFY copies a payload at once, and a buffer for each event of a batch
 * would cost more than to fill it.
 */
static StringInfo
append_start(const char *name, const Position *position)
{
	static StringInfoData buffer;
	char		text[POSITION_TEXT_SIZE];

	if (buffer.data == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		initStringInfo(&buffer);
		MemoryContextSwitchTo(old);
	}
	resetStringInfo(&buffer);
	position_print(position, text);
	appendStringInfoString(&buffer, "{\"topic\":");
	json_append_string(&buffer, name, strlen(name));
	appendStringInfoString(&buffer, ",\"position\":\"");
	appendStringInfoString(&buffer, text);
	appendStringInfoChar(&buffer, '"');
	return &buffer;
}

char *
batch_mark(const char *name, const Position *position, const char *action)
{
	StringInfo	payload = append_start(name, position);

	appendStringInfo(payload, ",\"action\":\"%s\"}", action);
	return payload->data;
}

/* ,"key":... and ,"old_key":... where it has changed; null where it is not known */
static void
append_keys(StringInfo payload, const BatchEvent *event)
{
	appendStringInfo(payload, ",\"key\":%s", event->key ? event->key : "null");
	if (event->old_key != NULL)
		appendStringInfo(payload, ",\"old_key\":%s", event->old_key);
	if (event->frame.key_varies)
		appendStringInfoString(payload, ",\"key_varies\":true");
}

/*
 * What is too long for a notification is cut back to its head, which always fits. Then it says why
 * the event is not here, and which one it was, where there is room for that.
 */
static void
cut_back(StringInfo payload, int head, const BatchEvent *event)
{
	int			said;

	payload->len = head;
	appendStringInfo(payload, ",\"action\":\"%s\",\"%s\":true", event->frame.action,
					 event->frame.skipped ? "skipped" : "truncated");
	said = payload->len;
	if (event->key != NULL)
		append_keys(payload, event);
	if (payload->len + 1 >= GS_NOTIFY_LIMIT)
		payload->len = said;
	appendStringInfoChar(payload, '}');
}

char *
batch_payload(SharedDatabase *place, BatchEvent *event, const BatchTopic *topic)
{
	bool		rows = topic->topic.notify == TOPIC_NOTIFY_ROW;
	bool		keys = topic->topic.notify == TOPIC_NOTIFY_KEY;
	Position	position = batch_position(event);
	char	   *json = NULL;
	int			head;
	StringInfo	payload;

	/*
	 * The decoder has rendered a table's event. A rollup's event is rendered here, as its delta may
	 * be a sum.
	 */
	if (rows)
		json = event->frame.kind == FRAME_ROLLUP ? batch_rollup_json(event) : event->body;
	if (event->frame.unrendered)
		note_unrendered(place, event, &position);
	payload = append_start(topic->name, &position);
	if (event->stands_for > 1)
		appendStringInfo(payload, ",\"merged\":%d", event->stands_for);
	head = payload->len;
	/* The JSON begins with a brace, in whose place a comma joins it to the start. */
	if (json != NULL)
		appendStringInfo(payload, ",%s", json + 1);
	else if (keys)
	{
		appendStringInfo(payload, ",\"action\":\"%s\"", event->frame.action);
		append_keys(payload, event);
		appendStringInfoChar(payload, '}');
	}
	else
		appendStringInfoChar(payload, '}');
	/* A topic that shows positions lacks nothing. */
	if (payload->len >= GS_NOTIFY_LIMIT || (json == NULL && rows) || (keys && event->frame.skipped))
		cut_back(payload, head, event);
	return payload->data;
}
