/*
 * json_value.c: takes a value of any type and gives JSON. Common types have formatters of their own
 * here, which read what is stored and give, to the byte, what the type's output gives under the
 * pinned settings. Else it runs type output functions, which a superuser installed, and never a
 * cast or any other function that users define: decoding has all rights.
 */
#include "decode/json.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "base/catalog.h"
#include "decode/buffer.h"

/* more than any value takes whose text is of bounded length, with quotes */
#define BOUNDED_LEN 64

/*
 * so many bytes of a type that expands may be shown without a look at what is in them: a text of
 * some 64 MB at most
 */
#define UNSEEN_LEN 4096

/* gymstream's own types, whose output is JSON */
static bool
is_own_type(Oid type)
{
	static const char *const names[] = {"numeric_sum", "float_sum", "bit_counts"};
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	bool		found = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_type) GETSTRUCT(tuple);
	for (int i = 0; i < lengthof(names) && !found; i++)
		found =
			strcmp(NameStr(form->typname), names[i]) == 0 && catalog_is_schema(form->typnamespace);
	ReleaseSysCache(tuple);
	return found;
}

static JsonCategory
category_of(Oid type)
{
	switch (type)
	{
		case BOOLOID:
			return JSON_BOOL;
		case INT2OID:
			return JSON_INT2;
		case INT4OID:
			return JSON_INT4;
		case INT8OID:
			return JSON_INT8;
		case FLOAT4OID:
			return JSON_FLOAT4;
		case FLOAT8OID:
			return JSON_FLOAT8;
		case NUMERICOID:
			return JSON_NUMERIC;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return JSON_TEXT;
		case DATEOID:
			return JSON_DATE;
		case TIMEOID:
			return JSON_TIME;
		case TIMESTAMPOID:
			return JSON_TIMESTAMP;
		case TIMESTAMPTZOID:
			return JSON_TIMESTAMPTZ;
		case UUIDOID:
			return JSON_UUID;
		case BYTEAOID:
			return JSON_BYTEA;
		case JSONOID:
			return JSON_JSON;
		case JSONBOID:
			return JSON_RAW;
		default:
			if (get_typtype(type) == TYPTYPE_ENUM)
				return JSON_ENUM;
			return is_own_type(type) ? JSON_RAW : JSON_OUTPUT;
	}
}

/*
 * The label is stored behind a comma: json_append_member begins one place further left, and so
 * writes the comma too. It copies whole blocks, which must be there to be read.
 */
void
json_column_init(JsonColumn *column, Form_pg_attribute attribute, MemoryContext context)
{
	StringInfoData label;
	Oid			output;

	initStringInfo(&label);
	appendStringInfoChar(&label, ',');
	json_append_string(&label, NameStr(attribute->attname), strlen(NameStr(attribute->attname)));
	appendStringInfoChar(&label, ':');
	column->label = MemoryContextAllocZero(context, BUFFER_BLOCKS_LEN(label.len + 1));
	memcpy(column->label++, label.data, label.len);
	column->label_len = label.len - 1;
	pfree(label.data);

	column->quoted = column->as_text = false;
	column->type = getBaseType(attribute->atttypid);
	column->category = category_of(column->type);
	getTypeOutputInfo(attribute->atttypid, &output, &column->varlena);
	fmgr_info_cxt(output, &column->output, context);
	/* of gymstream's own types, too, output only computes */
	column->contained = column->category == JSON_ENUM || column->category == JSON_RAW ||
		json_only_computes(column);
	column->expands = json_type_expands(column->type);
}

/*
 * The values are local: the end of the transaction or subtransaction takes them back. What is set
 * already is left alone, since the look is cheap and setting is not.
 */
void
json_pin_settings(void)
{
	const struct
	{
		const char *name;
		const char *value;
		bool		pinned;
	}			settings[] = {
		{"DateStyle", "ISO, YMD", DateStyle == USE_ISO_DATES},
		{"IntervalStyle", "postgres", IntervalStyle == INTSTYLE_POSTGRES},
		{"TimeZone", "UTC", strcmp(pg_get_timezone_name(session_timezone), "UTC") == 0},
		{"bytea_output", "hex", bytea_output == BYTEA_OUTPUT_HEX},
		{"extra_float_digits", "1", extra_float_digits > 0},
		{"quote_all_identifiers", "off", !quote_all_identifiers},
		{"search_path", "pg_catalog", strcmp(namespace_search_path, "pg_catalog") == 0},
	};

	for (int i = 0; i < lengthof(settings); i++)
	{
		if (!settings[i].pinned)
			(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_LOCAL, true, ERROR, false);
	}
}

