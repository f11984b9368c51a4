/*
 * status.c: takes what the workers tell of themselves and gives one row about the current database,
 * and in words why something does not work and what to do. Works without the preload too. Shows
 * nothing secret: anyone may read it.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "storage/spin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "base/settings.h"
#include "base/shared.h"

PG_FUNCTION_INFO_V1(gs_status);

/* the columns of the view gymstream.status */
enum
{
	STATUS_PRELOADED,
	STATUS_WAL_LEVEL,
	STATUS_LAUNCHER_PID,
	STATUS_PUBLISHER_PID,
	STATUS_DECODER_PID,
	STATUS_FOLDER_PID,
	STATUS_SLOT_NAME,
	STATUS_DECODED_LSN,
	STATUS_PUBLISHED_LSN,
	STATUS_CONFIRMED_LSN,
	STATUS_LAG_BYTES,
	STATUS_RETAINED_BYTES,
	STATUS_TOPICS,
	STATUS_EVENTS,
	STATUS_NOTIFICATIONS,
	STATUS_SKIPPED,
	STATUS_FOLDED,
	STATUS_WAITING_FOR,
	STATUS_LAST_ERROR,
	STATUS_LAST_ERROR_AT,
	STATUS_PROBLEM,
	STATUS_PUBLISHER_SINCE,		/* new ones come last: an older view has none of them */
	STATUS_INCOMPLETE,
	STATUS_EPOCH,
	STATUS_MISSED_AT,
	STATUS_RESET_AT,
	STATUS_COLUMNS
};

static Datum status_values[STATUS_COLUMNS];
static bool status_nulls[STATUS_COLUMNS];

/* Columns that nobody sets are NULL. */
static void
status_set(int column, Datum value)
{
	status_values[column] = value;
	status_nulls[column] = false;
}

static void
status_set_text(int column, const char *value)
{
	if (value != NULL)
		status_set(column, CStringGetTextDatum(value));
}

static void
status_set_lsn(int column, XLogRecPtr lsn)
{
	if (!XLogRecPtrIsInvalid(lsn))
		status_set(column, LSNGetDatum(lsn));
}

static void
status_set_pid(int column, pid_t pid)
{
	if (pid != 0)
		status_set(column, Int32GetDatum(pid));
}

/* The slot's name, and how much WAL it holds back; nothing when there is none. */
static void
status_of_slot(void)
{
	char		name[NAMEDATALEN];
	ReplicationSlot *slot;
	XLogRecPtr	restart;
	bool		ours;

	snprintf(name, sizeof(name), GS_SLOT_NAME, MyDatabaseId);
	slot = SearchNamedReplicationSlot(name, true);
	if (slot == NULL)
		return;

	/*
	 * A slot's entry may be dropped and used again at any time. So its fields are read together,
	 * and it may be another's by then.
	 */
	SpinLockAcquire(&slot->mutex);
	ours = slot->in_use && slot->data.database == MyDatabaseId;
	restart = slot->data.restart_lsn;
	SpinLockRelease(&slot->mutex);
	if (!ours)
		return;
	status_set_text(STATUS_SLOT_NAME, name);
	/* A standby writes no WAL of its own, and an invalidated slot holds none back. */
	if (!XLogRecPtrIsInvalid(restart) && !RecoveryInProgress())
		status_set(STATUS_RETAINED_BYTES, Int64GetDatum(GetXLogWriteRecPtr() - restart));
}

/* What the workers wait for, or NULL. The first reason that applies is the one to know. */
static const char *
status_waiting_for(const SharedDatabase *database, SharedDatabase *live)
{
	TransactionId xid = pg_atomic_read_u32(&live->waiting_xid);

	if (TransactionIdIsValid(xid))
		return psprintf("transaction %u to become visible", xid);
	if (database->retry_at > GetCurrentTimestamp())
		return psprintf("the next attempt to start workers at %s",
						timestamptz_to_str(database->retry_at));
	if (database->state == DATABASE_ACTIVE && database->pids[SHARED_DECODER] != 0 &&
		!database->ready)
		return "older transactions to end, before a replication slot can be used";
	return NULL;
}

/* An error's message may show a value of somebody's table. */
static const char *
status_error(const SharedDatabase *database)
{
	if (has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS))
		return database->error;
	return "see the server's log";
}

/*
 * Fields under the lock are from one moment, in the copy. Atomics are read from the place itself,
 * and may be newer.
 */
