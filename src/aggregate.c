/*
 * aggregate.c: takes an aggregate of a rollup's query and gives the states that it is kept in, and the SQL that makes its
 * value of them. Knows no rollup and no table.
 */
#include "aggregate.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"

AggregateWay
aggregate_way(const Aggref *aggregate)
{
	return aggregate_states(aggregate) != NIL ? AGGREGATE_BY_STATES : AGGREGATE_BY_SOURCE;
}

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

List *
aggregate_states(const Aggref *aggregate)
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