/* ---- text of one value, at a place with enough room; each returns its end ---- */

static inline char *
put_two(char *p, uint32 n)
{
	p[0] = '0' + n / 10;
	p[1] = '0' + n % 10;
	return p + 2;
}

static inline char *
put_four(char *p, uint32 n)
{
	return put_two(put_two(p, n / 100), n % 100);
}

/*
 * A day as YYYY-MM-DD; NULL where the year has not four digits. The last one is kept: neighbours
 * are often of one day.
 */
static char *
put_day(char *p, int64 day)
{
	static int64 last_day = PG_INT64_MAX;
	static char last[10];

	if (day != last_day)
	{
		int			year;
		int			month;
		int			mday;

		/* 0001-01-01 and 9999-12-31 */
		if (day < -730119 || day > 2921939)
			return NULL;
		j2date((int) day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
		put_four(last, year);
		last[4] = last[7] = '-';
		put_two(last + 5, month);
		put_two(last + 8, mday);
		last_day = day;
	}
	memcpy(p, last, sizeof(last));
	return p + sizeof(last);
}

/* A time of day in microseconds as HH:MM:SS and what there is of fractions. */
static char *
put_time(char *p, int64 time)
{
	uint32		seconds = time / USECS_PER_SEC;
	uint32		fraction = time % USECS_PER_SEC;

	p = put_two(p, seconds / SECS_PER_HOUR);
	*p++ = ':';
	p = put_two(p, seconds / SECS_PER_MINUTE % MINS_PER_HOUR);
	*p++ = ':';
	p = put_two(p, seconds % SECS_PER_MINUTE);
	if (fraction == 0)
		return p;
	*p++ = '.';
	p = put_two(put_four(p, fraction / 100), fraction % 100);
	while (p[-1] == '0')
		p--;
	return p;
}

/* Without a zone's name; NULL where the year has not four digits. */
static char *
put_timestamp(char *p, Timestamp timestamp)
{
	int64		day = timestamp / USECS_PER_DAY;
	int64		time = timestamp % USECS_PER_DAY;

	if (time < 0)
	{
		time += USECS_PER_DAY;
		day--;
	}
	p = put_day(p, day);
	if (p == NULL)
		return NULL;
	*p++ = ' ';
	return put_time(p, time);
}

static char *
put_uuid(char *p, const pg_uuid_t *uuid)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < UUID_LEN; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[uuid->data[i] >> 4];
		*p++ = hex[uuid->data[i] & 15];
	}
	return p;
}

/* ---- appending ---- */

/* What begins after a quote at start, ended by another; put gave NULL where it cannot. */
static bool
append_put(StringInfo out, char *start, char *end)
{
	if (end == NULL)
		return false;
	start[0] = '"';
	*end++ = '"';
	out->len = end - out->data;
	return true;
}

/* False, with nothing appended, for a value that only its type's output can show. */
static bool
append_time_value(StringInfo out, JsonCategory category, Datum value)
{
	char	   *start = out->data + out->len;
	char	   *end;

	switch (category)
	{
		case JSON_DATE:
			return append_put(out, start, put_day(start + 1, DatumGetDateADT(value)));
		case JSON_TIME:
			return append_put(out, start, put_time(start + 1, DatumGetTimeADT(value)));
		case JSON_TIMESTAMP:
			return append_put(out, start, put_timestamp(start + 1, DatumGetTimestamp(value)));
		default:
			end = put_timestamp(start + 1, DatumGetTimestampTz(value));
			if (end == NULL)
				return false;
			memcpy(end, "+00", 3);
			return append_put(out, start, end + 3);
	}
}

/*
 * A number's text stands behind the end of the buffer, where there is room for quotes too. What is
 * no JSON number (NaN, Infinity) becomes a string.
 */
