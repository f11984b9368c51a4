/*
 * catalog.c: takes the name of one of gymstream's tables and a key, gives its row under the
 * snapshot in force: the historic one while decoding, hence only through systable scans. Trusts a
 * table only when it belongs to the extension: in a database without it anyone may own a schema of
 * that name.
 */
#include "base/catalog.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/*
 * Where the catalogs may be, in the order in which to look. Version 0.1 had one schema for all: a
 * database may be of that version still, and the log may tell of a time when it was.
 */
static const char *const catalog_schemas[] = {GS_INTERNAL, GS_SCHEMA};

bool
catalog_is_schema(Oid schema)
{
	char	   *name = get_namespace_name(schema);
	Oid			relid;
	Oid			extension;

	if (name == NULL || (strcmp(name, GS_INTERNAL) != 0 && strcmp(name, GS_SCHEMA) != 0))
		return false;
	relid = get_relname_relid(CATALOG_ROLLUP, schema);
	extension = OidIsValid(relid) ? get_extension_oid(GS_SCHEMA, true) : InvalidOid;
	return OidIsValid(extension) && getExtensionOfObject(RelationRelationId, relid) == extension;
}

Oid
catalog_schema(void)
{
	for (int i = 0; i < lengthof(catalog_schemas); i++)
	{
		Oid			schema = get_namespace_oid(catalog_schemas[i], true);

		if (OidIsValid(schema) && catalog_is_schema(schema))
			return schema;
	}
	return InvalidOid;
}

char *
catalog_own(const char *name)
{
	Oid			schema = catalog_schema();

	return psprintf("%s.%s", OidIsValid(schema) ? get_namespace_name(schema) : GS_INTERNAL, name);
}

Oid
catalog_function(const char *name)
{
	Oid			schema = catalog_schema();
	CatCList   *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	Oid			found = InvalidOid;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (form->pronamespace == schema)
			found = form->oid;
	}
	ReleaseCatCacheList(list);
	return found;
}

bool
catalog_has_function(const char *name)
{
	return OidIsValid(catalog_function(name));
}

Oid
catalog_type(const char *name)
{
	Oid			schema = catalog_schema();
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum(name),
									   ObjectIdGetDatum(schema));

	if (!OidIsValid(type))
		elog(ERROR, "there is no type \"%s\" of the extension", name);
	return type;
}

/* One of the extension's tables; InvalidOid when the extension is not installed. */
static Oid
catalog_relation(const char *name)
{
	Oid			extension = InvalidOid;

	for (int i = 0; i < lengthof(catalog_schemas); i++)
	{
		Oid			schema = get_namespace_oid(catalog_schemas[i], true);
		Oid			relid = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

		if (!OidIsValid(relid))
			continue;
		/* The extension is looked up only where a table has the name. Most databases have none. */
		if (!OidIsValid(extension))
			extension = get_extension_oid(GS_SCHEMA, true);
		if (OidIsValid(extension) && getExtensionOfObject(RelationRelationId, relid) == extension)
			return relid;
	}
	return InvalidOid;
}

/* Whether the relation exists now, whatever the historic snapshot says. */
static bool
exists_now(Oid relid)
{
	Relation	pg_class = table_open(RelationRelationId, AccessShareLock);
	/* Registered: invalidations that come during the scan would void a catalog snapshot. */
	Snapshot	snapshot = RegisterSnapshot(GetNonHistoricCatalogSnapshot(RelationRelationId));
	ScanKeyData key;
	SysScanDesc scan;
	bool		exists;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(pg_class, ClassOidIndexId, true, snapshot, 1, &key);
	exists = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(pg_class, AccessShareLock);
	return exists;
}

Relation
catalog_open(const char *name, LOCKMODE lock)
{
	Oid			relid = catalog_relation(name);

	if (!OidIsValid(relid))
		return NULL;
	/* The lock comes first: what exists_now tells stays true as long as the lock is held. */
	LockRelationOid(relid, lock);
	/* decoding what was before DROP EXTENSION: the table can be seen, but its file is gone */
	if (HistoricSnapshotActive() && !exists_now(relid))
	{
		UnlockRelationOid(relid, lock);
		return NULL;
	}
	return table_open(relid, NoLock);
}

Oid
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

/*
 * The next row that the historic snapshot shows. The scan itself gives each version of a row: under
 * an MVCC snapshot, which the historic one is too, a SERIALIZABLE transaction that decodes would
 * lock what it reads of a user's table, and take versions that are history for those of others.
 */
