/*
 * read_cost.c: takes paths of a rollup's parts and gives what they cost where they stand: a lookup
 * that is repeated finds pages in the cache; rows of marked groups are read for few groups. Changes
 * the costs of paths, and nothing that paths do.
 */
#include "rollup/read/read_cost.h"

#include "catalog/pg_statistic.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"

#include "rollup/read/read_group.h"

/* Where there are no statistics, and so few are thought to be marked at least. */
#define MARKED_UNKNOWN 0.02
#define MARKED_LEAST 0.0001

#define GROUPS_WITH_ROWS 0.99

/*
 * Loops
 */
static double
loop_count(PlannerInfo *root, Relids outer)
{
	double		least = 0;
	int			relid = -1;

	/* As for index scans: the outer relation with the fewest rows says how often. */
	while ((relid = bms_next_member(outer, relid)) >= 0)
	{
		RelOptInfo *rel =
			relid < root->simple_rel_array_size ? root->simple_rel_array[relid] : NULL;

		if (rel && rel->rows > 0 && (least == 0 || rel->rows < least))
			least = rel->rows;
	}
	return Max(least, 1);
}

static Cost
saved_on_index(PlannerInfo *subroot, IndexPath *path, double loops)
{
	IndexPath	copy = *path;

	cost_index(&copy, subroot, loops, false);
	return path->path.total_cost - copy.path.total_cost;
}

static Cost
saved_on_bitmap(PlannerInfo *subroot, BitmapHeapPath *path, double loops)
{
	BitmapHeapPath copy = *path;

	cost_bitmap_heap_scan(&copy.path, subroot, path->path.parent, path->path.param_info,
						  path->bitmapqual, loops);
	return path->path.total_cost - copy.path.total_cost;
}

static Cost
saved_by_loops(PlannerInfo *subroot, Path *path, double loops)
{
	switch (nodeTag(path))
	{
		case T_IndexPath:
			return saved_on_index(subroot, (IndexPath *) path, loops);
		case T_BitmapHeapPath:
			return saved_on_bitmap(subroot, (BitmapHeapPath *) path, loops);
		case T_CustomPath:
			/* The sum of one group has what it adds up below it. */
			return list_length(((CustomPath *) path)->custom_paths) == 1 ?
					   saved_by_loops(subroot, linitial(((CustomPath *) path)->custom_paths),
									  loops) :
					   0;
		case T_AggPath:
			return saved_by_loops(subroot, ((AggPath *) path)->subpath, loops);
		case T_GroupPath:
			return saved_by_loops(subroot, ((GroupPath *) path)->subpath, loops);
		case T_SortPath:
			return saved_by_loops(subroot, ((SortPath *) path)->subpath, loops);
		case T_ProjectionPath:
			return saved_by_loops(subroot, ((ProjectionPath *) path)->subpath, loops);
		default:
			return 0;
	}
}

Cost
read_cost_saved(PlannerInfo *root, Relids outer, PlannerInfo *subroot, Path *path)
{
	double		loops = loop_count(root, outer);

	return loops > 1 ? saved_by_loops(subroot, path, loops) : 0;
}

/*
 * Marked groups. A rollup's view reads them like this (rollup/model/sql_marked.c):
 *
 *	(groups) g LEFT JOIN LATERAL (SELECT ... WHERE g.marked OFFSET 0) m ON true
 */

/* The g.marked of an m. */
static Var *
marked_var(const RangeTblEntry *entry)
{
	Node	   *condition;

	/* A subquery that was pulled up leaves its entry without a query. */
	if (entry->rtekind != RTE_SUBQUERY || !entry->lateral || entry->subquery == NULL ||
		entry->subquery->limitOffset == NULL || entry->subquery->jointree == NULL)
		return NULL;
	condition = entry->subquery->jointree->quals;
	return condition && IsA(condition, Var) && ((Var *) condition)->varlevelsup == 1 ?
			   (Var *) condition :
			   NULL;
}

