/*
 * catalog.c: takes the name of one of gymstream's tables and a key, gives its row under the snapshot in force: the
 * historic one while decoding, hence only through systable scans. Trusts a table only when it belongs to the extension:
 * in a database without it anyone may own a schema of that name. Never writes.
 */
#include "catalog.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "commands/extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

Oid
catalog_schema(void)
{
	Oid			schema = get_namespace_oid(GS_SCHEMA, true);

	if (OidIsValid(schema) && !OidIsValid(get_extension_oid(GS_SCHEMA, true)))
		schema = InvalidOid;
	return schema;
}

Relation
catalog_open(const char *name, LOCKMODE lock)
{
	Oid			schema = get_namespace_oid(GS_SCHEMA, true);
	Oid			relid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
	Oid			extension = OidIsValid(relid) ? get_extension_oid(GS_SCHEMA, true) : InvalidOid;

	if (!OidIsValid(extension) || getExtensionOfObject(RelationRelationId, relid) != extension)
		return NULL;
	return table_open(relid, lock);
}

/* The index whose only column is this one. The catalogs have one for each column that is searched. */
static Oid
catalog_index(Relation catalog, AttrNumber column)
{
	List	   *indexes = RelationGetIndexList(catalog);
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			continue;
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (index->indisvalid && index->indnatts == 1 && index->indkey.values[0] == column)
			found = lfirst_oid(lc);
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return found;
}

HeapTuple
catalog_find(Relation catalog, AttrNumber column, Datum key)
{
	bool		text = TupleDescAttr(RelationGetDescr(catalog), column - 1)->atttypid == TEXTOID;
	Oid			index = catalog_index(catalog, column);
	ScanKeyData scan_key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&scan_key, column, BTEqualStrategyNumber, text ? F_TEXTEQ : F_OIDEQ, key);
	scan_key.sk_collation = TupleDescAttr(RelationGetDescr(catalog), column - 1)->attcollation;
	scan = systable_beginscan(catalog, index, OidIsValid(index), NULL, 1, &scan_key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

Oid
catalog_rollup(AttrNumber column, Oid relid, AttrNumber wanted)
{
	Relation	catalog = catalog_open(CATALOG_ROLLUP, AccessShareLock);
	HeapTuple	tuple;
	Oid			result = InvalidOid;
	bool		isnull;

	if (catalog == NULL)
		return InvalidOid;
	tuple = catalog_find(catalog, column, ObjectIdGetDatum(relid));
	if (HeapTupleIsValid(tuple))
		result = DatumGetObjectId(heap_getattr(tuple, wanted, RelationGetDescr(catalog), &isnull));
	table_close(catalog, AccessShareLock);
	return result;
}
