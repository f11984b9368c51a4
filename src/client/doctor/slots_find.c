/*
 * slots_find.c: the replication slots of a server, and what is wrong with them.
 *
 * Takes a connection, gives the slots as rows, and as findings those that are lost or will be,
 * that keep so much of the write-ahead log that the disk may fill, or that keep vacuum from its
 * work. Changes nothing.
 */
#include "postgres_fe.h"

#include <sys/statvfs.h>

#include "client/base/report.h"
#include "client/doctor/slots.h"

#define LONG_UNREAD		86400		/* seconds */

/* The disk of the log, where the server is on this machine. */
typedef struct SlotsDisk
{
	const char *name;			/* NULL: not known */
	int64		free;			/* bytes */
	int64		all;
} SlotsDisk;

/*
 * Columns that not all versions have are taken from the row as JSON. Numbers are in bytes and
 * seconds. A slot's reader lags by what the server has measured, and at least by the age of the
 * file of the log that it has not finished reading.
 */
static const char slots_query[] =
"SELECT s.slot_name, s.slot_type, s.plugin, s.database, s.temporary, s.active, s.active_pid AS pid,"
" a.usename AS username, COALESCE(NULLIF(a.application_name, ''), a.backend_type) AS "
"application_name,"
" pg_catalog.host(a.client_addr) AS client_address, s.wal_status,"
" s.restart_lsn, s.confirmed_flush_lsn, p.behind AS lag_bytes,"
" CASE WHEN p.behind OPERATOR(pg_catalog.<=) 0 THEN 0 ELSE "
"pg_catalog.round(GREATEST(EXTRACT(epoch FROM r.flush_lag),"
"  EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) f.written)), 3) END AS "
"lag_seconds,"
" CASE WHEN s.wal_status OPERATOR(pg_catalog.<>) 'lost'"
"  THEN pg_catalog.pg_wal_lsn_diff(w.lsn, s.restart_lsn)::pg_catalog.int8 END AS retained_bytes, "
"s.safe_wal_size AS safe_bytes,"
" NULLIF(pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size')), -1) AS "
"limit_bytes,"
" pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_wal_size')) AS usual_bytes,"
" GREATEST(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)) AS xmin_age,"
" pg_catalog.current_setting('autovacuum_freeze_max_age')::pg_catalog.int4 AS xmin_age_limit,"
" j.slot OPERATOR(pg_catalog.->>) 'inactive_since' AS inactive_since,"
" EXTRACT(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)"
"  (j.slot OPERATOR(pg_catalog.->>) 'inactive_since')::pg_catalog.timestamptz)::pg_catalog.int8 "
"AS inactive_seconds,"
" j.slot OPERATOR(pg_catalog.->>) 'invalidation_reason' AS invalidation_reason,"
" (j.slot OPERATOR(pg_catalog.->>) 'synced')::pg_catalog.bool AS synced"
" FROM (SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()"
"  ELSE pg_catalog.pg_current_wal_lsn() END AS lsn,"
"  pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')) AS size) w"
" CROSS JOIN pg_catalog.pg_replication_slots s"
" CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(s) AS slot) j"
" CROSS JOIN LATERAL (SELECT COALESCE(s.confirmed_flush_lsn, s.restart_lsn) AS lsn) l"
" CROSS JOIN LATERAL (SELECT pg_catalog.pg_wal_lsn_diff(w.lsn, l.lsn)::pg_catalog.int8 AS behind,"
"  pg_catalog.div(pg_catalog.pg_wal_lsn_diff(l.lsn, '0/0'), w.size)::pg_catalog.int8 AS file,"
"  pg_catalog.div(pg_catalog.pg_wal_lsn_diff(w.lsn, '0/0'), w.size)::pg_catalog.int8 AS last_file,"
"  4294967296 OPERATOR(pg_catalog./) w.size AS files) p"
" LEFT JOIN (%s) f ON p.file OPERATOR(pg_catalog.<) p.last_file AND f.name "
"OPERATOR(pg_catalog.=) pg_catalog.upper("
"  pg_catalog.concat(pg_catalog.lpad(pg_catalog.to_hex(p.file OPERATOR(pg_catalog./) p.files), "
"8, '0'),"
"  pg_catalog.lpad(pg_catalog.to_hex(p.file OPERATOR(pg_catalog.%%) p.files), 8, '0')))"
" LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid OPERATOR(pg_catalog.=) s.active_pid"
" LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid OPERATOR(pg_catalog.=) s.active_pid ORDER "
"BY s.slot_name";

/*
 * The files of the log, without their timeline, and when they were written last; for who may see
 * that.
 */
