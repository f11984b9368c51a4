/*
 * report.c: figures for people, and texts as JSON.
 *
 * Takes a number or a text, gives how it is written.
 */
#include "postgres_fe.h"

#include <math.h>

#include "report.h"

/* 1234567 as "1.2 MB", a unit being 1024 of the one before it. */
void
report_bytes(char *out, size_t size, int64 bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double		number = bytes;
	int			unit = 0;

	while (fabs(number) >= 1024 && unit < lengthof(units) - 1)
	{
		number /= 1024;
		unit++;
	}
	snprintf(out, size, unit == 0 || fabs(number) >= 100 ? "%.0f %s" : "%.1f %s", number, units[unit]);
}

/* In its two greatest units. */
void
report_seconds(char *out, size_t size, int64 seconds)
{
	long long	number = seconds;

	if (number < 60)
		snprintf(out, size, "%lld s", number);
	else if (number < 3600)
		snprintf(out, size, "%lld min %lld s", number / 60, number % 60);
	else if (number < 86400)
		snprintf(out, size, "%lld h %lld min", number / 3600, number % 3600 / 60);
	else
		snprintf(out, size, "%lld d %lld h", number / 86400, number % 86400 / 3600);
}

/* A text within quotes, or null. */
void
report_json(PQExpBuffer out, const char *text)
{
	if (text == NULL)
	{
		appendPQExpBufferStr(out, "null");
		return;
	}
	appendPQExpBufferChar(out, '"');
	for (; *text; text++)
	{
		if (*text == '"' || *text == '\\')
			appendPQExpBufferChar(out, '\\');
		if ((unsigned char) *text < 0x20)
			appendPQExpBuffer(out, "\\u%04x", *text);
		else
			appendPQExpBufferChar(out, *text);
	}
	appendPQExpBufferChar(out, '"');
}
