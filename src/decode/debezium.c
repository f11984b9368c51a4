/*
 * debezium.c: takes a value and gives it as Debezium's connector for PostgreSQL does by default:
 * times as numbers since the epoch, decimals and bytes in base64, arrays as arrays, hstore as JSON.
 * What that does not know is text.
 */
#include "decode/debezium.h"

#include <ctype.h>

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/cash.h"
#include "utils/date.h"
#include "utils/geo_decls.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/varbit.h"

#define EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define EPOCH_USECS (EPOCH_DAYS * USECS_PER_DAY)
#define USECS_PER_MONTH (USECS_PER_DAY / 48 * 1461) /* 365.25 days a year */

#define UNAVAILABLE "__debezium_unavailable_value"
#define UNAVAILABLE_UUID "b68a35a7-17ad-35b3-af2a-ae46edb4545a"	/* made from the name above */

/* what Debezium has for infinite timestamps */
#define INFINITE_USECS INT64CONST(9223372036825200000)
#define MINUS_INFINITE_USECS INT64CONST(-9223372036832400000)

/*
 * An extension's type has another OID in each database, and its schema may be any: the function's
 * name tells.
 */
bool
debezium_is_printed_by(Oid type, const char *function)
{
	Oid			output;
	bool		varlena;
	char	   *name;

	getTypeOutputInfo(type, &output, &varlena);
	name = get_func_name(output);
	return name != NULL && strcmp(name, function) == 0;
}

static DebeziumKind
decimal_kind(DebeziumDecimal decimal, int32 typmod)
{
	switch (decimal)
	{
		case DEBEZIUM_STRING:
			return DEBEZIUM_DECIMAL_STRING;
		case DEBEZIUM_DOUBLE:
			return DEBEZIUM_DECIMAL_DOUBLE;
		default:
			return typmod >= (int32) VARHDRSZ && DEBEZIUM_SCALE(typmod) >= 0 ?
					   DEBEZIUM_DECIMAL :
					   DEBEZIUM_VARIABLE_DECIMAL;
	}
}

static DebeziumKind
money_kind(DebeziumDecimal decimal)
{
	return decimal == DEBEZIUM_STRING ? DEBEZIUM_MONEY_STRING :
		   decimal == DEBEZIUM_DOUBLE ? DEBEZIUM_MONEY_DOUBLE :
										DEBEZIUM_MONEY;
}

static DebeziumKind
kind_of(Oid type, int32 typmod, DebeziumDecimal decimal)
{
	switch (type)
	{
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return DEBEZIUM_PLAIN;
		case FLOAT4OID:
		case FLOAT8OID:
			return DEBEZIUM_FLOAT;
		case OIDOID:
			return DEBEZIUM_OID;
		case NUMERICOID:
			return decimal_kind(decimal, typmod);
		case CASHOID:
			return money_kind(decimal);
		case DATEOID:
			return DEBEZIUM_DATE;
		case TIMEOID:
			return typmod >= 0 && typmod <= 3 ? DEBEZIUM_TIME_MS : DEBEZIUM_TIME;
		case TIMETZOID:
			return DEBEZIUM_TIMETZ;
		case TIMESTAMPOID:
			return typmod >= 0 && typmod <= 3 ? DEBEZIUM_TIMESTAMP_MS : DEBEZIUM_TIMESTAMP;
		case TIMESTAMPTZOID:
			return DEBEZIUM_TIMESTAMPTZ;
		case INTERVALOID:
			return DEBEZIUM_INTERVAL;
		case BYTEAOID:
			return DEBEZIUM_BYTES;
		case BITOID:
			return typmod == 1 ? DEBEZIUM_BIT : DEBEZIUM_BITS;
		case VARBITOID:
			return DEBEZIUM_BITS;
		case POINTOID:
			return DEBEZIUM_POINT;
		default:
			if (OidIsValid(get_element_type(type)) && get_typlen(type) == -1)
				return DEBEZIUM_ARRAY;
			return debezium_is_printed_by(type, "hstore_out") ? DEBEZIUM_HSTORE : DEBEZIUM_TEXT;
	}
}

