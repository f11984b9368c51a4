/*
 * numeric_sum.c: the SQL type numeric_sum, a sum of numerics from which values can be taken away
 * again.
 *
 * Takes numerics and gives their sum and average, to the last digit and in the display scale that
 * sum() and avg() would give. The display scale of a sum is the largest among its values, and NaN
 * and the infinities cannot be subtracted, so the type counts the values of each scale, and those
 * that are not finite, beside the sum of the finite ones. As in sum(), a sum may leave the range of
 * numeric and come back: what is beyond is counted in units of 5e131071. Never loses a digit; never
 * depends on the order of values.
 *
 * Text form, itself a JSON object: {"sum":12.50,"count":3,"scales":{"2":3}}. Where there are units
 * beyond, their number follows the sum: {"sum":4e131071,"excess":1,"count":2,"scales":{"0":2}},
 * with all digits, is 9e131071.
 */
#include "rollup/number/numeric_sum.h"

#include "common/int.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "rollup/number/number_text.h"

/* half of what a numeric cannot reach: two that are less have a sum that is a numeric */
#define NUMERIC_SUM_UNIT "5e131071"

#define NUMERIC_SUM_MAX_ROUND 2000	/* numeric_round's limit in every version */

static Numeric
sum_finite(const NumericSum *sum)
{
	return (Numeric) &sum->scales[sum->nscales];
}

static int64
sum_excess(const NumericSum *sum)
{
	/* SCALE_EXCESS is the least of all scales: the excess comes first, if there is one. */
	return sum->nscales > 0 && sum->scales[0].scale == SCALE_EXCESS ? sum->scales[0].count : 0;
}

static Datum
make_numeric(const char *text)
{
	return DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							   Int32GetDatum(-1));
}

/* The unit, or its opposite. */
static Datum
sum_unit(bool negative)
{
	static Datum units[2] = {0};

	/*
	 * The second unit is made last. After an error in between it is missing, and both are made
	 * again.
	 */
	if (units[1] == (Datum) 0)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		units[0] = make_numeric(NUMERIC_SUM_UNIT);
		units[1] = make_numeric("-" NUMERIC_SUM_UNIT);
		MemoryContextSwitchTo(old);
	}
	return units[negative];
}

static int
compare_numerics(Datum a, Datum b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, a, b));
}

static int
compare_with_zero(Datum value)
{
	/* Zero has one value in all display scales. */
	return compare_numerics(value, NumericGetDatum(int64_to_numeric(0)));
}

/* Give one unit from the value to the excess, or back. */
static bool
move_unit(Datum *value, int64 *excess, bool negative)
{
	*value = DirectFunctionCall2(numeric_sub, *value, sum_unit(negative));
	return !pg_add_s64_overflow(*excess, negative ? -1 : 1, excess);
}

/*
 * Bring a value of less than two units below one, and of the same sign as the excess. False if that
 * does not fit.
 */
static bool
reduce_to_unit(Datum *value, int64 *excess)
{
	bool		fits = true;

	/* The value is less than two units, so one unit moved is enough. */
	if (unlikely(compare_numerics(*value, sum_unit(false)) >= 0))
		fits = move_unit(value, excess, false);
	else if (unlikely(compare_numerics(*value, sum_unit(true)) <= 0))
		fits = move_unit(value, excess, true);
	/*
	 * Opposite signs would be a second form of the same sum. One unit moved back gives the value
	 * the sign of the excess.
	 */
	if (unlikely(fits && *excess != 0))
	{
		int			sign = compare_with_zero(*value);

		if (sign != 0 && (sign < 0) != (*excess < 0))
			fits = move_unit(value, excess, sign < 0);
	}
	return fits;
}

static NumericSum *
sum_make(int nscales, const ScaleCount *scales, Numeric finite)
{
	Size		head = offsetof(NumericSum, scales) + nscales * sizeof(ScaleCount);
	NumericSum *sum = palloc0(head + VARSIZE(finite));

	SET_VARSIZE(sum, head + VARSIZE(finite));
	sum->nscales = nscales;
	if (nscales > 0)
		memcpy(sum->scales, scales, nscales * sizeof(ScaleCount));
	memcpy(sum_finite(sum), finite, VARSIZE(finite));
	return sum;
}

