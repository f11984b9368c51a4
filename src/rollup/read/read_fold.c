/*
 * read_fold.c: takes a rollup's groups in a query whose conditions leave one group at most, and
 * gives the path, the plan and the execution that add the group's partials up. An Agg node does the
 * same, and looks each aggregate up in the catalogs whenever it starts: for a group of one partial
 * that is more work than to read it. Here a sum is a function of two values, which is looked up
 * when there is a second one.
 */
#include "rollup/read/read_fold.h"

#include "catalog/pg_aggregate.h"
#include "commands/explain.h"
#include "executor/executor.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/cost.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/tlist.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "rollup/read/read_group.h"
#include "rollup/read/read_key.h"

#define FOLD_NAME "GymstreamGroup"

/*
 * Which queries
 */

/*
 * The function of two values that an aggregate comes to, of values that are not NULL: the aggregate
 * of one is that value. InvalidOid: it is not so simple.
 */
static Oid
function_of_two(const Aggref *aggregate)
{
	Oid			type = exprType((Node *) linitial_node(TargetEntry, aggregate->args)->expr);
	HeapTuple	tuple;
	Form_pg_aggregate form;
	Oid			function = InvalidOid;
	bool		isnull;

	/* Its state keeps more digits than it has, but not when one numeric is added to another. */
	if (aggregate->aggfnoid == F_SUM_NUMERIC)
		return F_NUMERIC_ADD;
	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate->aggfnoid));
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	(void) SysCacheGetAttr(AGGFNOID, tuple, Anum_pg_aggregate_agginitval, &isnull);
	if (isnull && !OidIsValid(form->aggfinalfn) && aggregate->aggtranstype == type &&
		aggregate->aggtype == type && func_strict(form->aggtransfn))
		function = form->aggtransfn;
	ReleaseSysCache(tuple);
	return function;
}

static bool
is_simple(const Aggref *aggregate)
{
	return aggregate->aggkind == AGGKIND_NORMAL && aggregate->aggsplit == AGGSPLIT_SIMPLE &&
		   aggregate->aggdistinct == NIL && aggregate->aggorder == NIL &&
		   aggregate->aggfilter == NULL && list_length(aggregate->args) == 1 &&
		   IsA(linitial_node(TargetEntry, aggregate->args)->expr, Var) &&
		   OidIsValid(function_of_two(aggregate));
}

/*
 * What the query makes its outputs from: keys, and aggregates. NIL: it has one that is not simple,
 * or more than keys and simple aggregates.
 */
static List *
parts_of(PlannerInfo *root)
{
	List	   *all = pull_var_clause((Node *) list_make2(root->processed_tlist,
														  root->parse->havingQual),
									  PVC_INCLUDE_AGGREGATES | PVC_RECURSE_PLACEHOLDERS);
	List	   *parts = NIL;
	ListCell   *cell;

	foreach(cell, all)
	{
		if (IsA(lfirst(cell), Aggref) && !is_simple(lfirst_node(Aggref, cell)))
			return NIL;
		parts = list_append_unique(parts, lfirst(cell));
	}
	return parts;
}

/* Whether the conditions on the partials leave one value of each key at most. */
static bool
is_one_group(PlannerInfo *root, RelOptInfo *partials)
{
	ListCell   *group,
			   *cell;

	foreach(group, root->parse->groupClause)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, group);
		Node	   *key = get_sortgroupclause_expr(clause, root->processed_tlist);
		bool		fixed = false;

		foreach(cell, partials->baserestrictinfo)
			fixed = fixed || read_key_is_fixed(root, partials, key, clause, lfirst(cell));
		if (!fixed)
			return false;
	}
	return true;
}

/*
 * The path
 */
static Plan *plan_fold(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *targets,
					   List *clauses, List *plans);

static const CustomPathMethods path_methods = {.CustomName = FOLD_NAME,
											   .PlanCustomPath = plan_fold};

static Path *
fold_path(PlannerInfo *root, RelOptInfo *output, Path *input, List *parts)
{
	CustomPath *path = makeNode(CustomPath);
	PathTarget *target = root->upper_targets[UPPERREL_GROUP_AGG];

	path->path.pathtype = T_CustomScan;
	path->path.parent = output;
	path->path.pathtarget = target;
	path->path.parallel_safe = output->consider_parallel && input->parallel_safe;
	path->path.rows = 1;
	/* One row is in any order. */
	path->path.pathkeys = root->group_pathkeys;
	gs_copy_disabled_nodes(&path->path, input);
	/* As of a GroupAggregate: to begin no earlier would look dearer, and nothing is. */
	path->path.startup_cost = input->startup_cost;
	path->path.total_cost = input->total_cost + target->cost.startup + target->cost.per_tuple +
							input->rows * cpu_operator_cost;
	path->custom_paths = list_make1(input);
	path->custom_private = parts;
	path->methods = &path_methods;
	return &path->path;
}