/*
 * An array's elements have the array's type modifier. They are prepared by the same function, in
 * the same context.
 */
void
debezium_column_init(DebeziumColumn *column, Form_pg_attribute attribute, DebeziumDecimal decimal,
					 MemoryContext context)
{
	column->typmod = attribute->atttypmod;
	column->type = getBaseTypeAndTypmod(attribute->atttypid, &column->typmod);
	column->kind = kind_of(column->type, column->typmod, decimal);
	json_column_init(&column->json, attribute, context);
	if (column->kind == DEBEZIUM_ARRAY)
	{
		FormData_pg_attribute element = *attribute;

		element.atttypid = get_element_type(column->type);
		element.atttypmod = column->typmod;
		column->element = MemoryContextAllocZero(context, sizeof(DebeziumColumn));
		get_typlenbyvalalign(element.atttypid, &column->element_len, &column->element_byval,
							 &column->element_align);
		debezium_column_init(column->element, &element, decimal, context);
	}
}

bool
debezium_is_contained(const DebeziumColumn *column)
{
	switch (column->kind)
	{
		case DEBEZIUM_TEXT:
		case DEBEZIUM_HSTORE:
			return column->json.contained;
		case DEBEZIUM_ARRAY:
			return debezium_is_contained(column->element);
		default:
			/* the server's own types, which only compute */
			return true;
	}
}

/* ---- values ---- */

static void
append_decimal(StringInfo out, DebeziumColumn *column, Datum value)
{
	StringInfoData text;
	char	   *point;

	initStringInfo(&text);
	/* for NaN and the infinities there is no such number */
	if (!json_append_numeric(&text, value))
		appendStringInfoString(out, "null");
	/* a column with a scale stores all its values with that scale: digits alone tell the number */
	else if (column->kind == DEBEZIUM_DECIMAL)
	{
		appendStringInfoChar(&text, '\0');
		debezium_append_unscaled(out, text.data);
	}
	else
	{
		appendStringInfoChar(&text, '\0');
		point = strchr(text.data, '.');
		appendStringInfo(out, "{\"scale\":%d,\"value\":", point ? (int) strlen(point + 1) : 0);
		debezium_append_unscaled(out, text.data);
		appendStringInfoChar(out, '}');
	}
	pfree(text.data);
}

static void
append_text(StringInfo out, DebeziumColumn *column, Datum value)
{
	char	   *text = json_output(&column->json, value);

	json_append_string(out, text, strlen(text));
}

static void
append_decimal_text(StringInfo out, DebeziumColumn *column, Datum value)
{
	if (numeric_is_nan(DatumGetNumeric(value)))
		appendStringInfoString(out, "\"NAN\"");
	else if (numeric_is_inf(DatumGetNumeric(value)))
		appendStringInfoString(
			out, DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value)) > 0 ?
					 "\"POSITIVE_INFINITY\"" :
					 "\"NEGATIVE_INFINITY\"");
	else
		append_text(out, column, value);
}

/*
 * With a fraction, if only ".0", so that readers who go by the form of a number take all for the
 * same type.
 */
static void
append_float(StringInfo out, JsonColumn *column, Datum value)
{
	int			start = out->len;

	json_append_value(out, column, value);
	for (int i = start; i < out->len; i++)
	{
		if (out->data[i] != '-' && !isdigit((unsigned char) out->data[i]))
			return;
	}
	appendStringInfoString(out, ".0");
}

static void
append_double(StringInfo out, double value)
{
	JsonColumn	column = {JSON_FLOAT8};

	append_float(out, &column, Float8GetDatum(value));
}

/* As many hundredths, whatever the locale's currency. */
static void
append_money(StringInfo out, DebeziumKind kind, Cash value)
{
	uint64		hundredths = value < 0 ? -(uint64) value : value;
	char *text = psprintf("%s" UINT64_FORMAT ".%02d", value < 0 ? "-" : "", hundredths / 100,
						  (int) (hundredths % 100));

	if (kind == DEBEZIUM_MONEY)
		debezium_append_unscaled(out, text);
	else if (kind == DEBEZIUM_MONEY_STRING)
		appendStringInfo(out, "\"%s\"", text);
	else
		append_double(out, strtod(text, NULL));
}

