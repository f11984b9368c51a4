/*
 * findings.c: what is wrong with a server, and what to do about it.
 *
 * Takes problems as they are found, gives them in the order of importance, for people or as JSON.
 */
#include "postgres_fe.h"

#include "findings.h"
#include "loop.h"
#include "report.h"

static const struct
{
	const char *name;
	const char *title;
	const char *plural;
}			levels[] = {
	{"error", "ERROR:  ", "errors"},
	{"warning", "WARNING:", "warnings"},
	{"note", "NOTE:   ", "notes"},
};

/* Takes over problem and fix, which may be NULL. */
void
findings_add(Findings *findings, FindingLevel level, const char *check, char *problem, char *fix)
{
	findings->list = pg_realloc(findings->list, sizeof(Finding) * (findings->count + 1));
	findings->list[findings->count++] = (Finding) {level, check, problem, fix};
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
	for (FindingLevel level = 0; level < FINDING_LEVELS; level++)
	{
		for (int i = 0; i < findings->count; i++)
		{
			const Finding *finding = &findings->list[i];

			if (finding->level != level)
				continue;
			printf("%s %s\n", levels[level].title, finding->problem);
			if (finding->fix)
				printf("         -> %s\n", finding->fix);
		}
	}
}

/* An array of objects, in the same order. */
void
findings_json(const Findings *findings, PQExpBuffer out)
{
	const char *separator = "";

	appendPQExpBufferChar(out, '[');
	for (FindingLevel level = 0; level < FINDING_LEVELS; level++)
	{
		for (int i = 0; i < findings->count; i++)
		{
			const Finding *finding = &findings->list[i];

			if (finding->level != level)
				continue;
			appendPQExpBuffer(out, "%s{\"level\":\"%s\",\"check\":\"%s\",\"problem\":", separator, levels[level].name,
							  finding->check);
			report_json(out, finding->problem);
			appendPQExpBufferStr(out, ",\"fix\":");
			report_json(out, finding->fix);
			appendPQExpBufferChar(out, '}');
			separator = ",";
		}
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

/* Rows. NULL: it failed, and why was told on stderr. */
PGresult *
findings_query(Connection *c, const char *sql)
{
	PGresult   *result = connection_query(c, sql, 0, NULL);
	const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	why = why ? why : PQerrorMessage(c->pg);
	if (!loop_stopping())
		fprintf(stderr, "gymstream: %.*s\n", (int) strcspn(why, "\n"), why);
	PQclear(result);
	return NULL;
}