void
read_fold_add(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output)
{
	List	   *parts;

	if (!IS_SIMPLE_REL(input) || input->rtekind != RTE_RELATION || !read_group_is(root->parse) ||
		!is_one_group(root, input))
		return;
	parts = parts_of(root);
	if (parts != NIL && input->cheapest_total_path->param_info == NULL)
		add_path(output, fold_path(root, output, input->cheapest_total_path, parts));
}

/*
 * The plan
 */

/* Where the child's rows have the column that a part is, or that it adds up. */
static int
place_of_part(const Plan *child, const Node *part)
{
	const Node *column = part;
	ListCell   *cell;

	if (IsA(part, Aggref))
		column = (Node *) linitial_node(TargetEntry, ((const Aggref *) part)->args)->expr;
	foreach(cell, child->targetlist)
		if (equal(lfirst_node(TargetEntry, cell)->expr, column))
			return lfirst_node(TargetEntry, cell)->resno;
	elog(ERROR, "a column of the partials is not read");
}

/*
 * The condition that the rollup may be read is asked by this node itself: the child for it would be
 * one node more.
 */
static Plan *
take_check(Plan *child, List **checks)
{
	Result	   *result = (Result *) child;
	List	   *conditions = IsA(child, Result) ? (List *) result->resconstantqual : NIL;

	if (child->lefttree == NULL || list_length(conditions) != 1 ||
		!read_group_calls(linitial(conditions), GROUP_READABLE))
		return child;
	*checks = conditions;
	return child->lefttree;
}

static CustomScanMethods fold_methods;

static Plan *
plan_fold(PlannerInfo *root, RelOptInfo *rel, CustomPath *path, List *targets, List *clauses,
		  List *plans)
{
	CustomScan *scan = makeNode(CustomScan);
	Plan	   *child = take_check(linitial(plans), &scan->custom_exprs);
	List	   *places = NIL;
	List	   *functions = NIL;
	List	   *collations = NIL;
	ListCell   *cell;

	foreach(cell, path->custom_private)
	{
		Node	   *part = lfirst(cell);
		bool		adds = IsA(part, Aggref);

		places = lappend_int(places, place_of_part(child, part));
		functions = lappend_oid(functions, adds ? function_of_two((Aggref *) part) : InvalidOid);
		collations = lappend_oid(collations, adds ? ((Aggref *) part)->inputcollid : InvalidOid);
		scan->custom_scan_tlist =
			lappend(scan->custom_scan_tlist,
					makeTargetEntry((Expr *) copyObject(part), foreach_current_index(cell) + 1,
									NULL, false));
	}
	scan->scan.plan.targetlist = targets;
	scan->scan.plan.qual = copyObject((List *) root->parse->havingQual);
	scan->custom_plans = list_make1(child);
	scan->custom_private =
		list_make4(places, functions, collations,
				   list_make1_oid(read_group_rollup(read_group_partials(root->parse))));
	scan->methods = &fold_methods;
	return &scan->scan.plan;
}

/*
 * The execution
 */
typedef struct FoldPart
{
	int			place;			/* in the child's rows */
	Oid			function;		/* that adds two up; InvalidOid: a key */
	Oid			collation;
	FmgrInfo	call;			/* of the function, once there are two */
	int16		length;
	bool		by_value;
} FoldPart;

typedef struct FoldState
{
	CustomScanState custom;
	Oid			rollup;
	int			nparts;
	FoldPart   *parts;
	ExprState  *checks;
	bool		checked;
	bool		done;
} FoldState;

static PlanState *
child_of(CustomScanState *node)
{
	return linitial(node->custom_ps);
}

static void
begin_fold(CustomScanState *node, EState *estate, int eflags)
{
	FoldState  *state = (FoldState *) node;
	CustomScan *scan = (CustomScan *) node->ss.ps.plan;
	TupleDesc	desc = node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;

	node->custom_ps = list_make1(ExecInitNode(linitial(scan->custom_plans), estate, eflags));
	state->checks = ExecInitQual(scan->custom_exprs, &node->ss.ps);
	for (int i = 0; i < state->nparts; i++)
	{
		state->parts[i].length = TupleDescAttr(desc, i)->attlen;
		state->parts[i].by_value = TupleDescAttr(desc, i)->attbyval;
	}
}

