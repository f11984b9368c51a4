/*
 * read_scan.c: takes a rollup's groups, planned with some keys given, and gives the path, the plan
 * and the execution of their lookup. The node adds nothing to what the plan below it does: it
 * stands for that in the query around, asks once whether the rollup may be read, and tells EXPLAIN.
 */
#include "rollup/read/read_scan.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/restrictinfo.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "base/name.h"
#include "rollup/read/read_cost.h"
#include "rollup/read/read_group.h"
#include "rollup/read/read_key.h"

#define SCAN_NAME "GymstreamRollupScan"

/*
 * The path
 */

/*
 * A worker may run it if one may read the whole rollup. The server thinks otherwise of a query with
 * parameters; but what sets these runs in the same process.
 */
static bool
is_parallel_safe_path(PlannerInfo *root, RelOptInfo *rel, const List *clauses)
{
	ListCell   *cell;

	if (!rel->consider_parallel ||
		!fetch_upper_rel(rel->subroot, UPPERREL_FINAL, NULL)->consider_parallel)
		return false;
	foreach(cell, clauses)
		if (!is_parallel_safe(root, (Node *) lfirst_node(RestrictInfo, cell)->clause))
			return false;
	return true;
}

/*
 * What is left to check of the clauses that the path answers for: a key that was given is what the
 * groups have. Who locks rows checks all again, though, when it meets one that was changed: with
 * the old row of the groups, and another key.
 */
static ParamPathInfo *
without_keys(PlannerInfo *root, const ParamPathInfo *info, const List *keys)
{
	ParamPathInfo *rest = makeNode(ParamPathInfo);
	ListCell   *cell;

	*rest = *info;
	if (root->rowMarks != NIL)
		return rest;
	rest->ppi_clauses = list_copy(info->ppi_clauses);
	foreach(cell, keys)
		rest->ppi_clauses =
			list_delete_ptr(rest->ppi_clauses, ((ReadKey *) lfirst(cell))->clause);
	return rest;
}

/*
 * The subquery's scan, as create_subqueryscan_path makes it. That one would estimate the clauses as
 * restrictions, and the planner remembers a clause's estimate for all joins to come.
 */
static Path *
subquery_path(PlannerInfo *root, RelOptInfo *rel, const ReadQuery *query, ParamPathInfo *info)
{
	SubqueryScanPath *scan = makeNode(SubqueryScanPath);
	const PathTarget *target = rel->reltarget;
	Path	   *path = &scan->path;

	path->pathtype = T_SubqueryScan;
	path->parent = query->rel;
	path->pathtarget = rel->reltarget;
	path->param_info = without_keys(root, info, query->keys);
	path->parallel_safe = is_parallel_safe_path(root, rel, info->ppi_clauses);
	path->rows = info->ppi_rows;
	gs_copy_disabled_nodes(path, query->path);
	path->startup_cost = query->path->startup_cost + target->cost.startup;
	path->total_cost = query->path->total_cost + target->cost.startup +
					   path->rows * (cpu_operator_cost + target->cost.per_tuple);
	scan->subpath = query->path;
	return path;
}

static Plan *plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *targets,
					   List *clauses, List *plans);

static const CustomPathMethods path_methods = {.CustomName = SCAN_NAME,
											   .PlanCustomPath = plan_scan};

Path *
read_scan_path(PlannerInfo *root, RelOptInfo *rel, const ReadQuery *query, ParamPathInfo *info)
{
	CustomPath *path = makeNode(CustomPath);
	Cost		saved =
		read_cost_saved(root, info->ppi_req_outer, query->rel->subroot, query->path);
	Path	   *child;

	info->ppi_rows = clamp_row_est(Min(info->ppi_rows, query->path->rows));
	child = subquery_path(root, rel, query, info);
	path->path.pathtype = T_CustomScan;
	path->path.parent = rel;
	path->path.pathtarget = rel->reltarget;
	path->path.param_info = info;
	path->path.parallel_safe = child->parallel_safe;
	path->path.rows = child->rows;
	gs_copy_disabled_nodes(&path->path, child);
	/* A lookup costs something even where all that it reads is in the cache. */
	path->path.total_cost = Max(child->total_cost - saved, cpu_tuple_cost);
	path->path.startup_cost = Min(child->startup_cost, path->path.total_cost);
	path->custom_paths = list_make1(child);
	path->custom_private = query->checks;
	path->methods = &path_methods;
	return &path->path;
}

/*
 * The plan
 */

/* Where the plan's rows have a column of the groups; 0: nowhere. */
static int
place_of_column(const Plan *plan, Index groups, AttrNumber column)
{
	ListCell   *cell;

	foreach(cell, plan->targetlist)
	{
		Var		   *var = (Var *) lfirst_node(TargetEntry, cell)->expr;

		if (column != 0 && IsA(var, Var) && var->varno == groups && var->varattno == column)
			return foreach_current_index(cell) + 1;
	}
	return 0;
}

/* What the node's state is made from. The order is that of make_state. */
static List *
make_private(PlannerInfo *root, RelOptInfo *rel, const Plan *child)
{
	RangeTblEntry *entry = planner_rt_fetch(rel->relid, root);
	Oid			partials = read_group_partials(entry->subquery);
	int			marked =
		place_of_column(child, rel->relid, read_cost_marked_column(root, rel->relid));

	return list_make3(list_make2_oid(read_group_rollup(partials), partials), makeInteger(marked),
					  makeString(pstrdup(entry->eref->aliasname)));
}

static CustomScanMethods scan_methods;

