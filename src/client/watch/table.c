/*
 * table.c: a rollup's rows as they are now.
 *
 * Takes the result of one SELECT and then events, gives rows in the order asked for, with the
 * time of each change. An event replaces a group's row, so one that is older than the SELECT does
 * no harm: where the group has changed since, a later event follows. Never connects, never draws;
 * what an event does not say, it marks as stale.
 */
#include "postgres_fe.h"

#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "libpq-fe.h"

#include "client/watch/table.h"

#define MAX_WIDTH	60			/* of a column; longer texts are cut */

/* Columns that a text takes on a terminal. */
static int
text_width(const char *text)
{
	static int	utf8 = -1;
	int			width = 0;

	if (utf8 < 0)
		utf8 = pg_char_to_encoding("UTF8");
	while (*text)
	{
		int			length = PQmblenBounded(text, utf8);

		width += Max(PQdsplen(text, utf8), 0);
		text += Max(length, 1);
	}
	return width;
}

static bool
is_number(Oid type)
{
	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case OIDOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
		case CASHOID:
			return true;
		default:
			return false;
	}
}

static void
free_row(const Table *table, TableRow *row)
{
	for (int i = 0; i < table->ncolumns; i++)
		free(row->cells[i].text);
	free(row->key);
	free(row);
}

static void
table_clear(Table *table)
{
	for (int i = 0; i < table->nrows; i++)
		free_row(table, table->rows[i]);
	table->nrows = 0;
	if (table->buckets)
		memset(table->buckets, 0, sizeof(TableRow *) * table->nbuckets);
}

void
table_free(Table *table)
{
	table_clear(table);
	for (int i = 0; i < table->ncolumns; i++)
		free(table->columns[i].name);
	free(table->name);
	free(table->columns);
	free(table->rows);
	free(table->buckets);
}

static void
table_set(Table *table, TableRow *row, int column, const char *text, int64 now)
{
	TableCell  *cell = &row->cells[column];
	int			width = text ? text_width(text) : 0;

	free(cell->text);
	cell->text = text ? pg_strdup(text) : NULL;
	cell->number = text && table->columns[column].number ? strtod(text, NULL) : 0;
	cell->changed = now;
	table->columns[column].width = Max(table->columns[column].width, Min(width, MAX_WIDTH));
	if (column == table->sort_column)
		table->unsorted = true;
}

/*
 * Finding rows: by their keys, as events write them. A group has one there, whatever the rollup
 * shows of its key: 1.0, or 1.00.
 */

static uint32
hash_key(const char *key)
{
	return hash_bytes((const unsigned char *) key, strlen(key));
}

static void
table_link(Table *table, TableRow *row)
{
	TableRow  **bucket = &table->buckets[row->hash & (table->nbuckets - 1)];

	row->next = *bucket;
	*bucket = row;
}

static void
build_buckets(Table *table)
{
	table->nbuckets = 64;
	while (table->nbuckets < table->nrows * 2)
		table->nbuckets *= 2;
	free(table->buckets);
	table->buckets = pg_malloc0(sizeof(TableRow *) * table->nbuckets);
	for (int i = 0; i < table->nrows; i++)
	{
		if (table->rows[i]->key)
			table_link(table, table->rows[i]);
	}
}

static TableRow *
table_find(const Table *table, const char *key)
{
	uint32		hash = hash_key(key);
	/* there are no buckets before anything was read */
	TableRow   *row = table->buckets ? table->buckets[hash & (table->nbuckets - 1)] : NULL;

	while (row && (row->hash != hash || strcmp(row->key, key) != 0))
		row = row->next;
	return row;
}

/* The row for a key, or for none. It is not to be found yet. */
static TableRow *
table_new_row(Table *table, const char *key)
{
	TableRow   *row = pg_malloc0(offsetof(TableRow, cells) + sizeof(TableCell) * table->ncolumns);

	if (table->nrows == table->allocated)
	{
		table->allocated = Max(table->allocated * 2, 64);
		table->rows = pg_realloc(table->rows, sizeof(TableRow *) * table->allocated);
	}
	if (key)
	{
		row->key = pg_strdup(key);
		row->hash = hash_key(key);
	}
	row->index = table->nrows++;
	table->rows[row->index] = row;
	table->unsorted = true;
	return row;
}

