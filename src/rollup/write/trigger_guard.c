/*
 * trigger_guard.c: takes the partials of a rollup and says, by the guard that they have, what else
 * the rollup is made of; and the other way round, takes a relation and says which tables have
 * triggers that need it. Also where the catalog of rollups knows nothing of it. Writes pg_depend,
 * and drops guards that say something else.
 */
#include "rollup/write/trigger.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "base/depend.h"
#include "rollup/write/condition.h"

/* A relation as a constant; InvalidOid: it is anything else. */
static Oid
relation_argument(const FuncExpr *call, int argument)
{
	const Const *relation = list_nth(call->args, argument);

	return IsA(relation, Const) && relation->consttype == REGCLASSOID && !relation->constisnull ?
		DatumGetObjectId(relation->constvalue) : InvalidOid;
}

bool
trigger_guarded(const Trigger *trigger, Oid partials, RollupRelations *found)
{
	const FuncExpr *call = trigger_guards(trigger) ? condition_of(trigger) : NULL;

	if (call == NULL || !trigger_condition_calls(call, "guards") || list_length(call->args) != 2)
		return false;
	found->rollup = relation_argument(call, 0);
	found->definition = relation_argument(call, 1);
	found->partials = partials;
	return OidIsValid(found->rollup) && OidIsValid(found->definition);
}

/* The first guard that the function accepts; InvalidOid: none. */
static Oid
find_guard(Oid partials, RollupRelations *found)
{
	Relation	relation = try_relation_open(partials, AccessShareLock);
	TriggerDesc *triggers = relation ? trigger_list(relation) : NULL;
	Oid			guard = InvalidOid;

	for (int i = 0; triggers && i < triggers->numtriggers && !OidIsValid(guard); i++)
		if (trigger_guarded(&triggers->triggers[i], partials, found))
			guard = triggers->triggers[i].tgoid;
	if (relation)
		relation_close(relation, NoLock);
	return guard;
}

bool
trigger_guard_of(Oid partials, RollupRelations *found)
{
	return OidIsValid(find_guard(partials, found));
}

/* Those for statements, whatever they say. */
static ObjectAddresses *
statement_guards(Oid partials)
{
	Relation	relation = relation_open(partials, AccessShareLock);
	TriggerDesc *triggers = trigger_list(relation);
	ObjectAddresses *guards = new_object_addresses();

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];
		ObjectAddress address;

		if (!trigger_guards(trigger) || TRIGGER_FOR_ROW(trigger->tgtype))
			continue;
		ObjectAddressSet(address, TriggerRelationId, trigger->tgoid);
		add_exact_object_address(&address, guards);
	}
	relation_close(relation, NoLock);
	return guards;
}

void
trigger_guard_renew(const RollupRelations *relations)
{
	RollupRelations says;
	ObjectAddresses *guards;

	if (!catalog_has_function("guards") ||
		(trigger_guard_of(relations->partials, &says) && says.rollup == relations->rollup &&
		 says.definition == relations->definition))
		return;
	guards = statement_guards(relations->partials);
	/* part of the command, so that event triggers do not hear of it */
	performMultipleDeletions(guards, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(guards);
	CommandCounterIncrement();
}

static void
yield_to(Oid guard, Oid relation)
{
	ObjectAddress trigger,
				other;

	if (deleteDependencyRecordsForSpecific(TriggerRelationId, guard, DEPENDENCY_NORMAL,
										   RelationRelationId, relation) == 0)
		return;
	ObjectAddressSet(trigger, TriggerRelationId, guard);
	ObjectAddressSet(other, RelationRelationId, relation);
	recordDependencyOn(&trigger, &other, DEPENDENCY_AUTO);
}

void
trigger_guard_yield(const RollupRelations *relations)
{
	RollupRelations says;
	Oid			guard = find_guard(relations->partials, &says);

	if (!OidIsValid(guard))
		return;
	yield_to(guard, says.rollup);
	yield_to(guard, says.definition);
	CommandCounterIncrement();
}

/* The table of a trigger; InvalidOid: it is gone. */
static Oid
table_of(Oid oid)
{
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			table = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(oid));
	scan = systable_beginscan(triggers, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		table = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
	return table;
}

List *
trigger_tables(Oid relation)
{
	List	   *tables = NIL;
	ListCell   *cell;

	foreach(cell, depend_on_relation(relation, TriggerRelationId))
	{
		Oid			table = table_of(lfirst_oid(cell));

		if (OidIsValid(table))
			tables = list_append_unique_oid(tables, table);
	}
	return tables;
}
