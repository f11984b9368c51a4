/*
 * ddl.c: takes the call of an event trigger's function and gives what its command has made, altered
 * or dropped. By OIDs, not by the names that stand in the command: these may mean something else by
 * now. Reads catalogs as they are, whatever the transaction's snapshot: a rollup may have been made
 * since. Changes nothing.
 */
#include "rollup/ddl/ddl.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

EventTriggerData *
ddl_event(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as an event trigger", function)));
	return (EventTriggerData *) fcinfo->context;
}

/*
 * What the server says, by functions that only SQL can call. Rows are there until SPI_finish; what
 * is allocated meanwhile stays.
 */
static void
ask(const char *sql)
{
	MemoryContext caller = CurrentMemoryContext;

	SPI_connect();
	if (SPI_execute(sql, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read what the command did");
	MemoryContextSwitchTo(caller);
}

static Datum
answer(uint64 row, int column)
{
	bool		isnull;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &isnull);
}

List *
ddl_objects(void)
{
	List	   *objects = NIL;

	ask("SELECT classid, objid, command FROM pg_catalog.pg_event_trigger_ddl_commands()");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		DdlObject  *object = palloc(sizeof(DdlObject));

		/* nulls, as of GRANT, are InvalidOid */
		object->class = DatumGetObjectId(answer(i, 1));
		object->object = DatumGetObjectId(answer(i, 2));
		object->command = (const CollectedCommand *) DatumGetPointer(answer(i, 3));
		objects = lappend(objects, object);
	}
	SPI_finish();
	return objects;
}

List *
ddl_alterations(const DdlObject *object)
{
	return object->command->type == SCT_AlterTable ? object->command->d.alterTable.subcmds : NIL;
}

List *
ddl_dropped(void)
{
	List	   *dropped = NIL;

	ask("SELECT objid, original, object_identity, object_type "
		"FROM pg_catalog.pg_event_trigger_dropped_objects()");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		const char *type = TextDatumGetCString(answer(i, 4));
		DdlDropped *object = palloc0(sizeof(DdlDropped));

		object->relation = DatumGetObjectId(answer(i, 1));
		object->asked_for = DatumGetBool(answer(i, 2));
		object->identity = TextDatumGetCString(answer(i, 3));
		if (strcmp(type, "table") == 0 || strcmp(type, "view") == 0)
			dropped = lappend(dropped, object);
	}
	SPI_finish();
	return dropped;
}

/*
 * Relations
 */

/* The OIDs in a column of the rows of a catalog that have this one in another column. */
static List *
find_oids(Oid catalog, Oid index, AttrNumber column, Oid value, AttrNumber wanted)
{
	Relation	relation = table_open(catalog, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	List	   *found = NIL;

	ScanKeyInit(&key, column, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(value));
	scan = systable_beginscan(relation, index, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;

		found = lappend_oid(found, DatumGetObjectId(heap_getattr(
									   tuple, wanted, RelationGetDescr(relation), &isnull)));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

Oid
ddl_relation(Oid class, Oid object)
{
	List	   *found = NIL;

	if (class == RelationRelationId)
		found = list_make1_oid(object);
	else if (class == RewriteRelationId)
		found = find_oids(class, RewriteOidIndexId, Anum_pg_rewrite_oid, object,
						  Anum_pg_rewrite_ev_class);
	else if (class == TriggerRelationId)
		found = find_oids(class, TriggerOidIndexId, Anum_pg_trigger_oid, object,
						  Anum_pg_trigger_tgrelid);
	if (found == NIL)
		return InvalidOid;
	switch (get_rel_relkind(linitial_oid(found)))
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
			return linitial_oid(found);
		default:
			return InvalidOid;
	}
}

static bool
has_triggers(Oid table)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	bool		has = HeapTupleIsValid(tuple) && ((Form_pg_class) GETSTRUCT(tuple))->relhastriggers;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return has;
}

List *
ddl_watched_parents(Oid table)
{
	List *parents = find_oids(InheritsRelationId, InheritsRelidSeqnoIndexId,
							  Anum_pg_inherits_inhrelid, table, Anum_pg_inherits_inhparent);
	ListCell   *cell;

	foreach(cell, parents)
		if (!has_triggers(lfirst_oid(cell)))
			parents = foreach_delete_current(parents, cell);
	return parents;
}
