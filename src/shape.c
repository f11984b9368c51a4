/*
 * shape.c: takes the query of a rollup and gives its shape. The same query always has the same shape, states in the same
 * order, so that the partials of a dumped and restored rollup fit its definition. Checks nothing: define_check does.
 */
#include "shape.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "catalog/pg_type.h"

/* The kind of an aggregate's sum, and whether it needs a count of its input beside it. */
static bool
aggregate_kind(Oid aggregate, StateKind *sum, bool *has_sum, bool *has_count)
{
	*has_sum = true;
	*has_count = true;
	switch (aggregate)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			*has_sum = false;
			return true;
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_AVG_INT2:
		case F_AVG_INT4:
			*sum = STATE_SUM_SMALL;
			return true;
		case F_SUM_INT8:
		case F_AVG_INT8:
			*sum = STATE_SUM_BIG;
			return true;
		case F_SUM_NUMERIC:
		case F_AVG_NUMERIC:
			*sum = STATE_SUM_NUMERIC;
			*has_count = false;
			return true;
		default:
			return false;
	}
}

bool
shape_supports(const Aggref *aggregate)
{
	StateKind	kind;
	bool		has_sum,
				has_count;

	return aggregate_kind(aggregate->aggfnoid, &kind, &has_sum, &has_count);
}

/* What the aggregate reads from each row; FILTER (WHERE f) reads CASE WHEN f THEN input END. NULL: each row counts. */
static Expr *
aggregate_input(const Aggref *aggregate)
{
	Expr	   *input = NULL;

	if (aggregate->args != NIL)
		input = linitial_node(TargetEntry, aggregate->args)->expr;
	if (aggregate->aggfilter)
	{
		CaseWhen   *when = makeNode(CaseWhen);
		CaseExpr   *filtered = makeNode(CaseExpr);

		if (input == NULL)
			input = (Expr *) makeBoolConst(true, false);
		when->expr = aggregate->aggfilter;
		when->result = input;
		when->location = -1;
		filtered->casetype = exprType((Node *) input);
		filtered->casecollid = exprCollation((Node *) input);
		filtered->args = list_make1(when);
		filtered->defresult = (Expr *) makeNullConst(filtered->casetype, exprTypmod((Node *) input), filtered->casecollid);
		filtered->location = -1;
		input = (Expr *) filtered;
	}
	return input;
}

static int
find_state(const RollupShape *shape, StateKind kind, const Expr *input)
{
	ListCell   *cell;

	foreach(cell, shape->states)
	{
		ShapeState *state = lfirst(cell);

		if (state->kind == kind && equal(state->input, input))
			return foreach_current_index(cell);
	}
	return -1;
}

static void
add_state(RollupShape *shape, StateKind kind, Expr *input, const Aggref *aggregate)
{
	ShapeState *state;

	if (find_state(shape, kind, input) >= 0)
		return;
	state = palloc(sizeof(ShapeState));
	state->kind = kind;
	state->input = input;
	state->aggregate = aggregate;
	shape->states = lappend(shape->states, state);
}

static bool
add_states_walker(Node *node, RollupShape *shape)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		Aggref	   *aggregate = (Aggref *) node;
		Expr	   *input = aggregate_input(aggregate);
		StateKind	kind;
		bool		has_sum,
					has_count;

		if (!aggregate_kind(aggregate->aggfnoid, &kind, &has_sum, &has_count))
			elog(ERROR, "aggregate %u has no states", aggregate->aggfnoid);
		if (has_sum)
			add_state(shape, kind, input, aggregate);
		if (has_count)
			add_state(shape, STATE_COUNT, input, aggregate);
		return false;
	}
	return expression_tree_walker(node, add_states_walker, shape);
}

void
shape_aggregate(const RollupShape *shape, const Aggref *aggregate, int *sum, int *count)
{
	Expr	   *input = aggregate_input(aggregate);
	StateKind	kind = STATE_COUNT;
	bool		has_sum,
				has_count;

	aggregate_kind(aggregate->aggfnoid, &kind, &has_sum, &has_count);
	*sum = has_sum ? find_state(shape, kind, input) : -1;
	*count = has_count ? find_state(shape, STATE_COUNT, input) : -1;
}

Bitmapset *
shape_columns(const RollupShape *shape)
{
	Bitmapset  *used = NULL;
	ListCell   *cell;

	pull_varattnos(shape->filter, 1, &used);
	foreach(cell, shape->keys)
		pull_varattnos((Node *) lfirst_node(TargetEntry, cell)->expr, 1, &used);
	foreach(cell, shape->states)
		pull_varattnos((Node *) ((ShapeState *) lfirst(cell))->input, 1, &used);
	return used;
}

Query *
shape_view_query(Relation view)
{
	RuleLock   *rules = view->rd_rules;

	if (view->rd_rel->relkind != RELKIND_VIEW || rules == NULL || rules->numLocks != 1)
		elog(ERROR, "relation \"%s\" is no view", RelationGetRelationName(view));
	return copyObject(linitial_node(Query, rules->rules[0]->actions));
}

RollupShape *
shape_of_query(const Query *original)
{
	Query	   *query = gs_flatten_groups(copyObject((Query *) original));
	int			source = linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex;
	RollupShape *shape = palloc0(sizeof(RollupShape));
	ListCell   *cell;

	shape->source = rt_fetch(source, query->rtable)->relid;
	shape->filter = query->jointree->quals;
	shape->having = query->havingQual;
	ChangeVarNodes(shape->filter, source, 1, 0);
	ChangeVarNodes(shape->having, source, 1, 0);
	ChangeVarNodes((Node *) query->targetList, source, 1, 0);

	foreach(cell, query->groupClause)
		shape->keys = lappend(shape->keys, get_sortgroupclause_tle(lfirst(cell), query->targetList));
	foreach(cell, query->targetList)
		if (!lfirst_node(TargetEntry, cell)->resjunk)
			shape->targets = lappend(shape->targets, lfirst(cell));

	add_state(shape, STATE_COUNT, NULL, NULL);
	add_states_walker((Node *) shape->targets, shape);
	add_states_walker(shape->having, shape);
	return shape;
}
