/*
 * aggregate.c: takes an aggregate of a rollup's query and gives the states that it is kept in, and
 * the SQL that makes its value of them. Knows no rollup and no table.
 *
 * Sums of floating point numbers are exact. A variance is made of the count, the sum, and the sum
 * of squares; what takes two arguments also of the sum of their products. It counts rows in which
 * both are there.
 */
#include "rollup/model/aggregate.h"

#include "catalog/pg_aggregate_d.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "base/catalog.h"
#include "rollup/model/marked.h"

/* What the aggregates that are kept in states have in common. */
typedef enum Family
{
	NO_FAMILY,
	COUNT,
	SUM,
	AVERAGE,
	STATISTIC,					/* of one number */
	REGRESSION,					/* of two */
	ALL_TRUE,
	ANY_TRUE,
	BITS_OF_ALL,
	BITS_OF_ANY,
	BITS_OF_ODD
} Family;

#define OVER_NUMBERS(name) \
	case F_##name##_INT2: case F_##name##_INT4: case F_##name##_INT8: case F_##name##_NUMERIC: \
	case F_##name##_FLOAT4: case F_##name##_FLOAT8

#define OVER_INTEGERS(name) \
	case F_##name##_INT2: case F_##name##_INT4: case F_##name##_INT8

/* What is made of the sums that a regression needs. */
typedef struct Regression
{
	Oid			aggregate;
	const char *name;
	/* what of XYxyp it is made of; in capitals: sums, small: of squares, p: of products */
	const char *sums;
} Regression;

static const Regression known_regressions[] = {
	{F_REGR_COUNT, "regr_count", ""},
	{F_REGR_AVGX, "regr_avgx", "X"},
	{F_REGR_AVGY, "regr_avgy", "Y"},
	{F_REGR_SXX, "regr_sxx", "Xx"},
	{F_REGR_SYY, "regr_syy", "Yy"},
	{F_REGR_SXY, "regr_sxy", "XYp"},
	{F_COVAR_POP, "covar_pop", "XYp"},
	{F_COVAR_SAMP, "covar_samp", "XYp"},
	{F_REGR_SLOPE, "regr_slope", "XxYp"},
	{F_REGR_INTERCEPT, "regr_intercept", "XxYp"},
	{F_REGR_R2, "regr_r2", "XxYyp"},
	{F_CORR, "corr", "XxYyp"}
};

/* The order in which the sums of a regression are stored, and passed to statistic. */
static const char regression_sums[] = "XxYyp";

static const Regression *
regression_of(Oid aggregate)
{
	for (int i = 0; i < lengthof(known_regressions); i++)
		if (known_regressions[i].aggregate == aggregate)
			return &known_regressions[i];
	/* NULL says that it is no regression. */
	return NULL;
}

/* A statistic by its name in the SQL standard; NULL for other aggregates. */
static const char *
statistic_name(Oid aggregate)
{
	switch (aggregate)
	{
		OVER_NUMBERS(VAR_POP):
			return "var_pop";
		OVER_NUMBERS(VARIANCE):
		OVER_NUMBERS(VAR_SAMP):
			return "var_samp";
		OVER_NUMBERS(STDDEV_POP):
			return "stddev_pop";
		OVER_NUMBERS(STDDEV):
		OVER_NUMBERS(STDDEV_SAMP):
			return "stddev_samp";
		default:
			return NULL;
	}
}

static Family
family_of(const Aggref *aggregate)
{
	/*
	 * No sum can tell whether another row still has a value that goes, so that DISTINCT is in no
	 * family.
	 */
	if (aggregate->aggkind != AGGKIND_NORMAL || aggregate->aggdistinct != NIL)
		return NO_FAMILY;
	switch (aggregate->aggfnoid)
	{
		case F_COUNT_:
		case F_COUNT_ANY:
			return COUNT;
		OVER_NUMBERS(SUM):
		case F_SUM_INTERVAL:
		case F_SUM_MONEY:
			return SUM;
		OVER_NUMBERS(AVG):
		case F_AVG_INTERVAL:
			return AVERAGE;
		case F_BOOL_AND:
		case F_EVERY:
			return ALL_TRUE;
		case F_BOOL_OR:
			return ANY_TRUE;
		OVER_INTEGERS(BIT_AND):
			return BITS_OF_ALL;
		OVER_INTEGERS(BIT_OR):
			return BITS_OF_ANY;
		OVER_INTEGERS(BIT_XOR):
			return BITS_OF_ODD;
		default:
			return statistic_name(aggregate->aggfnoid) ? STATISTIC :
				regression_of(aggregate->aggfnoid) ? REGRESSION : NO_FAMILY;
	}
}