static const char files_query[] =
"SELECT pg_catalog.right(name, 16) AS name, pg_catalog.max(modification) AS written FROM "
"pg_catalog.pg_ls_waldir()"
" WHERE name OPERATOR(pg_catalog.~) '^[0-9A-F]{24}$' GROUP BY 1";
static const char no_files_query[] = "SELECT ''::pg_catalog.text AS name, "
	"NULL::pg_catalog.timestamptz AS written LIMIT 0";

static const char may_query[] =
"SELECT pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE'),"
" pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'), pg_catalog.quote_ident(CURRENT_USER)";

PGresult *
slots_read(Connection *c, Findings *findings)
{
	PGresult   *may = findings_query(c, may_query);
	bool		files = may && *PQgetvalue(may, 0, 0) == 't';
	bool		readers = may && *PQgetvalue(may, 0, 1) == 't';
	char	   *sql = psprintf(slots_query, files ? files_query : no_files_query);
	PGresult   *slots = may ? findings_query(c, sql) : NULL;

	if (slots && PQntuples(slots) > 0 && !(files && readers))
		findings_add(findings, FINDING_NOTE, "privileges",
					 pg_strdup("your role does not see by how many seconds readers are behind, "
							   "nor all of who they are"),
					 psprintf("GRANT pg_monitor TO %s;", PQgetvalue(may, 0, 2)));
	free(sql);
	PQclear(may);
	return slots;
}

bool
slots_is(const PGresult *slots, int row, const char *name, const char *value)
{
	const char *text = findings_text(slots, row, name);

	return text && strcmp(text, value) == 0;
}

/*
 * What is wrong
 */

/* What to do about a slot that keeps too much; to be freed. */
static char *
slots_remedy(const PGresult *slots, int row, const char *otherwise)
{
	if (slots_is(slots, row, "synced", "t"))
		return psprintf("see to it on the primary%s", otherwise);
	if (slots_is(slots, row, "active", "t"))
		return psprintf("let its reader catch up%s", otherwise);
	return psprintf("read it, or SELECT pg_drop_replication_slot('%s')%s",
					findings_text(slots, row, "slot_name"), otherwise);
}

static void
slots_find_lost(const PGresult *slots, int row, Findings *findings)
{
	const char *name = findings_text(slots, row, "slot_name");
	const char *reason = findings_text(slots, row, "invalidation_reason");

	findings_add(findings, FINDING_ERROR, "slot",
				 psprintf("replication slot \"%s\" is lost%s%s%s: what its reader had not read "
						  "is gone", name,
						  reason ? " (" : "", reason ? reason : "", reason ? ")" : ""),
				 psprintf("SELECT pg_drop_replication_slot('%s'); then %s", name,
						  slots_is(slots, row, "slot_type", "logical") ?
						  "make it anew, and read the tables anew" :
						  "give its standby the log from an archive, or make both anew"));
}

/*
 * Will it be lost, or does it keep more than is usual, or more than "most" where that is not
 * zero?
 */
static void
slots_find_kept(const PGresult *slots, int row, const SlotsDisk *disk, int64 most,
				Findings *findings)
{
	const char *name = findings_text(slots, row, "slot_name");
	int64		retained = findings_number(slots, row, "retained_bytes");
	int64		limit = findings_number(slots, row, "limit_bytes");
	int64		safe = findings_number(slots, row, "safe_bytes");
	bool		active = slots_is(slots, row, "active", "t");
	char		keeps[32];
	char		rest[32];

	report_bytes(keeps, sizeof(keeps), retained);
	if (slots_is(slots, row, "wal_status", "unreserved"))
		findings_add(findings, FINDING_ERROR, "slot",
					 psprintf("replication slot \"%s\" keeps %s, more than the limit: the next "
							  "checkpoint makes it lost", name, keeps),
					 slots_remedy(slots, row, " now, or raise max_slot_wal_keep_size"));
	else if (limit >= 0 && safe >= 0 && safe < limit / 5)
	{
		report_bytes(rest, sizeof(rest), safe);
		findings_add(findings, FINDING_WARNING, "slot",
					 psprintf("replication slot \"%s\" keeps %s, and is lost after %s more", name,
							  keeps, rest),
					 slots_remedy(slots, row, ", or raise max_slot_wal_keep_size"));
	}
	else if (most ? retained > most :
			 limit < 0 && retained > findings_number(slots, row, "usual_bytes"))
	{
		report_bytes(rest, sizeof(rest), disk->free);
		findings_add(findings, FINDING_WARNING, "slot",
					 psprintf("replication slot \"%s\"%s keeps %s of the write-ahead log%s%s%s%s",
							  name,
							  active ? "" : ", which nobody reads,", keeps,
							  limit < 0 ? ", and nothing limits that" : "",
							  disk->name ? "; the disk has " : "", disk->name ? rest : "",
							  disk->name ? " left" : ""),
					 slots_remedy(slots, row, limit < 0 ? ", or set max_slot_wal_keep_size" : ""));
	}
}

