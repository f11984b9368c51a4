/*
 * define_rebuild.c: takes the parts of a rollup that are there and computes anew what it holds. For
 * the rollup's owner, who asks for it; and where a dump brings the last of a rollup's triggers.
 * What else the dump brings of it, and in which order, does not matter then: partials are computed
 * from the source as an index is, whatever rows came for them.
 */
#include "rollup/define/define.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/tablecmds.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"

#include "base/argument.h"
#include "base/owner.h"
#include "base/quiet.h"
#include "rollup/define/fill.h"
#include "rollup/define/survey.h"
#include "rollup/model/message.h"
#include "rollup/model/source.h"
#include "rollup/model/standing.h"
#include "rollup/partials/protect.h"
#include "rollup/write/trigger.h"

/*
 * Parts that the catalog knows nothing of
 */
static void
refuse_parts(const RollupRelations *relations, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("relation \"%s\" cannot be a rollup again", get_rel_name(relations->rollup)),
			 errdetail("%s", detail),
			 errhint("Drop it, with what belongs to it, and make it by gymstream.create_rollup.")));
}

/*
 * Triggers can be made by anyone: what they make a rollup of must be what create_rollup would have
 * made.
 */
static RollupShape *
check_parts(const RollupRelations *relations)
{
	Oid			owner = catalog_owner(relations->rollup);
	char *sql = TextDatumGetCString(
		DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(relations->definition)));

	if (catalog_owner(relations->definition) != owner ||
		catalog_owner(relations->partials) != owner)
		refuse_parts(relations, "View, definition and partials have different owners.");
	(void) define_query(sql);
	return rollup_shape(relations);
}

/* The source, locked, is counted from now on. */
static void
make_known(const RollupRelations *relations, const RollupShape *shape)
{
	ListCell   *cell;

	catalog_relations_insert(relations);
	quiet_relation(relations->partials);
	foreach(cell, source_tables(shape->source, NoLock))
	{
		if (lfirst_oid(cell) != shape->source)
			define_check_partition(shape->source, lfirst_oid(cell));
		CacheInvalidateRelcacheByRelid(lfirst_oid(cell));
	}
	CommandCounterIncrement();
	define_depend(relations);
}

/*
 * Rebuilding
 */

