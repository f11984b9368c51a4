/*
 * payload.c: a notification's payload, or a line of a replication slot.
 *
 * Takes the text, gives the event in it, which lives until event_free. Numbers stay the text they
 * are, because a numeric must not pass through a double; so does JSON within a column. Trusts
 * nothing in the payload: anyone may send a notification on any channel.
 */
#include "postgres_fe.h"

#include <time.h>
#include <yajl/yajl_parse.h>

#include "client/feed/payload.h"

/*
 * The payload is at depth 1, the columns of its rows are at depth 2, and what is deeper is a
 * column's own JSON. A line that brings its schema has the event in its member "payload", which
 * is read as if it were the line.
 */
typedef struct EventReader
{
	yajl_handle yajl;
	Event	   *event;
	const char *payload;
	char	   *end;			/* of what is used of event->texts */
	int			depth;
	const char *name;			/* of the payload's member that is being read */
	EventRow   *row;			/* the same, when it is a row */
	size_t		name_end;		/* where in the payload the name read last ends */
	size_t		column_start;	/* and where a column's own JSON begins */
	size_t		key_start;		/* where the key's begins */
	bool		head;			/* read no further than the commit's lsn */
	bool		line;			/* of a slot */
	bool		inside;			/* its "payload" */
	bool		topic;			/* what no notification is without */
	bool		position;
} EventReader;

static EventAction
event_action(const char *name)
{
	static const struct
	{
		const char *name;
		EventAction action;
	}			actions[] = {
		{"rollup", EVENT_ROLLUP},
		{"insert", EVENT_INSERT},
		{"update", EVENT_UPDATE},
		{"delete", EVENT_DELETE},
		{"truncate", EVENT_TRUNCATE},
		{"message", EVENT_MESSAGE},
		{"event", EVENT_PUBLISHED},
	};

	for (int i = 0; i < lengthof(actions); i++)
	{
		if (strcmp(name, actions[i].name) == 0)
			return actions[i].action;
	}
	return EVENT_OTHER;
}

/* The rows of an event, by gymstream's names and by Debezium's. NULL: it is no row. */
static EventRow *
event_row(Event *event, const char *name)
{
	const struct
	{
		const char *name;
		EventRow   *row;
	}			rows[] = {
		{"new", &event->new_row},
		{"old", &event->old_row},
		{"key", &event->key},
		{"old_key", &event->old_key},
		{"row", &event->row},
		{"after", &event->new_row},
		{"before", &event->old_row},
		{"source", &event->source},
	};

	for (int i = 0; i < lengthof(rows); i++)
	{
		if (strcmp(name, rows[i].name) == 0)
			return rows[i].row;
	}
	return NULL;
}

/* "2026-11-23T02:00:00.123456Z" as microseconds since 1970; 0 when it is not of that form. */
static int64
event_time(const char *text)
{
	struct tm	tm = {0};
	const char *fraction = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	char	   *end;
	long		micros = 0;

	if (fraction == NULL)
		return 0;
	if (*fraction == '.')
	{
		micros = strtol(fraction + 1, &end, 10);
		for (ptrdiff_t digits = end - fraction - 1; digits < 6; digits++)
			micros *= 10;
	}
	return (int64) timegm(&tm) * 1000000 + micros;
}

int64
event_wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * What yajl calls as it reads. 0 ends the reading: the payload is no event.
 */

/*
 * Keep a text. There is room: in the payload each stands within quotes or before a comma or
 * bracket.
 */
static const char *
reader_keep(EventReader *reader, const char *text, size_t length)
{
	char	   *kept = reader->end;

	memcpy(kept, text, length);
	kept[length] = '\0';
	reader->end += length + 1;
	return kept;
}

