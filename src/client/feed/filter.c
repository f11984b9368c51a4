/*
 * filter.c: which events of a slot are wanted.
 *
 * Takes tables and keys from the command line, and an event; gives whether it is wanted. Compares
 * values as the text that they are in the event.
 */
#include "postgres_fe.h"

#include "pqexpbuffer.h"

#include "client/feed/filter.h"

bool
filter_add_table(Filter *filter, const char *name)
{
	filter->tables = pg_realloc(filter->tables, sizeof(*filter->tables) * (filter->ntables + 1));
	filter->tables[filter->ntables++] = name;
	return *name != '\0';
}

bool
filter_add_key(Filter *filter, const char *pair)
{
	const char *equal = strchr(pair, '=');

	if (equal == NULL || equal == pair)
		return false;
	filter->keys = pg_realloc(filter->keys, sizeof(*filter->keys) * (filter->nkeys + 1));
	filter->keys[filter->nkeys++] = (FilterKey) {pnstrdup(pair, equal - pair), equal + 1};
	return true;
}

bool
filter_is_set(const Filter *filter)
{
	return filter->ntables > 0 || filter->nkeys > 0;
}

/* A name without a schema is a table of that name in any. */
static bool
is_table(const char *name, const Event *event)
{
	size_t		length = event->schema ? strlen(event->schema) : 0;

	return strcmp(name, event->table) == 0 ||
		(event->schema && strncmp(name, event->schema, length) == 0 && name[length] == '.' &&
		 strcmp(name + length + 1, event->table) == 0);
}

/* Part of a name, with what is special in a list of tables made plain. */
static void
filter_escape(PQExpBuffer out, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (strchr("\\,.* ", text[i]))
			appendPQExpBufferChar(out, '\\');
		appendPQExpBufferChar(out, text[i]);
	}
}

char *
filter_tables(const Filter *filter)
{
	PQExpBufferData out;

	if (filter->ntables == 0)
		return NULL;
	initPQExpBuffer(&out);
	for (int i = 0; i < filter->ntables; i++)
	{
		const char *name = filter->tables[i];

		appendPQExpBufferStr(&out, i == 0 ? "*." : ",*.");
		filter_escape(&out, name, strlen(name));
		for (const char *point = name; (point = strchr(point, '.')) != NULL; point++)
		{
			if (point == name || point[1] == '\0')
				continue;
			appendPQExpBufferChar(&out, ',');
			filter_escape(&out, name, point - name);
			appendPQExpBufferChar(&out, '.');
			filter_escape(&out, point + 1, strlen(point + 1));
		}
	}
	return out.data;
}

static bool
has_keys(const Filter *filter, const EventRow *row)
{
	for (int i = 0; i < filter->nkeys; i++)
	{
		const char *text = event_text(row, filter->keys[i].column);

		if (text == NULL || strcmp(text, filter->keys[i].value) != 0)
			return false;
	}
	return row->state == ROW_GIVEN;
}

bool
filter_takes(const Filter *filter, const Event *event)
{
	bool		found = filter->ntables == 0;

	if (!filter_is_set(filter))
		return true;
	if (event->table == NULL)
		return event->action != EVENT_MESSAGE;
	for (int i = 0; i < filter->ntables && !found; i++)
		found = is_table(filter->tables[i], event);
	if (!found)
		return false;
	return filter->nkeys == 0 || event->action == EVENT_TRUNCATE || event->action == EVENT_OTHER ||
		has_keys(filter, &event->key) ||
		has_keys(filter, &event->new_row) || has_keys(filter, &event->old_row);
}

/* Whether a row has all columns that are asked for, with values or nulls. */
static bool
has_columns(const Filter *filter, const EventRow *row)
{
	for (int i = 0; i < filter->nkeys; i++)
	{
		int			member = 0;

		while (member < row->count &&
			   strcmp(row->members[member].name, filter->keys[i].column) != 0)
			member++;
		if (member == row->count)
			return false;
	}
	return true;
}

FilterVerdict
filter_judge(const Filter *filter, const Event *event)
{
	const EventRow *rows[] = {&event->key, &event->old_key, &event->row, &event->new_row,
	&event->old_row};
	FilterVerdict verdict = FILTER_UNKNOWN;

	if (filter->nkeys == 0 || event->action == EVENT_OTHER || event->action == EVENT_TRUNCATE)
		return FILTER_YES;
	for (int i = 0; i < lengthof(rows); i++)
	{
		if (has_keys(filter, rows[i]))
			return FILTER_YES;
		if (has_columns(filter, rows[i]))
			verdict = FILTER_NO;
	}
	return verdict;
}

static void
append_json(PQExpBuffer out, const char *text, size_t length)
{
	appendPQExpBufferChar(out, '"');
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] == '"' || text[i] == '\\')
			appendPQExpBuffer(out, "\\%c", text[i]);
		else if ((unsigned char) text[i] < 0x20)
			appendPQExpBuffer(out, "\\u%04x", text[i]);
		else
			appendPQExpBufferChar(out, text[i]);
	}
	appendPQExpBufferChar(out, '"');
}

char *
filter_json(const Filter *filter)
{
	PQExpBufferData out;

	if (filter->nkeys == 0)
		return NULL;
	initPQExpBuffer(&out);
	for (int i = 0; i < filter->nkeys; i++)
	{
		const FilterKey *key = &filter->keys[i];

		appendPQExpBufferChar(&out, i == 0 ? '{' : ',');
		append_json(&out, key->column, strlen(key->column));
		appendPQExpBufferChar(&out, ':');
		append_json(&out, key->value, strlen(key->value));
	}
	appendPQExpBufferChar(&out, '}');
	return out.data;
}
