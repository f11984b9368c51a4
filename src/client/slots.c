/*
 * slots.c: "gymstream slots": the replication slots of a server.
 *
 * Takes what the server says of its slots, gives a table or JSON, and what is wrong: a slot that is lost or will be, or
 * that keeps so much of the write-ahead log that the disk may fill. Changes nothing.
 */
#include "postgres_fe.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "loop.h"
#include "report.h"
#include "slots.h"

/* Columns that not all versions have are taken from the row as JSON. Numbers are in bytes and seconds. */
static const char slots_query[] =
"SELECT s.slot_name, s.slot_type, s.plugin, s.database, s.temporary, s.active, s.active_pid AS pid,"
" a.usename AS username, a.application_name, pg_catalog.host(a.client_addr) AS client_address, s.wal_status,"
" s.restart_lsn, s.confirmed_flush_lsn,"
" pg_catalog.pg_wal_lsn_diff(w.lsn, COALESCE(s.confirmed_flush_lsn, s.restart_lsn))::pg_catalog.int8 AS lag_bytes,"
" pg_catalog.round(EXTRACT(epoch FROM r.flush_lag), 3) AS lag_seconds,"
" pg_catalog.pg_wal_lsn_diff(w.lsn, s.restart_lsn)::pg_catalog.int8 AS retained_bytes, s.safe_wal_size AS safe_bytes,"
" NULLIF(pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size')), -1) AS limit_bytes,"
" pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')) AS usual_bytes,"
" pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'inactive_since' AS inactive_since,"
" EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"
"  (pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'inactive_since')::pg_catalog.timestamptz)::pg_catalog.int8 AS inactive_seconds,"
" pg_catalog.to_jsonb(s) OPERATOR(pg_catalog.->>) 'invalidation_reason' AS invalidation_reason"
" FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
"  ELSE pg_catalog.pg_current_wal_lsn() END AS lsn) w, pg_catalog.pg_replication_slots s"
" LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) s.active_pid"
" LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid OPERATOR(pg_catalog.=) s.active_pid ORDER BY s.slot_name";

PGresult *
slots_read(Connection *c)
{
	return findings_query(c, slots_query);
}

/* NULL: it is null. */
static const char *
slots_text(const PGresult *slots, int row, const char *name)
{
	int			column = PQfnumber(slots, name);

	return PQgetisnull(slots, row, column) ? NULL : PQgetvalue(slots, row, column);
}

static int64
slots_number(const PGresult *slots, int row, const char *name)
{
	const char *text = slots_text(slots, row, name);

	return text ? atoll(text) : -1;
}

static bool
slots_is(const PGresult *slots, int row, const char *name, const char *value)
{
	const char *text = slots_text(slots, row, name);

	return text && strcmp(text, value) == 0;
}

/*
 * One slot: is it lost, will it be, or does it keep more than the log's usual size?
 */
static void
slots_find_one(const PGresult *slots, int row, Findings *findings)
{
	const char *name = slots_text(slots, row, "slot_name");
	int64		retained = slots_number(slots, row, "retained_bytes");
	int64		limit = slots_number(slots, row, "limit_bytes");
	int64		safe = slots_number(slots, row, "safe_bytes");
	bool		active = slots_is(slots, row, "active", "t");
	const char *reason = slots_text(slots, row, "invalidation_reason");
	char		keeps[32];
	char		more[32];

	report_bytes(keeps, sizeof(keeps), retained);
	if (slots_is(slots, row, "wal_status", "lost") || reason)
		findings_add(findings, FINDING_ERROR, "slot",
					 psprintf("replication slot \"%s\" is lost%s%s%s: what its reader had not read is gone", name,
							  reason ? " (" : "", reason ? reason : "", reason ? ")" : ""),
					 psprintf("SELECT pg_drop_replication_slot('%s'); then make it anew, and read the tables anew", name));
	else if (slots_is(slots, row, "wal_status", "unreserved"))
		findings_add(findings, FINDING_ERROR, "slot",
					 psprintf("replication slot \"%s\" keeps %s, more than the limit: the next checkpoint makes it lost", name, keeps),
					 pg_strdup(active ? "let its reader catch up now, or raise max_slot_wal_keep_size" :
							   "read it now, or raise max_slot_wal_keep_size"));
	else if (limit >= 0 && safe >= 0 && safe < limit / 5)
	{
		report_bytes(more, sizeof(more), safe);
		findings_add(findings, FINDING_WARNING, "slot",
					 psprintf("replication slot \"%s\" keeps %s, and is lost after %s more", name, keeps, more),
					 pg_strdup(active ? "let its reader catch up, or raise max_slot_wal_keep_size" :
							   "read it or drop it, or raise max_slot_wal_keep_size"));
	}
	else if (limit < 0 && retained > slots_number(slots, row, "usual_bytes"))
		findings_add(findings, FINDING_WARNING, "slot",
					 psprintf("replication slot \"%s\"%s keeps %s of the write-ahead log, and nothing limits that", name,
							  active ? "" : ", which nobody reads,", keeps),
					 active ? pg_strdup("let its reader catch up, or set max_slot_wal_keep_size") :
					 psprintf("read it, or SELECT pg_drop_replication_slot('%s'), or set max_slot_wal_keep_size", name));
}

/*
 * The disk of the log, where the server is on this machine and lets us know where that is.
 */
