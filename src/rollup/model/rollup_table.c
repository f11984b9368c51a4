/*
 * rollup_table.c: takes a table that holds rows of a rollup's source, or is about to, and gives
 * where it has the columns that the rollup uses: a partition may have them in another order. Reads
 * catalogs only.
 */
#include "rollup/model/rollup.h"

#include "catalog/partition.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

typedef struct SourceTable
{
	Oid			table;			/* hash key */
	bool		valid;
	AttrNumber *columns;		/* NULL: none of the source's */
} SourceTable;

AttrNumber *
rollup_table_map(const Rollup *rollup, Oid table)
{
	AttrNumber *columns = palloc(sizeof(AttrNumber) * (rollup->ncolumns + 1));

	/* The name is what a partition's column has in common with the source's. */
	for (int i = 0; i < rollup->ncolumns; i++)
	{
		char	   *name = get_attname(rollup->source, rollup->columns[i], false);

		columns[i] = get_attnum(table, name);
		if (columns[i] == InvalidAttrNumber)
			elog(ERROR, "table %u has no column \"%s\"", table, name);
	}
	return columns;
}

static bool
is_below(Oid table, Oid source)
{
	return get_rel_relispartition(table) && list_member_oid(get_partition_ancestors(table), source);
}

const AttrNumber *
rollup_table_columns(Rollup *rollup, Oid table)
{
	SourceTable *entry;
	uint64		before;
	AttrNumber *columns = NULL;

	if (table == rollup->source)
		return rollup->columns;
	/* The table lives in the rollup's context, and goes with the rollup. */
	if (rollup->tables == NULL)
	{
		HASHCTL info = {
			.keysize = sizeof(Oid), .entrysize = sizeof(SourceTable), .hcxt = rollup->context};

		rollup->tables = hash_create("gymstream tables of a source", 16, &info,
									 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(rollup->tables, &table, HASH_FIND, NULL);
	if (entry && entry->valid)
		return entry->columns;

	/*
	 * Looking at catalogs may take invalidations in. What one has overtaken is good for this
	 * caller, and is not kept.
	 */
	before = rollup->forgotten;
	/* columns stays NULL for a table that is no partition of the source. */
	if (is_below(table, rollup->source))
	{
		MemoryContext old = MemoryContextSwitchTo(rollup->context);

		columns = rollup_table_map(rollup, table);
		MemoryContextSwitchTo(old);
	}
	entry = hash_search(rollup->tables, &table, HASH_ENTER, NULL);
	/* an earlier array stays: a statement that has begun may use it */
	entry->columns = columns;
	entry->valid = before == rollup->forgotten;
	return columns;
}

void
rollup_table_forget(Rollup *rollup, Oid table)
{
	HASH_SEQ_STATUS status;
	SourceTable *entry;

	/* This also reaches a map that is being made, which has no entry yet. */
	rollup->forgotten++;
	if (rollup->tables == NULL)
		return;
	if (OidIsValid(table))
	{
		entry = hash_search(rollup->tables, &table, HASH_FIND, NULL);
		if (entry)
			entry->valid = false;
		return;
	}
	/*
	 * InvalidOid stands for all tables. Entries are only marked, since statements may use their
	 * arrays.
	 */
	hash_seq_init(&status, rollup->tables);
	while ((entry = hash_seq_search(&status)) != NULL)
		entry->valid = false;
}
