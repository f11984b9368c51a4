/*
 * groups_find.c: what the server says of its consumer groups.
 *
 * Takes a connection, gives a row for each group or partition, and what is wrong with groups:
 * those that fall behind what their topics keep, that nobody works for, and dead letters.
 */
#include "postgres_fe.h"

#include "client/base/report.h"
#include "client/doctor/groups.h"

/* Events are kept in whole segments: so what is half as old as they are kept is in danger. */
static const char groups_query[] =
"SELECT g.group_name, g.owner::pg_catalog.text AS owner,"
" pg_catalog.array_to_string(g.topics::pg_catalog.text[], ', ') AS topics, g.partitions, g.paused,"
" g.events, g.most_events, l.bytes, l.exact,"
" pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) "
"g.oldest))::pg_catalog.int8 AS seconds,"
" l.workers, g.waiting, l.attempts, g.dead, l.retain_seconds, g.lost, g.problem"
" FROM gymstream.groups g LEFT JOIN"
" (SELECT p.group_name, pg_catalog.sum(p.bytes)::pg_catalog.int8 AS bytes,"
"  pg_catalog.bool_and(p.exact) AS exact,"
"  pg_catalog.count(DISTINCT p.owner)::pg_catalog.int4 AS workers,"
"  pg_catalog.max(p.attempts)::pg_catalog.int8 AS attempts,"
"  pg_catalog.floor(pg_catalog.min(EXTRACT(epoch FROM t.retain)) FILTER (WHERE p.oldest IS NOT "
"NULL))::pg_catalog.int8 AS retain_seconds"
"  FROM gymstream.group_lag p LEFT JOIN gymstream.topics t ON t.relation OPERATOR(pg_catalog.=) "
"p.topic GROUP BY p.group_name) l"
" ON l.group_name OPERATOR(pg_catalog.=) g.group_name"
" WHERE $1::pg_catalog.text IS NULL OR g.group_name OPERATOR(pg_catalog.=) $1 ORDER BY 1";

static const char partitions_query[] =
"SELECT p.group_name, COALESCE((SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)"
"  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
"   ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE c.oid OPERATOR(pg_catalog.=) p.topic),"
" p.topic::pg_catalog.text) AS topic, p.partition, p.next_offset, p.events,"
" p.bytes, p.exact, p.lost, p.seconds, p.owner, p.waiting::pg_catalog.int8 AS waiting,"
" p.attempts::pg_catalog.int8 AS attempts, p.dead::pg_catalog.int8 AS dead"
" FROM gymstream.group_lag p"
" WHERE $1::pg_catalog.text IS NULL OR p.group_name OPERATOR(pg_catalog.=) $1 ORDER BY 1, 2, 3";

static PGresult *
ask_rows(Connection *c, const char *sql, const char *name)
{
	PGresult   *result = connection_query(c, sql, 1, &name);

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		return result;
	connection_complain(c, result);
	PQclear(result);
	return NULL;
}

PGresult *
groups_read(Connection *c, const char *name)
{
	return ask_rows(c, groups_query, name);
}

PGresult *
groups_partitions(Connection *c, const char *name)
{
	return ask_rows(c, partitions_query, name);
}

/* ---- what is wrong ---- */

/* Anybody may have named the group, and somebody else may run what is shown. */
static char *
literal(const char *name)
{
	char	   *quoted = pg_malloc(strlen(name) * 2 + 3);
	char	   *end = quoted;

	*end++ = '\'';
	for (; *name; name++)
	{
		if (*name == '\'')
			*end++ = '\'';
		*end++ = *name;
	}
	*end++ = '\'';
	*end = '\0';
	return quoted;
}

static void
find_letters(const PGresult *groups, int row, Findings *findings)
{
	const char *name = findings_text(groups, row, "group_name");
	int64		dead = findings_number(groups, row, "dead");

	if (dead > 0)
		findings_add(findings, FINDING_WARNING, "group",
					 psprintf("group \"%s\" has %lld dead letter%s", name, (long long) dead,
							  dead == 1 ? "" : "s"),
					 psprintf("see gymstream.dead_letter for the causes; then SELECT "
							  "gymstream.replay_events(%s), or discard_events", literal(name)));
}

/* Will it lose events, or does nobody work for it? */
static void
find_behind(const PGresult *groups, int row, int64 warn, Findings *findings)
{
	const char *name = findings_text(groups, row, "group_name");
	const char *events = findings_text(groups, row, "events");
	int64		seconds = findings_number(groups, row, "seconds");
	int64		retain = findings_number(groups, row, "retain_seconds");
	bool		paused = *findings_text(groups, row, "paused") == 't';
	char		behind[64];
	char		kept[64];

	report_seconds(behind, sizeof(behind), Max(seconds, 0));
	report_seconds(kept, sizeof(kept), Max(retain, 0));
	if (retain > 0 && seconds > retain / 2)
		findings_add(findings, seconds >= retain ? FINDING_ERROR : FINDING_WARNING, "group",
					 psprintf("group \"%s\" is %s behind, and its topics keep events for %s", name,
							  behind, kept),
					 pg_strdup("start more workers, or have the events kept for longer with "
							   "gymstream.alter_topic(topic, retain => ...)"));
	else if (paused && seconds >= 0)
		findings_add(findings, FINDING_NOTE, "group",
					 psprintf("group \"%s\" is paused, and %s events wait for it", name, events),
					 psprintf("SELECT gymstream.resume_group(%s);", literal(name)));
	else if (seconds > warn && findings_number(groups, row, "workers") <= 0)
		findings_add(findings, FINDING_WARNING, "group",
					 psprintf("nobody works for group \"%s\": %s events wait, the first for %s",
							  name, events, behind),
					 pg_strdup("start a worker, such as gymstream consume GROUP --exec COMMAND"));
}

static void
find_lost(const PGresult *groups, int row, Findings *findings)
{
	const char *name = findings_text(groups, row, "group_name");
	int64		lost = findings_number(groups, row, "lost");

	if (lost > 0)
		findings_add(findings, FINDING_ERROR, "group",
					 psprintf("group \"%s\" has lost about %lld event%s: its topics have dropped "
							  "what it had not polled", name, (long long) lost,
							  lost == 1 ? "" : "s"),
					 pg_strdup("make good what may be missing, start more workers, and have the "
							   "events kept for longer with gymstream.alter_topic(topic, retain "
							   "=> ...)"));
}

static void
find_missing(const PGresult *groups, int row, Findings *findings)
{
	static const char no_topic[] = "no topic any more";
	const char *problem = findings_text(groups, row, "problem");
	const char *name = findings_text(groups, row, "group_name");

	if (problem && strncmp(problem, no_topic, sizeof(no_topic) - 1) == 0)
		findings_add(findings, FINDING_WARNING, "group",
					 psprintf("group \"%s\" has %s", name, problem),
					 psprintf("create the topic again, or SELECT gymstream.drop_group(%s);",
							  literal(name)));
}

void
groups_find(const PGresult *groups, int64 warn, Findings *findings)
{
	for (int i = 0; i < PQntuples(groups); i++)
	{
		find_missing(groups, i, findings);
		find_lost(groups, i, findings);
		find_letters(groups, i, findings);
		find_behind(groups, i, warn, findings);
	}
}
