/*
 * source.c: takes a rollup's source and gives the tables that hold its rows. Reads catalogs only.
 */
#include "rollup/model/source.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "utils/lsyscache.h"

bool
source_is_partitioned(Oid source)
{
	return get_rel_relkind(source) == RELKIND_PARTITIONED_TABLE;
}

List *
source_tables(Oid source, LOCKMODE lock)
{
	return source_is_partitioned(source) ? find_all_inheritors(source, lock, NULL) :
										   list_make1_oid(source);
}
