/*
 * statistic.c: takes the number of values, and the exact sums of them and of their products, and
 * gives variance, deviation, covariance, correlation and regression. Over floating point numbers:
 * the true value, rounded once. Over integers and numerics: what the server's own aggregate gives,
 * by the server's own function.
 */
#include "base/base.h"

#include "fmgr.h"
#include "libpq/pqformat.h"
#include "nodes/execnodes.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "rollup/number/float_sum.h"

/*
 * Integers and numerics
 */

/*
 * As the server writes a numeric into the state of an aggregate: numeric_send's fields, four bytes
 * each but the digits.
 */
static void
append_number(StringInfo state, Numeric value)
{
	bytea	   *sent = DatumGetByteaPP(DirectFunctionCall1(numeric_send, NumericGetDatum(value)));
	StringInfoData fields;
	int			ndigits;

	initStringInfo(&fields);
	appendBinaryStringInfo(&fields, VARDATA_ANY(sent), VARSIZE_ANY_EXHDR(sent));
	ndigits = pq_getmsgint(&fields, 2);
	pq_sendint32(state, ndigits);
	/* The weight may be negative, and keeps its sign as it becomes wider. */
	pq_sendint32(state, (int16) pq_getmsgint(&fields, 2));
	pq_sendint32(state, pq_getmsgint(&fields, 2));
	pq_sendint32(state, pq_getmsgint(&fields, 2));
	for (int i = 0; i < ndigits; i++)
		pq_sendint16(state, pq_getmsgint(&fields, 2));
}

/* The state of the server's aggregates, as a worker of a parallel query hands it over. */
static bytea *
numeric_state(int64 n, Numeric sum, Numeric squares)
{
	/* Where a value is not finite, the number of such values is all that counts. */
	bool		finite = !numeric_is_nan(sum) && !numeric_is_inf(sum);
	StringInfoData state;

	/* The fields stand as numeric_deserialize reads them, with the count first. */
	pq_begintypsend(&state);
	pq_sendint64(&state, finite ? n : 0);
	append_number(&state, finite ? sum : int64_to_numeric(0));
	append_number(&state, finite ? squares : int64_to_numeric(0));
	/* the largest scale, and how many have it: for taking values away */
	pq_sendint32(&state, 0);
	pq_sendint64(&state, 0);
	pq_sendint64(&state, finite ? 0 : n);	/* NaN; infinities give the same */
	pq_sendint64(&state, 0);
	pq_sendint64(&state, 0);
	return pq_endtypsend(&state);
}

static PGFunction
numeric_function(const char *name)
{
	static const struct
	{
		const char *name;
		PGFunction	function;
	}			functions[] = {
		{"var_pop", numeric_var_pop},
		{"var_samp", numeric_var_samp},
		{"stddev_pop", numeric_stddev_pop},
		{"stddev_samp", numeric_stddev_samp}
	};

	for (int i = 0; i < lengthof(functions); i++)
		if (strcmp(name, functions[i].name) == 0)
			return functions[i].function;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no statistic \"%s\"", name)));
}

/* Call a function that takes its arguments as the transition of an aggregate. */
static Datum
call_in_aggregate(PGFunction function, Datum a, Datum b, bool *isnull)
{
	LOCAL_FCINFO(call, 2);
	AggState   *aggregate = makeNode(AggState);
	Datum		result;

	/*
	 * The server's functions ask whether an aggregate calls them. These want no memory of it, so an
	 * empty node is enough.
	 */
	InitFunctionCallInfoData(*call, NULL, 2, InvalidOid, (Node *) aggregate, NULL);
	call->args[0].value = a;
	call->args[0].isnull = false;
	call->args[1].value = b;
	call->args[1].isnull = false;
	result = function(call);
	*isnull = call->isnull;
	return result;
}