static inline void
append_number(StringInfo out, int len)
{
	char	   *text = out->data + out->len;

	if (unlikely(text[len - 1] < '0' || text[len - 1] > '9'))
	{
		memmove(text + 1, text, len);
		text[0] = text[len + 1] = '"';
		len += 2;
	}
	out->len += len;
}

/*
 * The bytes of a value. What is compressed, or was stored apart, is as long as that says: refused
 * before it is made if that is too long. Most values are stored as they are, and need no call.
 */
static inline struct varlena *
plain_bytes(StringInfo out, Datum value, int factor)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);

	if (likely(!VARATT_IS_COMPRESSED(stored) && !VARATT_IS_EXTERNAL(stored)))
		return stored;
	json_check_room(out, (uint64) toast_raw_datum_size(value) * factor);
	return pg_detoast_datum_packed(stored);
}

static inline void
append_text(StringInfo out, Datum value)
{
	struct varlena *text = plain_bytes(out, value, 1);

	json_append_string(out, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
}

static void
append_bytea(StringInfo out, Datum value)
{
	struct varlena *bytes = plain_bytes(out, value, 2);
	Size		len = VARSIZE_ANY_EXHDR(bytes);

	json_check_room(out, (uint64) len * 2);
	if (len > MaxAllocSize / 2 - BOUNDED_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value of %zu bytes is too long to be shown", len)));
	appendStringInfoString(out, "\"\\\\x");
	enlargeStringInfo(out, len * 2 + 1);
	out->len += hex_encode(VARDATA_ANY(bytes), len, out->data + out->len);
	appendStringInfoChar(out, '"');
}

/*
 * The label of an enum's value; an error where the type has none such. The label is copied before
 * the cache's tuple is released: an error while it is appended leaves no pin behind.
 */
static void
append_enum(StringInfo out, Datum value)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, value);
	NameData	label;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid internal value for enum: %u", DatumGetObjectId(value))));
	label = ((Form_pg_enum) GETSTRUCT(tuple))->enumlabel;
	ReleaseSysCache(tuple);
	json_append_string(out, NameStr(label), strlen(NameStr(label)));
}

/*
 * The check is against the whole limit, as for an empty buffer: who calls may append the text
 * elsewhere, or only in part.
 */
char *
json_output(JsonColumn *column, Datum value)
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);
	StringInfoData nothing = {0};

	json_pin_settings();
	if (column->varlena &&
		(column->expands || VARATT_IS_COMPRESSED(stored) || VARATT_IS_EXTERNAL(stored)) &&
		toast_raw_datum_size(value) > UNSEEN_LEN)
		json_check_room(&nothing, json_least_size(column->type, value));
	return OutputFunctionCall(&column->output, value);
}

/* Whether the bytes are the JSON null, in whatever white space. */
static bool
is_null_text(const char *bytes, int len)
{
	while (len > 0 && strchr(" \t\n\r", bytes[len - 1]) != NULL)
		len--;
	while (len > 0 && strchr(" \t\n\r", *bytes) != NULL)
	{
		bytes++;
		len--;
	}
	return len == 4 && memcmp(bytes, "null", 4) == 0;
}

/* Bytes that are JSON, as they are where every parser takes them so. */
static JsonNote
append_json(StringInfo out, const JsonColumn *column, const char *bytes, int len)
{
	if (column->as_text)
	{
		json_append_string(out, bytes, len);
		return JSON_NO_NOTE;
	}
	if (!json_is_strict(bytes, len))
	{
		json_append_string(out, bytes, len);
		return JSON_NOTE_TEXT;
	}
	json_append_raw(out, bytes, len);
	return is_null_text(bytes, len) ? JSON_NOTE_NULL : JSON_NO_NOTE;
}

static JsonNote
append_output(StringInfo out, JsonColumn *column, Datum value)
{
	char	   *text;

	text = json_output(column, value);
	if (column->category == JSON_RAW)
		return append_json(out, column, text, strlen(text));
	if (column->category == JSON_NUMERIC)
	{
		/* room for quotes too */
		buffer_need(out, strlen(text) + 2);
		memcpy(out->data + out->len, text, strlen(text));
		append_number(out, strlen(text));
	}
	else
		json_append_string(out, text, strlen(text));
	return JSON_NO_NOTE;
}

