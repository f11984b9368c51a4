/*
 * numeric_sum.c: the SQL type numeric_sum, a sum of numerics from which values can be taken away again.
 *
 * Takes numerics and gives their sum and average, to the last digit and in the display scale that sum() and avg() would
 * give. The display scale of a sum is the largest among its values, and NaN and the infinities cannot be subtracted, so
 * the type counts the values of each scale, and those that are not finite, beside the sum of the finite ones.
 * Never loses a digit; never depends on the order of values.
 *
 * Text form, itself a JSON object: {"sum":12.50,"count":3,"scales":{"2":3}}
 */
#include "rollup/number/numeric_sum.h"

#include "common/string.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"

#define NUMERIC_SUM_MAX_ROUND 2000	/* numeric_round's limit in every version */

static Numeric
sum_finite(const NumericSum *sum)
{
	return (Numeric) &sum->scales[sum->nscales];
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
		char	   *text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value)));

		return text[0] == '-' ? SCALE_MINUS_INFINITY : SCALE_PLUS_INFINITY;
	}
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(value)));
}

NumericSum *
numeric_sum_of(Numeric value, int sign)
{
	ScaleCount	one = {sign, sum_scale_of(value), 0};

	if (one.scale < 0)
		value = int64_to_numeric(0);
	else if (sign < 0)
		value = DatumGetNumeric(DirectFunctionCall1(numeric_uminus, NumericGetDatum(value)));
	return sum_make(1, &one, value);
}

NumericSum *
numeric_sum_plus(const NumericSum *a, const NumericSum *b)
{
	ScaleCount *scales = palloc((a->nscales + b->nscales) * sizeof(ScaleCount) + 1);
	int			n = 0,
				i = 0,
				j = 0;
	Datum		finite;
	NumericSum *sum;

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
			next.count += b->scales[j++].count;
		}
		if (next.count != 0)
			scales[n++] = next;
	}
	finite = DirectFunctionCall2(numeric_add, NumericGetDatum(sum_finite(a)), NumericGetDatum(sum_finite(b)));
	sum = sum_make(n, scales, DatumGetNumeric(finite));
	pfree(scales);
	pfree(DatumGetPointer(finite));
	return sum;
}

bool
numeric_sum_is_zero(const NumericSum *sum)
{
	return sum->nscales == 0 &&
		DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(sum_finite(sum)),
										  NumericGetDatum(int64_to_numeric(0)))) == 0;
}

static int64
sum_count(const NumericSum *sum)
{
	int64		count = 0;

	for (int i = 0; i < sum->nscales; i++)
		count += sum->scales[i].count;
	return count;
}

static bool
sum_has(const NumericSum *sum, int scale)
{
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
	int			scale;

	if (sum_has(sum, SCALE_NAN) || (plus && minus))
		special = "NaN";
	else if (plus)
		special = "Infinity";
	else if (minus)
		special = "-Infinity";
	if (special)
		return DirectFunctionCall3(numeric_in, CStringGetDatum(special), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

	scale = sum->scales[sum->nscales - 1].scale;
	if (scale > NUMERIC_SUM_MAX_ROUND)
		return NumericGetDatum(sum_finite(sum));
	return DirectFunctionCall2(numeric_round, NumericGetDatum(sum_finite(sum)), Int32GetDatum(scale));
}

static NumericSum *
sum_arg(FunctionCallInfo fcinfo, int n)
{
	return (NumericSum *) PG_DETOAST_DATUM(PG_GETARG_DATUM(n));
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
	return DirectFunctionCall2(numeric_div, sum_total(sum), NumericGetDatum(int64_to_numeric(count)));
}

/* numeric_sum_add(numeric_sum, numeric_sum) returns numeric_sum */
PG_FUNCTION_INFO_V1(gs_numeric_sum_add);
Datum
gs_numeric_sum_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(numeric_sum_plus(sum_arg(fcinfo, 0), sum_arg(fcinfo, 1)));
}

/* numeric_sum_accumulate(numeric_sum, numeric) returns numeric_sum: the second may be NULL and is then ignored */
PG_FUNCTION_INFO_V1(gs_numeric_sum_accumulate);
Datum
gs_numeric_sum_accumulate(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_POINTER(numeric_sum_plus(sum_arg(fcinfo, 0), numeric_sum_of(PG_GETARG_NUMERIC(1), 1)));
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
	StringInfoData out;

	initStringInfo(&out);
	appendStringInfo(&out, "{\"sum\":%s,\"count\":" INT64_FORMAT ",\"scales\":{",
					 DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(sum_finite(sum)))), sum_count(sum));
	for (int i = 0; i < sum->nscales; i++)
		appendStringInfo(&out, "%s\"%s\":" INT64_FORMAT, i ? "," : "", scale_name(sum->scales[i].scale),
						 sum->scales[i].count);
	appendStringInfoString(&out, "}}");
	PG_RETURN_CSTRING(out.data);
}

/* Step over the token and return true if the text goes on with it. */
static bool
skip_token(const char **text, const char *token)
{
	Size		len = strlen(token);

	if (strncmp(*text, token, len) != 0)
		return false;
	*text += len;
	return true;
}

/* One "scale":count; false where the text is not of that form. */
static bool
parse_scale(const char **text, ScaleCount *out)
{
	char	   *end;

	memset(out, 0, sizeof(*out));
	if (skip_token(text, "\"NaN\":"))
		out->scale = SCALE_NAN;
	else if (skip_token(text, "\"Infinity\":"))
		out->scale = SCALE_PLUS_INFINITY;
	else if (skip_token(text, "\"-Infinity\":"))
		out->scale = SCALE_MINUS_INFINITY;
	else
	{
		if (!skip_token(text, "\""))
			return false;
		out->scale = strtoint(*text, &end, 10);
		if (end == *text || out->scale < 0)
			return false;
		*text = end;
		if (!skip_token(text, "\":"))
			return false;
	}
	errno = 0;
	out->count = strtoll(*text, &end, 10);
	if (end == *text || errno != 0 || out->count == 0)
		return false;
	*text = end;
	return true;
}

PG_FUNCTION_INFO_V1(gs_numeric_sum_in);
Datum
gs_numeric_sum_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	const char *p = text;
	ScaleCount *scales = palloc((strlen(text) / 4 + 1) * sizeof(ScaleCount));
	int			nscales = 0;
	Numeric		finite = NULL;

	if (skip_token(&p, "{\"sum\":"))
	{
		Size		len = strcspn(p, ",");

		finite = DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(pnstrdup(p, len)),
													 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		p += len;
		/* the count is for readers: it follows from the scales */
		if (skip_token(&p, ",\"count\":"))
			p += strspn(p, "-0123456789");
		if (skip_token(&p, ",\"scales\":{") && *p == '"')
			do
			{
				if (!parse_scale(&p, &scales[nscales]) ||
					(nscales > 0 && scales[nscales - 1].scale >= scales[nscales].scale))
				{
					finite = NULL;
					break;
				}
				nscales++;
			} while (skip_token(&p, ","));
	}
	if (finite == NULL || numeric_is_nan(finite) || numeric_is_inf(finite) || strcmp(p, "}}") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "gymstream_internal.numeric_sum", text),
				 errhint("It looks like {\"sum\":12.50,\"count\":3,\"scales\":{\"2\":3}}.")));
	PG_RETURN_POINTER(sum_make(nscales, scales, finite));
}
