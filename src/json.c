/*
 * json.c: takes a value of any type and gives JSON. Runs type output functions, which a superuser installed, and never
 * a cast or any other function that users define: decoding has all rights.
 */
#include "json.h"

#include <ctype.h>

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_conversion.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/float.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* which bytes cannot be copied as they are */
#define IN_STRING 1
#define IN_RAW 2
static const unsigned char special[256] = {
	[0 ... '\n' - 1] = IN_STRING,
	['\n'] = IN_STRING | IN_RAW,
	['\n' + 1 ... '\r' - 1] = IN_STRING,
	['\r'] = IN_STRING | IN_RAW,
	['\r' + 1 ... 0x1f] = IN_STRING,
	['"'] = IN_STRING,
	['\\'] = IN_STRING,
	[0x7f] = IN_STRING,
	[0x80 ... 0xff] = IN_STRING | IN_RAW,
};

static void
append_code_point(StringInfo out, pg_wchar code)
{
	if (code >= 0x10000)
		appendStringInfo(out, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10), 0xdc00 + ((code - 0x10000) & 0x3ff));
	else
		appendStringInfo(out, "\\u%04x", code);
}

/* The conversion to UTF-8 that comes with the server; InvalidOid where no catalog can be read. */
static Oid
conversion_to_utf8(void)
{
	static Oid	conversion = InvalidOid;

	if (!OidIsValid(conversion) && IsTransactionState())
		conversion = FindDefaultConversion(PG_CATALOG_NAMESPACE, GetDatabaseEncoding(), PG_UTF8);
	return IsTransactionState() ? conversion : InvalidOid;
}

/* Append the character beyond ASCII at bytes, escaped unless this database is UTF-8. Returns its length in bytes. */
static int
append_character(StringInfo out, const char *bytes, int len)
{
	int			encoding = GetDatabaseEncoding() == PG_SQL_ASCII ? PG_UTF8 : GetDatabaseEncoding();
	int			taken = pg_encoding_verifymbchar(encoding, bytes, len);
	unsigned char utf8[64] = "";
	unsigned char *c;

	if (taken > 0 && GetDatabaseEncoding() == PG_UTF8)
		appendBinaryStringInfo(out, bytes, taken);
	else if (taken > 0 && encoding == PG_UTF8)
		append_code_point(out, utf8_to_unicode((const unsigned char *) bytes));
	else if (taken > 0 && OidIsValid(conversion_to_utf8()) &&
			 pg_do_encoding_conversion_buf(conversion_to_utf8(), encoding, PG_UTF8, (unsigned char *) bytes, taken,
										   utf8, sizeof(utf8), true) == taken)
	{
		for (c = utf8; *c != '\0'; c += pg_utf_mblen(c))
			append_code_point(out, utf8_to_unicode(c));
	}
	else
		append_code_point(out, 0xfffd);
	return Max(taken, 1);
}

static void
append_escaped(StringInfo out, unsigned char c)
{
	static const char letters[] = {
		['\b'] = 'b',['\t'] = 't',['\n'] = 'n',['\f'] = 'f',['\r'] = 'r',['"'] = '"',['\\'] = '\\',
	};

	if (c < sizeof(letters) && letters[c] != '\0')
	{
		appendStringInfoChar(out, '\\');
		appendStringInfoChar(out, letters[c]);
	}
	else
		append_code_point(out, c);
}

/* Append bytes, changing what cannot stand within a string (mode IN_STRING) or on a line of JSON (mode IN_RAW). */
static void
append_bytes(StringInfo out, const char *bytes, int len, int mode)
{
	const char *end = bytes + len;
	const char *p = bytes;
	bool		valid = false;	/* known to be UTF-8 up to the end, in a UTF-8 database */

	while (p < end)
	{
		const char *run = p;

		while (p < end && (!(special[(unsigned char) *p] & mode) || (valid && IS_HIGHBIT_SET(*p))))
			p++;
		appendBinaryStringInfo(out, run, p - run);
		if (p == end)
			break;
		if (IS_HIGHBIT_SET(*p))
		{
			if (GetDatabaseEncoding() == PG_UTF8 && pg_encoding_verifymbstr(PG_UTF8, p, end - p) == end - p)
				valid = true;
			else
				p += append_character(out, p, end - p);
		}
		else
		{
			if (mode == IN_RAW)
				appendStringInfoChar(out, ' ');
			else
				append_escaped(out, *p);
			p++;
		}
	}
}

