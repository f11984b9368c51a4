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

extern void findings_add(Findings *findings, FindingLevel level, const char *check, char *problem, char *fix);
extern int	findings_count(const Findings *findings, FindingLevel level);
extern void findings_print(const Findings *findings);
extern void findings_json(const Findings *findings, PQExpBuffer out);
extern void findings_clear(Findings *findings);
extern PGresult *findings_query(Connection *c, const char *sql);

#endif