static int
reader_name(void *context, const unsigned char *name, size_t length)
{
	EventReader *reader = context;
	Event	   *event = reader->event;
	EventRow   *row = reader->row;
	const char *kept;

	/* nulls in a key that are not all alike look alike */
	if (reader->depth == 2 && reader->name && length == 3 && memcmp(name, "key", 3) == 0 &&
		strcmp(reader->name, "json_null") == 0)
		event->key_varies = true;
	/* names within a column's own JSON are its own affair */
	if (reader->depth > 2 || (reader->depth == 2 && row == NULL))
		return 1;
	if (memchr(name, '\0', length))
		return 0;
	reader->name_end = yajl_get_bytes_consumed(reader->yajl);
	kept = reader_keep(reader, (const char *) name, length);
	if (reader->depth == 1)
	{
		reader->name = kept;
		reader->row = event_row(event, kept);
		if (strcmp(kept, "key_varies") == 0)
			event->key_varies = true;
		return reader->row == NULL || reader->row->state == ROW_ABSENT;
	}

	/* A column. One that comes twice would have two values. */
	for (int i = 0; i < row->count; i++)
	{
		if (strcmp(kept, row->members[i].name) == 0)
			return 0;
	}
	if ((row->count & (row->count - 1)) == 0)	/* full: 0, 1, 2, 4, ... */
		row->members = pg_realloc(row->members, sizeof(EventMember) * Max(row->count * 2, 1));
	row->members[row->count++] = (EventMember) {kept, NULL};
	return 1;
}

/* A value that is complete; NULL is null. */
static int
reader_value(EventReader *reader, const char *text, size_t length)
{
	Event	   *event = reader->event;
	EventRow   *row = reader->row;

	if (reader->depth > 2 || (reader->depth == 2 && row == NULL))
		return 1;
	if (reader->depth == 0 || (text && memchr(text, '\0', length)))
		return 0;

	/* Where a row is expected there may be null, and no other value. */
	if (reader->depth == 1 && row)
		row->state = ROW_NULL;
	if (text == NULL)
		return 1;
	if (reader->depth == 1 && row)
		return 0;

	/* A column's value, or a member of the event: those that the client uses. */
	text = reader_keep(reader, text, length);
	if (row)
		row->members[row->count - 1].text = text;
	else if (strcmp(reader->name, "topic") == 0)
		reader->topic = true;
	else if (strcmp(reader->name, "position") == 0)
		reader->position = true;
	else if (strcmp(reader->name, "action") == 0)
	{
		event->action = event_action(text);
		event->said = text;
	}
	else if (strcmp(reader->name, "op") == 0)
		event->action = *text == 't' ? EVENT_TRUNCATE : *text == 'm' ? EVENT_MESSAGE :
			event->action;
	else if (strcmp(reader->name, "truncated") == 0)
		event->truncated = strcmp(text, "true") == 0;
	else if (strcmp(reader->name, "commit_time") == 0)
		event->commit_time = event_time(text);
	else if (strcmp(reader->name, "schema") == 0)
		event->schema = text;
	else if (strcmp(reader->name, "table") == 0)
		event->table = text;
	else if (strcmp(reader->name, "lsn") == 0)
	{
		event->lsn = text;
		return !reader->head;
	}
	return 1;
}

static int
reader_null(void *context)
{
	return reader_value(context, NULL, 0);
}

static int
reader_boolean(void *context, int value)
{
	return value ? reader_value(context, "true", 4) : reader_value(context, "false", 5);
}

static int
reader_number(void *context, const char *text, size_t length)
{
	return reader_value(context, text, length);
}

/*
 * JSON can have a character that no C string can, in a column of the type json: such a text stays
 * as it is written.
 */
static int
reader_string(void *context, const unsigned char *text, size_t length)
{
	EventReader *reader = context;
	const char *start;

	if (reader->depth == 0 || reader->depth > 2 || memchr(text, '\0', length) == NULL)
		return reader_value(reader, (const char *) text, length);

	/* between the name and its value there are a colon and perhaps spaces: no quotes */
	start = strchr(reader->payload + reader->name_end, '"');
	return reader_value(reader, start,
						yajl_get_bytes_consumed(reader->yajl) - (start - reader->payload));
}

