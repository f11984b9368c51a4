/*
 * json.h: reading JSON in place
 */
#ifndef GYMSTREAM_CLIENT_JSON_H
#define GYMSTREAM_CLIENT_JSON_H

#include "postgres_fe.h"
#include "pqexpbuffer.h"

/* A value as it stands in the text it was read from, which must outlive it. Length 0: absent. */
typedef struct JsonValue
{
	const char *text;
	size_t		length;
} JsonValue;

typedef struct JsonMember
{
	JsonValue	name;
	JsonValue	value;
} JsonMember;

/* Where to go on reading in an object. */
typedef struct JsonCursor
{
	const char *next;
	const char *end;
} JsonCursor;

extern bool json_parse(const char *text, JsonValue *value);
extern bool json_is_object(JsonValue value);
extern bool json_is_null(JsonValue value);
extern bool json_string_is(JsonValue value, const char *text);
extern void json_append_text(PQExpBuffer buf, JsonValue value);
extern int64 json_int(JsonValue value);
extern JsonCursor json_members(JsonValue object);
extern bool json_next(JsonCursor *cursor, JsonMember *member);
extern JsonValue json_find(JsonValue object, const char *name);

#endif
