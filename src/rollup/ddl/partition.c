/*
 * partition.c: takes the commands by which partitions come to a rollup's source or leave it, in
 * event triggers, and takes their rows into the rollup or out of it: ATTACH, DETACH and DROP, of a
 * whole tree of partitions at a time. Gives those that come the triggers they need, and takes them
 * from those that leave. Refuses what it cannot be exact about.
 *
 * What comes or leaves is locked against all others, by the command or here, until the transaction
 * ends. So its rows are those of everyone, and their deltas become visible together with the
 * command. Catalogs know no snapshots, though: who has an older one sees the partitions that there
 * are now, and the rollup as it was.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "rollup/ddl/ddl.h"
#include "rollup/ddl/drop.h"
#include "rollup/define/define.h"
#include "rollup/write/collect.h"
#include "rollup/write/flush.h"
#include "rollup/write/pending.h"
#include "rollup/write/trigger.h"
#include "rollup/write/when.h"

/*
 * Triggers of statements, by which a table is known as the source of a rollup, or as below it
 */

/* The partials of a rollup that a trigger is of; InvalidOid: of none, or for each row. */
static Oid
trigger_partials(const Trigger *trigger, Oid table)
{
	Oid			partials;
	TriggerKind kind =
		TRIGGER_FOR_ROW(trigger->tgtype) ? KIND_OTHER : trigger_kind(trigger, table, &partials);

	return kind == KIND_FLUSH || kind == KIND_TRUNCATE || kind == KIND_TRUNCATING ? partials :
																					InvalidOid;
}

/* The partials of the rollups whose triggers a table has. */
static List *
table_partials(Oid table)
{
	Relation	relation = try_table_open(table, AccessShareLock);
	TriggerDesc *triggers;
	List	   *partials = NIL;

	/* a command that has locked nothing yet may find it dropped by then */
	if (relation == NULL)
		return NIL;
	triggers = trigger_list(relation);
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		Oid			found = trigger_partials(&triggers->triggers[i], table);
		RollupRelations relations;

		if (OidIsValid(found) && catalog_relations(ROLLUP_PARTIALS, found, &relations))
			partials = list_append_unique_oid(partials, found);
	}
	table_close(relation, NoLock);
	return partials;
}

static Oid
rollup_source(Oid partials)
{
	Rollup	   *rollup = rollup_acquire(partials);
	Oid			source = rollup->source;

	rollup_release(rollup);
	return source;
}

/* The partials of the rollups that read the table itself. */
static List *
rollups_of(Oid table)
{
	List	   *partials = NIL;
	ListCell   *cell;

	foreach(cell, table_partials(table))
		if (rollup_source(lfirst_oid(cell)) == table)
			partials = lappend_oid(partials, lfirst_oid(cell));
	return partials;
}