static HeapTuple
next_in_history(SysScanDesc scan)
{
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (systable_recheck_tuple(scan, tuple))
			break;
	return tuple;
}

HeapTuple
catalog_find(Relation catalog, AttrNumber column, Datum key)
{
	bool		text = TupleDescAttr(RelationGetDescr(catalog), column - 1)->atttypid == TEXTOID;
	bool		historic = HistoricSnapshotActive();
	Oid			index = historic ? InvalidOid : catalog_index(catalog, column);
	ScanKeyData scan_key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&scan_key, column, BTEqualStrategyNumber, text ? F_TEXTEQ : F_OIDEQ, key);
	scan_key.sk_collation = TupleDescAttr(RelationGetDescr(catalog), column - 1)->attcollation;

	/*
	 * No index while decoding: of a user's catalog table the server finds the current file, not of
	 * its indexes, which REINDEX and VACUUM FULL write anew.
	 *
	 * Otherwise what is committed now will do. An MVCC snapshot would make a SERIALIZABLE
	 * transaction lock what it reads of a user's table, and writers of a rollup's source read here.
	 */
	scan = systable_beginscan(catalog, index, OidIsValid(index),
							  historic ? SnapshotAny : SnapshotSelf, 1, &scan_key);
	tuple = historic ? next_in_history(scan) : systable_getnext(scan);
	/* The row is copied since its page is unpinned with the scan. The copy is the caller's. */
	if (HeapTupleIsValid(tuple))
		tuple = heap_copytuple(tuple);
	systable_endscan(scan);
	return tuple;
}

/*
 * The row of a topic is updated in place. SnapshotSelf sees none of its versions when the newer one
 * is looked at before the update commits, and the older one after that. For this the index must
 * find the newer version first, on another page, from which the table's fillfactor keeps it: to
 * look once more is enough.
 */
HeapTuple
catalog_find_topic(Relation catalog, Oid relation)
{
	HeapTuple	tuple = catalog_find(catalog, TOPIC_RELATION, ObjectIdGetDatum(relation));

	if (HeapTupleIsValid(tuple) || HistoricSnapshotActive())
		return tuple;
	return catalog_find(catalog, TOPIC_RELATION, ObjectIdGetDatum(relation));
}

static void
read_relations(RollupRelations *relations, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;

	relations->rollup = DatumGetObjectId(heap_getattr(tuple, ROLLUP_ROLLUP, desc, &isnull));
	relations->definition = DatumGetObjectId(heap_getattr(tuple, ROLLUP_DEFINITION, desc, &isnull));
	relations->partials = DatumGetObjectId(heap_getattr(tuple, ROLLUP_PARTIALS, desc, &isnull));
}

