/*
 * slots.c: "gymstream slots": the replication slots of a server.
 *
 * Takes what slots_find.c gives of them, and shows it as a table or as JSON. Changes nothing.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "client/base/loop.h"
#include "client/base/report.h"
#include "client/doctor/slots.h"

/*
 * Showing
 */

static void
slots_json(const PGresult *slots, const Findings *findings)
{
	PQExpBufferData out;

	initPQExpBuffer(&out);
	appendPQExpBufferStr(&out, "{\"slots\":");
	report_rows_json(&out, slots);
	appendPQExpBufferStr(&out, ",\"problems\":");
	findings_json(findings, &out);
	printf("%s}\n", out.data);
	termPQExpBuffer(&out);
}

/* Who reads it, or since when nobody does; to be freed. */
static char *
slots_reader(const PGresult *slots, int row)
{
	const char *application = findings_text(slots, row, "application_name");
	const char *address = findings_text(slots, row, "client_address");
	char		since[64];

	if (slots_is(slots, row, "synced", "t"))
		return pg_strdup("copied from the primary");
	if (slots_is(slots, row, "active", "t"))
		return psprintf("%s %s%s%s", findings_text(slots, row, "pid"),
						application ? application : "",
						address ? " from " : "",
						address ? address : "");
	if (findings_text(slots, row, "inactive_seconds") == NULL)
		return pg_strdup("nobody");
	report_seconds(since, sizeof(since), findings_number(slots, row, "inactive_seconds"));
	return psprintf("nobody for %s", since);
}

static char *
slots_bytes(const PGresult *slots, int row, const char *name)
{
	char		text[32] = "";

	if (findings_text(slots, row, name))
		report_bytes(text, sizeof(text), findings_number(slots, row, name));
	return pg_strdup(text);
}

/* To the millisecond where it is short. */
static char *
slots_lag(const PGresult *slots, int row)
{
	const char *lag = findings_text(slots, row, "lag_seconds");
	char		text[64];

	if (lag == NULL || atof(lag) < 60)
		return psprintf("%s%s", lag ? lag : "", lag ? " s" : "");
	report_seconds(text, sizeof(text), atoll(lag));
	return pg_strdup(text);
}

static void
slots_table(const PGresult *slots)
{
	static const char *const titles[] = {"SLOT", "PLUGIN", "DATABASE", "STATUS", "BEHIND", "LAG",
										 "KEEPS", "LEFT", "READER"};
	ReportTable table;

	report_table_begin(&table, titles, lengthof(titles));
	for (int i = 0; i < PQntuples(slots); i++)
	{
		const char *plugin = findings_text(slots, i, "plugin");
		const char *database = findings_text(slots, i, "database");
		const char *status = findings_text(slots, i, "wal_status");

		report_table_add(&table, pg_strdup(findings_text(slots, i, "slot_name")));
		report_table_add(&table, pg_strdup(plugin ? plugin : "(physical)"));
		report_table_add(&table, pg_strdup(database ? database : ""));
		report_table_add(&table, pg_strdup(status ? status : ""));
		report_table_add(&table, slots_bytes(slots, i, "lag_bytes"));
		report_table_add(&table, slots_lag(slots, i));
		report_table_add(&table, slots_bytes(slots, i, "retained_bytes"));
		report_table_add(&table, slots_bytes(slots, i, "safe_bytes"));
		report_table_add(&table, slots_reader(slots, i));
	}
	report_table_print(&table);
}

/*
 * The command
 */

typedef struct Slots
{
	bool		json;
	int64		watch;			/* seconds; 0: once */
	int64		warn;			/* bytes that a slot may keep; 0: the log's usual size */
} Slots;

/* Its exit status. */
static int
slots_show(Connection *c, const Slots *options)
{
	Findings	findings = {0};
	PGresult   *slots = slots_read(c, &findings);
	int			bad;

	if (slots == NULL)
		return 1;
	slots_find(c, slots, options->warn, &findings);
	bad = findings_count(&findings, FINDING_ERROR) + findings_count(&findings, FINDING_WARNING);
	if (options->watch && !options->json && isatty(STDOUT_FILENO))
		printf("\033[H\033[2J");
	if (options->json)
		slots_json(slots, &findings);
	else
	{
		slots_table(slots);
		if (findings.count > 0)
			printf("\n");
		findings_print(&findings);
	}
	fflush(stdout);
	findings_clear(&findings);
	PQclear(slots);
	return bad > 0 ? 1 : 0;
}

static bool
set_watch(void *context, const char *value)
{
	return options_number(value, 1, 86400, &((Slots *) context)->watch);
}

static bool
set_warn(void *context, const char *value)
{
	return options_size(value, &((Slots *) context)->warn);
}

static const CommandOption slots_options[] = {
	{'j', "json", NULL, "print one JSON object", .flag = offsetof(Slots, json)},
	{0, "warn", "SIZE", "warn of a slot that keeps more, such as 10GB",
	set_warn, "a size, such as 10GB (kB, MB, GB, TB)"},
	{0, "watch", "SECONDS", "show it again each time SECONDS have passed",
	set_watch, "whole seconds, from 1 to 86400"},
	{0},
};

static const Command slots_command = {
	.name = "gymstream slots",
	.arguments = "",
	.about = "Shows the server's replication slots: how far behind their readers are, who reads "
	"them, how much of the\n"
	"write-ahead log they keep, how much more they may, and what is wrong. Exits with 1 if "
	"anything is.",
	.options = slots_options,
};

/* Show them once more, on a new connection if the old one is lost. */
static int
slots_again(Connection *c, const Slots *options)
{
	if (c->state == CONNECTION_UP && PQstatus(c->pg) != CONNECTION_OK)
		connection_lost(c, NULL);
	if (c->state == CONNECTION_UP || connection_try(c))
		return slots_show(c, options);
	if (!loop_stopping())
		fprintf(stderr, "gymstream: %s\n", c->trouble);
	return 1;
}

int
slots_main(int argc, char **argv)
{
	ConnectOptions connect = {0};
	Slots		slots = {0};
	Connection	connection;
	int			status = 1;

	if (options_parse(&slots_command, argc, argv, &connect, &slots) < argc)
		options_usage_error(&slots_command, "too many arguments");
	loop_start();
	if (connection_open(&connection, &connect))
	{
		status = slots_show(&connection, &slots);
		while (slots.watch && !loop_stopping() && !ferror(stdout))
		{
			loop_wait(NULL, 0, loop_now() + slots.watch * 1000000);
			if (!loop_stopping())
				status = slots_again(&connection, &slots);
		}
	}
	connection_close(&connection);
	return status;
}