/* The slot of a row is used for the next one, so that values are copied. */
static void
take_value(const FoldPart *part, TupleTableSlot *sum, int i, Datum value, bool isnull)
{
	sum->tts_isnull[i] = isnull;
	sum->tts_values[i] = isnull ? (Datum) 0 : datumCopy(value, part->by_value, part->length);
}

static void
add_row(FoldState *state, TupleTableSlot *sum, TupleTableSlot *row, bool first)
{
	for (int i = 0; i < state->nparts; i++)
	{
		FoldPart   *part = &state->parts[i];
		bool		isnull;
		Datum		value = slot_getattr(row, part->place, &isnull);

		/* Aggregates pass over NULLs, and a key is any row's. */
		if (first || (OidIsValid(part->function) && !isnull && sum->tts_isnull[i]))
			take_value(part, sum, i, value, isnull);
		else if (OidIsValid(part->function) && !isnull)
		{
			if (part->call.fn_addr == NULL)
				fmgr_info_cxt(part->function, &part->call,
							  state->custom.ss.ps.state->es_query_cxt);
			sum->tts_values[i] =
				FunctionCall2Coll(&part->call, part->collation, sum->tts_values[i], value);
		}
	}
}

/* All partials, added up in the slot; false: there are none. */
static bool
add_partials(FoldState *state, TupleTableSlot *sum)
{
	ExprContext *context = state->custom.ss.ps.ps_ExprContext;
	bool		any = false;
	TupleTableSlot *row;

	ExecClearTuple(sum);
	ResetExprContext(context);
	while (row = ExecProcNode(child_of(&state->custom)), !TupIsNull(row))
	{
		/* Values live as long as the group. */
		MemoryContext old = MemoryContextSwitchTo(context->ecxt_per_tuple_memory);

		add_row(state, sum, row, !any);
		any = true;
		MemoryContextSwitchTo(old);
	}
	return any;
}

static TupleTableSlot *
next_fold(CustomScanState *node)
{
	FoldState  *state = (FoldState *) node;
	ExprContext *context = node->ss.ps.ps_ExprContext;
	TupleTableSlot *sum = node->ss.ss_ScanTupleSlot;

	if (state->done)
		return NULL;
	state->done = true;
	if (!state->checked)
	{
		state->checked = true;
		if (!ExecQual(state->checks, context))
			return NULL;
	}
	if (!add_partials(state, sum))
		return NULL;
	context->ecxt_scantuple = ExecStoreVirtualTuple(sum);
	if (!ExecQual(node->ss.ps.qual, context))
	{
		InstrCountFiltered1(node, 1);
		return NULL;
	}
	return node->ss.ps.ps_ProjInfo ? ExecProject(node->ss.ps.ps_ProjInfo) : sum;
}

static void
end_fold(CustomScanState *node)
{
	ExecEndNode(child_of(node));
}

static void
rescan_fold(CustomScanState *node)
{
	PlanState  *child = child_of(node);

	((FoldState *) node)->done = false;
	/* The server does this for the children that it knows. */
	if (node->ss.ps.chgParam)
		UpdateChangedParamSet(child, node->ss.ps.chgParam);
	if (child->chgParam == NULL)
		ExecReScan(child);
}

static void
explain_fold(CustomScanState *node, List *ancestors, ExplainState *explain)
{
	char	   *name = get_rel_name(((FoldState *) node)->rollup);

	ExplainPropertyText("Rollup", name ? name : "?", explain);
}

static const CustomExecMethods exec_methods = {.CustomName = FOLD_NAME,
											   .BeginCustomScan = begin_fold,
											   .ExecCustomScan = next_fold,
											   .EndCustomScan = end_fold,
											   .ReScanCustomScan = rescan_fold,
											   .ExplainCustomScan = explain_fold};

static Node *
make_state(CustomScan *scan)
{
	FoldState  *state = palloc0(sizeof(FoldState));
	List	   *places = linitial(scan->custom_private);
	ListCell   *cell;

	NodeSetTag(state, T_CustomScanState);
	state->custom.methods = &exec_methods;
	state->rollup = linitial_oid(lfourth(scan->custom_private));
	state->nparts = list_length(places);
	state->parts = palloc0(state->nparts * sizeof(FoldPart));
	foreach(cell, places)
	{
		int			i = foreach_current_index(cell);

		state->parts[i].place = lfirst_int(cell);
		state->parts[i].function = list_nth_oid(lsecond(scan->custom_private), i);
		state->parts[i].collation = list_nth_oid(lthird(scan->custom_private), i);
	}
	return (Node *) state;
}

static CustomScanMethods fold_methods = {.CustomName = FOLD_NAME,
										 .CreateCustomScanState = make_state};

void
read_fold_init(void)
{
	RegisterCustomScanMethods(&fold_methods);
}
