/*
 * findings.c: what is wrong with a server, and what to do about it.
 *
 * Takes problems as they are found, gives them in the order of importance, for people or as JSON.
 */
#include "postgres_fe.h"

#include "client/base/report.h"
#include "client/doctor/findings.h"

static const struct
{
	const char *name;
	const char *title;
}			levels[] = {
	{"error", "ERROR:  "},
	{"warning", "WARNING:"},
	{"note", "NOTE:   "},
};

void
findings_add(Findings *findings, FindingLevel level, const char *check, char *problem, char *fix)
{
	int			at = findings->count++;

	findings->list = pg_realloc(findings->list, sizeof(Finding) * findings->count);
	for (; at > 0 && findings->list[at - 1].level > level; at--)
		findings->list[at] = findings->list[at - 1];
	findings->list[at] = (Finding) {level, check, problem, fix};
}

int
findings_count(const Findings *findings, FindingLevel level)
{
	int			count = 0;

	for (int i = 0; i < findings->count; i++)
		count += findings->list[i].level == level;
	return count;
}

void
findings_print(const Findings *findings)
{
	for (int i = 0; i < findings->count; i++)
	{
		const Finding *finding = &findings->list[i];

		printf("%s %s\n", levels[finding->level].title, report_printable(finding->problem));
		if (finding->fix)
			printf("         -> %s\n", report_printable(finding->fix));
	}
}

void
findings_json(const Findings *findings, PQExpBuffer out)
{
	appendPQExpBufferChar(out, '[');
	for (int i = 0; i < findings->count; i++)
	{
		const Finding *finding = &findings->list[i];

		appendPQExpBuffer(out, "%s{\"level\":\"%s\",\"check\":\"%s\",\"problem\":",
						  i > 0 ? "," : "",
						  levels[finding->level].name, finding->check);
		report_json(out, finding->problem);
		appendPQExpBufferStr(out, ",\"fix\":");
		report_json(out, finding->fix);
		appendPQExpBufferChar(out, '}');
	}
	appendPQExpBufferChar(out, ']');
}

void
findings_clear(Findings *findings)
{
	for (int i = 0; i < findings->count; i++)
	{
		free(findings->list[i].problem);
		free(findings->list[i].fix);
	}
	free(findings->list);
	*findings = (Findings) {0};
}

PGresult *
findings_query(Connection *c, const char *sql)
{
	PGresult   *result = connection_query(c, sql, 0, NULL);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	connection_complain(c, result);
	PQclear(result);
	return NULL;
}

const char *
findings_text(const PGresult *rows, int row, const char *name)
{
	int			column = PQfnumber(rows, name);

	return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

int64
findings_number(const PGresult *rows, int row, const char *name)
{
	const char *text = findings_text(rows, row, name);

	return text ? atoll(text) : -1;
}