static int
sum_scale_of(Numeric value)
{
	if (numeric_is_nan(value))
		return SCALE_NAN;
	if (numeric_is_inf(value))
	{
		char *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value)));

		return text[0] == '-' ? SCALE_MINUS_INFINITY : SCALE_PLUS_INFINITY;
	}
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(value)));
}

NumericSum *
numeric_sum_of(Numeric value, int sign)
{
	ScaleCount	scales[2] = {{0, SCALE_EXCESS, 0}, {sign, sum_scale_of(value), 0}};
	Datum		finite = NumericGetDatum(value);
	bool		beyond;

	/* What is not finite is counted, and adds zero. */
	if (scales[1].scale < 0)
		finite = NumericGetDatum(int64_to_numeric(0));
	else if (sign < 0)
		finite = DirectFunctionCall1(numeric_uminus, finite);
	/* A numeric is less than two units, and the excess of a single one always fits. */
	(void) reduce_to_unit(&finite, &scales[0].count);
	beyond = scales[0].count != 0;
	return sum_make(beyond ? 2 : 1, beyond ? scales : scales + 1, DatumGetNumeric(finite));
}

/*
 * The scales of both, without the excess. Says how many they are; -1 if a count, or all together,
 * does not fit.
 */
static int
add_scales(const NumericSum *a, const NumericSum *b, ScaleCount *scales)
{
	int			n = 0,
				i = sum_excess(a) != 0,
				j = sum_excess(b) != 0;
	int128		all = 0;

	/*
	 * Both lists ascend, so that they are merged in one pass. Counts of one scale become one, and a
	 * count of zero goes.
	 */
	while (i < a->nscales || j < b->nscales)
	{
		ScaleCount	next;

		if (j >= b->nscales || (i < a->nscales && a->scales[i].scale < b->scales[j].scale))
			next = a->scales[i++];
		else if (i >= a->nscales || b->scales[j].scale < a->scales[i].scale)
			next = b->scales[j++];
		else
		{
			next = a->scales[i++];
			if (pg_add_s64_overflow(next.count, b->scales[j++].count, &next.count))
				return -1;
		}
		all += next.count;
		if (next.count != 0)
			scales[n++] = next;
	}
	return all >= PG_INT64_MIN && all <= PG_INT64_MAX ? n : -1;
}

NumericSum *
numeric_sum_plus(const NumericSum *a, const NumericSum *b)
{
	/* The first place is for the excess, if there is one. */
	ScaleCount *scales = palloc((a->nscales + b->nscales + 1) * sizeof(ScaleCount));
	int			n = add_scales(a, b, scales + 1);
	ScaleCount	excess = {0, SCALE_EXCESS, 0};
	Datum		finite;
	NumericSum *sum;

	/* NULL says that a count does not fit, and leaves what was allocated to the context. */
	if (n < 0 || pg_add_s64_overflow(sum_excess(a), sum_excess(b), &excess.count))
		return NULL;
	/* Both are less than a unit, so that their sum is a numeric. */
	finite = DirectFunctionCall2(numeric_add, NumericGetDatum(sum_finite(a)),
								 NumericGetDatum(sum_finite(b)));
	if (!reduce_to_unit(&finite, &excess.count))
		return NULL;
	scales[0] = excess;
	if (excess.count != 0)
		sum = sum_make(n + 1, scales, DatumGetNumeric(finite));
	else
		sum = sum_make(n, scales + 1, DatumGetNumeric(finite));
	pfree(scales);
	pfree(DatumGetPointer(finite));
	return sum;
}

bool
numeric_sum_is_zero(const NumericSum *sum)
{
	return sum->nscales == 0 && compare_with_zero(NumericGetDatum(sum_finite(sum))) == 0;
}

static int64
sum_count(const NumericSum *sum)
{
	int64		count = 0;

	/* in any order it may leave the range on its way, but not at its end */
	for (int i = sum_excess(sum) != 0; i < sum->nscales; i++)
		count = (int64) ((uint64) count + (uint64) sum->scales[i].count);
	return count;
}

