/*
 * json_pretty.c: takes one JSON value and gives it spread over lines, for people to read.
 */
#include "decode/json.h"

#define INDENT 2

static void
append_line(StringInfo out, int depth)
{
	appendStringInfoChar(out, '\n');
	appendStringInfoSpaces(out, depth * INDENT);
}

/*
 * The end of the string that begins at p. A backslash takes its meaning from the byte behind it,
 * also from a quote. Where the string does not end the result is the end of all bytes, and never
 * lies behind it.
 */
static const char *
string_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
	{
		if (*p == '\\')
			p++;
	}
	return Min(p + 1, end);
}

/*
 * The bytes are an event of ours, hence valid JSON: the depth never falls below zero. Brackets that
 * hold nothing stay on one line. The closing one comes two after the opening one in ASCII.
 */
void
json_append_pretty(StringInfo out, const char *bytes, int len)
{
	const char *end = bytes + len;
	int			depth = 0;

	for (const char *p = bytes; p < end; p++)
	{
		const char *string;

		switch (*p)
		{
			case '{':
			case '[':
				appendStringInfoChar(out, *p);
				if (p + 1 < end && p[1] == *p + 2)
					appendStringInfoChar(out, *++p);
				else
					append_line(out, ++depth);
				break;
			case '}':
			case ']':
				append_line(out, --depth);
				appendStringInfoChar(out, *p);
				break;
			case ',':
				appendStringInfoChar(out, ',');
				append_line(out, depth);
				break;
			case ':':
				appendStringInfoString(out, ": ");
				break;
			case ' ':
			case '\t':
				break;
			case '"':
				string = p;
				p = string_end(p, end) - 1;
				appendBinaryStringInfo(out, string, p + 1 - string);
				break;
			default:
				appendStringInfoChar(out, *p);
				break;
		}
	}
}