void
json_append_string(StringInfo out, const char *bytes, int len)
{
	appendStringInfoChar(out, '"');
	append_bytes(out, bytes, len, IN_STRING);
	appendStringInfoChar(out, '"');
}

/* gymstream's own types, whose output is JSON */
static bool
is_own_type(Oid type)
{
	Oid			schema = get_namespace_oid(GS_SCHEMA, true);
	Oid			extension;

	if (!OidIsValid(schema) ||
		(GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("numeric_sum"), ObjectIdGetDatum(schema)) != type &&
		 GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("float_sum"), ObjectIdGetDatum(schema)) != type))
		return false;
	extension = get_extension_oid(GS_SCHEMA, true);
	return OidIsValid(extension) && getExtensionOfObject(TypeRelationId, type) == extension;
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
		case JSONOID:
		case JSONBOID:
			return JSON_RAW;
		default:
			return is_own_type(type) ? JSON_RAW : JSON_OUTPUT;
	}
}

void
json_column_init(JsonColumn *column, Form_pg_attribute attribute, MemoryContext context)
{
	StringInfoData label;
	Oid			output;
	bool		is_varlena;

	initStringInfo(&label);
	json_append_string(&label, NameStr(attribute->attname), strlen(NameStr(attribute->attname)));
	appendStringInfoChar(&label, ':');
	column->label = MemoryContextStrdup(context, label.data);
	column->label_len = label.len;
	pfree(label.data);

	column->category = category_of(getBaseType(attribute->atttypid));
	if (column->category == JSON_NUMERIC || column->category == JSON_RAW || column->category == JSON_OUTPUT)
	{
		getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
		fmgr_info_cxt(output, &column->output, context);
	}
}

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
			(void) set_config_option(settings[i].name, settings[i].value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
									 true, ERROR, false);
	}
}

/* A number's text as it is; what is no JSON number (NaN, Infinity) as a string. */
static void
append_number(StringInfo out, const char *text, int len)
{
	bool		finite = isdigit((unsigned char) text[len - 1]);

	if (!finite)
		appendStringInfoChar(out, '"');
	appendBinaryStringInfo(out, text, len);
	if (!finite)
		appendStringInfoChar(out, '"');
}

static void
append_text(StringInfo out, Datum value)
{
	text	   *t = DatumGetTextPP(value);

	json_append_string(out, VARDATA_ANY(t), VARSIZE_ANY_EXHDR(t));
}

static void
append_output(StringInfo out, JsonColumn *column, Datum value)
{
	char	   *text;

	json_pin_settings();
	text = OutputFunctionCall(&column->output, value);
	if (column->category == JSON_NUMERIC)
		append_number(out, text, strlen(text));
	else if (column->category == JSON_RAW)
		append_bytes(out, text, strlen(text), IN_RAW);
	else
		json_append_string(out, text, strlen(text));
}

void
json_append_value(StringInfo out, JsonColumn *column, Datum value)
{
	char		number[Max(MAXINT8LEN + 1, DOUBLE_SHORTEST_DECIMAL_LEN)];

	switch (column->category)
	{
		case JSON_BOOL:
			appendStringInfoString(out, DatumGetBool(value) ? "true" : "false");
			break;
		case JSON_INT2:
			appendBinaryStringInfo(out, number, pg_itoa(DatumGetInt16(value), number));
			break;
		case JSON_INT4:
			appendBinaryStringInfo(out, number, pg_ltoa(DatumGetInt32(value), number));
			break;
		case JSON_INT8:
			appendBinaryStringInfo(out, number, pg_lltoa(DatumGetInt64(value), number));
			break;
		case JSON_FLOAT4:
			append_number(out, number, float_to_shortest_decimal_buf(DatumGetFloat4(value), number));
			break;
		case JSON_FLOAT8:
			append_number(out, number, double_to_shortest_decimal_buf(DatumGetFloat8(value), number));
			break;
		case JSON_TEXT:
			append_text(out, value);
			break;
		default:
			append_output(out, column, value);
			break;
	}
}