/* Readers with an older snapshot go on seeing them. */
static void
delete_partials(Oid partials)
{
	Relation	relation = table_open(partials, RowExclusiveLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = gs_table_beginscan(relation, snapshot);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	/* through the heap: SQL would need a replica identity where a publication has all tables */
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		simple_table_tuple_delete(relation, &slot->tts_tid, snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(relation, NoLock);
	CommandCounterIncrement();
}

/*
 * The relations of a rollup that the catalog knows nothing of, though its guard is there: restored
 * in part.
 */
static bool
find_parts(Oid view, RollupRelations *relations)
{
	ListCell   *cell;

	foreach(cell, trigger_tables(view))
		if (trigger_guard_of(lfirst_oid(cell), relations) && relations->rollup == view)
			return true;
	return false;
}

/*
 * Whoever follows the rollup's events must read it anew. Where its transaction ends they look at
 * what the invalidations name.
 */
static void
tell_readers(const RollupRelations *relations)
{
	if (!message_is_wanted(catalog_has_topic(relations->rollup)))
		return;
	message_write_note(relations->rollup, relations->partials, ROLLUP_REBUILT);
	CacheInvalidateRelcacheByRelid(relations->rollup);
	CommandCounterIncrement();
}

/* gymstream.rebuild_rollup(rollup regclass) returns void */
PG_FUNCTION_INFO_V1(gs_rebuild_rollup);
Datum
gs_rebuild_rollup(PG_FUNCTION_ARGS)
{
	Oid			rollup = PG_GETARG_OID(0);
	RollupRelations relations;
	RollupShape *shape;
	OwnerCaller caller;
	bool		known = catalog_relations(ROLLUP_ROLLUP, rollup, &relations);
	int			nest;

	argument_writes("gymstream.rebuild_rollup");
	if (!known && !find_parts(rollup, &relations))
		argument_rollup(rollup, &relations);
	if (!gs_owns_relation(rollup, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(rollup));
	argument_read_committed("gymstream.rebuild_rollup");

	nest = define_begin();
	shape = known ? rollup_shape(&relations) : check_parts(&relations);
	define_lock_source(shape->source, "rebuild a rollup of");
	if (!known)
		make_known(&relations, shape);
	standing_require(relations.partials);
	owner_enter(&caller, catalog_owner(rollup));
	define_mend_view(&relations, shape);
	owner_leave(&caller);
	catalog_uncounted_delete(relations.partials);
	/* pg_upgrade does not keep it */
	quiet_relation(relations.partials);
	delete_partials(relations.partials);
	/* where a restore, or somebody who may do anything, has taken them away or disabled them */
	define_create_triggers(&relations, shape);
	fill_partials(&relations, shape, catalog_owner(rollup));
	tell_readers(&relations);
	define_end(nest);
	PG_RETURN_VOID();
}

/*
 * What a dump brings
 */
static bool
has_triggers(Oid table, Oid partials, uint32 wanted)
{
	TriggerCount counts[TRIGGER_KINDS];

	trigger_count(table, partials, counts);
	for (TriggerKind kind = KIND_INSERT; kind < TRIGGER_KINDS; kind++)
		if ((wanted & TRIGGER_BIT(kind)) && counts[kind].all != 1)
			return false;
	return true;
}

/*
 * The source, by the triggers that only a source has. What else there must be depends on the query.
 * InvalidOid: none.
 */
static Oid
find_source(Oid partials)
{
	ListCell   *cell;

	foreach(cell, trigger_tables(partials))
		if (has_triggers(lfirst_oid(cell), partials,
						 TRIGGER_BIT(KIND_INSERT) | TRIGGER_BIT(KIND_DELETE) |
							 TRIGGER_BIT(KIND_FLUSH) | TRIGGER_BIT(KIND_TRUNCATE)))
			return lfirst_oid(cell);
	return InvalidOid;
}

/* Whether they may be a rollup's relations at all. */
static bool
are_relations(const RollupRelations *relations)
{
	RollupRelations other;

	return get_rel_relkind(relations->rollup) == RELKIND_VIEW &&
		   get_rel_relkind(relations->definition) == RELKIND_VIEW &&
		   get_rel_relkind(relations->partials) == RELKIND_RELATION &&
		   !catalog_relations(ROLLUP_ROLLUP, relations->rollup, &other) &&
		   !catalog_relations(ROLLUP_DEFINITION, relations->definition, &other) &&
		   has_triggers(relations->partials, relations->partials,
						TRIGGER_BIT(KIND_GUARD) | TRIGGER_BIT(KIND_GUARD_ROW));
}

static void
truncate_partials(void *relation)
{
	Relation	partials = relation;

	gs_truncate(list_make1(partials), list_make1_oid(RelationGetRelid(partials)), NIL);
}

/* Whoever has seen nothing of it has no need of what is in it. */
static void
empty_partials(Oid relid)
{
	Relation	partials = table_open(relid, AccessExclusiveLock);

	CheckTableNotInUse(partials, "make a rollup of");
	if (RelationGetNumberOfBlocks(partials) > 0)
		protect_write(relid, truncate_partials, partials);
	table_close(partials, NoLock);
}

static bool
has_rows(Oid source)
{
	ListCell   *cell;

	foreach(cell, source_tables(source, NoLock))
	{
		Relation	table = table_open(lfirst_oid(cell), NoLock);
		bool has =
			RELKIND_HAS_STORAGE(table->rd_rel->relkind) && RelationGetNumberOfBlocks(table) > 0;

		table_close(table, NoLock);
		if (has)
			return true;
	}
	return false;
}

static void
adoption_context(void *rollup)
{
	errcontext("rollup \"%s\", of which all parts are there now", (char *) rollup);
}

static void
adopt(const RollupRelations *relations, Oid source)
{
	RollupShape *shape = check_parts(relations);
	char	   *problem;

	if (shape->source != source)
		refuse_parts(relations, "The triggers are on another table than the definition reads.");
	if (survey_triggers(relations, shape))
		return;
	define_lock_source(source, "make a rollup of");
	make_known(relations, shape);
	/* with its rollup known, a trigger is read closer */
	problem = survey_triggers(relations, shape);
	if (problem)
		refuse_parts(relations, problem);
	define_mend_view(relations, shape);
	empty_partials(relations->partials);
	if (!has_rows(source))
		return;
	argument_read_committed("making a rollup of what was restored");
	fill_partials(relations, shape, GetUserId());
}

/* The same, with a fixed search_path. */
static void
adopt_here(const RollupRelations *relations, Oid source)
{
	ErrorContextCallback context = {error_context_stack, adoption_context,
									get_rel_name(relations->rollup)};
	int			nest = define_begin();

	error_context_stack = &context;
	/* whatever rights its owner has until now */
	standing_trust(relations->partials);
	PG_TRY();
	{
		adopt(relations, source);
	}
	PG_FINALLY();
	{
		standing_trust(InvalidOid);
	}
	PG_END_TRY();
	error_context_stack = context.previous;
	define_end(nest);
}

void
define_adopt(Oid partials)
{
	RollupRelations relations;
	Oid			source;

	if (catalog_relations(ROLLUP_PARTIALS, partials, &relations) ||
		!trigger_guard_of(partials, &relations))
		return;
	trigger_guard_yield(&relations);
	source = find_source(partials);
	if (OidIsValid(source) && are_relations(&relations))
		adopt_here(&relations, source);
}
