/*
 * survey_partials.c: takes the table of a rollup's partials and says what about it is not as
 * create_rollup makes it. Partials are written through the heap: no constraint, default, trigger or
 * rule of theirs would be asked, and what the server trusts then, such as NOT NULL, might not hold.
 */
#include "rollup/define/survey.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "commands/trigger.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "rollup/model/key.h"
#include "rollup/model/rollup.h"
#include "rollup/write/trigger.h"

/* Any but NOT NULL, which is looked for in the columns. */
static bool
has_constraints(Oid partials)
{
	Relation	constraints = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(partials));
	scan = systable_beginscan(constraints, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = found || ((Form_pg_constraint) GETSTRUCT(tuple))->contype != 'n';
	systable_endscan(scan);
	table_close(constraints, AccessShareLock);
	return found;
}

/* Of the triggers, only the guards are a rollup's. */
static const char *
triggers_problem(Relation partials)
{
	TriggerDesc *triggers = trigger_list(partials);

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Oid			of;
		TriggerKind kind = trigger_kind(&triggers->triggers[i], RelationGetRelid(partials), &of);

		if (kind != KIND_GUARD && kind != KIND_GUARD_ROW)
			return "have other triggers";
		if (triggers->triggers[i].tgenabled != TRIGGER_FIRES_ALWAYS)
			return "have its triggers disabled";
	}
	return NULL;
}

static const char *
columns_problem(Relation partials, const Rollup *rollup)
{
	TupleDesc	desc = RelationGetDescr(partials);

	for (int i = 0; i < Min(desc->natts, rollup->nkeys); i++)
		if (TupleDescAttr(desc, i)->attnotnull)
			return "have keys that are NOT NULL";
	if (!rollup_fits(rollup, desc))
		return "have other columns";
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (i < rollup->nkeys && column->attcollation != rollup->keys[i].collation)
			return "have other columns";
		if (column->atthasdef || column->attidentity || column->attgenerated)
			return "have defaults";
	}
	return NULL;
}

static const char *
indexes_problem(Relation partials, const Rollup *rollup)
{
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(partials))
		if (!key_index_is_ours(lfirst_oid(cell), rollup->nkeys))
			return "have indexes that are unique, partial or on expressions";
	return NULL;
}

static const char *
table_problem(Relation partials)
{
	Form_pg_class form = partials->rd_rel;

	if (form->relpersistence != RELPERSISTENCE_PERMANENT)
		return "be unlogged";
	if (form->relam != HEAP_TABLE_AM_OID)
		return "have another access method";
	if (form->relrowsecurity)
		return "have row-level security";
	if (partials->rd_rules)
		return "have rules";
	if (form->relispartition || has_superclass(RelationGetRelid(partials)))
		return "have a parent";
	if (find_inheritance_children(RelationGetRelid(partials), NoLock) != NIL)
		return "have inheritance children";
	if (OidIsValid(form->reloftype))
		return "be of a type";
	if (has_constraints(RelationGetRelid(partials)))
		return "have constraints";
	return triggers_problem(partials);
}

const char *
survey_partials(Oid relid)
{
	Relation	partials = table_open(relid, AccessShareLock);
	const char *problem = table_problem(partials);
	Rollup	   *rollup = problem ? NULL : rollup_find(relid);

	/* one that is stopped is not compiled: nothing of it is written either */
	if (rollup && !rollup->stopped)
		problem = columns_problem(partials, rollup);
	if (rollup && !rollup->stopped && problem == NULL)
		problem = indexes_problem(partials, rollup);
	if (rollup)
		rollup_release(rollup);
	table_close(partials, NoLock);
	return problem;
}
