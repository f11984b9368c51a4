/*
 * float_sum_type.c: the SQL type float_sum and its functions: takes SQL values, gives SQL values.
 *
 * Text form, itself a JSON object: {"sum":12.5,"exact":"0x19p-1"}. "sum" is for readers, what is
 * summed stands in "exact": a whole number in hexadecimal digits and the power of two that it is
 * multiplied with. Where there are values that are not finite, their numbers follow as "NaN",
 * "Infinity" and "-Infinity".
 */
#include "rollup/number/float_sum.h"

#include <math.h>

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/float.h"

#include "rollup/number/number_text.h"

static const char *const special_names[FLOAT_SPECIALS] = {"NaN", "Infinity", "-Infinity"};

static FloatSum *
sum_arg(FunctionCallInfo fcinfo, int n)
{
	return float_sum_datum(PG_GETARG_DATUM(n));
}

static double
total_arg(FunctionCallInfo fcinfo, int n)
{
	FloatSum   *sum = sum_arg(fcinfo, n);
	double		total = float_sum_total(sum);

	/*
	 * Finite values whose sum no double can hold are an error, as in sum(). An infinity among the
	 * values is none.
	 */
	if (isinf(total) && float_sum_is_finite(sum))
		float_overflow_error();
	return total;
}

/* float_sum_total(float_sum) returns double precision: the sum, rounded once */
PG_FUNCTION_INFO_V1(gs_float_sum_total);
Datum
gs_float_sum_total(PG_FUNCTION_ARGS)
{
	PG_RETURN_FLOAT8(total_arg(fcinfo, 0));
}

/* float_sum_total_real(float_sum) returns real: the sum, rounded once */
PG_FUNCTION_INFO_V1(gs_float_sum_total_real);
Datum
gs_float_sum_total_real(PG_FUNCTION_ARGS)
{
	FloatSum   *sum = sum_arg(fcinfo, 0);
	float		total;

	/*
	 * What is not finite is the same as a real. A finite sum is rounded from the exact one, since a
	 * double in between would round twice.
	 */
	if (!float_sum_is_finite(sum))
		PG_RETURN_FLOAT4((float) float_sum_total(sum));
	total = exact_real(float_sum_exact(sum));
	if (isinf(total))
		float_overflow_error();
	PG_RETURN_FLOAT4(total);
}

/*
 * float_sum_average(float_sum, bigint) returns double precision: the sum by the number of values;
 * null for none
 */
PG_FUNCTION_INFO_V1(gs_float_sum_average);
Datum
gs_float_sum_average(PG_FUNCTION_ARGS)
{
	if (PG_GETARG_INT64(1) == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8(total_arg(fcinfo, 0) / PG_GETARG_INT64(1));
}

/* float_sum_add(float_sum, float_sum) returns float_sum */
PG_FUNCTION_INFO_V1(gs_float_sum_add);
Datum
gs_float_sum_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(float_sum_with(sum_arg(fcinfo, 0), sum_arg(fcinfo, 1)));
}

static Datum
with_delta(FunctionCallInfo fcinfo, FloatDelta *delta)
{
	/* NULL stands for a delta of zero: the sum comes back as it was given. */
	if (delta == NULL)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_POINTER(float_sum_with(sum_arg(fcinfo, 0), float_delta_sum(delta)));
}

/* float_sum_accumulate(float_sum, double precision) returns float_sum: null is ignored */
PG_FUNCTION_INFO_V1(gs_float_sum_accumulate);
Datum
gs_float_sum_accumulate(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return with_delta(fcinfo, float_delta_add(NULL, PG_GETARG_FLOAT8(1), 1, CurrentMemoryContext));
}

/*
 * float_sum_accumulate(float_sum, double precision, double precision) returns float_sum: adds the
 * product
 */
PG_FUNCTION_INFO_V1(gs_float_sum_accumulate_product);
Datum
gs_float_sum_accumulate_product(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return with_delta(fcinfo,
					  float_delta_add_product(NULL, PG_GETARG_FLOAT8(1), PG_GETARG_FLOAT8(2), 1,
											  CurrentMemoryContext));
}

/*
 * Text
 */
