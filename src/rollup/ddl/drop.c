/*
 * drop.c: takes what a DROP has dropped, in an event trigger, and takes away what belonged to it:
 * the companions of a rollup's view, and the topics of what is gone. Refuses to let a companion, or
 * a trigger, be dropped by itself.
 *
 * An event trigger, since dependencies beyond those that SQL text implies are not dumped and would
 * be gone after restore.
 */
#include "base/base.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "base/catalog.h"
#include "base/name.h"
#include "rollup/ddl/before_drop.h"
#include "rollup/ddl/ddl.h"
#include "rollup/ddl/drop.h"
#include "rollup/define/define.h"
#include "rollup/write/trigger.h"
#include "topic/topic.h"

static void
drop_if_exists(Oid relid, DropBehavior behavior)
{
	ObjectAddress object;

	if (!OidIsValid(relid) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return;
	ObjectAddressSet(object, RelationRelationId, relid);
	performDeletion(&object, behavior, PERFORM_DELETION_QUIETLY);
}

/*
 * Before the partials, as writers have them. Tables with triggers that need the partials are the
 * source's.
 */
static void
lock_sources(Oid partials)
{
	List	   *tables = list_delete_oid(trigger_tables(partials), partials);
	ListCell   *cell;

	list_sort(tables, list_oid_cmp);
	foreach(cell, tables)
		LockRelationOid(lfirst_oid(cell), AccessExclusiveLock);
}

static void
drop_all(const RollupRelations *relations)
{
	(void) topic_delete(relations->rollup);
	lock_sources(relations->partials);
	catalog_relations_delete(relations->rollup);
	drop_if_exists(relations->rollup, DROP_CASCADE);
	drop_if_exists(relations->definition, DROP_RESTRICT);
	/* the triggers on the source depend on the partials */
	drop_if_exists(relations->partials, DROP_CASCADE);
}

/* The rollup, or one of its companions, was dropped: what is left of it goes as well. */
static void
drop_rest(const RollupRelations *relations, const DdlDropped *dropped)
{
	if (dropped->relation != relations->rollup && dropped->asked_for &&
		get_rel_name(relations->rollup))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop %s because the rollup %s needs it", dropped->identity,
						name_of_relation(relations->rollup)),
				 errhint("Drop the view of the rollup instead.")));
	drop_all(relations);
}

static void
dropped_relation(const DdlDropped *dropped)
{
	RollupRelations relations;

	(void) topic_delete(dropped->relation);
	for (AttrNumber column = ROLLUP_ROLLUP; column <= ROLLUP_PARTIALS; column++)
		if (catalog_relations(column, dropped->relation, &relations))
		{
			drop_rest(&relations, dropped);
			break;
		}
}

/*
 * Triggers were dropped, by whoever owns their table. A rollup without one of its triggers would
 * miss changes: so it depends on them, as the server would say.
 */
static void
dropped_triggers(const EventTriggerData *event)
{
	RollupRelations relations;
	char	   *name;

	if (!before_drop_missed(event->parsetree, &relations))
		return;
	name = name_of_relation(relations.rollup);
	if (castNode(DropStmt, event->parsetree)->behavior != DROP_CASCADE)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop a trigger of the rollup %s because the rollup needs it", name),
				 errhint("Use DROP TRIGGER ... CASCADE, or gymstream.drop_rollup(%s), to drop the "
						 "rollup too.",
						 quote_literal_cstr(name))));
	ereport(NOTICE,
			(errmsg("drop cascades to rollup %s", name)));
	drop_all(&relations);
}

static void
prepare_rollup(const RollupRelations *relations)
{
	trigger_guard_yield(relations);
	define_depend(relations);
}

void
drop_prepare(const DropStmt *statement)
{
	RollupRelations relations;
	ListCell   *cell;

	foreach(cell, statement->objects)
	{
		Oid			view = InvalidOid;
		ListCell   *each;

		if (statement->removeType == OBJECT_VIEW)
			view = RangeVarGetRelid(makeRangeVarFromNameList(lfirst(cell)), NoLock, true);
		else if (strcmp(strVal(lfirst(cell)), "gymstream") == 0)
			foreach(each, catalog_relations_all())
				prepare_rollup(lfirst(each));
		if (OidIsValid(view) && gs_owns_relation(view, GetUserId()) &&
			catalog_relations(ROLLUP_ROLLUP, view, &relations))
			prepare_rollup(&relations);
	}
	CommandCounterIncrement();
}

/* on_drop(): event trigger for sql_drop */
PG_FUNCTION_INFO_V1(gs_on_drop);
Datum
gs_on_drop(PG_FUNCTION_ARGS)
{
	EventTriggerData *event = ddl_event(fcinfo, "gymstream_internal.on_drop");
	ListCell   *cell;

	/* DROP EXTENSION has taken the catalogs away */
	if (!OidIsValid(catalog_schema()))
		return PointerGetDatum(NULL);
	foreach(cell, ddl_dropped())
		dropped_relation(lfirst(cell));
	if (event->tag == CMDTAG_DROP_TRIGGER)
		dropped_triggers(event);
	return PointerGetDatum(NULL);
}
