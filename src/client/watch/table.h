/*
 * table.h: a rollup's rows as they are now
 */
#ifndef GYMSTREAM_CLIENT_TABLE_H
#define GYMSTREAM_CLIENT_TABLE_H

#include "client/feed/payload.h"

#include "libpq-fe.h"
#include "pqexpbuffer.h"

typedef struct TableColumn
{
	char	   *name;
	bool		number;			/* aligned right, compared by value */
	bool		boolean;
	bool		key;			/* one of those that name a group; known once an event came */
	int			width;			/* of the widest text so far, as displayed */
	int			shown;			/* width that it was given on the screen */
} TableColumn;

typedef struct TableCell
{
	char	   *text;			/* NULL: the SQL null */
	double		number;
	int64		changed;		/* when, on loop_now's clock; 0: as it was read */
} TableCell;

typedef struct TableRow
{
	struct TableRow *next;		/* with the same bucket */
	uint32		hash;
	int			index;			/* its place in rows */
	char	   *key;			/* as events have it; NULL: none tells of this row */
	TableCell	cells[FLEXIBLE_ARRAY_MEMBER];
} TableRow;

typedef struct Table
{
	char	   *name;
	TableColumn *columns;
	int			ncolumns;
	bool		keyed;			/* the key columns are known */
	int			nkeys;
	TableRow  **rows;			/* in the order of display once table_sort was called */
	int			nrows;
	int			allocated;
	TableRow  **buckets;
	uint32		nbuckets;		/* a power of two */
	int			sort_column;
	bool		descending;
	bool		unsorted;
	bool		stale;			/* must be read again: events did not carry all */
	int64		changes;
} Table;

/*
 * Replace all rows and columns by those of a result, which stays the caller's. Its first column is
 * not shown: it has the keys by which events name the rows. The rows are not stale then, and
 * unsorted.
 */
extern void table_load(Table *table, const PGresult *result);

/*
 * Take in one event, which stays the caller's; now is loop_now's. What the event does not say
 * makes the table stale. change, if not NULL, gets in words what is different, or nothing.
 */
extern void table_apply(Table *table, const Event *event, int64 now, PQExpBuffer change);

/* Choose the column to sort by. Takes effect with table_sort. */
extern void table_sort_by(Table *table, int column, bool descending);

/* Bring table->rows into the chosen order. Costs nothing where they are in it. */
extern void table_sort(Table *table);

/* Free all that the table has, but not the table. */
extern void table_free(Table *table);

#endif