static void
append_exact(StringInfo out, Exact exact)
{
	bool		leading = true;

	appendStringInfo(out, ",\"exact\":\"%s0x", exact.negative ? "-" : "");
	for (int i = exact.nlimbs - 1; i >= 0; i--)
	{
		appendStringInfo(out, leading ? "%x" : "%08x", exact.limbs[i]);
		leading = false;
	}
	if (leading)
		appendStringInfoChar(out, '0');
	else
		/* only so many zeros as are needed */
		while (out->data[out->len - 1] == '0')
		{
			out->data[--out->len] = '\0';
			exact.exponent += 4;
		}
	/* Zero has one form only, whatever its exponent. */
	appendStringInfo(out, "p%d\"", leading ? 0 : exact.exponent);
}

PG_FUNCTION_INFO_V1(gs_float_sum_out);
Datum
gs_float_sum_out(PG_FUNCTION_ARGS)
{
	FloatSum   *sum = sum_arg(fcinfo, 0);
	Exact		exact = float_sum_exact(sum);
	double		total = exact_quotient(exact, exact_integer(1));
	StringInfoData out;

	initStringInfo(&out);
	/* JSON has no infinity, so a sum beyond double is shown as null. Its exact form follows. */
	appendStringInfo(&out, "{\"sum\":%s", isinf(total) ? "null" : float8out_internal(total));
	append_exact(&out, exact);
	for (int i = 0; i < FLOAT_SPECIALS; i++)
		if (float_sum_special(sum, i) != 0)
			appendStringInfo(&out, ",\"%s\":" INT64_FORMAT, special_names[i],
							 float_sum_special(sum, i));
	appendStringInfoChar(&out, '}');
	PG_RETURN_CSTRING(out.data);
}

/* -0x19p-1 */
static bool
parse_exact(const char **text, FloatDelta **delta)
{
	int			sign = number_skip(text, "-") ? -1 : 1;
	const char *digits;
	Size		ndigits;
	int64		power;

	if (!number_skip(text, "0x"))
		return false;
	digits = *text;
	ndigits = strspn(digits, "0123456789abcdef");
	*text += ndigits;
	if (ndigits == 0 || ndigits > (FLOAT_HIGHEST_POWER - FLOAT_LOWEST_POWER) / 4 + 1)
		return false;
	/* the first digit may have one bit only: whether all of it fits is seen when it is made */
	if (!number_skip(text, "p") || !number_integer(text, &power) || power < FLOAT_LOWEST_POWER ||
		power > FLOAT_HIGHEST_POWER + 4 - 4 * (int64) ndigits)
		return false;
	/*
	 * From the last digit up, each one is four bits higher. The bounds above keep the power within
	 * what a delta may hold.
	 */
	for (Size i = 0; i < ndigits; i++)
	{
		char		digit[2] = {digits[ndigits - 1 - i], '\0'};

		*delta = float_delta_add_integer(*delta, strtol(digit, NULL, 16), power + 4 * i, sign,
										 CurrentMemoryContext);
	}
	return true;
}

static bool
parse_special(const char **text, FloatSpecial special, FloatDelta **delta)
{
	int64		count;

	if (!number_skip(text, psprintf(",\"%s\":", special_names[special])))
		return true;
	if (!number_integer(text, &count))
		return false;
	/* Adding zero makes the delta where there is none yet. */
	*delta = float_delta_add_special(*delta, special, 0, CurrentMemoryContext);
	(*delta)->specials[special] = count;
	return true;
}

PG_FUNCTION_INFO_V1(gs_float_sum_in);
Datum
gs_float_sum_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	const char *p = text;
	FloatDelta *delta = NULL;
	FloatSum   *sum = NULL;
	bool		valid = number_skip(&p, "{\"sum\":");

	/* the rounded sum is for readers: it follows from the exact one */
	p += strcspn(p, ",");
	valid = valid && number_skip(&p, ",\"exact\":\"") && parse_exact(&p, &delta) &&
		number_skip(&p, "\"");
	for (int i = 0; valid && i < FLOAT_SPECIALS; i++)
		valid = parse_special(&p, i, &delta);
	/* A delta of NULL is a valid sum, which is zero. */
	if (valid && strcmp(p, "}") == 0)
		sum = float_delta_sum(delta);
	if (sum == NULL || !float_sum_fits(sum))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "gymstream_internal.float_sum",
						text),
				 errhint("It looks like {\"sum\":12.5,\"exact\":\"0x19p-1\"}.")));
	PG_RETURN_POINTER(sum);
}