/* As an instant in UTC with the digits of a second's fraction that the type has. */
static void
append_timestamptz(StringInfo out, DebeziumColumn *column, TimestampTz value)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (TIMESTAMP_NOT_FINITE(value) || timestamp2tm(value, NULL, &tm, &fsec, NULL, NULL) != 0)
	{
		append_text(out, column, TimestampTzGetDatum(value));
		return;
	}
	/* the year before 1 is 0 here and there */
	appendStringInfo(out, "\"%s%04d-%02d-%02dT%02d:%02d:%02d.%06d",
					 tm.tm_year < 0	   ? "-" :
					 tm.tm_year > 9999 ? "+" :
										 "",
					 abs(tm.tm_year), tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
					 (int) fsec);
	if (column->typmod >= 0)
		out->len -= MAX_TIMESTAMP_PRECISION - column->typmod + (column->typmod == 0 ? 1 : 0);
	appendStringInfoString(out, "Z\"");
}

/* In UTC, with as many digits as it needs. */
static void
append_timetz(StringInfo out, const TimeTzADT *value)
{
	int64		time = (value->time + value->zone * USECS_PER_SEC) % USECS_PER_DAY;

	if (time < 0)
		time += USECS_PER_DAY;
	appendStringInfo(out, "\"%02d:%02d:%02d.%06d", (int) (time / USECS_PER_HOUR),
					 (int) (time / USECS_PER_MINUTE % 60), (int) (time / USECS_PER_SEC % 60),
					 (int) (time % USECS_PER_SEC));
	while (out->data[out->len - 1] == '0')
		out->len--;
	if (out->data[out->len - 1] == '.')
		out->len--;
	appendStringInfoString(out, "Z\"");
}

/* What is beyond the range is its end. */
static int64
since_epoch(Timestamp value, int64 unit)
{
	int64		result;

	if (TIMESTAMP_NOT_FINITE(value))
		return (TIMESTAMP_IS_NOEND(value) ? INFINITE_USECS : MINUS_INFINITE_USECS) / unit;
	if (pg_add_s64_overflow(value / unit - (value % unit < 0 ? 1 : 0), EPOCH_USECS / unit, &result))
		return PG_INT64_MAX;
	return result;
}

/*
 * The first bit is the most significant one of the number of which these are the bytes, least
 * significant first, none of the zero ones at the end.
 */
static void
append_bits(StringInfo out, VarBit *bits)
{
	int			n = VARBITLEN(bits);
	int			len = (n + BITS_PER_BYTE - 1) / BITS_PER_BYTE;
	unsigned char *bytes = palloc0(len + 1);

	for (int i = 0; i < n; i++)
	{
		int			to = n - 1 - i;

		if (VARBITS(bits)[i / BITS_PER_BYTE] & (HIGHBIT >> i % BITS_PER_BYTE))
			bytes[to / BITS_PER_BYTE] |= 1 << to % BITS_PER_BYTE;
	}
	while (len > 0 && bytes[len - 1] == 0)
		len--;
	debezium_append_bytes(out, bytes, len);
	pfree(bytes);
}

/* With the well-known binary of a point, little-endian. */
static void
append_point(StringInfo out, const Point *point)
{
	unsigned char wkb[1 + 4 + 2 * sizeof(double)] = {1, 1};
	uint64		bits;

	for (int i = 0; i < 2 * sizeof(double); i++)
	{
		memcpy(&bits, i < sizeof(double) ? &point->x : &point->y, sizeof(bits));
		wkb[5 + i] = bits >> (i % sizeof(double) * 8);
	}
	appendStringInfoString(out, "{\"x\":");
	append_double(out, point->x);
	appendStringInfoString(out, ",\"y\":");
	append_double(out, point->y);
	appendStringInfoString(out, ",\"wkb\":");
	debezium_append_bytes(out, wkb, sizeof(wkb));
	appendStringInfoString(out, ",\"srid\":null}");
}