static bool
is_groups(PlannerInfo *root, Index relid)
{
	RangeTblEntry *entry = planner_rt_fetch(relid, root);

	return entry->rtekind == RTE_SUBQUERY && entry->subquery && read_group_is(entry->subquery);
}

AttrNumber
read_cost_marked_column(PlannerInfo *root, Index groups)
{
	for (int i = 1; i < root->simple_rel_array_size; i++)
	{
		RangeTblEntry *entry = root->simple_rte_array[i];
		Var		   *var = entry ? marked_var(entry) : NULL;

		if (var && var->varno == groups)
			return var->varattno;
	}
	return 0;
}

/* Of all partials, the part of which a flag is set, or a value is not NULL; or what is unknown. */
static double
part_that_has(PlannerInfo *subroot, Var *column)
{
	VariableStatData data;
	AttStatsSlot slot;
	double		part = MARKED_UNKNOWN;

	examine_variable(subroot, (Node *) column, 0, &data);
	if (HeapTupleIsValid(data.statsTuple))
	{
		part = 1 - ((Form_pg_statistic) GETSTRUCT(data.statsTuple))->stanullfrac;
		if (column->vartype == BOOLOID &&
			get_attstatsslot(&slot, data.statsTuple, STATISTIC_KIND_MCV, InvalidOid,
							 ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS))
		{
			part = 0;
			for (int i = 0; i < slot.nvalues; i++)
				if (DatumGetBool(slot.values[i]))
					part = slot.numbers[i];
			free_attstatsslot(&slot);
		}
	}
	ReleaseVariableStats(data);
	return part;
}

typedef struct MarkedPart
{
	PlannerInfo *subroot;
	double		part;
} MarkedPart;

/*
 * A group is marked by a flag, or where something was taken from a minimum or maximum: by a column
 * that is not NULL. So no more groups are marked than partials have one of these.
 */
static bool
add_parts(Node *node, MarkedPart *marked)
{
	Node	   *argument;

	if (node == NULL)
		return false;
	if (IsA(node, NullTest))
		node = (Node *) ((NullTest *) node)->arg;
	else if (!IsA(node, Aggref) || ((Aggref *) node)->aggtype != BOOLOID)
		return expression_tree_walker(node, add_parts, marked);
	argument = IsA(node, Aggref) && ((Aggref *) node)->args ?
				   (Node *) linitial_node(TargetEntry, ((Aggref *) node)->args)->expr :
				   NULL;
	if (argument && IsA(argument, Var))
		marked->part += part_that_has(marked->subroot, (Var *) argument);
	return false;
}

static double
part_marked(PlannerInfo *root, const Var *var)
{
	RelOptInfo *groups = root->simple_rel_array[var->varno];
	MarkedPart	marked = {groups ? groups->subroot : NULL, 0};
	TargetEntry *output;

	if (marked.subroot == NULL)
		return MARKED_UNKNOWN;
	output = get_tle_by_resno(marked.subroot->parse->targetList, var->varattno);
	if (output)
		add_parts((Node *) output->expr, &marked);
	return Min(Max(marked.part, MARKED_LEAST), 1);
}

/* The paths were costed as if each group were marked. */
void
read_cost_marked(PlannerInfo *root, RelOptInfo *rel, const RangeTblEntry *entry)
{
	Var		   *var = marked_var(entry);
	double		part;
	ListCell   *cell;

	if (var == NULL || !is_groups(root, var->varno))
		return;
	part = part_marked(root, var);
	foreach(cell, rel->pathlist)
	{
		Path	   *path = lfirst(cell);

		path->startup_cost *= part;
		path->total_cost *= part;
	}
}

/*
 * group_selectivity(internal, oid, internal, integer) returns double precision: of a view's groups
 * that have partials, the part that has rows. Others are left for a while after their last row.
 */
PG_FUNCTION_INFO_V1(gs_group_selectivity);
Datum
gs_group_selectivity(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(GROUPS_WITH_ROWS);
}
