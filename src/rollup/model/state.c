/*
 * state.c: arithmetic of states. Takes inputs and states and gives states; knows no rollup and no
 * table.
 */
#include "rollup/model/state.h"

#include "common/int.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "rollup/number/interval_sum.h"

static void
collect_numeric(StateDelta *delta, Numeric input, int sign, MemoryContext keep)
{
	/* What is summed here lies in short memory, and is garbage after the row. */
	NumericSum *sum = numeric_sum_of(input, sign);

	if (delta->numeric)
		sum = numeric_sum_plus(delta->numeric, sum);
	/* Only a count beyond int64 does not fit. */
	if (sum == NULL)
		elog(ERROR, "too many numerics in a delta");
	/* with room to grow, so that most additions happen in place */
	if (delta->numeric == NULL)
		delta->numeric = MemoryContextAlloc(keep, VARSIZE(sum) + 128);
	else
		delta->numeric = repalloc(delta->numeric, VARSIZE(sum));
	/* The sum was made in short memory, and a copy of it stays. */
	memcpy(delta->numeric, sum, VARSIZE(sum));
}

void
state_collect(StateKind kind, StateDelta *delta, Datum input, Datum input2, int sign,
			  MemoryContext keep)
{
	switch (kind)
	{
		case STATE_COUNT:
			delta->sum += sign;
			break;
		case STATE_SUM_SMALL:
		case STATE_SUM_BIG:
		case STATE_SUM_MONEY:
			/* 128 bits hold 2^63 inputs of 64 bits, so no overflow is looked for. */
			delta->sum += (int128) sign * DatumGetInt64(input);
			break;
		case STATE_SUM_NUMERIC:
			collect_numeric(delta, DatumGetNumeric(input), sign, keep);
			break;
		case STATE_SUM_FLOAT:
			delta->exact = float_delta_add(delta->exact, DatumGetFloat8(input), sign, keep);
			break;
		case STATE_SUM_PRODUCT:
			delta->exact = float_delta_add_product(delta->exact, DatumGetFloat8(input),
												   DatumGetFloat8(input2), sign, keep);
			break;
		case STATE_SUM_MONTHS:
		case STATE_SUM_DAYS:
			delta->sum += (int128) sign *
						  interval_sum_field(DatumGetIntervalP(input), kind == STATE_SUM_MONTHS);
			break;
		case STATE_SUM_MICROSECONDS:
			delta->exact =
				interval_sum_microseconds(delta->exact, DatumGetIntervalP(input), sign, keep);
			break;
		case STATE_BITS:
			delta->bits = bit_delta_add(delta->bits, DatumGetInt64(input), sign, keep);
			break;
		case STATE_XOR:
			/* A second exclusive or takes the first one back, so that the sign does not matter. */
			delta->sum ^= DatumGetInt64(input);
			break;
		default:
			elog(ERROR, "state %d is no sum", kind);
	}
}

static bool
is_float_sum(StateKind kind)
{
	return kind == STATE_SUM_FLOAT || kind == STATE_SUM_PRODUCT || kind == STATE_SUM_MICROSECONDS;
}

void
state_delta_clear(StateKind kind, StateDelta *delta)
{
	/* The kind says which member of the union is in use. */
	if (kind == STATE_SUM_NUMERIC && delta->numeric)
		pfree(delta->numeric);
	else if (is_float_sum(kind) && delta->exact)
		pfree(delta->exact);
	else if (kind == STATE_BITS && delta->bits)
		pfree(delta->bits);
	memset(delta, 0, sizeof(StateDelta));
}

bool
state_delta_is_zero(StateKind kind, const StateDelta *delta)
{
	if (kind == STATE_SUM_NUMERIC)
		return delta->numeric == NULL || numeric_sum_is_zero(delta->numeric);
	if (is_float_sum(kind))
		return float_delta_is_zero(delta->exact);
	if (kind == STATE_BITS)
		return bit_delta_is_zero(delta->bits);
	if (kind == STATE_CHANGED)
		return !delta->changed;
	if (!STATE_IS_SUM(kind))
		return !delta->extreme.known;
	return delta->sum == 0;
}

/* Through two halves: the server has no public conversion of 128 bits. */
static Datum
int128_to_numeric(int128 value)
{
	/* The base is below 2^63, and the quotient of what rows can add up to as well. */
	int128		base = (int128) 1000000000000000000;
	Datum		high,
				low = NumericGetDatum(int64_to_numeric((int64) (value % base)));

	/* Most values are short, and need no multiplication. */
	if (value / base == 0)
		return low;
	high =
		DirectFunctionCall2(numeric_mul, NumericGetDatum(int64_to_numeric((int64) (value / base))),
							NumericGetDatum(int64_to_numeric((int64) base)));
	return DirectFunctionCall2(numeric_add, high, low);
}