static Expr *
argument_at(const Aggref *aggregate, int n)
{
	/* count(*) has no argument. */
	return n < list_length(aggregate->args) ? list_nth_node(TargetEntry, aggregate->args, n)->expr :
											  NULL;
}

static Oid
argument_type(const Aggref *aggregate)
{
	return exprType((Node *) argument_at(aggregate, 0));
}

static bool
is_float(Oid type)
{
	return type == FLOAT4OID || type == FLOAT8OID;
}

/*
 * States
 */

static List *
add_state(List *states, StateKind kind, Expr *input, Expr *input2)
{
	AggregateState *state = palloc0(sizeof(AggregateState));

	state->kind = kind;
	state->input = input;
	state->input2 = input2;
	return lappend(states, state);
}

static List *
sum_states(const Aggref *aggregate, Expr *input)
{
	switch (argument_type(aggregate))
	{
		case INT2OID:
		case INT4OID:
			return add_state(NIL, STATE_SUM_SMALL, input, NULL);
		case INT8OID:
			return add_state(NIL, STATE_SUM_BIG, input, NULL);
		case NUMERICOID:
			return add_state(NIL, STATE_SUM_NUMERIC, input, NULL);
		case FLOAT4OID:
		case FLOAT8OID:
			return add_state(NIL, STATE_SUM_FLOAT, input, NULL);
		case MONEYOID:
			return add_state(NIL, STATE_SUM_MONEY, input, NULL);
		case INTERVALOID:
			/*
			 * Months, days and microseconds are summed apart, since none is a fixed number of
			 * another.
			 */
			return add_state(add_state(add_state(NIL, STATE_SUM_MONTHS, input, NULL),
									   STATE_SUM_DAYS, input, NULL),
							 STATE_SUM_MICROSECONDS, input, NULL);
	}
	elog(ERROR, "there is no sum over type %u", argument_type(aggregate));
}

static List *
statistic_states(const Aggref *aggregate, Expr *input)
{
	Oid			type = argument_type(aggregate);
	List	   *states = add_state(sum_states(aggregate, input), STATE_COUNT, input, NULL);

	/* The product is summed without rounding, which a square as double would not be. */
	if (is_float(type))
		return add_state(states, STATE_SUM_PRODUCT, input, input);
	/* A square of int2 or int4 is a bigint, and other squares are numerics. */
	return add_state(
		states, type == INT2OID || type == INT4OID ? STATE_SUM_BIG : STATE_SUM_NUMERIC,
		aggregate_filtered_input(aggregate, aggregate_squared_input(argument_at(aggregate, 0))),
		NULL);
}

static List *
regression_states(const Aggref *aggregate)
{
	const Regression *regression = regression_of(aggregate->aggfnoid);
	Expr *y =
		aggregate_paired_input(aggregate, argument_at(aggregate, 0), argument_at(aggregate, 1));
	Expr *x =
		aggregate_paired_input(aggregate, argument_at(aggregate, 1), argument_at(aggregate, 0));
	List	   *states = add_state(NIL, STATE_COUNT, x, NULL);

	/* States stand in this fixed order, by which regression_text finds them. */
	for (const char *sum = regression_sums; *sum; sum++)
	{
		if (strchr(regression->sums, *sum) == NULL)
			continue;
		if (*sum == 'X' || *sum == 'Y')
			states = add_state(states, STATE_SUM_FLOAT, *sum == 'X' ? x : y, NULL);
		else
			states = add_state(states, STATE_SUM_PRODUCT, *sum == 'y' ? y : x, *sum == 'x' ? x : y);
	}
	return states;
}

