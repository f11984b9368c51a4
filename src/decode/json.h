/*
 * json.h: values of any type as JSON.
 *
 * What is appended is valid in the database's encoding and in UTF-8 alike: in a database of another
 * encoding than UTF-8 all characters beyond ASCII are escaped. Renderings never depend on the
 * session's settings.
 */
#ifndef GS_JSON_H
#define GS_JSON_H

#include "base/base.h"

#include "catalog/pg_attribute.h"
#include "fmgr.h"
#include "lib/stringinfo.h"

typedef enum JsonCategory
{
	JSON_BOOL,
	JSON_INT2,
	JSON_INT4,
	JSON_INT8,
	JSON_FLOAT4,
	JSON_FLOAT8,
	JSON_NUMERIC,
	JSON_TEXT,					/* a varlena whose bytes are the text */
	JSON_DATE,
	JSON_TIME,
	JSON_TIMESTAMP,
	JSON_TIMESTAMPTZ,
	JSON_UUID,
	JSON_BYTEA,
	JSON_ENUM,
	JSON_JSON,					/* a varlena whose bytes are JSON */
	JSON_RAW,					/* the type's text output is JSON */
	JSON_OUTPUT					/* the type's text output, as a string */
} JsonCategory;

/* What a value of a type that is JSON is shown as, where that does not say all. */
typedef enum JsonNote
{
	JSON_NO_NOTE,
	JSON_NOTE_TEXT,				/* its text, as a string: strict parsers do not take it as it is */
	JSON_NOTE_NULL				/* a null that is no SQL NULL */
} JsonNote;

/* A column, prepared once for many values. */
typedef struct JsonColumn
{
	JsonCategory category;
	bool		quoted;			/* numbers are shown as strings */
	bool		as_text;		/* values of type json and jsonb are shown as strings */
	bool		contained;		/* an error in rendering leaves nothing behind but memory */
	bool		expands;		/* a few bytes may stand for a very long text */
	bool		varlena;
	Oid			type;			/* its base type */
	FmgrInfo	output;
	char	   *label;			/* "name": after a comma that does not count */
	int			label_len;
} JsonColumn;

/* Allocates in context what the column needs; it lives as long as that. */
extern void json_column_init(JsonColumn *column, Form_pg_attribute attribute,
							 MemoryContext context);

/*
 * Whether the type's output function, which is filled in, leaves nothing behind but memory when it
 * fails.
 */
extern bool json_only_computes(JsonColumn *column);

/*
 * The type's text output of a value that is not NULL. Checks first what can be known of its length.
 * In CurrentMemoryContext.
 */
extern char *json_output(JsonColumn *column, Datum value);

/* Append a value that is not NULL. Leaves garbage in CurrentMemoryContext. Inside a transaction. */
extern JsonNote json_append_value(StringInfo out, JsonColumn *column, Datum value);

/* Append ,"name":value, and leave the same garbage. */
extern JsonNote json_append_member(StringInfo out, JsonColumn *column, Datum value, bool isnull);

/*
 * How many bytes the text of a value has at least. Reads it, but makes no copy of what it is made
 * of.
 */
extern uint64 json_least_size(Oid type, Datum value);

/* Whether values of this type may have a text that is many times as long as they are. */
extern bool json_type_expands(Oid type);

/* How many bytes the text of a numeric has. */
extern uint64 json_numeric_size(Datum value);

/* Append a numeric as it is stored; false, with nothing appended, for NaN and the infinities. */
extern bool json_append_numeric(StringInfo out, Datum value);

/*
 * Append bytes in the database's encoding as a JSON string, with quotes. What is no valid character
 * becomes U+FFFD.
 */
extern void json_append_string(StringInfo out, const char *bytes, int len);

/* Append bytes in the database's encoding that are JSON, on one line. */
extern void json_append_raw(StringInfo out, const char *bytes, int len);

/*
 * Whether every strict parser takes these bytes, which are JSON: no number is greater than what a
 * double holds, no escape is half of a surrogate pair, and brackets are not nested more than
 * JSON_MAX_DEPTH deep.
 */
extern bool json_is_strict(const char *bytes, int len);

/* jq 1.6 has 256 levels, of which an object takes two; what stands around a value needs some too */
#define JSON_MAX_DEPTH 100

/* a whole number with more digits may be greater than what a double holds */
#define JSON_MAX_DIGITS 308

/* Append one JSON value over several lines, indented. */
extern void json_append_pretty(StringInfo out, const char *bytes, int len);

/*
 * How long the buffer may become that is rendered into: an error, of
 * ERRCODE_PROGRAM_LIMIT_EXCEEDED, comes before it is longer. size is what the error says. Who sets
 * it puts back what was there.
 */
typedef struct JsonLimit
{
	int			length;
	int			size;
} JsonLimit;

extern JsonLimit json_limit;

GS_NORETURN extern void json_refuse_length(void);

/* An error where the buffer has no room for as many bytes more. */
static inline void
json_check_room(const StringInfoData *out, uint64 more)
{
	if (unlikely(out->len + more > (uint64) json_limit.length))
		json_refuse_length();
}

/*
 * Where a catalog can be read: for what is written where none can, in a database that is not UTF-8.
 * Else it is done on demand.
 */
extern void json_conversion_init(void);

/*
 * Give the settings that a type's output depends on (DateStyle, TimeZone, search_path and so on)
 * fixed values until the end of the current transaction or subtransaction. Cheap when they have
 * them.
 */
extern void json_pin_settings(void);

#endif							/* GS_JSON_H */