/* Does it keep vacuum from its work, or is it forgotten? */
static void
slots_find_old(const PGresult *slots, int row, Findings *findings)
{
	const char *name = findings_text(slots, row, "slot_name");
	int64		age = findings_number(slots, row, "xmin_age");
	int64		unread = Max(findings_number(slots, row, "inactive_seconds"),
							 findings_number(slots, row, "lag_seconds"));
	char		since[64];

	if (age > findings_number(slots, row, "xmin_age_limit"))
		findings_add(findings, FINDING_WARNING, "vacuum",
					 psprintf("replication slot \"%s\" has held vacuum back for %lld "
							  "transactions: tables grow, and transaction ids run out",
							  name, (long long) age),
					 slots_remedy(slots, row, ""));
	if (unread >= LONG_UNREAD && slots_is(slots, row, "active", "f") &&
		!slots_is(slots, row, "synced", "t"))
	{
		report_seconds(since, sizeof(since), unread);
		findings_add(findings, FINDING_NOTE, "slot",
					 psprintf("nobody has read replication slot \"%s\" for %s", name, since),
					 psprintf("if it is not needed: SELECT pg_drop_replication_slot('%s')", name));
	}
}

/*
 * The disk of the log, where the server is on this machine and lets us know where that is. Who
 * may not look into the data directory gets the disk of the data directory.
 */
static SlotsDisk
slots_disk(Connection *c)
{
	const char *host = PQhost(c->pg);
	SlotsDisk	disk = {0};
	struct statvfs found;
	PGresult   *result;

	if (host == NULL || *host != '/')
		return disk;
	result = findings_query(c,
							"SELECT setting FROM pg_catalog.pg_settings WHERE name "
							"OPERATOR(pg_catalog.=) 'data_directory'");
	if (result && PQntuples(result) > 0)
	{
		char	   *folder = psprintf("%s/pg_wal", PQgetvalue(result, 0, 0));

		disk.name = statvfs(folder, &found) == 0 ? "write-ahead log" :
			statvfs(PQgetvalue(result, 0, 0), &found) == 0 ? "data directory" : NULL;
		free(folder);
	}
	PQclear(result);
	if (disk.name)
	{
		disk.free = (int64) found.f_bavail * found.f_frsize;
		disk.all = (int64) found.f_blocks * found.f_frsize;
	}
	return disk;
}

/*
 * Has the disk room for what slots keep, and for what they may? That is up to the one that keeps
 * most.
 */
static void
slots_find_disk(const PGresult *slots, const SlotsDisk *disk, Findings *findings)
{
	int			most = -1;
	int64		retained = 0;
	int64		safe;
	char		rest[32];
	char		keeps[32];
	char		more[32];

	for (int i = 0; i < PQntuples(slots); i++)
	{
		if (findings_number(slots, i, "retained_bytes") > retained)
		{
			most = i;
			retained = findings_number(slots, i, "retained_bytes");
		}
	}
	if (most < 0 || disk->name == NULL)
		return;
	safe = findings_number(slots, most, "safe_bytes");
	report_bytes(rest, sizeof(rest), disk->free);
	report_bytes(keeps, sizeof(keeps), retained);
	report_bytes(more, sizeof(more), safe);
	if (disk->free < disk->all / 10 && retained > disk->free / 4)
		findings_add(findings, FINDING_ERROR, "disk",
					 psprintf("the disk of the %s has %s left, and replication slot \"%s\" keeps "
							  "%s", disk->name,
							  rest, findings_text(slots, most, "slot_name"), keeps),
					 slots_remedy(slots, most, ": a server whose log has no room stops"));
	else if (safe > disk->free)
		findings_add(findings, FINDING_WARNING, "disk",
					 psprintf("the disk of the %s has %s left, and replication slot \"%s\" may "
							  "keep %s more", disk->name, rest,
							  findings_text(slots, most, "slot_name"), more),
					 pg_strdup("lower max_slot_wal_keep_size to what there is room for: a server "
							   "whose log has no room stops"));
}

void
slots_find(Connection *c, const PGresult *slots, int64 most, Findings *findings)
{
	SlotsDisk	disk = slots_disk(c);

	for (int i = 0; i < PQntuples(slots); i++)
	{
		if (slots_is(slots, i, "wal_status", "lost") ||
			findings_text(slots, i, "invalidation_reason"))
			slots_find_lost(slots, i, findings);
		else
		{
			slots_find_kept(slots, i, &disk, most, findings);
			slots_find_old(slots, i, findings);
		}
	}
	slots_find_disk(slots, &disk, findings);
}