static void
slots_find_disk(Connection *c, const PGresult *slots, Findings *findings)
{
	const char *host = PQhost(c->pg);
	struct statvfs disk;
	PGresult   *result;
	char	   *folder;
	int			most = -1;

	for (int i = 0; i < PQntuples(slots); i++)
	{
		if (most < 0 || slots_number(slots, i, "retained_bytes") > slots_number(slots, most, "retained_bytes"))
			most = i;
	}
	if (most < 0 || host == NULL || *host != '/')
		return;
	result = findings_query(c, "SELECT pg_catalog.current_setting('data_directory', true)"
							" FROM pg_catalog.pg_settings WHERE name OPERATOR(pg_catalog.=) 'data_directory'");
	if (result == NULL || PQntuples(result) == 0)
	{
		PQclear(result);
		return;
	}
	folder = psprintf("%s/pg_wal", PQgetvalue(result, 0, 0));
	if (statvfs(folder, &disk) == 0 || statvfs(PQgetvalue(result, 0, 0), &disk) == 0)
	{
		int64		free_bytes = (int64) disk.f_bavail * disk.f_frsize;
		int64		all_bytes = (int64) disk.f_blocks * disk.f_frsize;
		char		rest[32];
		char		keeps[32];

		report_bytes(rest, sizeof(rest), free_bytes);
		report_bytes(keeps, sizeof(keeps), slots_number(slots, most, "retained_bytes"));
		if (free_bytes < all_bytes / 10 && slots_number(slots, most, "retained_bytes") > free_bytes / 4)
			findings_add(findings, FINDING_ERROR, "disk",
						 psprintf("the disk of the write-ahead log has %s left, and replication slot \"%s\" keeps %s",
								  rest, slots_text(slots, most, "slot_name"), keeps),
						 pg_strdup("read or drop the slot: a server whose log has no room stops"));
	}
	free(folder);
	PQclear(result);
}

void
slots_find(Connection *c, const PGresult *slots, Findings *findings)
{
	for (int i = 0; i < PQntuples(slots); i++)
		slots_find_one(slots, i, findings);
	slots_find_disk(c, slots, findings);
}

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
	const char *application = slots_text(slots, row, "application_name");
	const char *address = slots_text(slots, row, "client_address");
	char		since[64];

	if (slots_is(slots, row, "active", "t"))
		return psprintf("%s %s%s%s", slots_text(slots, row, "pid"), application ? application : "", address ? " from " : "",
						address ? address : "");
	if (slots_text(slots, row, "inactive_seconds") == NULL)
		return pg_strdup("nobody");
	report_seconds(since, sizeof(since), slots_number(slots, row, "inactive_seconds"));
	return psprintf("nobody for %s", since);
}

static char *
slots_bytes(const PGresult *slots, int row, const char *name)
{
	char		text[32] = "";

	if (slots_text(slots, row, name))
		report_bytes(text, sizeof(text), slots_number(slots, row, name));
	return pg_strdup(text);
}

static void
slots_table(const PGresult *slots)
{
	static const char *const titles[] = {"SLOT", "PLUGIN", "DATABASE", "STATUS", "BEHIND", "LAG", "KEEPS", "LEFT", "READER"};
	ReportTable table;

	report_table_begin(&table, titles, lengthof(titles));
	for (int i = 0; i < PQntuples(slots); i++)
	{
		const char *lag = slots_text(slots, i, "lag_seconds");
		const char *plugin = slots_text(slots, i, "plugin");
		const char *database = slots_text(slots, i, "database");
		const char *status = slots_text(slots, i, "wal_status");

		report_table_add(&table, pg_strdup(slots_text(slots, i, "slot_name")));
		report_table_add(&table, pg_strdup(plugin ? plugin : "(physical)"));
		report_table_add(&table, pg_strdup(database ? database : ""));
		report_table_add(&table, pg_strdup(status ? status : ""));
		report_table_add(&table, slots_bytes(slots, i, "lag_bytes"));
		report_table_add(&table, lag ? psprintf("%s s", lag) : pg_strdup(""));
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
} Slots;

/* Its exit status. */
static int
slots_show(Connection *c, const Slots *options)
{
	PGresult   *slots = slots_read(c);
	Findings	findings = {0};
	int			bad;

	if (slots == NULL)
		return 1;
	slots_find(c, slots, &findings);
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
slots_set_json(void *context, const char *value)
{
	return ((Slots *) context)->json = true;
}

static bool
slots_set_watch(void *context, const char *value)
{
	return options_number(value, 1, 86400, &((Slots *) context)->watch);
}

static const CommandOption slots_options[] = {
	{'j', "json", NULL, "as JSON", slots_set_json},
	{0, "watch", "SECONDS", "again and again", slots_set_watch},
	{0},
};

static const Command slots_command = {
	.name = "gymstream slots",
	.arguments = "",
	.about = "Shows the server's replication slots: how far behind their readers are, who reads them, how much of the\n"
	"write-ahead log they keep, how much more they may, and what is wrong. Exits with 1 if anything is.",
	.options = slots_options,
};

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
		while (slots.watch && !loop_stopping() && PQstatus(connection.pg) == CONNECTION_OK && !ferror(stdout))
		{
			loop_wait(NULL, 0, loop_now() + slots.watch * 1000000);
			if (!loop_stopping())
				status = slots_show(&connection, &slots);
		}
	}
	connection_close(&connection);
	return status;
}
