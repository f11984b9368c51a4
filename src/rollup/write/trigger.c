/*
 * trigger.c: takes a trigger from the catalogs and says whether it is one that a rollup needs,
 * exactly as create_rollup makes it, or one that only calls what those call. Writes pg_trigger's
 * mark of what always fires, and nothing else.
 */
#include "rollup/write/trigger.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "rollup/write/condition.h"

#define WRITES (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE)

const char *
trigger_kind_name(TriggerKind kind)
{
	static const char *const names[] = {"other", "wrong",	 "insert",	   "delete", "update",
										"flush", "truncate", "truncating", "guard",	 "guard rows"};

	return names[kind];
}

static bool
function_is(Oid function, const char *wanted)
{
	char	   *name = get_func_name(function);

	return name && strcmp(name, wanted) == 0 && catalog_is_schema(get_func_namespace(function));
}

bool
trigger_condition_calls(const FuncExpr *call, const char *name)
{
	return function_is(call->funcid, name);
}

bool
trigger_only_calls(Oid function)
{
	return function_is(function, "collect") || function_is(function, "flush") ||
		   function_is(function, "truncated") || function_is(function, "truncating");
}

bool
trigger_flushes(const Trigger *trigger)
{
	return function_is(trigger->tgfoid, "flush_pending");
}

bool
trigger_guards(const Trigger *trigger)
{
	return function_is(trigger->tgfoid, "guard_partials");
}

static bool
calls_ours_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && trigger_only_calls(((FuncExpr *) node)->funcid))
		return true;
	return expression_tree_walker(node, calls_ours_walker, context);
}

/* Which rows a call of collect takes; false if it takes anything else. */
static bool
rows_of_call(const FuncExpr *call, Oid table, Oid partials, bool *has_old, bool *has_new)
{
	RollupRelations relations;
	Rollup	   *rollup;
	const AttrNumber *columns;
	int		   *old_columns,
			   *new_columns;
	bool		understood;

	if (!catalog_relations(ROLLUP_PARTIALS, partials, &relations))
	{
		/* restored without the catalog's rows: nothing can be collected */
		*has_old = *has_new = false;
		for (int arg = 1; arg < list_length(call->args); arg++)
		{
			Var		   *var = list_nth(call->args, arg);

			if (!IsA(var, Var))
				return false;
			*has_old = *has_old || var->varno == INNER_VAR;
			*has_new = *has_new || var->varno == OUTER_VAR;
		}
		return true;
	}
	rollup = rollup_acquire(partials);
	columns = rollup_table_columns(rollup, table);
	understood = columns && condition_arguments(rollup, columns, call, &old_columns, &new_columns);
	rollup_release(rollup);
	if (understood)
	{
		*has_old = old_columns != NULL;
		*has_new = new_columns != NULL;
	}
	return understood;
}

static TriggerKind
kind_of_collect(const Trigger *trigger, const FuncExpr *call, Oid table, Oid partials)
{
	bool		has_old,
				has_new;

	if (list_length(call->args) < 2 || !rows_of_call(call, table, partials, &has_old, &has_new))
		return KIND_WRONG;
	switch (trigger->tgtype)
	{
		case TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT:
			return has_new && !has_old ? KIND_INSERT : KIND_WRONG;
		case TRIGGER_TYPE_ROW | TRIGGER_TYPE_DELETE:
			return has_old && !has_new ? KIND_DELETE : KIND_WRONG;
		case TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE:
			return has_old && has_new ? KIND_UPDATE : KIND_WRONG;
		default:
			return KIND_WRONG;
	}
}

static TriggerKind
kind_of_guard(const Trigger *trigger)
{
	RollupRelations says;

	if (trigger->tgnattr > 0)
		return KIND_OTHER;
	switch (trigger->tgtype)
	{
		case TRIGGER_TYPE_BEFORE | WRITES | TRIGGER_TYPE_TRUNCATE:
			/* version 0.1 made it without a WHEN */
			return trigger->tgqual == NULL || trigger_guarded(trigger, InvalidOid, &says) ?
					   KIND_GUARD :
					   KIND_OTHER;
		case TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | WRITES:
			return trigger->tgqual ? KIND_OTHER : KIND_GUARD_ROW;
		default:
			return KIND_OTHER;
	}
}

