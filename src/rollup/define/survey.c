/*
 * survey.c: takes a rollup and tells a DBA what there is of it: its source, how many groups and
 * partials, and whether what keeps it exact is in place. For the view gymstream.rollups. Reads, and
 * writes nothing. Who reads the view runs no function of a rollup's owner.
 */
#include "rollup/define/survey.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/plancat.h"
#include "rewrite/rewriteHandler.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "base/owner.h"
#include "rollup/define/renew.h"
#include "rollup/model/hold.h"
#include "rollup/model/source.h"
#include "rollup/model/sql.h"
#include "rollup/model/standing.h"
#include "rollup/write/trigger.h"

/* the columns of count_rollup */
enum
{
	COUNT_GROUPS,
	COUNT_PARTIALS,
	COUNT_MARKED,
	COUNT_COLUMNS
};

/*
 * rollup_source(rollup regclass) returns regclass: the table that it reads; null where it is no
 * rollup
 */
PG_FUNCTION_INFO_V1(gs_rollup_source);
Datum
gs_rollup_source(PG_FUNCTION_ARGS)
{
	RollupRelations relations;
	RollupShape *shape = NULL;

	if (catalog_relations(ROLLUP_ROLLUP, PG_GETARG_OID(0), &relations))
		shape = rollup_try_shape(&relations);
	if (shape == NULL)
		PG_RETURN_NULL();
	PG_RETURN_OID(shape->source);
}

/*
 * rollup_definition(rollup regclass) returns text: the query that it was made from; null where it
 * is no rollup
 */
PG_FUNCTION_INFO_V1(gs_rollup_definition);
Datum
gs_rollup_definition(PG_FUNCTION_ARGS)
{
	RollupHold	hold;
	Datum		text;

	if (!hold_rollup(PG_GETARG_OID(0), &hold))
		PG_RETURN_NULL();
	text = DirectFunctionCall1(pg_get_viewdef, ObjectIdGetDatum(hold.relations.definition));
	hold_release(&hold);
	PG_RETURN_DATUM(text);
}

/*
 * How many groups, partials and marked groups there are. The columns may have been renamed, here or
 * in the source.
 */
static char *
count_sql(Oid partials, const RollupShape *shape)
{
	List	   *columns = NIL;
	char	   *keys = "";
	char	   *rows;
	char	   *stored = "coalesce(sum(partials), 0)::bigint";

	for (int i = 0; i < list_length(shape->keys) + list_length(shape->states); i++)
		columns = lappend(columns, get_attname(partials, i + 1, false));
	for (int i = 0; i < list_length(shape->keys); i++)
		keys = psprintf("%s%s%s", keys, i ? ", " : " GROUP BY ",
						quote_identifier(list_nth(columns, i)));
	rows = psprintf("%s(%s)", catalog_own("total"),
					quote_identifier(list_nth(columns, list_length(shape->keys))));
	/* those of keys that are no longer there are not read with the others */
	if (shape_by_image(shape))
		stored = psprintf("(SELECT count(*) FROM %s)", name_of_relation(partials));
	return psprintf("SELECT count(*) FILTER (WHERE rows > 0), %s, "
					"count(*) FILTER (WHERE marked AND rows > 0) FROM (SELECT count(*) AS "
					"partials, %s AS rows, %s AS marked FROM %s%s) g",
					stored, rows, sql_marked_when(shape, columns),
					sql_image_partials(partials, shape, columns, false), keys);
}

static void
count_exactly(const RollupHold *hold, Oid owner, Datum *values, bool *nulls)
{
	OwnerCaller caller;

	/* comparing keys is the owner's business */
	owner_enter(&caller, owner);
	SPI_connect();
	if (SPI_execute(count_sql(hold->relations.partials, hold->shape), true, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "could not count the partials of rollup %u", hold->relations.rollup);
	for (int i = 0; i < COUNT_COLUMNS; i++)
		values[i] = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &nulls[i]);
	SPI_finish();
	owner_leave(&caller);
}

/* A group has one partial, mostly. */
static void
count_roughly(Relation partials, Datum *values, bool *nulls)
{
	BlockNumber pages;
	double		rows;
	double		allvisible;

	estimate_rel_size(partials, NULL, &pages, &rows, &allvisible);
	values[COUNT_GROUPS] = values[COUNT_PARTIALS] = Int64GetDatum((int64) rows);
	nulls[COUNT_GROUPS] = nulls[COUNT_PARTIALS] = false;
}

/*
 * Whether the partials can be counted as their owner, who may have lost the right to name or to
 * read them, without running any function of that owner.
 */
static bool
can_count(Relation partials)
{
	Oid			owner = partials->rd_rel->relowner;

	return survey_trusts(partials) && gs_may_use_schema(RelationGetNamespace(partials), owner) &&
		   pg_class_aclcheck(RelationGetRelid(partials), owner, ACL_SELECT) == ACLCHECK_OK;
}

/*
 * count_rollup(rollup regclass, exact_up_to bigint): groups, partials, marked groups
 *
 * For those who may read the rollup, for others null. Partials of more bytes are estimated, without
 * reading them, and so are those which cannot be counted without running functions of their owner.
 * Without exact_up_to they are counted anyway.
 */