static int
open_object(void *context)
{
	EventReader *reader = context;

	/* Debezium's lines may bring their schema: then the event is one level deeper. */
	if (reader->depth == 1 && reader->line && !reader->inside &&
		strcmp(reader->name, "payload") == 0)
	{
		reader->inside = true;
		return 1;
	}
	if (reader->depth == 1 && reader->row)
	{
		reader->row->state = ROW_GIVEN;
		reader->key_start = yajl_get_bytes_consumed(reader->yajl) - 1;
	}
	if (reader->depth == 2)
		reader->column_start = yajl_get_bytes_consumed(reader->yajl) - 1;
	reader->depth++;
	return 1;
}

static int
open_array(void *context)
{
	EventReader *reader = context;

	if (reader->depth == 0 || (reader->depth == 1 && reader->row))
		return 0;
	return open_object(context);
}

static int
reader_close(void *context)
{
	EventReader *reader = context;
	size_t		read = yajl_get_bytes_consumed(reader->yajl);

	if (reader->inside && reader->depth == 1)
	{
		reader->inside = false;
		return 1;
	}
	reader->depth--;
	if (reader->depth == 0)
		return reader->payload[read] == '\0';	/* yajl would let half a string follow */
	if (reader->depth == 1 && reader->row == &reader->event->key && !reader->line)
		reader->event->key_text = pnstrdup(reader->payload + reader->key_start,
										   read - reader->key_start);
	if (reader->depth == 2)
		return reader_value(reader, reader->payload + reader->column_start,
							read - reader->column_start);
	return 1;
}

static bool
event_read(const char *payload, Event *event, bool notified, bool head)
{
	static const yajl_callbacks calls = {
		.yajl_null = reader_null,
		.yajl_boolean = reader_boolean,
		.yajl_number = reader_number,
		.yajl_string = reader_string,
		.yajl_start_map = open_object,
		.yajl_map_key = reader_name,
		.yajl_end_map = reader_close,
		.yajl_start_array = open_array,
		.yajl_end_array = reader_close,
	};
	size_t		length = strlen(payload);
	EventReader reader = {.event = event,.payload = payload,.head = head,.line = !notified};
	bool		done;

	memset(event, 0, sizeof(*event));
	/* an event is one line; yajl takes the last two for spaces */
	if (strpbrk(payload, "\n\r\v\f"))
		return false;

	/* With head the reading ends where the position is known, which yajl takes for an error. */
	event->texts = reader.end = pg_malloc(length + 1);
	reader.yajl = yajl_alloc(&calls, NULL, &reader);
	done = (yajl_parse(reader.yajl, (const unsigned char *) payload, length) == yajl_status_ok &&
			yajl_complete_parse(reader.yajl) == yajl_status_ok &&
			(!notified || (reader.topic && reader.position))) ||
		(head && event->lsn);
	yajl_free(reader.yajl);
	if (!done)
		event_free(event);
	return done;
}

bool
event_parse(const char *payload, Event *event)
{
	return event_read(payload, event, true, false);
}

bool
event_parse_change(const char *line, Event *event, bool head)
{
	if (!event_read(line, event, false, head))
		return false;
	if (event->source.state == ROW_GIVEN && event->table == NULL)
	{
		event->schema = event_text(&event->source, "schema");
		event->table = event_text(&event->source, "table");
	}
	return true;
}

const char *
event_text(const EventRow *row, const char *name)
{
	for (int i = 0; i < row->count; i++)
	{
		if (strcmp(row->members[i].name, name) == 0)
			return row->members[i].text;
	}
	return NULL;
}

int64
event_int(const EventRow *row, const char *name)
{
	const char *text = event_text(row, name);

	return text ? strtoll(text, NULL, 10) : 0;
}

void
event_free(Event *event)
{
	free(event->new_row.members);
	free(event->old_row.members);
	free(event->source.members);
	free(event->key.members);
	free(event->old_key.members);
	free(event->row.members);
	free(event->key_text);
	free(event->texts);
}
