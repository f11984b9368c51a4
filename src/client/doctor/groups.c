/*
 * groups.c: "gymstream groups": the consumer groups of a database.
 *
 * Takes what groups_find.c gives of them, and shows it as a table or as JSON. Changes nothing.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "client/base/loop.h"
#include "client/base/report.h"
#include "client/doctor/groups.h"

typedef struct Groups
{
	const char *name;			/* NULL: all */
	bool		json;
	bool		partitions;
	int64		watch;			/* seconds; 0: once */
	int64		warn;			/* seconds without a worker */
} Groups;

/* ---- showing ---- */

static void
show_json(const PGresult *groups, const PGresult *partitions, const Findings *findings)
{
	PQExpBufferData out;

	initPQExpBuffer(&out);
	appendPQExpBufferStr(&out, "{\"groups\":");
	report_rows_json(&out, groups);
	if (partitions)
	{
		appendPQExpBufferStr(&out, ",\"partitions\":");
		report_rows_json(&out, partitions);
	}
	appendPQExpBufferStr(&out, ",\"problems\":");
	findings_json(findings, &out);
	printf("%s}\n", out.data);
	termPQExpBuffer(&out);
}

static char *
cell_text(const PGresult *rows, int row, const char *name)
{
	const char *text = findings_text(rows, row, name);

	return pg_strdup(text ? text : "");
}

/* What was estimated is said to be so. */
static char *
cell_count(const PGresult *rows, int row, const char *name)
{
	const char *exact = findings_text(rows, row, "exact");
	const char *text = findings_text(rows, row, name);

	text = text ? text : "0";
	return psprintf("%s%s", exact && *exact == 'f' && strcmp(text, "0") != 0 ? "~" : "", text);
}

static char *
cell_seconds(const PGresult *rows, int row)
{
	char		text[64] = "";

	if (findings_text(rows, row, "seconds"))
		report_seconds(text, sizeof(text), findings_number(rows, row, "seconds"));
	return pg_strdup(text);
}

static char *
cell_bytes(const PGresult *rows, int row)
{
	char		text[32];

	report_bytes(text, sizeof(text), Max(findings_number(rows, row, "bytes"), 0));
	return pg_strdup(text);
}

static void
show_groups(const PGresult *groups)
{
	static const char *const titles[] = {"GROUP", "EVENTS", "MOST", "BYTES", "BEHIND", "WORKERS",
										 "WAITING", "DEAD", "TOPICS"};
	ReportTable table;

	report_table_begin(&table, titles, lengthof(titles));
	for (int i = 0; i < PQntuples(groups); i++)
	{
		bool		paused = *findings_text(groups, i, "paused") == 't';

		report_table_add(&table, cell_text(groups, i, "group_name"));
		report_table_add(&table, cell_count(groups, i, "events"));
		report_table_add(&table, cell_count(groups, i, "most_events"));
		report_table_add(&table, cell_bytes(groups, i));
		report_table_add(&table, cell_seconds(groups, i));
		report_table_add(&table, paused ? pg_strdup("paused") : cell_text(groups, i, "workers"));
		report_table_add(&table, cell_text(groups, i, "waiting"));
		report_table_add(&table, cell_text(groups, i, "dead"));
		report_table_add(&table, cell_text(groups, i, "topics"));
	}
	report_table_print(&table);
}

static void
show_partitions(const PGresult *rows)
{
	static const char *const titles[] = {"GROUP", "TOPIC", "PARTITION", "NEXT", "EVENTS", "BYTES",
										 "BEHIND", "WAITING", "ATTEMPTS", "DEAD", "OWNER"};
	static const char *const last[] = {"waiting", "attempts", "dead", "owner"};
	ReportTable table;

	printf("\n");
	report_table_begin(&table, titles, lengthof(titles));
	for (int i = 0; i < PQntuples(rows); i++)
	{
		report_table_add(&table, cell_text(rows, i, "group_name"));
		report_table_add(&table, cell_text(rows, i, "topic"));
		report_table_add(&table, cell_text(rows, i, "partition"));
		report_table_add(&table, cell_text(rows, i, "next_offset"));
		report_table_add(&table, cell_count(rows, i, "events"));
		report_table_add(&table, cell_bytes(rows, i));
		report_table_add(&table, cell_seconds(rows, i));
		for (int j = 0; j < lengthof(last); j++)
			report_table_add(&table, cell_text(rows, i, last[j]));
	}
	report_table_print(&table);
}