/* Take away the triggers of a rollup that define_create_partition_triggers made. */
static void
drop_triggers(Oid table, Oid partials)
{
	Relation	relation = table_open(table, AccessShareLock);
	TriggerDesc *triggers = trigger_list(relation);
	ObjectAddresses *dropped = new_object_addresses();

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
	{
		ObjectAddress trigger;

		if (trigger_partials(&triggers->triggers[i], table) != partials)
			continue;
		ObjectAddressSet(trigger, TriggerRelationId, triggers->triggers[i].tgoid);
		add_exact_object_address(&trigger, dropped);
	}
	table_close(relation, NoLock);
	/* part of the command, so that event triggers do not hear of it */
	performMultipleDeletions(dropped, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	free_object_addresses(dropped);
	CommandCounterIncrement();
}

/*
 * Rows
 */
static void
collect_rows(Rollup *rollup, Oid table, bool comes)
{
	Relation	relation = table_open(table, AccessShareLock);

	if (relation->rd_rel->relkind == RELKIND_RELATION)
		collect_table(rollup, relation, comes);
	table_close(relation, NoLock);
}

/*
 * Tables have come below the source of a rollup. Of one just created all rows that it may have were
 * collected one by one.
 */
static void
rollup_gains(Oid partials, const List *tables, bool with_rows)
{
	Rollup	   *rollup = rollup_acquire(partials);
	RollupRelations relations = {rollup->rollup, rollup->definition, rollup->partials};
	ListCell   *cell;

	rollup_release_with(rollup, CurrentMemoryContext);
	foreach(cell, tables)
	{
		Oid			table = lfirst_oid(cell);

		define_check_partition(rollup->source, table);
		define_create_partition_triggers(&relations, table);
		if (with_rows)
			collect_rows(rollup, table, true);
	}
	flush_rollup(partials);
}

/*
 * Tables leave, with all that is below them, or have left. A rollup whose source is among them
 * keeps them.
 */
static void
tables_leave(const List *tables)
{
	List	   *flush = NIL;
	ListCell   *cell,
			   *partials;

	foreach(cell, tables)
		foreach(partials, table_partials(lfirst_oid(cell)))
		{
			Rollup	   *rollup = rollup_acquire(lfirst_oid(partials));

			rollup_release_with(rollup, CurrentMemoryContext);
			if (list_member_oid(tables, rollup->source))
				continue;
			collect_rows(rollup, lfirst_oid(cell), false);
			drop_triggers(lfirst_oid(cell), rollup->partials);
			flush = list_append_unique_oid(flush, rollup->partials);
		}
	foreach(cell, flush)
		flush_rollup(lfirst_oid(cell));
}

/*
 * ATTACH, DETACH, CREATE
 */

/* The partials of the rollups that read a partitioned table, or one above it. */
static List *
rollups_above(Oid table)
{
	List	   *partials = NIL;
	ListCell   *cell;

	if (get_rel_relkind(table) != RELKIND_PARTITIONED_TABLE)
		return NIL;
	foreach(cell, lcons_oid(table, get_partition_ancestors(table)))
		partials = list_concat(partials, rollups_of(lfirst_oid(cell)));
	return partials;
}

static Oid
parent_of(Oid table)
{
	return get_rel_relispartition(table) ? get_partition_parent(table, true) : InvalidOid;
}

static void
partition_comes(Oid partition, const List *rollups, bool with_rows)
{
	List	   *tables;
	ListCell   *cell;

	if (rollups == NIL)
		return;
	tables = find_all_inheritors(partition, AccessShareLock, NULL);
	foreach(cell, rollups)
		rollup_gains(lfirst_oid(cell), tables, with_rows);
}

/*
 * A partition was attached to the table or detached from it. The server does not say which one: its
 * name may stand for another one by now, or for none.
 */
static void
attached_or_detached(Oid table, const AlterTableCmd *command)
{
	List	   *rollups = rollups_above(table);
	const RangeVar *name = castNode(PartitionCmd, command->def)->name;
	bool		attached = command->subtype == AT_AttachPartition;
	Oid			partition;

	if (rollups == NIL)
		return;
	partition = RangeVarGetRelid(name, NoLock, true);
	if (attached && parent_of(partition) == table)
		partition_comes(partition, rollups, true);
	else if (!attached && OidIsValid(partition) && !OidIsValid(parent_of(partition)) &&
			 list_difference_oid(rollups, table_partials(partition)) == NIL)
		tables_leave(find_all_inheritors(partition, ShareRowExclusiveLock, NULL));
	else
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("could not find partition \"%s\" of \"%s\", which is the source of a "
						"rollup",
						name->relname, get_rel_name(table)),
				 errdetail("Since the command found it, its name has come to stand for another "
						   "table."),
				 errhint("An event trigger that renames partitions must have a name that sorts "
						 "after \"gymstream_partition\".")));
}

static void
made_or_altered(const DdlObject *object)
{
	ListCell   *cell;

	foreach(cell, ddl_alterations(object))
	{
		const AlterTableCmd *command =
			(AlterTableCmd *) ((CollectedATSubcmd *) lfirst(cell))->parsetree;

		if (command->subtype == AT_AttachPartition || command->subtype == AT_DetachPartition ||
			command->subtype == AT_DetachPartitionFinalize)
			attached_or_detached(object->object, command);
	}
	if (object->class == RelationRelationId && object->command->type == SCT_Simple)
		partition_comes(object->object, rollups_above(parent_of(object->object)), false);
}

/* on_partition(): event trigger for ddl_command_end */
PG_FUNCTION_INFO_V1(gs_on_partition);
Datum
gs_on_partition(PG_FUNCTION_ARGS)
{
	ListCell   *cell;

	(void) ddl_event(fcinfo, "gymstream_internal.on_partition");
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	foreach(cell, ddl_objects())
		made_or_altered(lfirst(cell));
	SPI_finish();
	PopActiveSnapshot();
	return PointerGetDatum(NULL);
}

/*
 * DROP, and what is refused: before it is done
 */

/*
 * The table that a name in DROP TABLE stands for, locked with its parent before it, as the command
 * will; or InvalidOid.
 */
