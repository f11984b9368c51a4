/*
 * before_drop.c: takes a DROP, or an ALTER of what a rollup is made of, before it is done. Locks
 * the rollup's parts in the order of writers and readers, since the server would lock first what is
 * named first. Remembers which rollup's triggers are dropped, as that is not to be seen afterwards.
 * Refuses and changes nothing, but for indexes that cannot be refused later.
 *
 * It locks only what the command would lock as well: a name that the user may not drop or alter is
 * left alone.
 */
#include "rollup/ddl/before_drop.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "rollup/ddl/ddl.h"
#include "rollup/define/define.h"
#include "rollup/write/trigger.h"

/* A trigger of a rollup, that the command drops. */
typedef struct DroppedPart
{
	const Node *command;
	Oid			table;
	TriggerKind kind;
	RollupRelations relations;
} DroppedPart;

/* Of DroppedPart, from the start of such a command to the end of the transaction. */
static List *dropped_parts = NIL;

static void
forget_parts(void *arg)
{
	dropped_parts = NIL;
}

static void
remember_part(const DroppedPart *found)
{
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	DroppedPart *part = palloc(sizeof(DroppedPart));

	if (dropped_parts == NIL)
	{
		MemoryContextCallback *forget = palloc0(sizeof(MemoryContextCallback));

		forget->func = forget_parts;
		MemoryContextRegisterResetCallback(TopTransactionContext, forget);
	}
	*part = *found;
	dropped_parts = lappend(dropped_parts, part);
	MemoryContextSwitchTo(old);
}

/* What an earlier command at the same address has left. */
static void
forget_command(const Node *command)
{
	ListCell   *cell;

	foreach(cell, dropped_parts)
		if (((DroppedPart *) lfirst(cell))->command == command)
			dropped_parts = foreach_delete_current(dropped_parts, cell);
}

/* Whether it is missed: there may be another one that does the same. */
static bool
is_missed(const DroppedPart *part)
{
	TriggerCount counts[TRIGGER_KINDS];

	if (get_rel_name(part->relations.rollup) == NULL || get_rel_name(part->table) == NULL)
		return false;
	trigger_count(part->table, part->relations.partials, counts);
	return counts[part->kind].all == 0;
}

bool
before_drop_missed(const Node *command, RollupRelations *relations)
{
	ListCell   *cell;

	foreach(cell, dropped_parts)
	{
		const DroppedPart *part = lfirst(cell);

		if (part->command != command || !is_missed(part))
			continue;
		*relations = part->relations;
		return true;
	}
	return false;
}

static Oid
find_relation(List *name)
{
	return RangeVarGetRelid(makeRangeVarFromNameList(name), NoLock, true);
}

static bool
is_part(Oid relid, RollupRelations *relations)
{
	for (AttrNumber column = ROLLUP_ROLLUP; column <= ROLLUP_PARTIALS; column++)
		if (catalog_relations(column, relid, relations))
			return true;
	return false;
}

static void
lock_rollup_of(Oid relid, bool to_drop)
{
	RollupRelations relations;

	if (!OidIsValid(relid) || !is_part(relid, &relations) || !get_rel_name(relations.definition))
		return;
	if (!gs_owns_relation(relid, GetUserId()) &&
		!gs_owns_schema(get_rel_namespace(relid), GetUserId()))
		return;
	define_lock_whole(&relations, to_drop);
	if (to_drop)
		trigger_guard_yield(&relations);
}

/* The rollups in a schema that is dropped with all that is in it. */
static void
lock_schema(Oid schema)
{
	ListCell   *cell;

	if (!OidIsValid(schema) || !gs_owns_schema(schema, GetUserId()))
		return;
	foreach(cell, catalog_relations_all())
	{
		const RollupRelations *relations = lfirst(cell);

		if (get_rel_namespace(relations->rollup) == schema)
			lock_rollup_of(relations->rollup, true);
	}
}

/* The rollup that a trigger of the table is of. */
static bool
find_rollup(Oid trigger, DroppedPart *part)
{
	Relation	relation = relation_open(part->table, AccessShareLock);
	TriggerDesc *triggers = trigger_list(relation);
	Oid			partials = InvalidOid;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (triggers->triggers[i].tgoid == trigger)
			part->kind = trigger_kind(&triggers->triggers[i], part->table, &partials);
	relation_close(relation, AccessShareLock);
	return part->kind > KIND_WRONG &&
		   catalog_relations(ROLLUP_PARTIALS, partials, &part->relations);
}

static void
look_at_trigger(const DropStmt *command, const List *name)
{
	DroppedPart part = {(const Node *) command};
	Oid			trigger;

	part.table = find_relation(list_copy_head(name, list_length(name) - 1));
	if (!OidIsValid(part.table) || !gs_owns_relation(part.table, GetUserId()))
		return;
	trigger = get_trigger_oid(part.table, strVal(llast(name)), true);
	if (!OidIsValid(trigger) || !find_rollup(trigger, &part))
		return;
	remember_part(&part);
	if (command->behavior == DROP_CASCADE)
		define_lock_whole(&part.relations, true);
}

static void
look_at_drop(const DropStmt *command)
{
	ListCell   *cell;

	foreach(cell, command->objects)
		switch (command->removeType)
		{
			case OBJECT_VIEW:
			case OBJECT_TABLE:
				lock_rollup_of(find_relation(lfirst(cell)), true);
				break;
			case OBJECT_SCHEMA:
				if (command->behavior == DROP_CASCADE)
					lock_schema(get_namespace_oid(strVal(lfirst(cell)), true));
				break;
			case OBJECT_TRIGGER:
				look_at_trigger(command, lfirst(cell));
				break;
			default:
				break;
		}
}

/* Owner and schema are those of the whole rollup. */
static void
look_at_alter(const Node *command)
{
	const RangeVar *name = NULL;
	ListCell   *cell;

	if (IsA(command, AlterObjectSchemaStmt))
		name = ((const AlterObjectSchemaStmt *) command)->relation;
	else if (IsA(command, AlterTableStmt))
		foreach(cell, ((const AlterTableStmt *) command)->cmds)
			if (lfirst_node(AlterTableCmd, cell)->subtype == AT_ChangeOwner)
				name = ((const AlterTableStmt *) command)->relation;
	if (name)
		lock_rollup_of(RangeVarGetRelid(name, NoLock, true), false);
}

/*
 * One that is made concurrently is there when the command ends, and could not be refused any more.
 */
static void
look_at_index(const IndexStmt *command)
{
	Oid table =
		command->concurrent ? RangeVarGetRelid(command->relation, NoLock, true) : InvalidOid;
	RollupRelations relations;

	if (OidIsValid(table) && catalog_relations(ROLLUP_PARTIALS, table, &relations))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot create an index concurrently on \"%s\" because it holds the "
						"partials of a rollup",
						command->relation->relname)));
}

/* gymstream_internal.before_drop(): event trigger for ddl_command_start */
PG_FUNCTION_INFO_V1(gs_before_drop);
Datum
gs_before_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *event = ddl_event(fcinfo, "gymstream_internal.before_drop");

	forget_command(event->parsetree);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (IsA(event->parsetree, DropStmt))
		look_at_drop((const DropStmt *) event->parsetree);
	else if (IsA(event->parsetree, IndexStmt))
		look_at_index((const IndexStmt *) event->parsetree);
	else
		look_at_alter(event->parsetree);
	PopActiveSnapshot();
	return PointerGetDatum(NULL);
}
