/*
 * interval_sum.c: takes the sums of the fields of intervals and gives their sum and average; and
 * money from its sum in the smallest unit, and back. Sums may be larger than the type that they are
 * of: that is an error when they are read.
 */
#include "rollup/number/interval_sum.h"

#include "utils/builtins.h"
#include "utils/cash.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

int32
interval_sum_field(const Interval *interval, bool months)
{
	/* An infinite interval is counted among the microseconds only. */
	if (!gs_interval_is_finite(interval))
		return 0;
	return months ? interval->month : interval->day;
}

FloatDelta *
interval_sum_microseconds(FloatDelta *delta, const Interval *interval, int sign, MemoryContext keep)
{
	if (gs_interval_is_finite(interval))
		return float_delta_add_integer(delta, interval->time, 0, sign, keep);
	/* All fields of an infinite interval have its sign. */
	return float_delta_add_special(
		delta, interval->month > 0 ? FLOAT_PLUS_INFINITY : FLOAT_MINUS_INFINITY, sign, keep);
}

/* interval_months(interval) returns integer */
PG_FUNCTION_INFO_V1(gs_interval_months);
Datum
gs_interval_months(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(interval_sum_field(PG_GETARG_INTERVAL_P(0), true));
}

/* interval_days(interval) returns integer */
PG_FUNCTION_INFO_V1(gs_interval_days);
Datum
gs_interval_days(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(interval_sum_field(PG_GETARG_INTERVAL_P(0), false));
}

/* microseconds_accumulate(float_sum, interval) returns float_sum: null is ignored */
PG_FUNCTION_INFO_V1(gs_microseconds_accumulate);
Datum
gs_microseconds_accumulate(PG_FUNCTION_ARGS)
{
	FloatDelta *delta;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	delta = interval_sum_microseconds(NULL, PG_GETARG_INTERVAL_P(1), 1, CurrentMemoryContext);
	PG_RETURN_POINTER(float_sum_with(float_sum_datum(PG_GETARG_DATUM(0)), float_delta_sum(delta)));
}

static void
refuse_interval(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
			 errmsg("interval out of range")));
}

static Interval *
interval_of_sums(int64 months, int64 days, const FloatSum *microseconds)
{
	Interval   *result = palloc0(sizeof(Interval));
	bool		plus = float_sum_special(microseconds, FLOAT_PLUS_INFINITY) > 0,
				minus = float_sum_special(microseconds, FLOAT_MINUS_INFINITY) > 0;

	/* The server's sum() refuses infinities of both signs as well. */
	if (plus && minus)
		refuse_interval();
	if (plus || minus)
	{
		gs_interval_set_infinite(result, plus);
		return result;
	}
	/*
	 * The sums of fields have no bounds of an interval. They must fit only here, where they are
	 * read.
	 */
	if (months != (int32) months || days != (int32) days ||
		!exact_to_integer(float_sum_exact(microseconds), &result->time))
		refuse_interval();
	result->month = (int32) months;
	result->day = (int32) days;
	/* Fields at their ends would be read as infinity. */
	if (!gs_interval_is_finite(result))
		refuse_interval();
	return result;
}

/* interval_total(months bigint, days bigint, microseconds float_sum) returns interval */
PG_FUNCTION_INFO_V1(gs_interval_total);
Datum
gs_interval_total(PG_FUNCTION_ARGS)
{
	FloatSum   *microseconds = float_sum_datum(PG_GETARG_DATUM(2));

	PG_RETURN_INTERVAL_P(interval_of_sums(PG_GETARG_INT64(0), PG_GETARG_INT64(1), microseconds));
}

/*
 * interval_average(months bigint, days bigint, microseconds float_sum, n bigint) returns interval:
 * null for none
 */
PG_FUNCTION_INFO_V1(gs_interval_average);
Datum
gs_interval_average(PG_FUNCTION_ARGS)
{
	Interval   *sum;

	if (PG_GETARG_INT64(3) == 0)
		PG_RETURN_NULL();
	sum = interval_of_sums(PG_GETARG_INT64(0), PG_GETARG_INT64(1),
						   float_sum_datum(PG_GETARG_DATUM(2)));
	/* An infinite sum has an infinite average, and is not divided. */
	if (!gs_interval_is_finite(sum))
		PG_RETURN_INTERVAL_P(sum);
	return DirectFunctionCall2(interval_div, IntervalPGetDatum(sum),
							   Float8GetDatum((double) PG_GETARG_INT64(3)));
}

/* money_units(money) returns bigint */
PG_FUNCTION_INFO_V1(gs_money_units);
Datum
gs_money_units(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(PG_GETARG_CASH(0));
}

/* money_total(numeric) returns money */
PG_FUNCTION_INFO_V1(gs_money_total);
Datum
gs_money_total(PG_FUNCTION_ARGS)
{
	Datum		units = PG_GETARG_DATUM(0);
	Datum		least = NumericGetDatum(int64_to_numeric(PG_INT64_MIN)),
				most = NumericGetDatum(int64_to_numeric(PG_INT64_MAX));

	/* The range is checked here, so that the error speaks of money and not of bigint. */
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, units, least)) ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, units, most)))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("money out of range")));
	PG_RETURN_CASH(DatumGetInt64(DirectFunctionCall1(numeric_int8, units)));
}