static Oid
lock_dropped(List *name)
{
	RangeVar   *range = makeRangeVarFromNameList(name);
	Oid			table = RangeVarGetRelid(range, NoLock, true);
	Oid			parent;

	if (!OidIsValid(table) || !get_rel_relispartition(table) ||
		!(gs_owns_relation(table, GetUserId()) ||
		  gs_owns_schema(get_rel_namespace(table), GetUserId())))
		return InvalidOid;
	parent = get_partition_parent(table, true);
	if (OidIsValid(parent))
		LockRelationOid(parent, AccessExclusiveLock);
	LockRelationOid(table, AccessExclusiveLock);
	/* what it was may have changed before it was locked */
	return RangeVarGetRelid(range, NoLock, true) == table && get_rel_relispartition(table) ?
			   table :
			   lock_dropped(name);
}

/* The partitions in a schema that is dropped with all that is in it. */
static List *
lock_schema(const char *name)
{
	Oid			schema = get_namespace_oid(name, true);
	List	   *tables = NIL;
	Relation	classes;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	ListCell   *cell;

	if (!OidIsValid(schema) || !gs_owns_schema(schema, GetUserId()))
		return NIL;
	ScanKeyInit(&key, Anum_pg_class_relnamespace, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(schema));
	classes = table_open(RelationRelationId, AccessShareLock);
	scan = systable_beginscan(classes, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);

		if (form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE)
			tables = lappend_oid(tables, form->oid);
	}
	systable_endscan(scan);
	table_close(classes, AccessShareLock);
	foreach(cell, tables)
	{
		Oid parent = get_rel_relispartition(lfirst_oid(cell)) ?
						 get_partition_parent(lfirst_oid(cell), true) :
						 InvalidOid;

		if (OidIsValid(parent))
			LockRelationOid(parent, AccessExclusiveLock);
		LockRelationOid(lfirst_oid(cell), AccessExclusiveLock);
		if (!OidIsValid(get_rel_namespace(lfirst_oid(cell))))
			tables = foreach_delete_current(tables, cell);
	}
	return tables;
}

static void
dropped(const DropStmt *statement)
{
	List	   *tables = NIL;
	ListCell   *cell;

	foreach(cell, statement->objects)
	{
		List	   *found = NIL;
		ListCell   *table;

		if (statement->removeType == OBJECT_TABLE)
			found = list_make1_oid(lock_dropped(lfirst(cell)));
		else if (statement->removeType == OBJECT_SCHEMA && statement->behavior == DROP_CASCADE)
			found = lock_schema(strVal(lfirst(cell)));
		foreach(table, found)
			if (OidIsValid(lfirst_oid(table)))
				tables = list_concat_unique_oid(
					tables, find_all_inheritors(lfirst_oid(table), AccessExclusiveLock, NULL));
	}
	tables_leave(tables);
}

/*
 * DETACH CONCURRENTLY commits in between, when readers no longer see the partition, but its rows
 * are in the rollup.
 */
static void
refuse_concurrently(const AlterTableStmt *statement)
{
	Oid			table = RangeVarGetRelid(statement->relation, NoLock, true);
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);
		ListCell   *ancestor;

		if (!OidIsValid(table) || get_rel_relkind(table) != RELKIND_PARTITIONED_TABLE ||
			command->subtype != AT_DetachPartition ||
			!castNode(PartitionCmd, command->def)->concurrent)
			continue;
		foreach(ancestor, lcons_oid(table, get_partition_ancestors(table)))
			if (rollups_of(lfirst_oid(ancestor)) != NIL)
				ereport(ERROR,
						(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						 errmsg("cannot detach a partition of \"%s\" concurrently because it is "
								"the source of a rollup",
								get_rel_name(lfirst_oid(ancestor))),
						 errhint("Run DETACH PARTITION without CONCURRENTLY.")));
	}
}

/*
 * DROP in other ways: which tables that takes along is not known before, and their rows not
 * afterwards
 */
typedef struct Below
{
	const Node *command;		/* other commands may run within it */
	Oid			table;
	Oid			partials;		/* of a rollup that reads it through another table */
} Below;

/* Of Below, from the start of such a command to its end. */
static List *before_drop = NIL;

/*
 * The partials that a trigger is of which says that its table is below their source. The table need
 * not be locked.
 */