/* The columns of the result; what the user chose for sorting stays as long as it can. */
static void
load_columns(Table *table, const PGresult *result)
{
	for (int i = 0; i < table->ncolumns; i++)
		free(table->columns[i].name);
	free(table->columns);
	table->ncolumns = PQnfields(result) - 1;
	table->columns = pg_malloc0(sizeof(TableColumn) * Max(table->ncolumns, 1));
	for (int i = 0; i < table->ncolumns; i++)
	{
		TableColumn *column = &table->columns[i];

		column->name = pg_strdup(PQfname(result, i + 1));
		column->number = is_number(PQftype(result, i + 1));
		column->boolean = PQftype(result, i + 1) == BOOLOID;
		column->width = Min(text_width(column->name), MAX_WIDTH);
	}
	if (table->sort_column >= table->ncolumns)
		table->sort_column = 0;
}

void
table_load(Table *table, const PGresult *result)
{
	table_clear(table);
	load_columns(table, result);
	table->keyed = false;
	table->stale = false;
	for (int tuple = 0; tuple < PQntuples(result); tuple++)
	{
		TableRow   *row = table_new_row(table, PQgetisnull(result, tuple, 0) ? NULL :
										PQgetvalue(result, tuple, 0));

		for (int i = 0; i < table->ncolumns; i++)
		{
			const char *value = PQgetvalue(result, tuple, i + 1);

			/* as JSON writes it */
			if (table->columns[i].boolean)
				value = *value == 't' ? "true" : "false";
			table_set(table, row, i, PQgetisnull(result, tuple, i + 1) ? NULL : value, 0);
		}
	}
	build_buckets(table);
}

static int
table_column(const Table *table, const char *name)
{
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (strcmp(name, table->columns[i].name) == 0)
			return i;
	}
	return -1;
}

/* False: the view does not show all of the key, so that its rows cannot be told apart. */
static bool
learn_key(Table *table, const EventRow *key)
{
	table->nkeys = 0;
	for (int i = 0; i < key->count; i++)
	{
		int			column = table_column(table, key->members[i].name);

		if (column < 0)
			return false;
		table->columns[column].key = true;
		table->nkeys++;
	}
	table->keyed = true;
	return true;
}

static void
table_remove(Table *table, TableRow *row)
{
	TableRow  **link = &table->buckets[row->hash & (table->nbuckets - 1)];

	while (*link != row)
		link = &(*link)->next;
	*link = row->next;
	table->nrows--;
	table->rows[row->index] = table->rows[table->nrows];
	table->rows[row->index]->index = row->index;
	table->unsorted = true;
	free_row(table, row);
}

/*
 * Events
 */

static void
table_say(PQExpBuffer change, const char *before, const char *name, const char *old,
		  const char *new)
{
	if (change == NULL)
		return;
	appendPQExpBuffer(change, "%s%s ", before, name);
	if (old)
		appendPQExpBuffer(change, "%s -> ", old);
	appendPQExpBufferStr(change, new ? new : "null");
}

static void
say_key(const Table *table, const TableCell *cells, PQExpBuffer change)
{
	if (change == NULL)
		return;
	appendPQExpBufferStr(change, table->name);
	for (int i = 0; i < table->ncolumns; i++)
	{
		if (table->columns[i].key)
			appendPQExpBuffer(change, " %s=%s", table->columns[i].name,
							  cells[i].text ? cells[i].text : "null");
	}
}

/*
 * Bring a row to what the event says, cell by cell, so that only what differs counts as changed.
 * False: nothing does.
 */
static bool
table_update(Table *table, TableRow *row, bool new_row, const EventRow *values, int64 now,
			 PQExpBuffer change)
{
	const char *separator = new_row ? ", " : ": ";
	bool		any = new_row;

	if (new_row && change)
		appendPQExpBufferStr(change, ": new");

	for (int i = 0; i < values->count; i++)
	{
		int			column = table_column(table, values->members[i].name);
		const char *text = values->members[i].text;
		const char *old;

		if (column < 0)
			continue;
		old = row->cells[column].text;
		if (!new_row && ((text == NULL && old == NULL) || (text && old && strcmp(text, old) == 0)))
			continue;
		/* of a new row the key has been said */
		if (!new_row || !table->columns[column].key)
		{
			table_say(change, separator, table->columns[column].name,
					  new_row ? NULL : old ? old : "null", text);
			separator = ", ";
		}
		table_set(table, row, column, text, now);
		any = true;
	}
	return any;
}

