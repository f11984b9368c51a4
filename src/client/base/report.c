/*
 * report.c: figures and tables for people, and the same as JSON.
 *
 * Takes numbers, texts and rows, gives how they are written.
 */
#include "postgres_fe.h"

#include <math.h>

#include "client/base/report.h"

#define OID_BOOL	16			/* types whose values are written as they are */
#define OID_INT8	20
#define OID_INT4	23
#define OID_NUMERIC	1700

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
	snprintf(out, size, unit == 0 || fabs(number) >= 100 ? "%.0f %s" : "%.1f %s", number,
			 units[unit]);
}

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

const char *
report_printable(char *text)
{
	for (unsigned char *c = (unsigned char *) text; *c; c++)
	{
		if (*c < 0x20 || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
	return text;
}

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

void
report_rows_json(PQExpBuffer out, const PGresult *rows)
{
	appendPQExpBufferChar(out, '[');
	for (int i = 0; i < PQntuples(rows); i++)
	{
		appendPQExpBufferStr(out, i == 0 ? "{" : ",{");
		for (int j = 0; j < PQnfields(rows); j++)
		{
			const char *value = PQgetisnull(rows, i, j) ? NULL : PQgetvalue(rows, i, j);
			Oid			type = PQftype(rows, j);

			appendPQExpBuffer(out, "%s\"%s\":", j == 0 ? "" : ",", PQfname(rows, j));
			if (value && type == OID_BOOL)
				appendPQExpBufferStr(out, *value == 't' ? "true" : "false");
			else if (value && (type == OID_INT8 || type == OID_INT4 || type == OID_NUMERIC))
				appendPQExpBufferStr(out, value);
			else
				report_json(out, value);
		}
		appendPQExpBufferChar(out, '}');
	}
	appendPQExpBufferChar(out, ']');
}

void
report_table_begin(ReportTable *table, const char *const *titles, int columns)
{
	*table = (ReportTable) {titles, columns, NULL, 0};
}

void
report_table_add(ReportTable *table, char *cell)
{
	table->cells = pg_realloc(table->cells, sizeof(char *) * (table->count + 1));
	table->cells[table->count++] = cell;
}

void
report_table_print(ReportTable *table)
{
	int		   *widths = pg_malloc(sizeof(int) * table->columns);

	for (int j = 0; j < table->columns; j++)
		widths[j] = strlen(table->titles[j]);
	for (int i = 0; i < table->count; i++)
		widths[i % table->columns] = Max(widths[i % table->columns], (int) strlen(table->cells[i]));
	for (int i = -table->columns; i < table->count; i++)
	{
		int			column = (i + table->columns) % table->columns;
		const char *cell = i < 0 ? table->titles[column] : report_printable(table->cells[i]);

		if (column == table->columns - 1)
			printf("%s\n", cell);
		else
			printf("%-*s  ", widths[column], cell);
	}
	for (int i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(widths);
}