/* Of one that is made of counts and sums; NIL for others. */
static List *
family_states(const Aggref *aggregate)
{
	Expr	   *input = aggregate_filtered_input(aggregate, argument_at(aggregate, 0));

	switch (family_of(aggregate))
	{
		case NO_FAMILY:
			return NIL;
		case COUNT:
			return add_state(NIL, STATE_COUNT, input, NULL);
		case SUM:
		case AVERAGE:
			/* a sum of numerics has the count in it */
			if (argument_type(aggregate) == NUMERICOID)
				return sum_states(aggregate, input);
			return add_state(sum_states(aggregate, input), STATE_COUNT, input, NULL);
		case STATISTIC:
			return statistic_states(aggregate, input);
		case REGRESSION:
			return regression_states(aggregate);
		case ALL_TRUE:
		case ANY_TRUE:
			return add_state(
				add_state(NIL, STATE_COUNT, input, NULL), STATE_COUNT,
				aggregate_filtered_input(aggregate, aggregate_true_only(argument_at(aggregate, 0))),
				NULL);
		case BITS_OF_ALL:
		case BITS_OF_ANY:
			return add_state(add_state(NIL, STATE_COUNT, input, NULL), STATE_BITS, input, NULL);
		case BITS_OF_ODD:
			return add_state(add_state(NIL, STATE_COUNT, input, NULL), STATE_XOR, input, NULL);
	}
	return NIL;
}

bool
aggregate_is_float(const Aggref *aggregate)
{
	Family		family = family_of(aggregate);

	/* regr_count counts rows only, so that nothing in it is rounded. */
	return (family == REGRESSION && aggregate->aggfnoid != F_REGR_COUNT) ||
		   ((family == SUM || family == AVERAGE || family == STATISTIC) &&
			is_float(argument_type(aggregate)));
}

/*
 * Text
 */
char *
aggregate_state_text(StateKind kind, const char *input, const char *input2)
{
	switch (kind)
	{
		case STATE_COUNT:
			return psprintf("count(%s)", input ? input : "*");
		case STATE_SUM_SMALL:
		case STATE_SUM_BIG:
			return psprintf("coalesce(sum(%s), 0)", input);
		case STATE_SUM_NUMERIC:
			return psprintf("%s(%s)", catalog_own("numeric_sum_agg"), input);
		case STATE_SUM_FLOAT:
			return psprintf("%s(%s)", catalog_own("float_sum_agg"), input);
		case STATE_SUM_PRODUCT:
			return psprintf("%s(%s, %s)", catalog_own("float_sum_agg"), input, input2);
		case STATE_SUM_MONTHS:
			return psprintf("coalesce(sum(%s(%s)), 0)", catalog_own("interval_months"), input);
		case STATE_SUM_DAYS:
			return psprintf("coalesce(sum(%s(%s)), 0)", catalog_own("interval_days"), input);
		case STATE_SUM_MICROSECONDS:
			return psprintf("%s(%s)", catalog_own("microseconds_agg"), input);
		case STATE_SUM_MONEY:
			return psprintf("coalesce(sum(%s(%s)), 0)", catalog_own("money_units"), input);
		case STATE_BITS:
			return psprintf("%s(%s)", catalog_own("bit_counts_agg"), input);
		case STATE_XOR:
			return psprintf("coalesce(bit_xor(%s), 0)::bigint", input);
		default:
			break;
	}
	return NULL;
}

