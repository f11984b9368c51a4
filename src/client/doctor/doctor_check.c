/*
 * doctor_check.c: the checks of "gymstream doctor".
 *
 * Takes a connection, gives what is wrong and what to do about it. Each check looks at one thing;
 * they stand in the order of their importance.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/doctor/doctor.h"
#include "client/doctor/groups.h"
#include "client/doctor/slots.h"

/* Rows; NULL: a query failed, and the checks end. */
static PGresult *
doctor_query(Doctor *d, const char *sql)
{
	PGresult   *result = d->failed ? NULL : findings_query(&d->connection, sql);

	d->failed = result == NULL;
	return result;
}

/* The first column of the first row, to be freed; NULL: there is none, or it is null. */
static char *
doctor_value(Doctor *d, const char *sql)
{
	PGresult   *result = doctor_query(d, sql);
	char	   *value = result && PQntuples(result) > 0 && !PQgetisnull(result, 0, 0) ?
		pg_strdup(PQgetvalue(result, 0, 0)) : NULL;

	PQclear(result);
	return value;
}

static int64
doctor_number(Doctor *d, const char *sql)
{
	char	   *value = doctor_value(d, sql);
	int64		number = value ? atoll(value) : 0;

	free(value);
	return number;
}

/* A setting; NULL: this version does not have it, or we may not see it. */
static char *
doctor_setting(Doctor *d, const char *name)
{
	char	   *sql = psprintf("SELECT setting FROM pg_catalog.pg_settings WHERE name "
							   "OPERATOR(pg_catalog.=) '%s'", name);
	char	   *value = doctor_value(d, sql);

	free(sql);
	return value;
}

/* Whether a comma separated list has a name. */
static bool
doctor_lists(const char *list, const char *name)
{
	size_t		length = strlen(name);

	for (const char *found = list; (found = strstr(found, name)) != NULL; found += length)
	{
		char		before = found == list ? ',' : found[-1];
		char		after = found[length];

		if (strchr(", \"/", before) && (after == '\0' || strchr(", \"", after)))
			return true;
	}
	return false;
}

/*
 * The server's settings
 */

static void
doctor_wal_level(Doctor *d)
{
	char	   *level = doctor_setting(d, "wal_level");
	char	   *effective = doctor_setting(d, "effective_wal_level");
	/*
	 * a server that has both turns decoding on with the first slot, where it keeps more than the
	 * minimum
	 */
	bool		enough = level && (strcmp(level, "logical") == 0 ||
								   (effective && strcmp(level, "replica") == 0));

	if (level && !enough)
		findings_add(&d->findings, FINDING_ERROR, "wal_level",
					 psprintf("wal_level is %s: changes cannot be decoded", level),
					 pg_strdup("ALTER SYSTEM SET wal_level = logical; and restart the server"));
	free(effective);
	free(level);
}

static void
doctor_preload(Doctor *d)
{
	char	   *list = doctor_setting(d, "shared_preload_libraries");

	if (list && !doctor_lists(list, "gymstream"))
		findings_add(&d->findings, FINDING_ERROR, "shared_preload_libraries",
					 pg_strdup("shared_preload_libraries does not have gymstream: topics are not "
							   "published, and partials not folded"),
					 psprintf("ALTER SYSTEM SET shared_preload_libraries = %s%sgymstream; and "
							  "restart the server",
							  list, *list ? ", " : ""));
	free(list);
}

static void
doctor_plugins(Doctor *d)
{
	char	   *list = doctor_setting(d, "output_plugin_libraries");

	if (list && !doctor_lists(list, "gymstream") && !doctor_lists(list, "*"))
		findings_add(&d->findings, FINDING_ERROR, "output_plugin_libraries",
					 pg_strdup("output_plugin_libraries does not have gymstream: slots of your "
							   "own cannot use it"),
					 psprintf("ALTER SYSTEM SET output_plugin_libraries = %s%sgymstream; SELECT "
							  "pg_reload_conf();",
							  list, *list ? ", " : ""));
	free(list);
}

static void
doctor_pending(Doctor *d)
{
	char	   *names = doctor_value(d,
									 "SELECT pg_catalog.string_agg(name, ', ' ORDER BY name) "
									 "FROM pg_catalog.pg_settings"
									 " WHERE pending_restart AND (name OPERATOR(pg_catalog.~) "
									 "'^(wal_level|shared_preload_libraries"
									 "|max_(replication_slots|wal_senders|worker_processes))$' "
									 "OR name OPERATOR(pg_catalog.~) '^gymstream')");

	if (names)
		findings_add(&d->findings, FINDING_WARNING, "pending_restart",
					 psprintf("the configuration has a new value for %s, which the server does "
							  "not use yet", names),
					 pg_strdup("restart the server"));
	free(names);
}

