/*
 * guard.c: takes an object that a command has made or altered. Refuses it where a rollup reads it,
 * and would not be told of changes any more, as create_rollup refuses such a source; where it is a
 * view that shows something else than the rollup was made from; or a generated column, for all rows
 * of which the command has computed other values. Tells all backends of a table that has a parent
 * now.
 */
#include "rollup/ddl/guard.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_rewrite.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/depend.h"
#include "rollup/model/rollup.h"
#include "rollup/write/trigger.h"

/* Those not seen yet whose rules read the relation, appended to seen. */
static List *
add_readers(List *seen, Oid relation)
{
	ListCell   *cell;

	foreach(cell, depend_on_relation(relation, RewriteRelationId))
		seen = list_append_unique_oid(seen, ddl_relation(RewriteRelationId, lfirst_oid(cell)));
	return seen;
}

/*
 * A rollup whose definition is the view, or reads it, directly or through others; InvalidOid: none.
 */
static Oid
rollup_over(Oid view)
{
	List	   *seen = list_make1_oid(view);

	for (int i = 0; i < list_length(seen); i++)
	{
		RollupRelations rollup;

		if (catalog_relations(ROLLUP_DEFINITION, list_nth_oid(seen, i), &rollup))
			return rollup.rollup;
		seen = add_readers(seen, list_nth_oid(seen, i));
	}
	return InvalidOid;
}

static bool
rollup_uses(Oid partials, const char *column)
{
	Rollup	   *rollup = rollup_acquire(partials);
	bool		uses = false;

	for (int i = 0; i < rollup->ncolumns; i++)
		uses = uses || strcmp(get_attname(rollup->source, rollup->columns[i], false), column) == 0;
	rollup_release(rollup);
	return uses;
}

/* Whether the view is not what a rollup may read, or may show something else than before. */
static bool
view_changed(Oid view, bool replaced)
{
	Relation	relation = relation_open(view, AccessShareLock);
	bool		guarded = RelationIsSecurityView(relation) || RelationHasSecurityInvoker(relation);

	relation_close(relation, AccessShareLock);
	return replaced || guarded;
}

static void
check_view(Oid view, bool replaced)
{
	RollupRelations relations;
	Oid			rollup = view_changed(view, replaced) ? rollup_over(view) : InvalidOid;

	if (replaced && catalog_relations(ROLLUP_ROLLUP, view, &relations))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot replace view \"%s\" because it is a rollup", get_rel_name(view)),
				 errhint("To change its query, drop it with gymstream.drop_rollup and create it "
						 "again.")));
	if (OidIsValid(rollup))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg(replaced ? "cannot replace view \"%s\" because the rollup \"%s\" reads it" :
								   "cannot make \"%s\" a security_barrier or security_invoker view "
								   "because the rollup \"%s\" reads it",
						get_rel_name(view), get_rel_name(rollup)),
				 errhint("Drop the rollup first, and create it again afterwards.")));
}

/* The column of a table and of those below it has other values. */
static void
check_expression(Oid table, const char *column)
{
	List	   *seen = list_make1_oid(table);

	for (int i = 0; i < list_length(seen); i++)
	{
		RollupRelations relations;

		if (catalog_relations(ROLLUP_DEFINITION, list_nth_oid(seen, i), &relations) &&
			rollup_uses(relations.partials, column))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("cannot change the expression of column \"%s\" because the rollup "
							"\"%s\" reads it",
							column, get_rel_name(relations.rollup)),
					 errhint("Drop the rollup first, and create it again afterwards.")));
		seen = add_readers(seen, list_nth_oid(seen, i));
	}
}

static void
check_expressions(const DdlObject *object)
{
	ListCell   *cell,
			   *table;

	foreach(cell, ddl_alterations(object))
	{
		const AlterTableCmd *command =
			(AlterTableCmd *) ((CollectedATSubcmd *) lfirst(cell))->parsetree;

		if (!gs_sets_expression(command))
			continue;
		foreach (table, list_concat(find_all_inheritors(object->object, NoLock, NULL),
									get_partition_ancestors(object->object)))
			check_expression(lfirst_oid(table), command->name);
	}
}

/*
 * Whether a rollup that there is has it on its source. Anyone may make others with the same
 * function.
 */
static bool
is_of_rollup(const Trigger *trigger, Oid table)
{
	RollupRelations relations;
	Oid			partials;

	if (!trigger_flushes(trigger))
		return false;
	return (trigger_kind(trigger, table, &partials) > KIND_WRONG || trigger->tgisclone) &&
		catalog_relations(ROLLUP_PARTIALS, partials, &relations);
}

/* What create_rollup refuses in a source; NULL: nothing of it. */
static const char *
source_problem(Relation table)
{
	TriggerDesc *triggers = trigger_list(table);
	bool		is_source = false;
	bool		disabled = false;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (!is_of_rollup(trigger, RelationGetRelid(table)))
			continue;
		is_source = true;
		disabled = disabled || trigger->tgenabled == TRIGGER_DISABLED ||
				   trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA;
	}
	if (!is_source)
		return NULL;
	if (disabled)
		return "have its rollups' triggers disabled";
	if (table->rd_rel->relpersistence != RELPERSISTENCE_PERMANENT)
		return "be unlogged";
	if (table->rd_rel->relrowsecurity)
		return "have row-level security";
	if (table->rd_rules)
		return "have rules";
	if (table->rd_rel->relkind == RELKIND_RELATION &&
		find_inheritance_children(RelationGetRelid(table), NoLock) != NIL)
		return "have inheritance children";
	return NULL;
}

static void
check_source(Oid relid)
{
	Relation	table = relation_open(relid, AccessShareLock);
	const char *problem = source_problem(table);

	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is the source of a rollup: it cannot %s",
						quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
												   RelationGetRelationName(table)),
						problem),
				 errhint("Drop its rollups first.")));
	relation_close(table, NoLock);
}

static bool
is_select_rule(const DdlObject *object)
{
	return IsA(object->command->parsetree, RuleStmt) &&
		   ((RuleStmt *) object->command->parsetree)->event == CMD_SELECT;
}

/*
 * Statements on a parent fire no statement triggers of the child, which a compiled rollup must
 * know. The server itself tells others of the parent only, where the two have no column in common.
 */
static void
tell_of_parent(Oid table)
{
	if (has_superclass(table))
		CacheInvalidateRelcacheByRelid(table);
}

void
guard_check(const DdlObject *object)
{
	Oid			relation = ddl_relation(object->class, object->object);
	ListCell   *cell;

	if (!OidIsValid(relation) ||
		(object->class != RelationRelationId && object->class != RewriteRelationId))
		return;
	foreach(cell, lcons_oid(relation, ddl_watched_parents(relation)))
		check_source(lfirst_oid(cell));
	check_expressions(object);
	if (get_rel_relkind(relation) == RELKIND_VIEW)
		check_view(relation, IsA(object->command->parsetree, ViewStmt) || is_select_rule(object));
	else
		tell_of_parent(relation);
}