/* ---- the command ---- */

/* Its exit status. */
static int
show(Connection *c, const Groups *options)
{
	Findings	findings = {0};
	PGresult   *groups = groups_read(c, options->name);
	PGresult   *partitions = NULL;
	int			bad;

	if (groups && options->name && PQntuples(groups) == 0)
	{
		fprintf(stderr, "gymstream: there is no group \"%s\"\n", options->name);
		PQclear(groups);
		return 1;
	}
	if (groups && options->partitions)
		partitions = groups_partitions(c, options->name);
	if (groups == NULL || (options->partitions && partitions == NULL))
	{
		PQclear(groups);
		return 1;
	}
	groups_find(groups, options->warn, &findings);
	bad = findings_count(&findings, FINDING_ERROR) + findings_count(&findings, FINDING_WARNING);
	if (options->watch && !options->json && isatty(STDOUT_FILENO))
		printf("\033[H\033[2J");
	if (options->json)
		show_json(groups, partitions, &findings);
	else
	{
		show_groups(groups);
		if (partitions)
			show_partitions(partitions);
		if (findings.count > 0)
			printf("\n");
		findings_print(&findings);
	}
	fflush(stdout);
	findings_clear(&findings);
	PQclear(groups);
	PQclear(partitions);
	return bad > 0 ? 1 : 0;
}

static bool
set_watch(void *context, const char *value)
{
	return options_number(value, 1, 86400, &((Groups *) context)->watch);
}

static bool
set_warn(void *context, const char *value)
{
	return options_number(value, 0, 100000000, &((Groups *) context)->warn);
}

static const CommandOption groups_options[] = {
	{'j', "json", NULL, "print one JSON object", .flag = offsetof(Groups, json)},
	{0, "partitions", NULL, "show each partition too", .flag = offsetof(Groups, partitions)},
	{0, "warn", "SECONDS", "warn of events that nobody has worked at for longer",
	set_warn, "whole seconds"},
	{0, "watch", "SECONDS", "show it again every so many seconds",
	set_watch, "whole seconds, from 1 to 86400"},
	{0},
};

static const Command groups_command = {
	.name = "gymstream groups",
	.arguments = "[GROUP]",
	.about = "Shows consumer groups: how many events they have not acked yet, of which partition\n"
	"most, since when, who works at them, and what is wrong. Exits with 1 if anything is.",
	.options = groups_options,
};

/* Show them once more, on a new connection if the old one is lost. */
static int
show_again(Connection *c, const Groups *options)
{
	if (c->state == CONNECTION_UP && PQstatus(c->pg) != CONNECTION_OK)
		connection_lost(c, NULL);
	if (c->state == CONNECTION_UP || connection_try(c))
		return show(c, options);
	if (!loop_stopping())
		fprintf(stderr, "gymstream: %s\n", c->trouble);
	return 1;
}

int
groups_main(int argc, char **argv)
{
	ConnectOptions connect = {0};
	Groups		options = {.warn = GROUPS_WARN};
	Connection	connection;
	int			first = options_parse(&groups_command, argc, argv, &connect, &options);
	int			status = 1;

	if (argc - first > 1)
		options_usage_error(&groups_command, "too many arguments");
	options.name = argv[first];
	loop_start();
	if (connection_open(&connection, &connect))
	{
		status = show(&connection, &options);
		while (options.watch && !loop_stopping() && !ferror(stdout))
		{
			loop_wait(NULL, 0, loop_now() + options.watch * 1000000);
			if (!loop_stopping())
				status = show_again(&connection, &options);
		}
	}
	connection_close(&connection);
	return status;
}
