/*
 * event.c: a notification's payload.
 *
 * Takes the payload, gives the event in it. Never keeps anything: the event points into the payload.
 */
#include "postgres_fe.h"

#include <time.h>

#include "event.h"

static EventAction
event_action(JsonValue value)
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
		{"reset", EVENT_RESET},
	};

	for (int i = 0; i < lengthof(actions); i++)
	{
		if (json_string_is(value, actions[i].name))
			return actions[i].action;
	}
	return EVENT_OTHER;
}

/* "2026-11-23T02:00:00.123456Z" as microseconds since 1970; 0 when it is not of that form. */
static int64
event_time(JsonValue value)
{
	struct tm	tm = {0};
	char		text[64];
	char	   *fraction;
	char	   *end;
	long		micros = 0;

	if (value.length < 2 || value.length > sizeof(text))
		return 0;
	memcpy(text, value.text + 1, value.length - 2);
	text[value.length - 2] = '\0';
	fraction = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
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

/* Now, on the clock that commit times are of. */
int64
event_wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/*
 * False when the payload is no event: anyone may send a notification on any channel.
 */
bool
event_parse(const char *payload, Event *event)
{
	JsonValue	object;
	JsonCursor	cursor;
	JsonMember	member;

	memset(event, 0, sizeof(*event));
	if (!json_parse(payload, &object) || !json_is_object(object))
		return false;

	cursor = json_members(object);
	while (json_next(&cursor, &member))
	{
		if (json_string_is(member.name, "topic"))
			event->topic = member.value;
		else if (json_string_is(member.name, "position"))
			event->position = member.value;
		else if (json_string_is(member.name, "action"))
			event->action = event_action(member.value);
		else if (json_string_is(member.name, "truncated"))
			event->truncated = *member.value.text == 't';
		else if (json_string_is(member.name, "commit_time"))
			event->commit_time = event_time(member.value);
		else if (json_string_is(member.name, "new"))
			event->new_row = member.value;
		else if (json_string_is(member.name, "old"))
			event->old_row = member.value;
		else if (json_string_is(member.name, "key"))
			event->key = member.value;
		else if (json_string_is(member.name, "delta"))
			event->delta = member.value;
		else if (json_string_is(member.name, "row"))
			event->row = member.value;
	}
	return event->topic.length > 0 && event->position.length > 0;
}