/* statistic(name text, n bigint, sum numeric, squares numeric) returns numeric */
PG_FUNCTION_INFO_V1(gs_statistic_numeric);
Datum
gs_statistic_numeric(PG_FUNCTION_ARGS)
{
	PGFunction	function = numeric_function(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	bytea *state = numeric_state(PG_GETARG_INT64(1), PG_GETARG_NUMERIC(2), PG_GETARG_NUMERIC(3));
	bool		isnull;
	Datum value =
		call_in_aggregate(numeric_deserialize, PointerGetDatum(state), (Datum) 0, &isnull);

	/* The server's final function takes the state alone, and ignores the second argument. */
	value = call_in_aggregate(function, value, (Datum) 0, &isnull);
	if (isnull)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

/*
 * Floating point numbers. With n values: xx = n * sum(x * x) - sum(x)^2 is n times the sum of the
 * squares of their distances from their average, without rounding; yy and xy likewise.
 */
typedef struct Moments
{
	int64		count;
	Exact		n,
				x,				/* sums */
				y,
				xx,
				yy,
				xy;
	bool		x_finite,
				y_finite;
} Moments;

typedef enum Outcome
{
	VALUE,
	NO_VALUE,
	NOT_A_NUMBER
} Outcome;

static Exact
central_moment(const Moments *moments, Exact products, Exact a, Exact b)
{
	return exact_minus(exact_times(moments->n, products), exact_times(a, b));
}

/* Of one variable: divisor is n times what the sum of the squared distances is divided by. */
static Outcome
variance_value(const Moments *moments, const char *name, double *value)
{
	bool		sample = strstr(name, "_samp") != NULL;

	/* A sample of one value has no variance, a population of one has zero. */
	if (moments->count < (sample ? 2 : 1))
		return NO_VALUE;
	if (!moments->x_finite)
		return NOT_A_NUMBER;
	/* A deviation is the root of the exact variance, so that it is rounded once as well. */
	*value = (strncmp(name, "var", 3) == 0 ? exact_quotient : exact_root)(
		moments->xx,
		exact_times(moments->n, exact_integer(sample ? moments->count - 1 : moments->count)));
	return VALUE;
}

/* The spread of one variable, and of both. */
static Outcome
spread_value(const Moments *moments, const char *name, double *value)
{
	bool		x = strcmp(name, "regr_syy") != 0,
				y = strcmp(name, "regr_sxx") != 0;
	Exact		by = moments->n;

	if (moments->count < (strcmp(name, "covar_samp") == 0 ? 2 : 1))
		return NO_VALUE;
	if ((x && !moments->x_finite) || (y && !moments->y_finite))
		return NOT_A_NUMBER;
	/* xx, yy and xy are n times the sums that SQL speaks of: each divisor has an n more. */
	if (strcmp(name, "covar_pop") == 0)
		by = exact_times(by, moments->n);
	else if (strcmp(name, "covar_samp") == 0)
		by = exact_times(by, exact_integer(moments->count - 1));
	*value = exact_quotient(x && y ? moments->xy : x ? moments->xx : moments->yy, by);
	return VALUE;
}

static Outcome
correlation_value(const Moments *moments, const char *name, double *value)
{
	bool		finite = moments->x_finite && moments->y_finite,
				vertical = moments->x_finite && exact_is_zero(moments->xx),
				horizontal = moments->y_finite && exact_is_zero(moments->yy);
	bool		root = strcmp(name, "corr") == 0;
	Exact		square,
				by;

	/* Where x does not vary there is no value, and no correlation where y does not. */
	if (moments->count < 1 || vertical || (root && horizontal))
		return NO_VALUE;
	*value = 1;
	if (horizontal)
		return VALUE;
	if (!finite)
		return NOT_A_NUMBER;
	/* corr is the root of regr_r2 with the sign of xy. All is exact until the root is rounded. */
	square = exact_times(moments->xy, moments->xy);
	by = exact_times(moments->xx, moments->yy);
	*value = root ? exact_root(square, by) : exact_quotient(square, by);
	if (root && moments->xy.negative)
		*value = -*value;
	return VALUE;
}

static Outcome
regression_value(const Moments *moments, const char *name, double *value)
{
	if (moments->count < 1 || (moments->x_finite && exact_is_zero(moments->xx)))
		return NO_VALUE;
	/* Sums with NaN or infinities in them say nothing about a line. */
	if (!moments->x_finite || !moments->y_finite)
		return NOT_A_NUMBER;
	/* xx is not zero here: x varies, and the line is not vertical. */
	if (strcmp(name, "regr_slope") == 0)
		*value = exact_quotient(moments->xy, moments->xx);
	else
		*value = exact_quotient(exact_minus(exact_times(moments->y, moments->xx),
											exact_times(moments->x, moments->xy)),
								exact_times(moments->n, moments->xx));
	return VALUE;
}

static const struct
{
	const char *name;
	Outcome		(*function) (const Moments *moments, const char *name, double *value);
}			known_statistics[] = {
	{"var_pop", variance_value},
	{"var_samp", variance_value},
	{"stddev_pop", variance_value},
	{"stddev_samp", variance_value},
	{"regr_sxx", spread_value},
	{"regr_syy", spread_value},
	{"regr_sxy", spread_value},
	{"covar_pop", spread_value},
	{"covar_samp", spread_value},
	{"corr", correlation_value},
	{"regr_r2", correlation_value},
	{"regr_slope", regression_value},
	{"regr_intercept", regression_value}
};

static Exact
exact_arg(FunctionCallInfo fcinfo, int n, bool *finite)
{
	FloatSum   *sum;

	/* Sums that the statistic does not need are not given, and count as zero. */
	if (n >= PG_NARGS() || PG_ARGISNULL(n))
		return exact_integer(0);
	sum = float_sum_datum(PG_GETARG_DATUM(n));
	if (!float_sum_is_finite(sum))
		*finite = false;
	return float_sum_exact(sum);
}

/*
 * statistic(name text, n bigint, x float_sum, xx float_sum [, y float_sum, yy float_sum, xy
 * float_sum]) returns double precision; sums that the statistic does not need may be null
 */
PG_FUNCTION_INFO_V1(gs_statistic_float);
Datum
gs_statistic_float(PG_FUNCTION_ARGS)
{
	char	   *name;
	Moments		moments = {.x_finite = true, .y_finite = true};
	bool		products_finite = true;
	double		value = 0;

	/* The function is not strict, since sums that are not needed are null. */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	moments.count = PG_GETARG_INT64(1);
	moments.n = exact_integer(moments.count);
	moments.x = exact_arg(fcinfo, 2, &moments.x_finite);
	moments.y = exact_arg(fcinfo, 4, &moments.y_finite);
	/* A product is finite where its factors are, so what the sums of x and y say is enough. */
	moments.xx = central_moment(&moments, exact_arg(fcinfo, 3, &products_finite), moments.x,
								moments.x);
	moments.yy = central_moment(&moments, exact_arg(fcinfo, 5, &products_finite), moments.y,
								moments.y);
	moments.xy = central_moment(&moments, exact_arg(fcinfo, 6, &products_finite), moments.x,
								moments.y);

	for (int i = 0; i < lengthof(known_statistics); i++)
	{
		if (strcmp(name, known_statistics[i].name) != 0)
			continue;
		switch (known_statistics[i].function(&moments, name, &value))
		{
			case NO_VALUE:
				PG_RETURN_NULL();
			case NOT_A_NUMBER:
				PG_RETURN_FLOAT8(get_float8_nan());
			case VALUE:
				if (isinf(value))
					float_overflow_error();
				PG_RETURN_FLOAT8(value);
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no statistic \"%s\"", name)));
}