List *
catalog_relations_all(void)
{
	Relation	catalog = catalog_open(CATALOG_ROLLUP, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *all = NIL;

	if (catalog == NULL)
		return NIL;
	/* SnapshotSelf takes no predicate locks, as in catalog_find. */
	scan = systable_beginscan(catalog, InvalidOid, false, SnapshotSelf, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		RollupRelations *relations = palloc(sizeof(RollupRelations));

		read_relations(relations, tuple, RelationGetDescr(catalog));
		all = lappend(all, relations);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return all;
}

bool
catalog_relations(AttrNumber column, Oid relid, RollupRelations *found)
{
	Relation	catalog = catalog_open(CATALOG_ROLLUP, AccessShareLock);
	HeapTuple	tuple = catalog ? catalog_find(catalog, column, ObjectIdGetDatum(relid)) : NULL;

	/* The catalog may be NULL, where the extension is not installed. Nothing is a rollup then. */
	if (HeapTupleIsValid(tuple))
		read_relations(found, tuple, RelationGetDescr(catalog));
	if (catalog)
		table_close(catalog, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

Oid
catalog_rollup(AttrNumber column, Oid relid, AttrNumber wanted)
{
	RollupRelations found;

	if (!catalog_relations(column, relid, &found))
		return InvalidOid;
	return wanted == ROLLUP_ROLLUP	   ? found.rollup :
		   wanted == ROLLUP_DEFINITION ? found.definition :
										 found.partials;
}

static Relation
catalog_open_rollups(void)
{
	Relation	catalog = catalog_open(CATALOG_ROLLUP, RowExclusiveLock);

	if (catalog == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed", GS_SCHEMA),
				 errhint("Run CREATE EXTENSION gymstream.")));
	return catalog;
}

/* Those who cache what the partials are must look again. */
void
catalog_relations_insert(const RollupRelations *relations)
{
	Relation	catalog = catalog_open_rollups();
	Datum		values[] = {
		ObjectIdGetDatum(relations->rollup),
		ObjectIdGetDatum(relations->definition),
		ObjectIdGetDatum(relations->partials),
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())
	};
	bool		nulls[lengthof(values)] = {false};

	CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	/* The lock is kept until the transaction ends, so that nobody drops the catalog before. */
	table_close(catalog, NoLock);
	CacheInvalidateRelcacheByRelid(relations->partials);
	CommandCounterIncrement();
}

void
catalog_relations_delete(Oid rollup)
{
	Relation	catalog = catalog_open_rollups();
	HeapTuple	tuple = catalog_find(catalog, ROLLUP_ROLLUP, ObjectIdGetDatum(rollup));

	/* Without a row the partials stay InvalidOid, for which nothing is uncounted. */
	RollupRelations relations = {0};

	if (HeapTupleIsValid(tuple))
	{
		read_relations(&relations, tuple, RelationGetDescr(catalog));
		CatalogTupleDelete(catalog, &tuple->t_self);
	}
	table_close(catalog, NoLock);
	CommandCounterIncrement();
	catalog_uncounted_delete(relations.partials);
}

bool
catalog_is_uncounted(Oid partials)
{
	Relation	catalog = catalog_open(CATALOG_UNCOUNTED, AccessShareLock);
	bool found = catalog && HeapTupleIsValid(catalog_find(catalog, UNCOUNTED_PARTIALS,
														  ObjectIdGetDatum(partials)));

	if (catalog)
		table_close(catalog, AccessShareLock);
	return found;
}

/*
 * Without a unique index: who does not see another one's row, which is not committed, has one of
 * its own. Each goes with the changes that were not counted.
 */
void
catalog_uncounted_insert(Oid partials)
{
	Relation	catalog;
	Datum values[] = {ObjectIdGetDatum(partials),
					  TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())};
	bool		nulls[lengthof(values)] = {false};

	if (catalog_is_uncounted(partials))
		return;
	catalog = catalog_open(CATALOG_UNCOUNTED, RowExclusiveLock);
	if (catalog == NULL)
		return;
	CatalogTupleInsert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls));
	table_close(catalog, NoLock);
	CacheInvalidateRelcacheByRelid(partials);
}

void
catalog_uncounted_delete(Oid partials)
{
	Relation	catalog = catalog_open(CATALOG_UNCOUNTED, RowExclusiveLock);
	HeapTuple	tuple;

	if (catalog == NULL)
		return;
	/*
	 * There may be several: two transactions may each have inserted one without seeing the other.
	 */
	while (HeapTupleIsValid(
		tuple = catalog_find(catalog, UNCOUNTED_PARTIALS, ObjectIdGetDatum(partials))))
		CatalogTupleDelete(catalog, &tuple->t_self);
	table_close(catalog, NoLock);
	/* The partials may be dropped already, and then nobody has them cached. */
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(partials)))
		CacheInvalidateRelcacheByRelid(partials);
	CommandCounterIncrement();
}

Oid
catalog_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

bool
catalog_keeps(const Interval *retain)
{
	static const Interval no_time = {0};

	return DatumGetBool(
		DirectFunctionCall2(interval_gt, IntervalPGetDatum(retain), IntervalPGetDatum(&no_time)));
}

bool
catalog_topic_stores(Oid relation, bool *stored)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	HeapTuple	tuple = catalog ? catalog_find_topic(catalog, relation) : NULL;
	bool		isnull;

	/* version 0.1 kept nothing */
	*stored = HeapTupleIsValid(tuple) && RelationGetNumberOfAttributes(catalog) >= TOPIC_NATTS &&
		catalog_keeps(DatumGetIntervalP(
			heap_getattr(tuple, TOPIC_RETAIN, RelationGetDescr(catalog), &isnull)));
	if (catalog)
		table_close(catalog, AccessShareLock);
	return HeapTupleIsValid(tuple);
}

bool
catalog_has_topic(Oid relation)
{
	bool		stored;

	return catalog_topic_stores(relation, &stored);
}