static void
apply_group(Table *table, const Event *event, int64 now, PQExpBuffer change)
{
	TableCell  *key = pg_malloc0(sizeof(TableCell) * Max(table->ncolumns, 1));
	TableRow   *row = table_find(table, event->key_text);
	bool		found = row != NULL;

	for (int i = 0; i < event->key.count; i++)
	{
		int			column = table_column(table, event->key.members[i].name);

		if (column >= 0)
			key[column].text = unconstify(char *, event->key.members[i].text);
	}
	if (found || event->row.state != ROW_NULL)
		say_key(table, key, change);
	free(key);

	/* The group is gone. */
	if (event->row.state == ROW_NULL)
	{
		if (!found)
			return;
		table_remove(table, row);
		if (change)
			appendPQExpBufferStr(change, ": gone");
		return;
	}

	/* It is new, or something in it may be different; where nothing is, nothing is said. */
	if (!found)
		row = table_new_row(table, event->key_text);
	if (!table_update(table, row, !found, &event->row, now, change) && change)
		resetPQExpBuffer(change);
	if (!found)
	{
		table_link(table, row);
		if (table->nrows > table->nbuckets)
			build_buckets(table);
	}
}

/* Whether a row of an event has so many columns, and only such as were read. */
static bool
has_columns(const Table *table, const EventRow *values, int count)
{
	for (int i = 0; i < values->count; i++)
	{
		if (table_column(table, values->members[i].name) < 0)
			return false;
	}
	return values->count == count;
}

/*
 * Whether an event says what a group is now, in columns that are those that were read: they may
 * have been renamed since. A key that varies may be another one's of the same group.
 */
static bool
table_takes(Table *table, const Event *event)
{
	if (event->action != EVENT_ROLLUP || event->truncated || event->key.state != ROW_GIVEN ||
		event->key_varies || event->row.state == ROW_ABSENT)
		return false;
	if (event->row.state == ROW_GIVEN && !has_columns(table, &event->row, table->ncolumns))
		return false;
	if (table->keyed)
		return has_columns(table, &event->key, table->nkeys);
	return learn_key(table, &event->key);
}

void
table_apply(Table *table, const Event *event, int64 now, PQExpBuffer change)
{
	table->changes++;
	if (event->action == EVENT_TRUNCATE)
	{
		table_clear(table);
		if (change)
			appendPQExpBuffer(change, "%s: emptied", table->name);
		/* without GROUP BY there is one row even so */
		table->stale |= !table->keyed || table->nkeys == 0;
		return;
	}
	if (!table_takes(table, event))
	{
		table->stale = true;
		return;
	}
	apply_group(table, event, now, change);
}

/*
 * Order
 */

static int
compare_cells(const TableColumn *column, const TableCell *a, const TableCell *b)
{
	if (a->text == NULL || b->text == NULL)
		return (a->text == NULL) - (b->text == NULL);
	if (column->number && a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return column->number ? 0 : strcoll(a->text, b->text);
}

/*
 * By the chosen column; ties by the columns from left to right, so that rows do not swap without
 * a reason.
 */
static int
table_compare(const void *a, const void *b, void *arg)
{
	const TableRow *left = *(TableRow *const *) a;
	const TableRow *right = *(TableRow *const *) b;
	const Table *table = arg;
	int			order = 0;

	if (table->ncolumns > 0)
		order = compare_cells(&table->columns[table->sort_column],
							  &left->cells[table->sort_column],
							  &right->cells[table->sort_column]);
	if (table->descending)
		order = -order;
	for (int i = 0; i < table->ncolumns && order == 0; i++)
		order = compare_cells(&table->columns[i], &left->cells[i], &right->cells[i]);
	return order;
}

void
table_sort_by(Table *table, int column, bool descending)
{
	table->sort_column = column;
	table->descending = descending;
	table->unsorted = true;
}

void
table_sort(Table *table)
{
	if (!table->unsorted)
		return;
	qsort_arg(table->rows, table->nrows, sizeof(TableRow *), table_compare, table);
	for (int i = 0; i < table->nrows; i++)
		table->rows[i]->index = i;
	table->unsorted = false;
}