bool
state_delta_datum(StateKind kind, const StateDelta *delta, NullableDatum *result)
{
	Datum	   *value = &result->value;

	result->isnull = false;
	switch (kind)
	{
		case STATE_COUNT:
		case STATE_SUM_SMALL:
		case STATE_SUM_MONTHS:
		case STATE_SUM_DAYS:
		case STATE_XOR:
			/* The value is right only where it fits, which the result says. */
			*value = Int64GetDatum((int64) delta->sum);
			return delta->sum >= PG_INT64_MIN && delta->sum <= PG_INT64_MAX;
		case STATE_SUM_BIG:
		case STATE_SUM_MONEY:
			*value = int128_to_numeric(delta->sum);
			return true;
		case STATE_SUM_NUMERIC:
			if (delta->numeric)
				*value = PointerGetDatum(delta->numeric);
			else
			{
				/* the sum of a value and its opposite */
				NumericSum *plus = numeric_sum_of(int64_to_numeric(0), 1);
				NumericSum *minus = numeric_sum_of(int64_to_numeric(0), -1);

				*value = PointerGetDatum(numeric_sum_plus(plus, minus));
			}
			return true;
		case STATE_SUM_FLOAT:
		case STATE_SUM_PRODUCT:
		case STATE_SUM_MICROSECONDS:
			*value = PointerGetDatum(float_delta_sum(delta->exact));
			return true;
		case STATE_BITS:
			*value = PointerGetDatum(bit_delta_counts(delta->bits));
			return true;
		case STATE_MIN_IN:
		case STATE_MIN_OUT:
		case STATE_MAX_IN:
		case STATE_MAX_OUT:
			/* An extreme that is not known is a null, and its value is not looked at. */
			*value = delta->extreme.value;
			result->isnull = !delta->extreme.known;
			return true;
		case STATE_CHANGED:
			*value = BoolGetDatum(delta->changed);
			return true;
		case STATE_VALUE:
			/* A delta has no value of the group: only who reads the rows has one. */
			*value = (Datum) 0;
			result->isnull = true;
			return true;
	}
	return false;
}

const char *
state_type_name(StateKind kind)
{
	switch (kind)
	{
		case STATE_COUNT:
		case STATE_SUM_SMALL:
		case STATE_SUM_MONTHS:
		case STATE_SUM_DAYS:
		case STATE_XOR:
			return "bigint";
		case STATE_SUM_BIG:
		case STATE_SUM_MONEY:
			return "numeric";
		case STATE_SUM_NUMERIC:
			return catalog_own("numeric_sum");
		case STATE_SUM_FLOAT:
		case STATE_SUM_PRODUCT:
		case STATE_SUM_MICROSECONDS:
			return catalog_own("float_sum");
		case STATE_BITS:
			return catalog_own("bit_counts");
		default:
			break;
	}
	return NULL;
}

bool
state_add(StateKind kind, Datum a, Datum b, Datum *sum)
{
	int64		small;
	BitCounts  *bits;

	switch (kind)
	{
		case STATE_COUNT:
		case STATE_SUM_SMALL:
		case STATE_SUM_MONTHS:
		case STATE_SUM_DAYS:
			/* What does not fit stays in two partials, which the caller keeps apart. */
			if (pg_add_s64_overflow(DatumGetInt64(a), DatumGetInt64(b), &small))
				return false;
			*sum = Int64GetDatum(small);
			return true;
		case STATE_SUM_BIG:
		case STATE_SUM_MONEY:
			/* Sums of integers are far from the range of numeric. */
			*sum = DirectFunctionCall2(numeric_add, a, b);
			return true;
		case STATE_SUM_NUMERIC:
			*sum = PointerGetDatum(numeric_sum_plus(numeric_sum_datum(a), numeric_sum_datum(b)));
			return *sum != (Datum) 0;
		case STATE_SUM_FLOAT:
		case STATE_SUM_PRODUCT:
		case STATE_SUM_MICROSECONDS:
			*sum = PointerGetDatum(float_sum_plus(float_sum_datum(a), float_sum_datum(b)));
			return *sum != (Datum) 0;
		case STATE_BITS:
			/* The sum is NULL where a count does not fit. */
			bits = bit_counts_plus((BitCounts *) PG_DETOAST_DATUM_PACKED(a),
								   (BitCounts *) PG_DETOAST_DATUM_PACKED(b));
			if (bits == NULL)
				return false;
			*sum = PointerGetDatum(bits);
			return true;
		case STATE_XOR:
			*sum = Int64GetDatum(DatumGetInt64(a) ^ DatumGetInt64(b));
			return true;
		default:
			elog(ERROR, "state %d is no sum", kind);
	}
}

bool
state_is_zero(StateKind kind, NullableDatum state)
{
	Datum		value = state.value;

	/* Watermarks and values are NULL where there are none. */
	if (!STATE_IS_SUM(kind) && kind != STATE_CHANGED)
		return state.isnull;
	/* Columns of sums and flags are declared NOT NULL, so that value is there. */
	switch (kind)
	{
		case STATE_SUM_BIG:
		case STATE_SUM_MONEY:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp, value,
													 NumericGetDatum(int64_to_numeric(0)))) == 0;
		case STATE_SUM_NUMERIC:
			return numeric_sum_is_zero(numeric_sum_datum(value));
		case STATE_SUM_FLOAT:
		case STATE_SUM_PRODUCT:
		case STATE_SUM_MICROSECONDS:
			return float_sum_is_zero(float_sum_datum(value));
		case STATE_BITS:
			return bit_counts_is_zero((BitCounts *) PG_DETOAST_DATUM_PACKED(value));
		case STATE_CHANGED:
			return !DatumGetBool(value);
		default:
			return DatumGetInt64(value) == 0;
	}
}