static bool
sum_has(const NumericSum *sum, int scale)
{
	/* What has only been taken away has a negative count, and no such values. */
	for (int i = 0; i < sum->nscales; i++)
		if (sum->scales[i].scale == scale)
			return sum->scales[i].count > 0;
	return false;
}

/* What sum() over the same values would give; there must be at least one. */
static Datum
sum_total(const NumericSum *sum)
{
	bool		plus = sum_has(sum, SCALE_PLUS_INFINITY),
				minus = sum_has(sum, SCALE_MINUS_INFINITY);
	const char *special = NULL;
	Datum		finite = NumericGetDatum(sum_finite(sum));
	int64		excess = sum_excess(sum);
	int			scale;

	/* NaN comes before the infinities, and both of these together are NaN. */
	if (sum_has(sum, SCALE_NAN) || (plus && minus))
		special = "NaN";
	else if (plus)
		special = "Infinity";
	else if (minus)
		special = "-Infinity";
	if (special)
		return make_numeric(special);

	/* an error, as from sum(), if this is no numeric */
	if (excess != 0)
	{
		Datum		beyond = NumericGetDatum(int64_to_numeric(excess));

		beyond = DirectFunctionCall2(numeric_mul, sum_unit(false), beyond);
		finite = DirectFunctionCall2(numeric_add, finite, beyond);
	}
	/* Scales ascend, so the last one is the largest. It is negative where no value is finite. */
	scale = Max(sum->scales[sum->nscales - 1].scale, 0);
	/* Beyond its limit numeric_round would cut digits. */
	if (scale > NUMERIC_SUM_MAX_ROUND)
		return finite;
	return DirectFunctionCall2(numeric_round, finite, Int32GetDatum(scale));
}

/*
 * Whether the last so many bytes are a finite numeric. The server's functions trust those that they
 * get: so the form in which it stores them is known here. A first word with the highest bit has
 * sign, scale and weight in it, another one is followed by one more; 0xC000 are the bits of what is
 * not finite. Then come digits of base 10000, without zeros at either end.
 */
static bool
is_numeric(Numeric finite, Size size)
{
	const uint16 *words = (const uint16 *) ((const char *) finite + VARHDRSZ);
	Size		nhead;
	Size		n;

	if (size < VARHDRSZ + sizeof(uint16) || size % sizeof(uint16) != 0 || !VARATT_IS_4B_U(finite) ||
		VARSIZE(finite) != size)
		return false;
	nhead = words[0] & 0x8000 ? 1 : 2;
	n = (size - VARHDRSZ) / sizeof(uint16);
	if ((words[0] & 0xC000) == 0xC000 || n < nhead)
		return false;
	/* Zero has no digits, and never a minus. */
	if (n == nhead)
		return (words[0] & (nhead == 1 ? 0x2000 : 0x4000)) == 0;
	for (Size i = nhead; i < n; i++)
		if (words[i] >= 10000)
			return false;
	return words[nhead] != 0 && words[n - 1] != 0;
}

/* Whether they are so, of less than a unit and with the sign of the excess. */
static bool
is_sound_finite(Numeric finite, Size size, int64 excess)
{
	Datum		value = NumericGetDatum(finite);
	int			sign;

	if (!is_numeric(finite, size) || compare_numerics(value, sum_unit(false)) >= 0 ||
		compare_numerics(value, sum_unit(true)) <= 0)
		return false;
	if (excess == 0)
		return true;
	sign = compare_with_zero(value);
	return sign == 0 || (sign < 0) == (excess < 0);
}

