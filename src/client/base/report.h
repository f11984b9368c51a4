/*
 * report.h: figures for people, and the same as JSON
 */
#ifndef GYMSTREAM_CLIENT_REPORT_H
#define GYMSTREAM_CLIENT_REPORT_H

#include "postgres_fe.h"

#include "libpq-fe.h"
#include "pqexpbuffer.h"

/* Cells row by row, under their titles. */
typedef struct ReportTable
{
	const char *const *titles;
	int			columns;
	char	  **cells;
	int			count;
} ReportTable;

/*
 * Write a number of bytes for people: 1234567 is "1.2 MB", a unit being 1024 of the one before
 * it. 32 bytes are enough for it.
 */
extern void report_bytes(char *out, size_t size, int64 bytes);

/* Write a time in its two greatest units. 64 bytes are enough for it. */
extern void report_seconds(char *out, size_t size, int64 seconds);

/*
 * Overwrite in a text of others what a terminal would take for a command. Gives the same text.
 */
extern const char *report_printable(char *text);

/* Append a text as a JSON string; NULL is null. */
extern void report_json(PQExpBuffer out, const char *text);

/*
 * Append rows as a JSON array of objects, whose members are the columns. Numbers and booleans
 * are written as such.
 */
extern void report_rows_json(PQExpBuffer out, const PGresult *rows);

/* Begin a table. titles, one for each column, must live as long as the table. */
extern void report_table_begin(ReportTable *table, const char *const *titles, int columns);

/* Add the next cell, row by row. Takes over the cell, which was allocated. */
extern void report_table_add(ReportTable *table, char *cell);

/* Print the table on standard output, and free its cells. */
extern void report_table_print(ReportTable *table);

#endif
