/*
 * drop.c: takes what a DROP has dropped, in an event trigger, and takes away what belonged to it: the companions of a
 * rollup's view, and the topics of what is gone. Refuses to let a companion be dropped by itself.
 *
 * An event trigger, since dependencies beyond those that SQL text implies are not dumped and would be gone after restore.
 */
#include "gymstream.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/event_trigger.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "catalog.h"
#include "topic.h"

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
drop_rollup(const RollupRelations *relations, Oid dropped, bool asked_for, const char *identity)
{
	char	   *view = get_rel_name(relations->rollup);

	if (dropped != relations->rollup && asked_for && view)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop %s because the rollup %s needs it", identity,
						quote_qualified_identifier(get_namespace_name(get_rel_namespace(relations->rollup)), view)),
				 errhint("Drop the view of the rollup instead.")));
	catalog_relations_delete(relations->rollup);
	drop_if_exists(relations->rollup, DROP_CASCADE);
	drop_if_exists(relations->definition, DROP_RESTRICT);
	/* the triggers on the source depend on the partials */
	drop_if_exists(relations->partials, DROP_CASCADE);
}

static void
dropped_relation(Oid relid, bool asked_for, const char *identity)
{
	RollupRelations relations;

	(void) topic_delete(relid);
	for (AttrNumber column = ROLLUP_ROLLUP; column <= ROLLUP_PARTIALS; column++)
		if (catalog_relations(column, relid, &relations))
		{
			drop_rollup(&relations, relid, asked_for, identity);
			break;
		}
}

/* gymstream.on_drop(): event trigger for sql_drop */
PG_FUNCTION_INFO_V1(gs_on_drop);
Datum
gs_on_drop(PG_FUNCTION_ARGS)
{
	int			nest;
	SPITupleTable *dropped;
	uint64		ndropped;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as an event trigger", "gymstream.on_drop")));
	/* DROP EXTENSION has taken the catalogs away */
	if (!OidIsValid(get_relname_relid("rollup", get_namespace_oid(GS_SCHEMA, true))))
		return PointerGetDatum(NULL);

	nest = NewGUCNestLevel();
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	SPI_connect();
	if (SPI_execute("SELECT objid, original, object_identity FROM pg_event_trigger_dropped_objects() "
					"WHERE classid = 'pg_class'::regclass AND objsubid = 0 AND object_type IN ('table', 'view')",
					true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read what was dropped");
	dropped = SPI_tuptable;
	ndropped = SPI_processed;
	for (uint64 i = 0; i < ndropped; i++)
	{
		bool		isnull;
		HeapTuple	row = dropped->vals[i];

		dropped_relation(DatumGetObjectId(SPI_getbinval(row, dropped->tupdesc, 1, &isnull)),
						 DatumGetBool(SPI_getbinval(row, dropped->tupdesc, 2, &isnull)),
						 SPI_getvalue(row, dropped->tupdesc, 3));
	}
	SPI_finish();
	AtEOXact_GUC(false, nest);
	return PointerGetDatum(NULL);
}