static bool
is_sound(const NumericSum *sum)
{
	Size		size = VARSIZE(sum);
	Size		head;
	int128		all = 0;

	/* The scales must lie within the bytes before any is read. */
	if (size < offsetof(NumericSum, scales) || sum->nscales < 0 ||
		sum->nscales > (size - offsetof(NumericSum, scales)) / sizeof(ScaleCount))
		return false;
	for (int i = 0; i < sum->nscales; i++)
	{
		const ScaleCount *scale = &sum->scales[i];

		if (scale->count == 0 || scale->scale < SCALE_EXCESS ||
			scale->scale > NUMERIC_SUM_MAX_SCALE || (i > 0 && scale->scale <= scale[-1].scale))
			return false;
		if (scale->scale != SCALE_EXCESS)
			all += scale->count;
	}
	head = offsetof(NumericSum, scales) + sum->nscales * sizeof(ScaleCount);
	/* The counts together are the number of values, which is read as a bigint. */
	return all >= PG_INT64_MIN && all <= PG_INT64_MAX &&
		is_sound_finite(sum_finite(sum), size - head, sum_excess(sum));
}

NumericSum *
numeric_sum_datum(Datum value)
{
	NumericSum *sum = (NumericSum *) PG_DETOAST_DATUM(value);

	if (!is_sound(sum))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid bytes in a value of type %s", "gymstream_internal.numeric_sum")));
	return sum;
}

static NumericSum *
sum_arg(FunctionCallInfo fcinfo, int n)
{
	return numeric_sum_datum(PG_GETARG_DATUM(n));
}

static Datum
sum_with(const NumericSum *a, const NumericSum *b)
{
	NumericSum *sum = numeric_sum_plus(a, b);

	if (sum == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range in a sum of %s", "gymstream_internal.numeric_sum")));
	PG_RETURN_POINTER(sum);
}

/* numeric_sum_total(numeric_sum) returns numeric: NULL when it is a sum of nothing */
PG_FUNCTION_INFO_V1(gs_numeric_sum_total);
Datum
gs_numeric_sum_total(PG_FUNCTION_ARGS)
{
	NumericSum *sum = sum_arg(fcinfo, 0);

	if (sum_count(sum) == 0)
		PG_RETURN_NULL();
	return sum_total(sum);
}

/* numeric_sum_average(numeric_sum) returns numeric: NULL when it is a sum of nothing */
PG_FUNCTION_INFO_V1(gs_numeric_sum_average);
Datum
gs_numeric_sum_average(PG_FUNCTION_ARGS)
{
	NumericSum *sum = sum_arg(fcinfo, 0);
	int64		count = sum_count(sum);

	if (count == 0)
		PG_RETURN_NULL();
	/* numeric_div chooses the digits, as it does for the server's avg(). */
	return DirectFunctionCall2(numeric_div, sum_total(sum),
							   NumericGetDatum(int64_to_numeric(count)));
}

/* numeric_sum_add(numeric_sum, numeric_sum) returns numeric_sum */
PG_FUNCTION_INFO_V1(gs_numeric_sum_add);
Datum
gs_numeric_sum_add(PG_FUNCTION_ARGS)
{
	return sum_with(sum_arg(fcinfo, 0), sum_arg(fcinfo, 1));
}

/* numeric_sum_accumulate(numeric_sum, numeric) returns numeric_sum: a null value is ignored */
PG_FUNCTION_INFO_V1(gs_numeric_sum_accumulate);
Datum
gs_numeric_sum_accumulate(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return sum_with(sum_arg(fcinfo, 0), numeric_sum_of(PG_GETARG_NUMERIC(1), 1));
}

static const char *
scale_name(int scale)
{
	switch (scale)
	{
		case SCALE_NAN:
			return "NaN";
		case SCALE_PLUS_INFINITY:
			return "Infinity";
		case SCALE_MINUS_INFINITY:
			return "-Infinity";
		default:
			return psprintf("%d", scale);
	}
}

PG_FUNCTION_INFO_V1(gs_numeric_sum_out);
Datum
gs_numeric_sum_out(PG_FUNCTION_ARGS)
{
	NumericSum *sum = sum_arg(fcinfo, 0);
	Datum		finite = NumericGetDatum(sum_finite(sum));
	char	   *digits = DatumGetCString(DirectFunctionCall1(numeric_out, finite));
	int64		excess = sum_excess(sum);
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"sum\":%s", digits);
	if (excess != 0)
		appendStringInfo(&out, ",\"excess\":" INT64_FORMAT, excess);
	appendStringInfo(&out, ",\"count\":" INT64_FORMAT ",\"scales\":{", sum_count(sum));
	/* The excess stands in the text already. */
	for (int i = excess != 0; i < sum->nscales; i++)
		appendStringInfo(&out, "%s\"%s\":" INT64_FORMAT, i > (excess != 0) ? "," : "",
						 scale_name(sum->scales[i].scale), sum->scales[i].count);
	appendStringInfoString(&out, "}}");
	PG_RETURN_CSTRING(out.data);
}

