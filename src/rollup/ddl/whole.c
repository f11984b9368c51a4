/*
 * whole.c: takes what a command has made or altered, in an event trigger. Where guard.c does not
 * refuse it, keeps rollups whole: view, definition and partials have one owner, and move to another
 * schema with the view. A rollup's triggers go on firing always, are called what they were, and
 * nobody else's call what they call. Partials stay a table that only gymstream writes.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_trigger.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "rollup/ddl/ddl.h"
#include "rollup/ddl/guard.h"
#include "rollup/define/define.h"
#include "rollup/define/survey.h"
#include "rollup/model/flatten.h"
#include "rollup/model/rollup.h"
#include "rollup/model/source.h"
#include "rollup/write/trigger.h"
#include "topic/topic.h"

/*
 * Triggers
 */
static void
refuse_trigger(const Trigger *trigger, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("trigger \"%s\" would make a rollup wrong", trigger->tgname),
			 errdetail("%s", detail),
			 errhint("Rollups are made by gymstream.create_rollup.")));
}

/* Whether the table has another trigger that a rollup needs. */
static bool
has_ours_beside(Relation table, Oid trigger)
{
	TriggerDesc *triggers = trigger_list(table);

	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Oid			partials;

		if (triggers->triggers[i].tgoid != trigger &&
			trigger_kind(&triggers->triggers[i], RelationGetRelid(table), &partials) > KIND_WRONG)
			return true;
	}
	return false;
}

/*
 * Whether the table is none of those that such a trigger of the rollup can be on. By these
 * partition.c knows what leaves.
 */
static bool
is_elsewhere(TriggerKind kind, Oid table, Oid partials)
{
	RollupRelations relations;
	Rollup	   *rollup;
	bool		elsewhere;

	if ((kind != KIND_FLUSH && kind != KIND_TRUNCATE && kind != KIND_TRUNCATING) ||
		!catalog_relations(ROLLUP_PARTIALS, partials, &relations))
		return false;
	rollup = rollup_acquire(partials);
	elsewhere = rollup_table_columns(rollup, table) == NULL;
	rollup_release(rollup);
	return elsewhere;
}

/*
 * A trigger that was made, replaced or renamed. A restored dump makes a rollup's triggers like any
 * others: what counts is that each is as create_rollup makes it, and the only one of its kind.
 */
static void
check_trigger(Relation table, const Trigger *trigger)
{
	bool		named = strncmp(trigger->tgname, TRIGGER_PREFIX, strlen(TRIGGER_PREFIX)) == 0;
	Oid			partials;
	TriggerKind kind = trigger_kind(trigger, RelationGetRelid(table), &partials);
	TriggerCount counts[TRIGGER_KINDS];

	if (kind == KIND_OTHER && named && has_ours_beside(table, trigger->tgoid))
		refuse_trigger(trigger, "On this table names that begin with \"" TRIGGER_PREFIX
								"\" are those of rollups' triggers.");
	if (kind == KIND_WRONG)
		refuse_trigger(trigger, "Its WHEN calls what only rollups' triggers may call, and as they "
								"do. Otherwise changes would be lost, or counted twice.");
	if (kind > KIND_WRONG && !named)
		refuse_trigger(trigger,
					   "The names of rollups' triggers begin with \"" TRIGGER_PREFIX "\".");
	if (is_elsewhere(kind, RelationGetRelid(table), partials))
		refuse_trigger(trigger, "It is neither on the rollup's source nor on a partition of that.");
	trigger_count(RelationGetRelid(table), partials, counts);
	if (kind > KIND_WRONG && counts[kind].all > 1)
		refuse_trigger(trigger, "The rollup has such a trigger: changes would be counted twice.");
}

static void
check_partials(Oid relid)
{
	const char *problem = survey_partials(relid);

	if (problem)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" holds the partials of a rollup: it cannot %s",
						get_rel_name(relid), problem),
				 errhint("Drop the rollup first.")));
}