static Plan *
plan_scan(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *targets, List *clauses,
		  List *plans)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan	   *child = linitial(plans);
	RelOptInfo *keyed = linitial_node(SubqueryScanPath, path->custom_paths)->path.parent;

	/* From here on the planner asks the relation for its subquery, and it is this one now. */
	rel->subroot = keyed->subroot;
	rel->subplan_params = keyed->subplan_params;

	/* The child checks all clauses, and it gives the same columns. */
	scan->scan.plan.targetlist = targets;
	scan->custom_plans = plans;
	scan->custom_scan_tlist = copyObject(child->targetlist);
	scan->custom_exprs = copyObject(path->custom_private);
	scan->custom_private = make_private(root, rel, child);
	scan->methods = &scan_methods;
	return &scan->scan.plan;
}

/*
 * The execution
 */
typedef struct RollupScanState
{
	CustomScanState custom;
	Oid			rollup;
	Oid			partials;
	int			marked;			/* the column that says which groups are; 0: none */
	char	   *alias;
	ExprState  *checks;
	bool		checked;
} RollupScanState;

static PlanState *
child_of(CustomScanState *node)
{
	return linitial(node->custom_ps);
}

static void
begin_scan(CustomScanState *node, EState *estate, int eflags)
{
	RollupScanState *state = (RollupScanState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;

	node->custom_ps = list_make1(ExecInitNode(linitial(scan->custom_plans), estate, eflags));
	state->checks = ExecInitQual(scan->custom_exprs, &node->ss.ps);
	/* The child's rows are handed on as they are. */
	node->ss.ps.resultops = ExecGetResultSlotOps(child_of(node), &node->ss.ps.resultopsfixed);
	node->ss.ps.resultopsset = true;
}

static bool
is_marked(TupleTableSlot *slot, int column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, column, &isnull);

	return !isnull && DatumGetBool(value);
}

static TupleTableSlot *
next_group(CustomScanState *node)
{
	RollupScanState *state = (RollupScanState *) node;
	TupleTableSlot *slot;

	if (!state->checked)
	{
		state->checked = true;
		if (!ExecQual(state->checks, node->ss.ps.ps_ExprContext))
			return NULL;
	}
	slot = ExecProcNode(child_of(node));
	if (TupIsNull(slot))
		return NULL;
	/* Counts of this kind are added up over parallel workers, whatever they are counts of. */
	if (state->marked > 0 && node->ss.ps.instrument && is_marked(slot, state->marked))
		InstrCountFiltered2(node, 1);
	return slot;
}

static void
end_scan(CustomScanState *node)
{
	ExecEndNode(child_of(node));
}

static void
rescan(CustomScanState *node)
{
	PlanState  *child = child_of(node);

	/* The server does this for the children that it knows. */
	if (node->ss.ps.chgParam)
		UpdateChangedParamSet(child, node->ss.ps.chgParam);
	if (child->chgParam == NULL)
		ExecReScan(child);
}

/*
 * EXPLAIN
 */
typedef struct PartialsCount
{
	Oid			partials;
	double		rows;
} PartialsCount;

static bool
count_partials(PlanState *state, PartialsCount *count)
{
	switch (nodeTag(state->plan))
	{
		case T_SeqScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
			if (exec_rt_fetch(((Scan *) state->plan)->scanrelid, state->state)->relid ==
				count->partials)
			{
				InstrEndLoop(state->instrument);
				count->rows += state->instrument->ntuples;
			}
			break;
		default:
			break;
	}
	return planstate_tree_walker(state, count_partials, count);
}

static void
explain_scan(CustomScanState *node, List *ancestors, ExplainState *explain)
{
	RollupScanState *state = (RollupScanState *) node;
	PartialsCount count = {state->partials, 0};
	char	   *name = explain->verbose ? name_of_relation(state->rollup) :
										  get_rel_name(state->rollup);

	/* A view that computes marked groups has an alias of its own for the others. */
	if (state->marked == 0 && name && strcmp(state->alias, get_rel_name(state->rollup)) != 0)
		name = psprintf("%s %s", name, state->alias);
	ExplainPropertyText("Rollup", name ? name : "?", explain);
	if (!explain->analyze || node->ss.ps.instrument == NULL)
		return;
	count_partials(child_of(node), &count);
	ExplainPropertyFloat("Groups Read", NULL, node->ss.ps.instrument->ntuples, 0, explain);
	ExplainPropertyFloat("Partials Read", NULL, count.rows, 0, explain);
	if (state->marked > 0)
		ExplainPropertyFloat("Marked Groups", NULL, node->ss.ps.instrument->nfiltered2, 0,
							 explain);
}

static const CustomExecMethods exec_methods = {.CustomName = SCAN_NAME,
											   .BeginCustomScan = begin_scan,
											   .ExecCustomScan = next_group,
											   .EndCustomScan = end_scan,
											   .ReScanCustomScan = rescan,
											   .ExplainCustomScan = explain_scan};

static Node *
make_state(CustomScan *scan)
{
	RollupScanState *state = palloc0(sizeof(RollupScanState));
	List	   *tables = linitial(scan->custom_private);

	NodeSetTag(state, T_CustomScanState);
	state->custom.methods = &exec_methods;
	state->rollup = linitial_oid(tables);
	state->partials = lsecond_oid(tables);
	state->marked = intVal(lsecond(scan->custom_private));
	state->alias = strVal(lthird(scan->custom_private));
	return (Node *) state;
}

static CustomScanMethods scan_methods = {.CustomName = SCAN_NAME,
										 .CreateCustomScanState = make_state};

void
read_scan_init(void)
{
	RegisterCustomScanMethods(&scan_methods);
}
