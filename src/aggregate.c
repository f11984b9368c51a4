/*
 * aggregate.c: takes an aggregate of a rollup's query and gives the states that it is kept in, and the SQL that makes its
 * value of them. Knows no rollup and no table.
 */
#include "aggregate.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"

#include "marked.h"

/* FILTER (WHERE f) reads CASE WHEN f THEN input END. */
static Expr *
filtered_input(Expr *filter, Expr *input)
{
	CaseWhen   *when = makeNode(CaseWhen);
	CaseExpr   *filtered = makeNode(CaseExpr);

	when->expr = filter;
	when->result = input;
	when->location = -1;
	filtered->casetype = exprType((Node *) input);
	filtered->casecollid = exprCollation((Node *) input);
	filtered->args = list_make1(when);
	filtered->defresult = (Expr *) makeNullConst(filtered->casetype, exprTypmod((Node *) input), filtered->casecollid);
	filtered->location = -1;
	return (Expr *) filtered;
}

/* What the aggregate reads from each row; NULL: each row counts. */
static Expr *
aggregate_input(const Aggref *aggregate)
{
	Expr	   *input = aggregate->args ? linitial_node(TargetEntry, aggregate->args)->expr : NULL;

	if (aggregate->aggfilter == NULL)
		return input;
	return filtered_input(aggregate->aggfilter, input ? input : (Expr *) makeBoolConst(true, false));
}

static AggregateState *
state_of(StateKind kind, Expr *input)
{
	AggregateState *state = palloc0(sizeof(AggregateState));

	state->kind = kind;
	state->input = input;
	return state;
}

/* Of one that is made of counts and sums; NIL for others. */
static List *
sum_states(const Aggref *aggregate)
{
	Expr	   *input = aggregate_input(aggregate);

	switch (aggregate->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			return list_make1(state_of(STATE_COUNT, input));
		case F_SUM_INT2:
		case F_SUM_INT4:
		case F_AVG_INT2:
		case F_AVG_INT4:
			return list_make2(state_of(STATE_SUM_SMALL, input), state_of(STATE_COUNT, input));
		case F_SUM_INT8:
		case F_AVG_INT8:
			return list_make2(state_of(STATE_SUM_BIG, input), state_of(STATE_COUNT, input));
		case F_SUM_NUMERIC:
		case F_AVG_NUMERIC:
			return list_make1(state_of(STATE_SUM_NUMERIC, input));
		default:
			return NIL;
	}
}

AggregateWay
aggregate_way(const Aggref *aggregate)
{
	bool		largest;

	if (aggregate->aggdistinct == NIL && sum_states(aggregate) != NIL)
		return AGGREGATE_BY_STATES;
	return marked_is_extreme(aggregate, &largest) ? AGGREGATE_BY_EXTREME : AGGREGATE_BY_SOURCE;
}

List *
aggregate_states(const Aggref *aggregate)
{
	AggregateState *in,
			   *out;
	bool		largest;

	if (aggregate->aggdistinct == NIL && sum_states(aggregate) != NIL)
		return sum_states(aggregate);
	if (!marked_is_extreme(aggregate, &largest))
		return list_make2(state_of(STATE_CHANGED, NULL), state_of(STATE_VALUE, (Expr *) aggregate));
	in = state_of(largest ? STATE_MAX_IN : STATE_MIN_IN, aggregate_input(aggregate));
	out = state_of(largest ? STATE_MAX_OUT : STATE_MIN_OUT, in->input);
	in->order = out->order = aggregate->aggfnoid;
	return list_make2(in, out);
}

static char *
total_of(const char *column)
{
	return psprintf(GS_SCHEMA ".total(%s)", column);
}

char *
aggregate_text(const Aggref *aggregate, List *columns, bool keyed)
{
	char	   *first = linitial(columns);
	char	   *second = list_length(columns) > 1 ? lsecond(columns) : NULL;

	if (aggregate_way(aggregate) != AGGREGATE_BY_STATES)
		return marked_value_text(aggregate, columns);
	switch (aggregate->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			return keyed ? total_of(first) : psprintf("coalesce(%s, 0)", total_of(first));
		case F_SUM_INT2:
		case F_SUM_INT4:
			return psprintf("CASE WHEN %s > 0 THEN %s END", total_of(second), total_of(first));
		case F_AVG_INT2:
		case F_AVG_INT4:
			return psprintf("%s::numeric / nullif(%s, 0)::numeric", total_of(first), total_of(second));
		case F_SUM_INT8:
			return psprintf("CASE WHEN %s > 0 THEN sum(%s) END", total_of(second), first);
		case F_AVG_INT8:
			return psprintf("sum(%s) / nullif(%s, 0)::numeric", first, total_of(second));
		case F_SUM_NUMERIC:
			return psprintf(GS_SCHEMA ".numeric_sum_total(" GS_SCHEMA ".numeric_sum_merge(%s))", first);
		case F_AVG_NUMERIC:
			return psprintf(GS_SCHEMA ".numeric_sum_average(" GS_SCHEMA ".numeric_sum_merge(%s))", first);
	}
	elog(ERROR, "aggregate %u has no states", aggregate->aggfnoid);
}