static void
status_of_workers(const SharedDatabase *database, SharedDatabase *live)
{
	XLogRecPtr	published = pg_atomic_read_u64(&live->published_lsn);
	XLogRecPtr	sent = pg_atomic_read_u64(&live->sent_lsn);
	XLogRecPtr	decoded = pg_atomic_read_u64(&live->decoded_lsn);
	XLogRecPtr	wanted = pg_atomic_read_u64(&live->wanted_lsn);
	/* With all told that was sent, whatever was decoded is done with. */
	XLogRecPtr	done = sent <= published ? Max(decoded, published) : published;

	status_set_pid(STATUS_PUBLISHER_PID, database->pids[SHARED_PUBLISHER]);
	if (database->pids[SHARED_PUBLISHER] != 0)
		status_set(STATUS_PUBLISHER_SINCE, TimestampTzGetDatum(database->publisher_since));
	status_set_pid(STATUS_DECODER_PID, database->pids[SHARED_DECODER]);
	status_set_pid(STATUS_FOLDER_PID, database->pids[SHARED_FOLDER]);
	status_set_lsn(STATUS_DECODED_LSN, decoded);
	status_set_lsn(STATUS_PUBLISHED_LSN, done);
	status_set_lsn(STATUS_CONFIRMED_LSN, pg_atomic_read_u64(&live->confirmed_lsn));
	/* not before listeners know what they have lost */
	if (database->ready && pg_atomic_read_u32(&live->owed) == 0)
		status_set(STATUS_LAG_BYTES, Int64GetDatum(wanted > done ? wanted - done : 0));
	status_set(STATUS_TOPICS, Int32GetDatum(database->topics));
	status_set(STATUS_EVENTS, Int64GetDatum(pg_atomic_read_u64(&live->events)));
	status_set(STATUS_NOTIFICATIONS, Int64GetDatum(pg_atomic_read_u64(&live->notifications)));
	status_set(STATUS_SKIPPED, Int64GetDatum(pg_atomic_read_u64(&live->skipped)));
	status_set(STATUS_INCOMPLETE, Int64GetDatum(pg_atomic_read_u64(&live->incomplete)));
	status_set(STATUS_FOLDED, Int64GetDatum(pg_atomic_read_u64(&live->folded)));
	if (database->epoch != 0)
		status_set(STATUS_EPOCH, Int64GetDatum(database->epoch));
	if (database->missed_at != 0)
		status_set(STATUS_MISSED_AT, TimestampTzGetDatum(database->missed_at));
	if (database->reset_at != 0)
		status_set(STATUS_RESET_AT, TimestampTzGetDatum(database->reset_at));
	status_set_text(STATUS_WAITING_FOR, status_waiting_for(database, live));
	if (database->error_at != 0)
	{
		status_set_text(STATUS_LAST_ERROR, status_error(database));
		status_set(STATUS_LAST_ERROR_AT, TimestampTzGetDatum(database->error_at));
	}
}

/*
 * Why changes are not published as they should be, and what to do; NULL when all is well. database
 * may be NULL.
 */
static const char *
status_problem(const SharedDatabase *database, bool full, pid_t launcher)
{
	/*
	 * The order matters: each of these keeps all that follow from working, so the first one is what
	 * to mend. Two that need a restart each are told at once.
	 */
	if (!settings_is_preloaded() && !gs_can_decode())
		return "gymstream is not loaded at server start: add it to shared_preload_libraries, set "
			   "wal_level to logical, and restart the server";
	if (!settings_is_preloaded())
		return "gymstream is not loaded at server start: add it to shared_preload_libraries and "
			   "restart the server";
	/* From here on shared memory is there, though this database may have no place in it. */
	if (!gs_can_decode())
		return "changes cannot be decoded: set wal_level to logical and restart the server";
	if (RecoveryInProgress())
		return "this server is a standby: changes are published by its primary";
	if (launcher == 0)
		return "gymstream's launcher does not run: see the server's log, and increase "
			   "max_worker_processes if need be";
	if (database == NULL && full)
		return "gymstream serves as many databases as it may: increase gymstream.max_databases and "
			   "restart the server";
	/* A database without the extension in use has no place, and that is no problem. */
	if (database == NULL)
		return NULL;
	if (database->failing)
		return psprintf("the workers ended with an error and will be started again: %s",
						database->error_at != 0 ? status_error(database) : "see the server's log");
	/* The atomic is in the copy: it is as old as the rest. */
	if (pg_atomic_read_u32(&((SharedDatabase *) database)->queue_full) != 0)
		return "the server's notification queue is nearly full, so that notifications are skipped: "
			"end sessions that LISTEN and are in a transaction for long";
	return NULL;
}

/* status() returns one row: see the view's columns. */
Datum
gs_status(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	SharedDatabase copy;
	SharedDatabase *live = NULL;
	bool		full = false;
	pid_t		launcher = 0;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(status_nulls, true, sizeof(status_nulls));

	if (shared_state != NULL)
	{
		/*
		 * The place is copied under the lock, and the launcher may free it as soon as that is
		 * released. Its memory stays, so the atomics can be read.
		 */
		LWLockAcquire(shared_state->lock, LW_SHARED);
		live = shared_find(MyDatabaseId);
		if (live != NULL)
			copy = *live;
		full = shared_state->full;
		launcher = shared_state->launcher_pid;
		LWLockRelease(shared_state->lock);
	}

	status_set(STATUS_PRELOADED, BoolGetDatum(settings_is_preloaded()));
	status_set_text(STATUS_WAL_LEVEL, GetConfigOptionByName(GS_WAL_LEVEL_SETTING, NULL, false));
	status_set_pid(STATUS_LAUNCHER_PID, launcher);
	/* The slot is shown also where no worker runs: it may hold back WAL all the same. */
	status_of_slot();
	if (live != NULL)
		status_of_workers(&copy, live);
	status_set_text(STATUS_PROBLEM, status_problem(live ? &copy : NULL, full, launcher));
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), status_values, status_nulls)));
}
