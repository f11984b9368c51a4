/*
 * findings.h: what is wrong with a server, and what to do about it
 */
#ifndef GYMSTREAM_CLIENT_FINDINGS_H
#define GYMSTREAM_CLIENT_FINDINGS_H

#include "client/base/connect.h"

#include "pqexpbuffer.h"

typedef enum FindingLevel
{
	FINDING_ERROR,				/* something does not work */
	FINDING_WARNING,			/* something will not work some day */
	FINDING_NOTE,				/* worth to be known; does not count */
	FINDING_LEVELS,
} FindingLevel;

typedef struct Finding
{
	FindingLevel level;
	const char *check;			/* one word: what was looked at */
	char	   *problem;
	char	   *fix;			/* what to do, SQL where SQL does it */
} Finding;

typedef struct Findings
{
	Finding    *list;
	int			count;
} Findings;

/*
 * Add what is wrong: check names the check, problem and fix say it to people. Takes over
 * problem and fix, which were allocated; fix may be NULL. Findings stand in the order of their
 * levels, those of one level as they were added.
 */
extern void findings_add(Findings *findings, FindingLevel level, const char *check, char *problem,
						 char *fix);

/* How many there are of a level. */
extern int	findings_count(const Findings *findings, FindingLevel level);

/* Print them for people, each with its fix on a line of its own. */
extern void findings_print(const Findings *findings);

/* Append them as a JSON array, for programs. */
extern void findings_json(const Findings *findings, PQExpBuffer out);

/* Free all of them. */
extern void findings_clear(Findings *findings);

/*
 * The rows of a query, to be cleared. NULL: it failed, which is told on stderr, or a signal
 * came.
 */
extern PGresult *findings_query(Connection *c, const char *sql);

/* A value of such a row, by the name of its column; NULL: it is null. */
extern const char *findings_text(const PGresult *rows, int row, const char *name);

/* The same as a number; -1: it is null. */
extern int64 findings_number(const PGresult *rows, int row, const char *name);

#endif