/* One "scale":count; false where the text is not of that form. */
static bool
parse_scale(const char **text, ScaleCount *out)
{
	int64		scale;

	memset(out, 0, sizeof(*out));
	/* Padding is stored too, so that it must be zero. */
	if (number_skip(text, "\"NaN\":"))
		out->scale = SCALE_NAN;
	else if (number_skip(text, "\"Infinity\":"))
		out->scale = SCALE_PLUS_INFINITY;
	else if (number_skip(text, "\"-Infinity\":"))
		out->scale = SCALE_MINUS_INFINITY;
	else
	{
		if (!number_skip(text, "\"") || !number_integer(text, &scale) ||
			!number_skip(text, "\":") || scale < 0 || scale > NUMERIC_SUM_MAX_SCALE)
			return false;
		out->scale = (int32) scale;
	}
	return number_integer(text, &out->count) && out->count != 0;
}

/* All of them, in ascending order. How many they are; -1 where the text is not of that form. */
static int
parse_scales(const char **text, ScaleCount *scales)
{
	int128		all = 0;
	int			n = 0;

	if (!number_skip(text, "{"))
		return -1;
	if (number_skip(text, "}"))
		return 0;
	/* Scales must ascend, so that there are never more of them than the caller has room for. */
	do
	{
		if (!parse_scale(text, &scales[n]) || (n > 0 && scales[n - 1].scale >= scales[n].scale))
			return -1;
		all += scales[n++].count;
	} while (number_skip(text, ","));
	return number_skip(text, "}") && all >= PG_INT64_MIN && all <= PG_INT64_MAX ? n : -1;
}

static NumericSum *
parse_sum(const char *text)
{
	/* ascending, there are only so many, and none in less than four characters */
	Size		room = Min(strlen(text) / 4, NUMERIC_SUM_MAX_SCALE + 1 - SCALE_EXCESS) + 2;
	ScaleCount *scales = palloc(room * sizeof(ScaleCount));
	int64		excess = 0,
				count;
	Datum		finite;
	Size		length;
	int			n;

	if (!number_skip(&text, "{\"sum\":"))
		return NULL;
	length = strcspn(text, ",");
	finite = make_numeric(pnstrdup(text, length));
	text += length;
	if (number_skip(&text, ",\"excess\":") && !number_integer(&text, &excess))
		return NULL;
	/* the count is for readers: it follows from the scales */
	if (numeric_is_nan(DatumGetNumeric(finite)) || numeric_is_inf(DatumGetNumeric(finite)) ||
		!reduce_to_unit(&finite, &excess) || !number_skip(&text, ",\"count\":") ||
		!number_integer(&text, &count) || !number_skip(&text, ",\"scales\":"))
		return NULL;
	/* The first place is for the excess. */
	n = parse_scales(&text, scales + 1);
	if (n < 0 || strcmp(text, "}") != 0)
		return NULL;
	scales[0] = (ScaleCount) {excess, SCALE_EXCESS, 0};
	if (excess != 0)
		return sum_make(n + 1, scales, DatumGetNumeric(finite));
	return sum_make(n, scales + 1, DatumGetNumeric(finite));
}

PG_FUNCTION_INFO_V1(gs_numeric_sum_in);
Datum
gs_numeric_sum_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	NumericSum *sum = parse_sum(text);

	if (sum == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"",
						"gymstream_internal.numeric_sum", text),
				 errhint("It looks like {\"sum\":12.50,\"count\":3,\"scales\":{\"2\":3}}.")));
	PG_RETURN_POINTER(sum);
}