PG_FUNCTION_INFO_V1(gs_count_rollup);
Datum
gs_count_rollup(PG_FUNCTION_ARGS)
{
	RollupHold	hold;
	Relation	partials;
	TupleDesc	desc;
	Datum		values[COUNT_COLUMNS] = {0};
	bool		nulls[COUNT_COLUMNS] = {true, true, true};
	bool		exactly;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (PG_ARGISNULL(0) || !hold_rollup(PG_GETARG_OID(0), &hold))
		PG_RETURN_NULL();
	if (pg_class_aclcheck(hold.relations.rollup, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
	{
		/* NoLock: it is held */
		partials = table_open(hold.relations.partials, NoLock);
		exactly = PG_ARGISNULL(1) ||
				  (can_count(partials) &&
				   (int64) RelationGetNumberOfBlocks(partials) * BLCKSZ <= PG_GETARG_INT64(1));
		if (exactly)
			count_exactly(&hold, partials->rd_rel->relowner, values, nulls);
		else
			count_roughly(partials, values, nulls);
		table_close(partials, NoLock);
	}
	hold_release(&hold);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* What is wrong with the triggers that a table should have, each once; NULL: nothing. */
static char *
triggers_problem(Oid table, Oid partials, uint32 wanted)
{
	TriggerCount counts[TRIGGER_KINDS];
	const char *problem = NULL;

	trigger_count(table, partials, counts);
	for (TriggerKind kind = KIND_INSERT; kind < TRIGGER_KINDS && problem == NULL; kind++)
	{
		int			n = (wanted & TRIGGER_BIT(kind)) ? 1 : 0;

		if (counts[kind].all > n)
			problem = "has a second trigger that does the same: drop it, and run "
					  "gymstream.rebuild_rollup";
		else if (counts[kind].all < n)
			problem = "lacks a trigger: run gymstream.rebuild_rollup";
		else if (counts[kind].always < n)
			problem = "has a trigger that does not always fire: run gymstream.rebuild_rollup";
	}
	return problem ? psprintf("table %s %s", name_of_relation(table), problem) : NULL;
}

/* The source, with its partitions, and the partials. */
char *
survey_triggers(const RollupRelations *relations, const RollupShape *shape)
{
	bool		partitioned = source_is_partitioned(shape->source);
	uint32 every = TRIGGER_BIT(KIND_INSERT) | TRIGGER_BIT(KIND_DELETE) | TRIGGER_BIT(KIND_FLUSH) |
				   (shape_columns(shape) ? TRIGGER_BIT(KIND_UPDATE) : 0) |
				   (partitioned ? TRIGGER_BIT(KIND_TRUNCATING) : 0);
	char	   *problem = NULL;
	ListCell   *cell;

	foreach(cell, source_tables(shape->source, AccessShareLock))
		if (problem == NULL)
			problem = triggers_problem(
				lfirst_oid(cell), relations->partials,
				every | (lfirst_oid(cell) == shape->source ? TRIGGER_BIT(KIND_TRUNCATE) : 0));
	return problem ? problem :
					 triggers_problem(relations->partials, relations->partials,
									  TRIGGER_BIT(KIND_GUARD) | TRIGGER_BIT(KIND_GUARD_ROW));
}

static bool
reads_walker(Node *node, const Oid *partials)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->rtekind == RTE_RELATION &&
			   ((RangeTblEntry *) node)->relid == *partials;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, reads_walker, (void *) partials,
								 QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, reads_walker, (void *) partials);
}

/*
 * Whether the view shows what the partials hold. How it does is not asked here, where nothing of
 * the owner's may be run.
 */
static bool
reads_partials(const RollupRelations *relations)
{
	Relation	view = relation_open(relations->rollup, AccessShareLock);
	bool		reads = reads_walker((Node *) get_view_query(view), &relations->partials);

	relation_close(view, AccessShareLock);
	return reads;
}

static const char *
rollup_problem(const RollupRelations *relations, const RollupShape *shape)
{
	Oid			owner = catalog_owner(relations->rollup);
	Standing	standing;
	const char *problem;

	if (catalog_owner(relations->definition) != owner ||
		catalog_owner(relations->partials) != owner)
		return "view, definition and partials have different owners: run ALTER VIEW ... OWNER TO";
	if (!standing_look(relations->partials, &standing))
		return NULL;
	if (OidIsValid(standing.missing))
		return psprintf("%s may not read %s: grant SELECT",
						GetUserNameFromId(standing.without, false),
						name_of_relation(standing.missing));
	if (pg_class_aclcheck(relations->partials, owner, ACL_SELECT) != ACLCHECK_OK)
		return psprintf("%s may not read %s: grant SELECT", GetUserNameFromId(owner, false),
						name_of_relation(relations->partials));
	if (standing.uncounted)
		return "it lacks changes that were made while its owner was not allowed to read its "
			   "source: run gymstream.rebuild_rollup";
	if (!reads_partials(relations))
		return "its view was replaced: run gymstream.rebuild_rollup";
	if (renew_is_needed(relations, shape))
		return "it may show keys that are only equal to those that rows have: run "
			   "gymstream.rebuild_rollup";
	problem = survey_triggers(relations, shape);
	if (problem)
		return problem;
	problem = survey_partials(relations->partials);
	return problem ? psprintf("its table %s must not %s", name_of_relation(relations->partials),
							  problem) :
					 NULL;
}

/*
 * rollup_problem(rollup regclass) returns text: why it may not be exact, and what to do; null: it
 * is well
 */
PG_FUNCTION_INFO_V1(gs_rollup_problem);
Datum
gs_rollup_problem(PG_FUNCTION_ARGS)
{
	RollupHold	hold;
	const char *problem;

	if (!hold_rollup(PG_GETARG_OID(0), &hold))
		PG_RETURN_NULL();
	problem = rollup_problem(&hold.relations, hold.shape);
	hold_release(&hold);
	if (problem == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(problem));
}