/* A limit of the server, and how much of it is used: full, or nearly. */
static void
doctor_room(Doctor *d, const char *name, const char *used_query)
{
	char	   *setting = doctor_setting(d, name);
	int64		most = setting ? atoll(setting) : 0;
	int64		used = doctor_number(d, used_query);

	if (setting && used + 1 >= most)
		findings_add(&d->findings, used >= most ? FINDING_ERROR : FINDING_WARNING, name,
					 psprintf("%s is %lld, and %lld %s in use: there is %s", name,
							  (long long) most, (long long) used,
							  used == 1 ? "is" : "are",
							  used >= most ? "no room for one more" : "room for one more only"),
					 psprintf("ALTER SYSTEM SET %s = %lld; and restart the server", name,
							  (long long) Max(most * 2, 10)));
	free(setting);
}

static void
doctor_rooms(Doctor *d)
{
	doctor_room(d, "max_replication_slots", "SELECT count(*) FROM pg_catalog.pg_replication_slots");
	doctor_room(d, "max_wal_senders", "SELECT count(*) FROM pg_catalog.pg_stat_replication");
	doctor_room(d, "max_worker_processes",
				"SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type NOT IN"
				" ('client backend', 'walsender', 'autovacuum launcher', 'autovacuum worker', "
				"'checkpointer', 'startup',"
				" 'background writer', 'walwriter', 'walreceiver', 'archiver', 'walsummarizer', "
				"'io worker', 'slotsync worker')");
}

/*
 * The extension
 */

static void
doctor_extension(Doctor *d)
{
	char	   *version = doctor_value(d,
									   "SELECT extversion FROM pg_catalog.pg_extension WHERE "
									   "extname OPERATOR(pg_catalog.=) 'gymstream'");
	char	   *available = doctor_value(d,
										 "SELECT default_version FROM "
										 "pg_catalog.pg_available_extensions"
										 " WHERE name OPERATOR(pg_catalog.=) 'gymstream'");
	char	   *known = doctor_value(d,
									 "SELECT 1 WHERE pg_catalog.to_regclass("
									 "'gymstream_internal.rollup') IS NOT NULL");

	/* one that is too old has nothing that can be asked here */
	d->extension = known != NULL;
	if (available == NULL)
		findings_add(&d->findings, FINDING_ERROR, "extension",
					 pg_strdup("the extension gymstream is not installed on the server"),
					 pg_strdup("make install there, with PG_CONFIG naming that server's "
							   "pg_config"));
	else if (version == NULL)
		findings_add(&d->findings, FINDING_ERROR, "extension",
					 psprintf("database \"%s\" does not have the extension gymstream",
							  PQdb(d->connection.pg)),
					 pg_strdup("CREATE EXTENSION gymstream;"));
	else if (strcmp(version, available) != 0)
		findings_add(&d->findings, FINDING_WARNING, "version",
					 psprintf("the extension is of version %s, the library of version %s", version,
							  available),
					 pg_strdup("ALTER EXTENSION gymstream UPDATE; after a restart of the server, "
							   "if the library is new"));
	else if (strcmp(version, GYMSTREAM_VERSION) != 0)
		findings_add(&d->findings, FINDING_NOTE, "version",
					 psprintf("the extension is of version %s, this program of version %s",
							  version, GYMSTREAM_VERSION), NULL);
	free(version);
	free(available);
	free(known);
}

/* What the extension says of itself. */
static void
doctor_status(Doctor *d)
{
	char	   *problem = doctor_value(d, "SELECT problem FROM gymstream.status");
	char	   *error = doctor_value(d,
									 "SELECT pg_catalog.format('%s (%s)', last_error, "
									 "last_error_at) FROM gymstream.status"
									 " WHERE last_error IS NOT NULL");

	if (problem)
		findings_add(&d->findings, FINDING_ERROR, "status",
					 psprintf("gymstream.status: %s", problem), NULL);
	if (error)
		findings_add(&d->findings, FINDING_NOTE, "status",
					 psprintf("the last error of a worker was: %s", error), NULL);
	free(problem);
	free(error);
}

/* Tables, as c, that have no replica identity. */
#define NO_IDENTITY \
	" FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'p')" \
	" AND c.relreplident OPERATOR(pg_catalog.<>) 'f'" \
	" AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i" \
	"  WHERE i.indrelid OPERATOR(pg_catalog.=) c.oid" \
	"  AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END)"

/* What is wrong with each table of a query; problem is a format for its name. */
static void
doctor_tables(Doctor *d, const char *sql, FindingLevel level, const char *problem)
{
	PGresult   *tables = doctor_query(d, sql);

	for (int i = 0; tables && i < PQntuples(tables); i++)
		findings_add(&d->findings, level, "replica_identity",
					 psprintf(problem, PQgetvalue(tables, i, 0)),
					 psprintf("give it a primary key, or ALTER TABLE %s REPLICA IDENTITY FULL;",
							  PQgetvalue(tables, i, 0)));
	PQclear(tables);
}

/*
 * Tables whose changes are published, but not which row an UPDATE or DELETE was of: where a
 * publication has it, the server refuses these. Partials are written in another way.
 */
