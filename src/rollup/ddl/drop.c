/*
 * drop.c: takes what a DROP has dropped, in an event trigger, and takes away what belonged to it: the companions of a
 * rollup's view, and the topics of what is gone. Refuses to let a companion, or a trigger, be dropped by itself.
 *
 * An event trigger, since dependencies beyond those that SQL text implies are not dumped and would be gone after restore.
 */
#include "base/base.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/catalog.h"
#include "rollup/ddl/ddl.h"
#include "rollup/ddl/drop.h"
#include "rollup/define/define.h"
#include "rollup/write/trigger.h"
#include "topic/topic.h"

static char *
relation_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
}

static void
drop_if_exists(Oid relid, DropBehavior behavior)
{
	ObjectAddress object;

	if (!OidIsValid(relid) || !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return;
	ObjectAddressSet(object, RelationRelationId, relid);
	performDeletion(&object, behavior, PERFORM_DELETION_QUIETLY);
}

/* The rollup, or one of its companions, was dropped: what is left of it goes as well. */
static void
drop_rollup(const RollupRelations *relations, const DdlDropped *dropped)
{
	if (dropped->relation != relations->rollup && dropped->asked_for && get_rel_name(relations->rollup))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop %s because the rollup %s needs it", dropped->identity,
						relation_name(relations->rollup)),
				 errhint("Drop the view of the rollup instead.")));
	catalog_relations_delete(relations->rollup);
	drop_if_exists(relations->rollup, DROP_CASCADE);
	drop_if_exists(relations->definition, DROP_RESTRICT);
	/* the triggers on the source depend on the partials */
	drop_if_exists(relations->partials, DROP_CASCADE);
}

static void
dropped_relation(const DdlDropped *dropped)
{
	RollupRelations relations;

	(void) topic_delete(dropped->relation);
	for (AttrNumber column = ROLLUP_ROLLUP; column <= ROLLUP_PARTIALS; column++)
		if (catalog_relations(column, dropped->relation, &relations))
		{
			drop_rollup(&relations, dropped);
			break;
		}
}

/* One of a rollup's, by itself. It is gone, but not the others that the rollup has on the table. */
static void
dropped_trigger(const DdlDropped *dropped)
{
	Relation	table;
	TriggerDesc *triggers;
	bool		needed = false;

	if (!dropped->asked_for || strncmp(dropped->trigger, TRIGGER_PREFIX, strlen(TRIGGER_PREFIX)) != 0)
		return;
	table = relation_open(dropped->relation, AccessShareLock);
	triggers = trigger_list(table);
	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		needed = needed || trigger_flushes(&triggers->triggers[i]) || trigger_guards(&triggers->triggers[i]);
	relation_close(table, NoLock);
	if (needed)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop trigger \"%s\" because a rollup of %s needs it", dropped->trigger,
						relation_name(dropped->relation)),
				 errhint("Drop the view of the rollup instead.")));
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
		if (OidIsValid(view) && gs_owns_relation(view, GetUserId()) && catalog_relations(ROLLUP_ROLLUP, view, &relations))
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
	{
		const DdlDropped *dropped = lfirst(cell);

		if (dropped->trigger == NULL)
			dropped_relation(dropped);
		else if (event->tag == CMDTAG_DROP_TRIGGER)
			dropped_trigger(dropped);
	}
	return PointerGetDatum(NULL);
}
