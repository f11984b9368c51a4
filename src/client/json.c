/*
 * json.c: reading JSON in place.
 *
 * Takes a text, checks it whole once, and gives its parts as slices of it. Allocates nothing and changes nothing;
 * a number stays the text it is, because a numeric must not pass through a double.
 */
#include "postgres_fe.h"

#include "json.h"

#define JSON_DEPTH	256			/* nesting beyond this is refused */

static const char *json_skip_value(const char *p, const char *end, int depth);

static const char *
json_skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

static int
json_hex4(const char *p, const char *end)
{
	int			code = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		char		c = p[i];

		if (c >= '0' && c <= '9')
			code = code * 16 + c - '0';
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			code = code * 16 + (c | 32) - 'a' + 10;
		else
			return -1;
	}
	return code;
}

/* Each json_skip_ function gives what follows the value at p, or NULL when there is none of that kind. */
static const char *
json_skip_string(const char *p, const char *end)
{
	if (p >= end || *p++ != '"')
		return NULL;
	for (; p < end; p++)
	{
		if (*p == '"')
			return p + 1;
		if ((unsigned char) *p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		if (++p >= end)
			return NULL;
		if (*p == 'u')
		{
			if (json_hex4(p + 1, end) < 0)
				return NULL;
			p += 4;
		}
		else if (strchr("\"\\/bfnrt", *p) == NULL)
			return NULL;
	}
	return NULL;
}

static const char *
json_skip_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p > start ? p : NULL;
}

static const char *
json_skip_number(const char *p, const char *end)
{
	if (p < end && *p == '-')
		p++;
	if (p < end && *p == '0')
		p++;
	else if ((p = json_skip_digits(p, end)) == NULL)
		return NULL;
	if (p < end && *p == '.' && (p = json_skip_digits(p + 1, end)) == NULL)
		return NULL;
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = json_skip_digits(p, end);
	}
	return p;
}

static const char *
json_skip_word(const char *p, const char *end, const char *word)
{
	size_t		length = strlen(word);

	return end - p >= length && memcmp(p, word, length) == 0 ? p + length : NULL;
}