/*
 * Put quotes around what was appended from start on. The quote appended first makes room for one
 * byte more: the text moves over it.
 */
static void
quote_from(StringInfo out, int start)
{
	appendStringInfoChar(out, '"');
	memmove(out->data + start + 1, out->data + start, out->len - start - 1);
	out->data[start] = '"';
	appendStringInfoChar(out, '"');
}

/* A number; as a string where a double does not hold it, since some parsers refuse it then. */
static void
append_numeric(StringInfo out, JsonColumn *column, Datum value)
{
	int			start = out->len;
	int			digits;

	if (!json_append_numeric(out, value))
	{
		append_output(out, column, value);
		return;
	}
	json_check_room(out, 0);
	if (out->len - start <= JSON_MAX_DIGITS)
		return;
	digits = strspn(out->data + start + (out->data[start] == '-' ? 1 : 0), "0123456789");
	if (digits > JSON_MAX_DIGITS)
		quote_from(out, start);
}

/* Appends; there is room for a value of bounded length. */
static JsonNote
append_value(StringInfo out, JsonColumn *column, Datum value)
{
	char	   *end = out->data + out->len;

	switch (column->category)
	{
		case JSON_BOOL:
			/* the last letter of both, which "true" does not count twice */
			memcpy(end, DatumGetBool(value) ? "true" : "fals", 4);
			end[4] = 'e';
			out->len += DatumGetBool(value) ? 4 : 5;
			break;
		case JSON_INT2:
			out->len += pg_itoa(DatumGetInt16(value), end);
			break;
		case JSON_INT4:
			out->len += pg_ltoa(DatumGetInt32(value), end);
			break;
		case JSON_INT8:
			out->len += pg_lltoa(DatumGetInt64(value), end);
			break;
		case JSON_FLOAT4:
			append_number(out, float_to_shortest_decimal_buf(DatumGetFloat4(value), end));
			break;
		case JSON_FLOAT8:
			append_number(out, double_to_shortest_decimal_buf(DatumGetFloat8(value), end));
			break;
		case JSON_NUMERIC:
			append_numeric(out, column, value);
			break;
		case JSON_TEXT:
			append_text(out, value);
			break;
		case JSON_BYTEA:
			append_bytea(out, value);
			break;
		case JSON_ENUM:
			append_enum(out, value);
			break;
		case JSON_UUID:
			append_put(out, end, put_uuid(end + 1, DatumGetUUIDP(value)));
			break;
		case JSON_DATE:
		case JSON_TIME:
		case JSON_TIMESTAMP:
		case JSON_TIMESTAMPTZ:
			if (!append_time_value(out, column->category, value))
				append_output(out, column, value);
			break;
		case JSON_JSON:
			{
				struct varlena *json = plain_bytes(out, value, 1);

				return append_json(out, column, VARDATA_ANY(json), VARSIZE_ANY_EXHDR(json));
			}
		default:
			return append_output(out, column, value);
	}
	return JSON_NO_NOTE;
}

/* A number as a string. */
static void
append_quoted(StringInfo out, JsonColumn *column, Datum value)
{
	int			start = out->len;

	append_value(out, column, value);
	if (out->data[start] != '"')
		quote_from(out, start);
}

JsonNote
json_append_value(StringInfo out, JsonColumn *column, Datum value)
{
	buffer_need(out, BOUNDED_LEN);
	if (!column->quoted || column->category < JSON_INT2 || column->category > JSON_NUMERIC)
		return append_value(out, column, value);
	append_quoted(out, column, value);
	return JSON_NO_NOTE;
}

/* The label's blocks reach into the room for the value, which is longer than one. */
JsonNote
json_append_member(StringInfo out, JsonColumn *column, Datum value, bool isnull)
{
	buffer_need(out, column->label_len + 1 + BOUNDED_LEN);
	buffer_append_blocks(out, column->label - 1, column->label_len + 1);
	if (unlikely(isnull))
	{
		buffer_append_literal(out, "null");
		return JSON_NO_NOTE;
	}
	if (unlikely(column->quoted))
		return json_append_value(out, column, value);
	return append_value(out, column, value);
}