/* Of several dimensions, all elements in one. */
static void
append_array(StringInfo out, DebeziumColumn *column, ArrayType *array)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, ARR_ELEMTYPE(array), column->element_len, column->element_byval,
					  column->element_align, &values, &nulls, &n);
	appendStringInfoChar(out, '[');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (nulls[i])
			appendStringInfoString(out, "null");
		else
			debezium_append_value(out, column->element, values[i]);
	}
	appendStringInfoChar(out, ']');
}

/*
 * Append what stands between quotes as a JSON string; returns what follows the second one, NULL if
 * there is none.
 */
static const char *
append_hstore_word(StringInfo json, const char *text)
{
	StringInfoData word;

	initStringInfo(&word);
	for (; *text != '"'; text++)
	{
		if (*text == '\\')
			text++;
		if (*text == '\0')
			return NULL;
		appendStringInfoChar(&word, *text);
	}
	json_append_string(json, word.data, word.len);
	pfree(word.data);
	return text + 1;
}

/*
 * "key"=>"value", "key"=>NULL as {"key":"value","key":null}; false where the text is none of these.
 */
static bool
hstore_as_json(StringInfo json, const char *text)
{
	static const struct
	{
		const char *hstore;
		const char *json;
	}			between[] = {{"=>", ":"}, {", ", ","}, {"NULL", "null"}};

	appendStringInfoChar(json, '{');
	while (text != NULL && *text != '\0')
	{
		int			i = 0;

		if (*text == '"')
		{
			text = append_hstore_word(json, text + 1);
			continue;
		}
		while (i < lengthof(between) &&
			   strncmp(text, between[i].hstore, strlen(between[i].hstore)) != 0)
			i++;
		if (i == lengthof(between))
			return false;
		appendStringInfoString(json, between[i].json);
		text += strlen(between[i].hstore);
	}
	appendStringInfoChar(json, '}');
	return text != NULL;
}

/*
 * The text is hstore's own output. Where that has another form than this one knows, it is shown as
 * it is.
 */
static void
append_hstore(StringInfo out, DebeziumColumn *column, Datum value)
{
	StringInfoData json;

	initStringInfo(&json);
	if (hstore_as_json(&json, json_output(&column->json, value)))
		json_append_string(out, json.data, json.len);
	else
		append_text(out, column, value);
	pfree(json.data);
}

/* Beyond what has room: the largest, or the smallest. So is infinity, whose parts are. */
static void
append_interval(StringInfo out, const Interval *interval)
{
	int64		months;
	int64		usecs;

	if (pg_mul_s64_overflow(interval->month, USECS_PER_MONTH, &months) ||
		pg_add_s64_overflow(months, interval->day * USECS_PER_DAY, &usecs) ||
		pg_add_s64_overflow(usecs, interval->time, &usecs))
		usecs = interval->month < 0 || (interval->month == 0 && interval->time < 0) ? PG_INT64_MIN :
																					  PG_INT64_MAX;
	appendStringInfo(out, INT64_FORMAT, usecs);
}

static void
append_date(StringInfo out, DateADT date)
{
	appendStringInfo(out, "%d", DATE_NOT_FINITE(date) ? date : date + EPOCH_DAYS);
}