/* The states of all partials as one. */
static char *
merged_text(StateKind kind, const char *column)
{
	switch (kind)
	{
		case STATE_COUNT:
		case STATE_SUM_SMALL:
		case STATE_SUM_MONTHS:
		case STATE_SUM_DAYS:
			return psprintf("%s(%s)", catalog_own("total"), column);
		case STATE_SUM_BIG:
		case STATE_SUM_MONEY:
			return psprintf("sum(%s)", column);
		case STATE_SUM_NUMERIC:
			return psprintf("%s(%s)", catalog_own("numeric_sum_merge"), column);
		case STATE_SUM_FLOAT:
		case STATE_SUM_PRODUCT:
		case STATE_SUM_MICROSECONDS:
			return psprintf("%s(%s)", catalog_own("float_sum_merge"), column);
		case STATE_BITS:
			return psprintf("%s(%s)", catalog_own("bit_counts_merge"), column);
		case STATE_XOR:
			return psprintf("bit_xor(%s)", column);
		default:
			break;
	}
	return NULL;
}

static char *
sum_text(Oid type, List *states)
{
	char	   *sum = linitial(states);
	char	   *count = llast(states);

	/* Of numerics the sum has the count in it, and is the only state. */
	switch (type)
	{
		case NUMERICOID:
			return psprintf("%s(%s)", catalog_own("numeric_sum_total"), sum);
		case FLOAT4OID:
			sum = psprintf("%s(%s)", catalog_own("float_sum_total_real"), sum);
			break;
		case FLOAT8OID:
			sum = psprintf("%s(%s)", catalog_own("float_sum_total"), sum);
			break;
		case MONEYOID:
			sum = psprintf("%s(%s)", catalog_own("money_total"), sum);
			break;
		case INTERVALOID:
			sum = psprintf("%s(%s, %s, %s)", catalog_own("interval_total"), sum,
						   (char *) lsecond(states), (char *) lthird(states));
			break;
	}
	/* A sum of no values is NULL, and their count tells it from a sum of zero. */
	return psprintf("CASE WHEN %s > 0 THEN %s END", count, sum);
}

static char *
average_text(Oid type, List *states)
{
	char	   *sum = linitial(states);
	char	   *count = llast(states);

	switch (type)
	{
		case INT2OID:
		case INT4OID:
			return psprintf("%s::numeric / nullif(%s, 0)::numeric", sum, count);
		case INT8OID:
			return psprintf("%s / nullif(%s, 0)::numeric", sum, count);
		case NUMERICOID:
			return psprintf("%s(%s)", catalog_own("numeric_sum_average"), sum);
		case INTERVALOID:
			return psprintf("%s(%s, %s, %s, %s)", catalog_own("interval_average"), sum,
							(char *) lsecond(states), (char *) lthird(states), count);
		default:
			return psprintf("%s(%s, %s)", catalog_own("float_sum_average"), sum, count);
	}
}

AggregateWay
aggregate_way(const Aggref *aggregate)
{
	bool		largest;

	if (family_of(aggregate) != NO_FAMILY)
		return AGGREGATE_BY_STATES;
	return marked_is_extreme(aggregate, &largest) ? AGGREGATE_BY_EXTREME : AGGREGATE_BY_SOURCE;
}

List *
aggregate_states(const Aggref *aggregate)
{
	Expr	   *input;
	List	   *states;
	ListCell   *cell;
	bool		largest;

	if (family_of(aggregate) != NO_FAMILY)
		return family_states(aggregate);
	/*
	 * The aggregate is the input of its own value: by it the columns that the value reads are
	 * found.
	 */
	if (!marked_is_extreme(aggregate, &largest))
		return add_state(add_state(NIL, STATE_CHANGED, NULL, NULL), STATE_VALUE,
						 (Expr *) aggregate, NULL);
	/*
	 * A watermark of what came in comes first, one of what went out second. marked.c reads them in
	 * this order.
	 */
	input = aggregate_filtered_input(aggregate, argument_at(aggregate, 0));
	states = add_state(NIL, largest ? STATE_MAX_IN : STATE_MIN_IN, input, NULL);
	states = add_state(states, largest ? STATE_MAX_OUT : STATE_MIN_OUT, input, NULL);
	/* Watermarks of one input in two orders are different states. */
	foreach(cell, states)
		((AggregateState *) lfirst(cell))->order = aggregate->aggfnoid;
	return states;
}