static Oid
below_partials(HeapTuple tuple, TupleDesc desc)
{
	Form_pg_trigger form = (Form_pg_trigger) GETSTRUCT(tuple);
	Trigger		trigger = {.tgfoid = form->tgfoid,.tgtype = form->tgtype};
	bool		isnull;
	Datum		condition = heap_getattr(tuple, Anum_pg_trigger_tgqual, desc, &isnull);

	if (isnull || !TRIGGER_FOR_BEFORE(form->tgtype) || !TRIGGER_FOR_TRUNCATE(form->tgtype) ||
		!get_rel_relispartition(form->tgrelid))
		return InvalidOid;
	trigger.tgqual = TextDatumGetCString(condition);
	return trigger_partials(&trigger, form->tgrelid);
}

static void
forget_partitions(void *arg)
{
	before_drop = NIL;
}

/* What an earlier command at the same address has left, too. */
static void
forget_command(const Node *command)
{
	ListCell   *cell;

	foreach(cell, before_drop)
		if (((Below *) lfirst(cell))->command == command)
			before_drop = foreach_delete_current(before_drop, cell);
}

static void
remember_partitions(const Node *command)
{
	MemoryContextCallback *forget =
		MemoryContextAlloc(TopTransactionContext, sizeof(MemoryContextCallback));
	Relation	triggers = table_open(TriggerRelationId, AccessShareLock);
	/* by age, so that of several rollups it is always the same one that is named */
	SysScanDesc scan = systable_beginscan(triggers, TriggerOidIndexId, true, NULL, 0, NULL);
	MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
	HeapTuple	tuple;

	/* with the transaction, should the command fail */
	forget->func = forget_partitions;
	forget->arg = NULL;
	MemoryContextRegisterResetCallback(TopTransactionContext, forget);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Oid			partials = below_partials(tuple, RelationGetDescr(triggers));
		Below	   *below;

		if (!OidIsValid(partials))
			continue;
		below = palloc(sizeof(Below));
		below->command = command;
		below->table = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
		below->partials = partials;
		before_drop = lappend(before_drop, below);
	}
	MemoryContextSwitchTo(old);
	systable_endscan(scan);
	table_close(triggers, AccessShareLock);
}

/*
 * Whether a command can drop tables that it does not name, as with a function that a partition key
 * calls.
 */
static bool
may_take_others(Node *statement)
{
	ListCell   *cell;

	if (IsA(statement, DropStmt))
		return castNode(DropStmt, statement)->behavior == DROP_CASCADE ||
			   castNode(DropStmt, statement)->removeType == OBJECT_EXTENSION;
	if (!IsA(statement, AlterTableStmt))
		return true;
	foreach(cell, castNode(AlterTableStmt, statement)->cmds)
		if (lfirst_node(AlterTableCmd, cell)->behavior == DROP_CASCADE)
			return true;
	return false;
}

/* on_drop_partition(): event trigger for sql_drop, after on_drop() */
PG_FUNCTION_INFO_V1(gs_on_drop_partition);
Datum
gs_on_drop_partition(PG_FUNCTION_ARGS)
{
	const Node *command = ddl_event(fcinfo, "gymstream_internal.on_drop_partition")->parsetree;
	ListCell   *cell;

	foreach(cell, before_drop)
	{
		Below	   *below = lfirst(cell);
		RollupRelations relations;

		if (below->command == command && get_rel_relkind(below->table) == '\0' &&
			catalog_relations(ROLLUP_PARTIALS, below->partials, &relations))
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("cannot drop a partition of \"%s\" with other objects because it is "
							"the source of a rollup",
							get_rel_name(rollup_source(below->partials))),
					 errhint("Drop its partitions by DROP TABLE first, or detach them.")));
	}
	forget_command(command);
	return PointerGetDatum(NULL);
}

/* before_partition(): event trigger for ddl_command_start */
PG_FUNCTION_INFO_V1(gs_before_partition);
Datum
gs_before_partition(PG_FUNCTION_ARGS)
{
	EventTriggerData *event = ddl_event(fcinfo, "gymstream_internal.before_partition");

	forget_command(event->parsetree);
	PushActiveSnapshot(GetTransactionSnapshot());
	if (IsA(event->parsetree, AlterTableStmt))
		refuse_concurrently((AlterTableStmt *) event->parsetree);
	else if (event->tag == CMDTAG_DROP_TABLE || event->tag == CMDTAG_DROP_SCHEMA)
		dropped((DropStmt *) event->parsetree);
	else if (event->tag == CMDTAG_DROP_VIEW || event->tag == CMDTAG_DROP_EXTENSION)
		drop_prepare((DropStmt *) event->parsetree);
	if (may_take_others(event->parsetree))
		remember_partitions(event->parsetree);
	PopActiveSnapshot();
	return PointerGetDatum(NULL);
}