static void
doctor_identities(Doctor *d)
{
	char	   *published = psprintf("SELECT c.oid::pg_catalog.regclass" NO_IDENTITY
									 " AND c.oid IN (SELECT pg_catalog.format('%%I.%%I', "
									 "t.schemaname, t.tablename)::pg_catalog.regclass"
									 "  FROM pg_catalog.pg_publication_tables t JOIN "
									 "pg_catalog.pg_publication p USING (pubname)"
									 "  WHERE p.pubupdate OR p.pubdelete)%s ORDER BY 1",
									 d->extension ?
									 " AND c.oid NOT IN (SELECT partials FROM "
									 "gymstream_internal.rollup)" : "");

	doctor_tables(d, published, FINDING_ERROR,
				  "UPDATE or DELETE of table %s fails: a publication has it, and it has no "
				  "replica identity");
	free(published);
	if (d->extension)
		doctor_tables(d, "SELECT c.oid::pg_catalog.regclass" NO_IDENTITY
					  " AND c.oid IN (SELECT relation FROM gymstream.topics) ORDER BY 1",
					  FINDING_WARNING,
					  "table %s has a topic and no replica identity: events do not say which row "
					  "was updated or deleted");
}

/* Consumer groups that fall behind, and dead letters. */
static void
doctor_groups(Doctor *d)
{
	char	   *has = doctor_value(d, "SELECT pg_catalog.to_regclass('gymstream.group_lag')");
	PGresult   *groups = has && !d->failed ? groups_read(&d->connection, NULL) : NULL;

	if (has && groups == NULL)
		d->failed = true;
	if (groups)
		groups_find(groups, GROUPS_WARN, &d->findings);
	PQclear(groups);
	free(has);
}

/*
 * Slots, and reading them
 */

static void
doctor_slots(Doctor *d)
{
	PGresult   *slots = d->failed ? NULL : slots_read(&d->connection, &d->findings);
	char	   *keep = doctor_setting(d, "max_slot_wal_keep_size");
	char	   *timeout = doctor_setting(d, "wal_sender_timeout");

	d->failed = d->failed || slots == NULL;
	if (slots)
		slots_find(&d->connection, slots, 0, &d->findings);
	if (keep && atoll(keep) < 0)
		findings_add(&d->findings, FINDING_NOTE, "max_slot_wal_keep_size",
					 pg_strdup("a slot that nobody reads keeps the write-ahead log without a "
							   "limit"),
					 pg_strdup("ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; or what the "
							   "disk has room for; a slot that needs more is lost then"));
	if (timeout && atoll(timeout) == 0)
		findings_add(&d->findings, FINDING_NOTE, "wal_sender_timeout",
					 pg_strdup("wal_sender_timeout is off: a reader that vanishes holds its slot "
							   "until TCP notices"),
					 pg_strdup("ALTER SYSTEM RESET wal_sender_timeout; SELECT pg_reload_conf();"));
	free(keep);
	free(timeout);
	PQclear(slots);
}

/* Try it: what pg_hba.conf and the role allow is hard to tell otherwise. */
static void
doctor_replication(Doctor *d)
{
	ConnectOptions options = d->options;
	Connection	replication = {0};

	if (d->failed)
		return;
	options.replication = true;
	replication.options = &options;
	replication.password = d->connection.password ? pg_strdup(d->connection.password) : NULL;
	if (!connection_try(&replication) && !loop_stopping())
	{
		char	   *role = doctor_value(d,
										"SELECT pg_catalog.quote_ident(rolname) FROM "
										"pg_catalog.pg_roles"
										" WHERE rolname OPERATOR(pg_catalog.=) CURRENT_USER AND "
										"NOT rolreplication AND NOT rolsuper");

		findings_add(&d->findings, FINDING_WARNING, "replication",
					 psprintf("you cannot read slots: %s", replication.trouble),
					 role ? psprintf("ALTER ROLE %s REPLICATION;", role) :
					 pg_strdup("see pg_hba.conf, which may keep your role out of this database, "
							   "and max_wal_senders"));
		free(role);
	}
	connection_close(&replication);
}

void
doctor_check(Doctor *d)
{
	char	   *recovery = doctor_value(d, "SELECT pg_catalog.pg_is_in_recovery()");
	bool		standby = recovery && *recovery == 't';

	if (standby)
		findings_add(&d->findings, FINDING_NOTE, "standby",
					 pg_strdup("the server is a standby: rollups can be read, and the workers "
							   "start when it is promoted"), NULL);
	free(recovery);
	doctor_wal_level(d);
	doctor_preload(d);
	doctor_extension(d);
	/* otherwise it would say the same again */
	if (d->extension && !standby && findings_count(&d->findings, FINDING_ERROR) == 0)
		doctor_status(d);
	if (d->extension)
		doctor_groups(d);
	doctor_plugins(d);
	doctor_slots(d);
	doctor_pending(d);
	doctor_rooms(d);
	doctor_replication(d);
	doctor_identities(d);
}
