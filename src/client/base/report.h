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

extern void report_bytes(char *out, size_t size, int64 bytes);
extern void report_seconds(char *out, size_t size, int64 seconds);
extern const char *report_printable(char *text);
extern void report_json(PQExpBuffer out, const char *text);
extern void report_rows_json(PQExpBuffer out, const PGresult *rows);
extern void report_table_begin(ReportTable *table, const char *const *titles, int columns);
extern void report_table_add(ReportTable *table, char *cell);
extern void report_table_print(ReportTable *table);

#endif