static void
look_at_trigger(Oid table, Oid oid)
{
	Relation	relation = relation_open(table, AccessShareLock);
	TriggerDesc *triggers = trigger_list(relation);
	Oid			partials = InvalidOid;
	RollupRelations relations;
	ListCell   *cell;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (trigger->tgoid != oid || trigger->tgisclone)
			continue;
		check_trigger(relation, trigger);
		if (trigger_kind(trigger, table, &partials) <= KIND_WRONG)
			partials = InvalidOid;
	}
	relation_close(relation, NoLock);
	/* where it was replaced, with its copies on partitions */
	foreach(cell, source_tables(table, AccessShareLock))
		trigger_set_always(lfirst_oid(cell), InvalidOid, false);
	if (catalog_relations(ROLLUP_PARTIALS, table, &relations))
		check_partials(table);
	/* it may be the last one that a rollup was lacking */
	if (OidIsValid(partials))
		define_adopt(partials);
}

/*
 * Whether the function has a stored body, which could be put in the place of a trigger's WHEN, that
 * calls ours.
 */
static bool
calls_ours(Oid function)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&keys[0], Anum_pg_depend_classid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ProcedureRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_objid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(function));
	scan = systable_beginscan(depend, DependDependerIndexId, true, NULL, 2, keys);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend form = (Form_pg_depend) GETSTRUCT(tuple);

		found = form->refclassid == ProcedureRelationId && trigger_only_calls(form->refobjid);
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return found;
}

static void
check_function(Oid function)
{
	if (calls_ours(function))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_FUNCTION_DEFINITION),
				 errmsg("function \"%s\" cannot call what only rollups' triggers may call",
						get_func_name(function)),
				 errhint("Rollups are made by gymstream.create_rollup.")));
}

/*
 * Owners and schemas
 */
typedef struct ReadRights
{
	Oid			definition;
	Oid			owner;
	Oid			missing;		/* a relation that the owner may not read, or InvalidOid */
} ReadRights;

static bool
read_rights_walker(Node *node, ReadRights *rights)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		if (entry->rtekind == RTE_RELATION && entry->relid != rights->definition &&
			pg_class_aclcheck(entry->relid, rights->owner, ACL_SELECT) != ACLCHECK_OK)
			rights->missing = entry->relid;
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, read_rights_walker, rights,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, read_rights_walker, rights);
}

/*
 * Who owns a rollup needs the rights that making it needs: with those of its owner its view reads
 * the source.
 */
static void
check_owner(const RollupRelations *relations, Oid owner)
{
	Oid			source = rollup_shape(relations)->source;
	ReadRights	rights = {relations->definition, owner, InvalidOid};
	Relation	definition = relation_open(relations->definition, AccessShareLock);
	char	   *name;

	read_rights_walker((Node *) flatten_view_query(definition), &rights);
	relation_close(definition, AccessShareLock);
	if (pg_class_aclcheck(source, owner, ACL_SELECT) != ACLCHECK_OK ||
		pg_class_aclcheck(source, owner, ACL_TRIGGER) != ACLCHECK_OK)
		rights.missing = source;
	if (!OidIsValid(rights.missing))
		return;
	name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(rights.missing)),
									  get_rel_name(rights.missing));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("role \"%s\" cannot own the rollup \"%s\"", GetUserNameFromId(owner, false),
					get_rel_name(relations->rollup)),
			 errdetail("The owner of a rollup needs the SELECT and TRIGGER privileges on its "
					   "source, and SELECT on the views that it reads."),
			 errhint("Run GRANT SELECT%s ON %s TO %s.", rights.missing == source ? ", TRIGGER" : "",
					 name,
					 quote_identifier(GetUserNameFromId(owner, false)))));
}

/* One of the three has another owner now: so have the others. */
static void
follow_owner(const RollupRelations *relations, Oid altered)
{
	Oid			all[] = {relations->rollup, relations->definition, relations->partials};
	Oid			owner = catalog_owner(altered);
	bool		changed = false;

	for (int i = 0; i < lengthof(all); i++)
		changed = changed || catalog_owner(all[i]) != owner;
	if (!changed)
		return;
	check_owner(relations, owner);
	for (int i = 0; i < lengthof(all); i++)
		if (catalog_owner(all[i]) != owner)
			ATExecChangeOwner(all[i], owner, false, AccessExclusiveLock);
}

/* Else the old schema could not be dropped without the rollup. */
static void
follow_schema(Oid companion, Oid schema)
{
	Relation	relation = relation_open(companion, AccessExclusiveLock);

	if (RelationGetNamespace(relation) != schema)
		AlterTableNamespaceInternal(relation, RelationGetNamespace(relation), schema,
									new_object_addresses());
	relation_close(relation, NoLock);
}

