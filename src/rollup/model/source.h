/*
 * source.h: the tables that hold the rows of a rollup's source: itself, or where it is partitioned
 * its partitions.
 */
#ifndef GS_SOURCE_H
#define GS_SOURCE_H

#include "base/base.h"

#include "nodes/pg_list.h"
#include "storage/lockdefs.h"

extern bool source_is_partitioned(Oid source);

/*
 * The source, which the caller has locked, and if it is partitioned all that is below it, each
 * locked and before what is below it.
 */
extern List *source_tables(Oid source, LOCKMODE lock);

#endif							/* GS_SOURCE_H */