static void
append_bytea(StringInfo out, Datum value)
{
	bytea	   *bytes;

	json_check_room(out, toast_raw_datum_size(value) - VARHDRSZ);
	bytes = DatumGetByteaPP(value);
	debezium_append_bytes(out, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

void
debezium_append_value(StringInfo out, DebeziumColumn *column, Datum value)
{
	switch (column->kind)
	{
		case DEBEZIUM_PLAIN:
			json_append_value(out, &column->json, value);
			break;
		case DEBEZIUM_FLOAT:
			append_float(out, &column->json, value);
			break;
		case DEBEZIUM_OID:
			appendStringInfo(out, "%u", DatumGetObjectId(value));
			break;
		case DEBEZIUM_DECIMAL:
		case DEBEZIUM_VARIABLE_DECIMAL:
			append_decimal(out, column, value);
			break;
		case DEBEZIUM_DECIMAL_STRING:
			append_decimal_text(out, column, value);
			break;
		case DEBEZIUM_DECIMAL_DOUBLE:
			append_double(out,
						  DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, value)));
			break;
		case DEBEZIUM_MONEY:
		case DEBEZIUM_MONEY_STRING:
		case DEBEZIUM_MONEY_DOUBLE:
			append_money(out, column->kind, DatumGetCash(value));
			break;
		case DEBEZIUM_DATE:
			append_date(out, DatumGetDateADT(value));
			break;
		case DEBEZIUM_TIME:
			appendStringInfo(out, INT64_FORMAT, DatumGetTimeADT(value));
			break;
		case DEBEZIUM_TIME_MS:
			appendStringInfo(out, INT64_FORMAT, DatumGetTimeADT(value) / 1000);
			break;
		case DEBEZIUM_TIMETZ:
			append_timetz(out, DatumGetTimeTzADTP(value));
			break;
		case DEBEZIUM_TIMESTAMP:
			appendStringInfo(out, INT64_FORMAT, since_epoch(DatumGetTimestamp(value), 1));
			break;
		case DEBEZIUM_TIMESTAMP_MS:
			appendStringInfo(out, INT64_FORMAT, since_epoch(DatumGetTimestamp(value), 1000));
			break;
		case DEBEZIUM_TIMESTAMPTZ:
			append_timestamptz(out, column, DatumGetTimestampTz(value));
			break;
		case DEBEZIUM_INTERVAL:
			append_interval(out, DatumGetIntervalP(value));
			break;
		case DEBEZIUM_BYTES:
			append_bytea(out, value);
			break;
		case DEBEZIUM_BIT:
			appendStringInfoString(out,
								   VARBITS(DatumGetVarBitP(value))[0] & HIGHBIT ? "true" : "false");
			break;
		case DEBEZIUM_BITS:
			append_bits(out, DatumGetVarBitP(value));
			break;
		case DEBEZIUM_POINT:
			append_point(out, DatumGetPointP(value));
			break;
		case DEBEZIUM_HSTORE:
			append_hstore(out, column, value);
			break;
		case DEBEZIUM_ARRAY:
			append_array(out, column, DatumGetArrayTypeP(value));
			break;
		default:
			append_text(out, column, value);
			break;
	}
}

/* In an array of texts it is the only one; in one of numbers they are the bytes. */
static void
append_unavailable_array(StringInfo out, const DebeziumColumn *element)
{
	if (element->kind == DEBEZIUM_TEXT)
		appendStringInfoString(out, element->type == UUIDOID ? "[\"" UNAVAILABLE_UUID "\"]" :
															   "[\"" UNAVAILABLE "\"]");
	else if (element->type == INT4OID || element->type == INT8OID || element->type == DATEOID)
	{
		for (int i = 0; i < strlen(UNAVAILABLE); i++)
			appendStringInfo(out, "%c%d", i == 0 ? '[' : ',', UNAVAILABLE[i]);
		appendStringInfoChar(out, ']');
	}
	else
		appendStringInfoString(out, "null");
}

void
debezium_append_unavailable(StringInfo out, const DebeziumColumn *column)
{
	switch (column->kind)
	{
		case DEBEZIUM_TEXT:
		case DEBEZIUM_DECIMAL_STRING:
			appendStringInfoString(out, "\"" UNAVAILABLE "\"");
			break;
		case DEBEZIUM_BYTES:
			debezium_append_bytes(out, UNAVAILABLE, strlen(UNAVAILABLE));
			break;
		case DEBEZIUM_HSTORE:
			appendStringInfoString(out, "\"{\\\"" UNAVAILABLE "\\\":\\\"" UNAVAILABLE "\\\"}\"");
			break;
		case DEBEZIUM_ARRAY:
			append_unavailable_array(out, column->element);
			break;
		default:
			appendStringInfoString(out, "null");
			break;
	}
}