/* Those of other partials than the wanted ones are others; InvalidOid: any are wanted. */
static TriggerKind
kind_for(const Trigger *trigger, Oid table, Oid wanted, Oid *partials)
{
	Node	   *condition;
	FuncExpr   *call;
	Const	   *self;

	*partials = table;
	if (trigger_guards(trigger))
		return kind_of_guard(trigger);
	condition = condition_read(trigger);
	if (!calls_ours_walker(condition, NULL))
		return KIND_OTHER;
	call = (FuncExpr *) condition;
	if (!IsA(call, FuncExpr) || call->funcvariadic || call->args == NIL)
		return KIND_WRONG;
	self = linitial(call->args);
	if (!IsA(self, Const) || self->constisnull || !trigger_flushes(trigger) ||
		OidIsValid(trigger->tgconstraint) || trigger->tgnargs > 0 || trigger->tgnattr > 0 ||
		trigger->tgoldtable || trigger->tgnewtable)
		return KIND_WRONG;
	*partials = DatumGetObjectId(self->constvalue);
	if (OidIsValid(wanted) && *partials != wanted)
		return KIND_OTHER;
	if (trigger_condition_calls(call, "collect"))
		return kind_of_collect(trigger, call, table, *partials);
	if (trigger_condition_calls(call, "flush"))
		return (trigger->tgtype & ~TRIGGER_TYPE_TRUNCATE) == WRITES ? KIND_FLUSH : KIND_WRONG;
	if (trigger_condition_calls(call, "truncated"))
		return trigger->tgtype == TRIGGER_TYPE_TRUNCATE ? KIND_TRUNCATE : KIND_WRONG;
	if (trigger_condition_calls(call, "truncating"))
		return trigger->tgtype == (TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_TRUNCATE) ? KIND_TRUNCATING :
																				  KIND_WRONG;
	return KIND_WRONG;
}

TriggerDesc *
trigger_list(Relation table)
{
	return CopyTriggerDesc(table->trigdesc);
}

TriggerKind
trigger_kind(const Trigger *trigger, Oid table, Oid *partials)
{
	return kind_for(trigger, table, InvalidOid, partials);
}

void
trigger_count(Oid table, Oid partials, TriggerCount *counts)
{
	Relation	relation = relation_open(table, AccessShareLock);
	TriggerDesc *triggers = trigger_list(relation);

	memset(counts, 0, TRIGGER_KINDS * sizeof(TriggerCount));
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Oid			of;
		TriggerKind kind = kind_for(&triggers->triggers[i], table, partials, &of);

		if (of != partials)
			continue;
		counts[kind].all++;
		if (triggers->triggers[i].tgenabled == TRIGGER_FIRES_ALWAYS)
			counts[kind].always++;
	}
	relation_close(relation, NoLock);
}

static void
set_always(Oid trigger)
{
	Relation	triggers = table_open(TriggerRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(triggers, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = heap_copytuple(systable_getnext(scan));
	((Form_pg_trigger) GETSTRUCT(tuple))->tgenabled = TRIGGER_FIRES_ALWAYS;
	CatalogTupleUpdate(triggers, &tuple->t_self, tuple);
	systable_endscan(scan);
	table_close(triggers, RowExclusiveLock);
}

/*
 * One of a rollup's with these partials, or with any; or a copy of one on a partition; or what a
 * dump of topics must meet.
 */
static bool
is_ours(const Trigger *trigger, Oid table, Oid wanted)
{
	Oid			partials;
	TriggerKind kind = kind_for(trigger, table, wanted, &partials);

	return kind > KIND_WRONG || (kind == KIND_WRONG && trigger->tgisclone) ||
		(!OidIsValid(wanted) && function_is(trigger->tgfoid, "topic_restored"));
}

bool
trigger_set_always(Oid table, Oid partials, bool also_disabled)
{
	Relation	relation = relation_open(table, AccessShareLock);
	TriggerDesc *triggers = trigger_list(relation);
	List	   *found = NIL;
	ListCell   *cell;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if ((triggers->triggers[i].tgenabled == TRIGGER_FIRES_ON_ORIGIN ||
			 (also_disabled && triggers->triggers[i].tgenabled != TRIGGER_FIRES_ALWAYS)) &&
			is_ours(&triggers->triggers[i], table, partials))
			found = lappend_oid(found, triggers->triggers[i].tgoid);
	relation_close(relation, NoLock);
	if (found == NIL)
		return false;
	foreach(cell, found)
		set_always(lfirst_oid(cell));
	CacheInvalidateRelcacheByRelid(table);
	CommandCounterIncrement();
	return true;
}