/* An object or an array; p is just after its opening bracket. */
static const char *
json_skip_items(const char *p, const char *end, char close, int depth)
{
	p = json_skip_space(p, end);
	if (p < end && *p == close)
		return p + 1;
	while (p < end)
	{
		if (close == '}')
		{
			p = json_skip_string(p, end);
			if (p == NULL || (p = json_skip_space(p, end)) >= end || *p != ':')
				return NULL;
			p = json_skip_space(p + 1, end);
		}
		p = json_skip_value(p, end, depth + 1);
		if (p == NULL || (p = json_skip_space(p, end)) >= end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = json_skip_space(p + 1, end);
	}
	return NULL;
}

static const char *
json_skip_value(const char *p, const char *end, int depth)
{
	if (p >= end || depth > JSON_DEPTH)
		return NULL;
	switch (*p)
	{
		case '{':
			return json_skip_items(p + 1, end, '}', depth);
		case '[':
			return json_skip_items(p + 1, end, ']', depth);
		case '"':
			return json_skip_string(p, end);
		case 't':
			return json_skip_word(p, end, "true");
		case 'f':
			return json_skip_word(p, end, "false");
		case 'n':
			return json_skip_word(p, end, "null");
		default:
			return json_skip_number(p, end);
	}
}

/* The one value that the text is, checked to its end. Everything below takes only values that came from here. */
bool
json_parse(const char *text, JsonValue *value)
{
	const char *end = text + strlen(text);
	const char *start = json_skip_space(text, end);
	const char *after = json_skip_value(start, end, 0);

	if (after == NULL || json_skip_space(after, end) != end)
		return false;
	*value = (JsonValue) {start, after - start};
	return true;
}

bool
json_is_object(JsonValue value)
{
	return value.length > 0 && *value.text == '{';
}

bool
json_is_null(JsonValue value)
{
	return value.length > 0 && *value.text == 'n';
}

/* Whether the value is that string; only for texts that need no escape. */
bool
json_string_is(JsonValue value, const char *text)
{
	size_t		length = strlen(text);

	return value.length == length + 2 && *value.text == '"' && memcmp(value.text + 1, text, length) == 0;
}

static void
json_append_utf8(PQExpBuffer buf, unsigned int code)
{
	if (code < 0x80)
		appendPQExpBufferChar(buf, code);
	else if (code < 0x800)
	{
		appendPQExpBufferChar(buf, 0xC0 | code >> 6);
		appendPQExpBufferChar(buf, 0x80 | (code & 0x3F));
	}
	else
	{
		if (code < 0x10000)
			appendPQExpBufferChar(buf, 0xE0 | code >> 12);
		else
		{
			appendPQExpBufferChar(buf, 0xF0 | code >> 18);
			appendPQExpBufferChar(buf, 0x80 | (code >> 12 & 0x3F));
		}
		appendPQExpBufferChar(buf, 0x80 | (code >> 6 & 0x3F));
		appendPQExpBufferChar(buf, 0x80 | (code & 0x3F));
	}
}

/* Append the character of a \u escape whose digits are at p; gives its last character. */
static const char *
json_append_unicode(PQExpBuffer buf, const char *p, const char *end)
{
	int			code = json_hex4(p, end);

	p += 3;
	if (code >= 0xD800 && code < 0xDC00 && end - p > 6 && p[1] == '\\' && p[2] == 'u')
	{
		int			low = json_hex4(p + 3, end);

		if (low >= 0xDC00 && low < 0xE000)
		{
			json_append_utf8(buf, 0x10000 + ((code - 0xD800) << 10) + low - 0xDC00);
			return p + 6;
		}
	}
	/* half a pair, or the NUL that no text can hold: the replacement character */
	json_append_utf8(buf, code == 0 || (code >= 0xD800 && code < 0xE000) ? 0xFFFD : code);
	return p;
}

/* Append what the value says: a string without quotes and escapes, anything else as it is written. */
void
json_append_text(PQExpBuffer buf, JsonValue value)
{
	static const char plain[] = "bfnrt";
	static const char meant[] = "\b\f\n\r\t";
	const char *end = value.text + value.length;

	if (value.length == 0 || *value.text != '"')
	{
		appendBinaryPQExpBuffer(buf, value.text, value.length);
		return;
	}
	end--;
	for (const char *p = value.text + 1; p < end; p++)
	{
		const char *escape = strpbrk(p, "\\\"");

		appendBinaryPQExpBuffer(buf, p, escape - p);
		p = escape;
		if (p >= end)
			break;
		p++;
		if (*p == 'u')
			p = json_append_unicode(buf, p + 1, end);
		else
		{
			const char *found = strchr(plain, *p);

			appendPQExpBufferChar(buf, found ? meant[found - plain] : *p);
		}
	}
}

/* A number's whole part; 0 for anything else. */
int64
json_int(JsonValue value)
{
	return value.length > 0 ? strtoll(value.text, NULL, 10) : 0;
}

/* Start reading an object's members; of what is no object there are none. */
JsonCursor
json_members(JsonValue object)
{
	JsonCursor	cursor = {NULL, NULL};

	if (json_is_object(object))
	{
		cursor.next = object.text + 1;
		cursor.end = object.text + object.length - 1;
	}
	return cursor;
}

bool
json_next(JsonCursor *cursor, JsonMember *member)
{
	const char *p = json_skip_space(cursor->next, cursor->end);

	if (p < cursor->end && *p == ',')
		p = json_skip_space(p + 1, cursor->end);
	if (p >= cursor->end)
		return false;
	member->name.text = p;
	p = json_skip_string(p, cursor->end);
	member->name.length = p - member->name.text;
	p = json_skip_space(p, cursor->end);
	p = json_skip_space(p + 1, cursor->end);	/* past the colon */
	member->value.text = p;
	p = json_skip_value(p, cursor->end, 0);
	member->value.length = p - member->value.text;
	cursor->next = p;
	return true;
}

/* The member of that name, which must need no escape; absent when there is none. */
JsonValue
json_find(JsonValue object, const char *name)
{
	JsonCursor	cursor = json_members(object);
	JsonMember	member;

	while (json_next(&cursor, &member))
	{
		if (json_string_is(member.name, name))
			return member.value;
	}
	return (JsonValue) {NULL, 0};
}
