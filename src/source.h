/*
 * source.h: the tables that hold the rows of a rollup's source: itself, or where it is partitioned its partitions.
 */
#ifndef GS_SOURCE_H
#define GS_SOURCE_H

#include "gymstream.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

#include "rollup.h"

extern bool source_is_partitioned(Oid source);

/*
 * The source, which the caller has locked, and if it is partitioned all that is below it, each locked and before what is
 * below it.
 */
extern List *source_tables(Oid source, LOCKMODE lock);

/*
 * Where a table has the columns that the rollup uses, in their order. NULL: it is neither the source nor below it.
 * Remembered with the rollup, for as long as the table stays as it is.
 */
extern const AttrNumber *source_columns(Rollup *rollup, Oid table);

/* The same of any table that has columns of their names. In CurrentMemoryContext. */
extern AttrNumber *source_map(const Rollup *rollup, Oid table);

/* The table, or InvalidOid for any, is not what it was. */
extern void source_forget(Rollup *rollup, Oid table);

#endif							/* GS_SOURCE_H */