static void
look_at_relation(Oid relid, Node *command)
{
	RollupRelations relations;

	trigger_set_always(relid, InvalidOid, false);
	for (AttrNumber column = ROLLUP_ROLLUP; column <= ROLLUP_PARTIALS; column++)
	{
		if (!catalog_relations(column, relid, &relations))
			continue;
		follow_owner(&relations, relid);
		if (column == ROLLUP_ROLLUP && IsA(command, AlterObjectSchemaStmt))
		{
			follow_schema(relations.definition, get_rel_namespace(relid));
			follow_schema(relations.partials, get_rel_namespace(relid));
		}
		if (column == ROLLUP_PARTIALS)
			check_partials(relid);
	}
}

/*
 * DISABLE TRIGGER ALL means the application's triggers, as of who loads rows with foreign keys off:
 * those of rollups go on, and what is loaded is counted.
 */
static bool
disables_all(const DdlObject *object)
{
	ListCell   *cell;

	foreach(cell, ddl_alterations(object))
	{
		const AlterTableCmd *command =
			(AlterTableCmd *) ((CollectedATSubcmd *) lfirst(cell))->parsetree;

		if (command->subtype == AT_DisableTrigAll || command->subtype == AT_DisableTrigUser)
			return true;
	}
	return false;
}

/* Who allowed rows to be sent to everybody is not who owns them now. */
static void
look_at_topic(const DdlObject *object)
{
	ListCell   *cell;

	foreach(cell, ddl_alterations(object))
		if (((AlterTableCmd *) ((CollectedATSubcmd *) lfirst(cell))->parsetree)->subtype ==
			AT_ChangeOwner)
			topic_new_owner(object->object);
}

static void
keep_enabled(const DdlObject *object)
{
	ListCell   *cell;
	bool		kept = false;

	if (object->class != RelationRelationId || !disables_all(object))
		return;
	foreach(cell, source_tables(object->object, AccessShareLock))
		kept = trigger_set_always(lfirst_oid(cell), InvalidOid, true) || kept;
	if (kept)
		ereport(NOTICE,
				(errmsg("triggers of rollups stay enabled on table \"%s\"",
						get_rel_name(object->object)),
				 errdetail("All changes of the table are counted.")));
}

/*
 * The event trigger
 */

/* What was altered, and what may have been altered with it: those above it and its partitions. */
static void
look_at_relations(Oid relation, Node *command)
{
	ListCell   *cell;

	foreach (cell,
			 list_concat(source_tables(relation, AccessShareLock), ddl_watched_parents(relation)))
		look_at_relation(lfirst_oid(cell), command);
}

/* Writers fill the indexes of partials themselves, of those kinds that create_rollup makes. */
static void
look_at_index(Oid index)
{
	Oid			table = IndexGetRelation(index, true);
	RollupRelations relations;

	if (OidIsValid(table) && catalog_relations(ROLLUP_PARTIALS, table, &relations))
		check_partials(table);
}

static void
look_at(const DdlObject *object, Node *command)
{
	Oid			relation = ddl_relation(object->class, object->object);

	switch (object->class)
	{
		case ProcedureRelationId:
			check_function(object->object);
			break;
		case TriggerRelationId:
			look_at_trigger(relation, object->object);
			break;
		case RewriteRelationId:
			look_at_relation(relation, command);
			break;
		case RelationRelationId:
			look_at_topic(object);
			if (OidIsValid(relation))
				look_at_relations(relation, command);
			else if (get_rel_relkind(object->object) == RELKIND_INDEX)
				look_at_index(object->object);
			break;
		default:
			break;
	}
}

static void
check_topic(const DdlObject *object)
{
	if (object->class == RelationRelationId)
		topic_check_altered(object->object);
}

/* on_ddl(): event trigger for ddl_command_end */
PG_FUNCTION_INFO_V1(gs_on_ddl);
Datum
gs_on_ddl(PG_FUNCTION_ARGS)
{
	EventTriggerData *event = ddl_event(fcinfo, "gymstream_internal.on_ddl");
	List	   *objects = ddl_objects();
	ListCell   *cell;

	foreach(cell, objects)
		keep_enabled(lfirst(cell));
	foreach(cell, objects)
		guard_check(lfirst(cell));
	foreach(cell, objects)
		check_topic(lfirst(cell));
	foreach(cell, objects)
		look_at(lfirst(cell), event->parsetree);
	return PointerGetDatum(NULL);
}