static char *
statistic_text(const Aggref *aggregate, List *states)
{
	const char *name = statistic_name(aggregate->aggfnoid);
	Oid			type = argument_type(aggregate);
	char	   *sum = linitial(states),
			   *count = lsecond(states),
			   *squares = lthird(states);

	if (type == INT2OID || type == INT4OID)
		sum = psprintf("%s::numeric", sum);
	else if (type == NUMERICOID)
		sum = psprintf("%s(%s)", catalog_own("numeric_sum_total"), sum);
	if (type == INT8OID || type == NUMERICOID)
		squares = psprintf("%s(%s)", catalog_own("numeric_sum_total"), squares);
	return psprintf("%s('%s', %s, %s, %s)", catalog_own("statistic"), name, count, sum, squares);
}

static char *
regression_text(const Aggref *aggregate, List *states, bool keyed)
{
	const Regression *regression = regression_of(aggregate->aggfnoid);
	char	   *count = linitial(states);
	StringInfoData sums;
	int			next = 1;

	if (aggregate->aggfnoid == F_REGR_COUNT)
		return keyed ? count : psprintf("coalesce(%s, 0)", count);
	/* One sum beside the count makes an average. */
	if (list_length(states) == 2)
		return psprintf("%s(%s, %s)", catalog_own("float_sum_average"), (char *) lsecond(states),
						count);
	initStringInfo(&sums);
	/* statistic takes a null for a sum that is not kept. */
	for (const char *sum = regression_sums; *sum; sum++)
		appendStringInfo(&sums, ", %s",
						 strchr(regression->sums, *sum) ? (char *) list_nth(states, next++) :
														  "NULL");
	return psprintf("%s('%s', %s%s)", catalog_own("statistic"), regression->name, count, sums.data);
}

/* All states are bigints; the value fits the type that it was made of. */
static char *
bits_text(const Aggref *aggregate, Family family, List *states)
{
	char	   *count = linitial(states);
	char	   *bits = lsecond(states);

	if (family == BITS_OF_ALL)
		bits = psprintf("%s(%s, %s)", catalog_own("bit_counts_and"), bits, count);
	else if (family == BITS_OF_ANY)
		bits = psprintf("%s(%s)", catalog_own("bit_counts_or"), bits);
	return psprintf("CASE WHEN %s > 0 THEN %s::%s END", count, bits,
					format_type_be(aggregate->aggtype));
}

char *
aggregate_value_text(const Aggref *aggregate, List *states, bool keyed)
{
	Family		family = family_of(aggregate);

	switch (family)
	{
		case NO_FAMILY:
			break;
		case COUNT:
			return keyed ? linitial(states) :
						   psprintf("coalesce(%s, 0)", (char *) linitial(states));
		case SUM:
			return sum_text(argument_type(aggregate), states);
		case AVERAGE:
			return average_text(argument_type(aggregate), states);
		case STATISTIC:
			return statistic_text(aggregate, states);
		case REGRESSION:
			return regression_text(aggregate, states, keyed);
		case ALL_TRUE:
			return psprintf("CASE WHEN %s > 0 THEN %s = %s END", (char *) linitial(states),
							(char *) lsecond(states), (char *) linitial(states));
		case ANY_TRUE:
			return psprintf("CASE WHEN %s > 0 THEN %s > 0 END", (char *) linitial(states),
							(char *) lsecond(states));
		case BITS_OF_ALL:
		case BITS_OF_ANY:
		case BITS_OF_ODD:
			return bits_text(aggregate, family, states);
	}
	elog(ERROR, "aggregate %u has no states", aggregate->aggfnoid);
}

char *
aggregate_text(const Aggref *aggregate, List *columns, bool keyed)
{
	List	   *states = NIL;
	ListCell   *state,
			   *column;

	if (aggregate_way(aggregate) != AGGREGATE_BY_STATES)
		return marked_value_text(aggregate, columns);
	forboth(state, aggregate_states(aggregate), column, columns)
		states =
			lappend(states, merged_text(((AggregateState *) lfirst(state))->kind, lfirst(column)));
	return aggregate_value_text(aggregate, states, keyed);
}
