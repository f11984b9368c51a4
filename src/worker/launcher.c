/*
 * launcher.c: takes the list of databases and what their publishers found there, and gives each
 * database with the extension a publisher, each with topics a decoder as well, joined by a queue,
 * and each with partials to fold a folder. Never reads a database's tables.
 *
 * Publisher and decoder live as a pair: when one ends, the other is ended too, and the pair begins
 * anew with a new queue. The launcher sleeps on its latch, which workers, backends and the
 * postmaster (when a worker starts or ends) set.
 */
#include "worker/launcher.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/procsignal.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "base/clock.h"
#include "base/settings.h"
#include "rollup/partials/fold.h"
#include "rollup/partials/note.h"

#define QUEUE_SIZE (1024 * 1024)
#define FIRST_RETRY_MS 1000
#define LAST_RETRY_MS 60000
#define EXHAUSTED_RETRY_MS 2000	/* at the longest, where the server has used up something */
#define FOLDER_MS 2000			/* between two starts of a folder in a database */
#define GOOD_RUN_MS 60000		/* after a run of this length the next retry is soon again */
#define FALLBACK_MS 60000		/* look around even if nobody woke us */
#define MAX_PROBES 2			/* databases looked at for the first time, at once */

/* the launcher's side of a place */
typedef struct Pair
{
	BackgroundWorkerHandle *workers[SHARED_PAIR];
	BackgroundWorkerHandle *folder; /* of the same database, but with a life of its own */
	TimestampTz folder_at;		/* no further one before */
	dsm_segment *queue;
	bool		ending;
	int			retry_ms;		/* the wait after the next failure */
	TimestampTz started_at;
	TimestampTz retry_at;		/* not before */
} Pair;

static Pair *launcher_pairs;
static List *unseen_databases = NIL;		/* OIDs of databases that nobody has looked at yet */
static bool list_again = false; /* a place became free while somebody wanted one */
static bool wal_level_told = false;

void
launcher_init(void)
{
	BackgroundWorker worker;

	/* pg_upgrade wants databases that nobody is connected to, and no slot but those it has seen */
	if (!settings_is_preloaded() || IsBinaryUpgrade)
		return;

	MemSet(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 1;
	strcpy(worker.bgw_library_name, "gymstream");
	strcpy(worker.bgw_function_name, "launcher_main");
	strcpy(worker.bgw_name, "gymstream launcher");
	strcpy(worker.bgw_type, "gymstream launcher");
	RegisterBackgroundWorker(&worker);
}

/* -----------------------------------------------------------------------------------------------
 * Databases
 * ---------------------------------------------------------------------------------------------*/

static bool
launcher_is_connectable(Form_pg_database database)
{
	return database->datallowconn && database->datconnlimit != GS_DATCONNLIMIT_INVALID;
}

static List *
launcher_list_databases(void)
{
	List	   *result = NIL;
	MemoryContext outer = CurrentMemoryContext;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (launcher_is_connectable(database))
		{
			MemoryContext old = MemoryContextSwitchTo(outer);

			result = lappend_oid(result, database->oid);
			MemoryContextSwitchTo(old);
		}
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(outer);
	return result;
}

static bool
launcher_can_connect(Oid database)
{
	MemoryContext outer = CurrentMemoryContext;
	HeapTuple	tuple;
	bool		result = false;

	StartTransactionCommand();
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (HeapTupleIsValid(tuple))
	{
		result = launcher_is_connectable((Form_pg_database) GETSTRUCT(tuple));
		ReleaseSysCache(tuple);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(outer);
	return result;
}

/* Take places for databases that nobody has looked at, a few at a time. */
static void
launcher_probe(void)
{
	int			probes = 0;
	bool		full = false;

	if (list_again)
	{
		list_free(unseen_databases);
		unseen_databases = launcher_list_databases();
		list_again = false;
	}
	if (unseen_databases == NIL)
		return;
	/* Backends take places too, so what is counted stays true only under the lock. */
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	for (int i = 0; i < settings_max_databases; i++)
	{
		SharedDatabase *place = &shared_state->databases[i];

		/*
		 * one that waits after an error may do so for ever: the others need not; one that is absent
		 * soon makes room
		 */
		if (OidIsValid(place->database) &&
			(place->state == DATABASE_ABSENT ||
			 (place->state == DATABASE_UNKNOWN && place->retry_at == 0)))
			probes++;
	}
	while (unseen_databases != NIL && probes < MAX_PROBES && !full)
	{
		Oid			database = linitial_oid(unseen_databases);

		full = shared_find(database) == NULL && shared_find(InvalidOid) == NULL;
		if (full)
			break;
		shared_take(database)->wanted = true;
		probes++;
		unseen_databases = list_delete_first(unseen_databases);
	}
	/* when a place becomes free they are listed again */
	if (full && probes == 0)
		shared_state->full = true;
	LWLockRelease(shared_state->lock);

	if (full && probes == 0)
	{
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("gymstream does not look into %d databases, because it serves %d others "
						"already",
						list_length(unseen_databases), settings_max_databases),
				 errhint("You might need to increase gymstream.max_databases.")));
		list_free(unseen_databases);
		unseen_databases = NIL;
	}
}

/* -----------------------------------------------------------------------------------------------
 * Workers
 * ---------------------------------------------------------------------------------------------*/

static bool
launcher_create_queue(Pair *pair)
{
	pair->queue = dsm_create(QUEUE_SIZE, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	if (pair->queue == NULL)
		return false;
	shm_mq_create(dsm_segment_address(pair->queue), QUEUE_SIZE);
	return true;
}

static bool
launcher_register(SharedDatabase *place, const char *name, const void *extra, Size size,
				  BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	MemSet(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	/* The launcher starts workers anew, not the postmaster, so that a pair has a new queue. */
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = Int32GetDatum(place - shared_state->databases);
	memcpy(worker.bgw_extra, extra, size);
	strcpy(worker.bgw_library_name, "gymstream");
	snprintf(worker.bgw_function_name, BGW_MAXLEN, "%s_main", name);
	snprintf(worker.bgw_name, BGW_MAXLEN, "gymstream %s for database %u", name, place->database);
	snprintf(worker.bgw_type, BGW_MAXLEN, "gymstream %s", name);
	if (RegisterDynamicBackgroundWorker(&worker, handle))
		return true;
	*handle = NULL;
	return false;
}

static bool
launcher_start_worker(SharedDatabase *place, Pair *pair, SharedRole role)
{
	dsm_handle	queue = dsm_segment_handle(pair->queue);

	return launcher_register(place, role == SHARED_PUBLISHER ? "publisher" : "decoder", &queue,
							 sizeof(queue), &pair->workers[role]);
}

/* -----------------------------------------------------------------------------------------------
 * Pairs
 * ---------------------------------------------------------------------------------------------*/

static bool
launcher_pair_runs(const Pair *pair)
{
	return pair->workers[SHARED_PUBLISHER] != NULL || pair->workers[SHARED_DECODER] != NULL;
}

/* Forget workers that have ended; the other one of the pair is to end too. */
static void
launcher_reap(Pair *pair)
{
	for (int role = 0; role < SHARED_PAIR; role++)
	{
		pid_t		pid;

		if (pair->workers[role] == NULL ||
			GetBackgroundWorkerPid(pair->workers[role], &pid) != BGWH_STOPPED)
			continue;
		pfree(pair->workers[role]);
		pair->workers[role] = NULL;
		pair->ending = true;
	}
}

/* Wait before the next start, longer each time, unless the pair has done well. */
static void
launcher_back_off(SharedDatabase *place, Pair *pair)
{
	TimestampTz now = GetCurrentTimestamp();

	if (pair->retry_ms == 0 ||
		(pair->started_at != 0 && TimestampDifferenceExceeds(pair->started_at, now, GOOD_RUN_MS)))
		pair->retry_ms = FIRST_RETRY_MS;
	/* what has been used up may be free any moment, and nobody tells us */
	if (ERRCODE_TO_CATEGORY(place->error_code) == ERRCODE_INSUFFICIENT_RESOURCES)
		pair->retry_ms = Min(pair->retry_ms, EXHAUSTED_RETRY_MS);
	pair->retry_at = TimestampTzPlusMilliseconds(now, pair->retry_ms);
	pair->retry_ms = Min(pair->retry_ms * 2, LAST_RETRY_MS);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	place->retry_at = pair->retry_at;
	place->failing = true;
	place->error_code = 0;
	LWLockRelease(shared_state->lock);
}

/* Both workers have ended: what next? */
static void
launcher_pair_ended(SharedDatabase *place, Pair *pair)
{
	PublisherEnd end;
	bool		held;

	/* The last one to detach frees the queue. Frames in it are decoded again. */
	if (pair->queue != NULL)
		dsm_detach(pair->queue);
	pair->queue = NULL;
	pair->ending = false;

	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	end = place->end;
	held = place->holds > 0;
	place->end = PUBLISHER_FAILED;
	place->occupied = pair->folder != NULL;
	if (place->state != DATABASE_ABSENT)
		place->state = DATABASE_UNKNOWN;
	LWLockRelease(shared_state->lock);
	ConditionVariableBroadcast(&shared_state->changed);

	if (held || end != PUBLISHER_FAILED)
		pair->retry_at = 0;
	else
		launcher_back_off(place, pair);
}

static void
launcher_start_pair(SharedDatabase *place, Pair *pair)
{
	bool		held;

	if (!launcher_can_connect(place->database))
	{
		LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
		place->state = DATABASE_ABSENT;
		place->wanted = false;
		LWLockRelease(shared_state->lock);
		return;
	}

	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	/* Settled under one lock: a command that comes later waits for these workers. */
	held = place->holds > 0;
	place->occupied = !held;
	place->state = DATABASE_UNKNOWN;
	place->wanted = false;
	place->retry_at = 0;
	LWLockRelease(shared_state->lock);
	if (held)
		return;

	pair->started_at = GetCurrentTimestamp();
	if (!launcher_create_queue(pair))
	{
		shared_note_problem(place, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
							"no dynamic shared memory segment is free");
		pair->ending = true;
	}
	else if (!launcher_start_worker(place, pair, SHARED_PUBLISHER))
	{
		shared_note_problem(place, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
							"no background worker slot is free: increase max_worker_processes");
		pair->ending = true;
	}
}

static void
launcher_start_decoder(SharedDatabase *place, Pair *pair)
{
	if (!gs_can_decode())
	{
		if (!wal_level_told)
			ereport(LOG, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						  errmsg("gymstream cannot publish changes, because wal_level is "
								 "below " GS_WAL_LEVEL_NEEDED),
						  errhint("Set wal_level to logical and restart the server.")));
		wal_level_told = true;
	}
	else if (!launcher_start_worker(place, pair, SHARED_DECODER))
	{
		shared_note_problem(place, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
							"no background worker slot is free: increase max_worker_processes");
		pair->ending = true;
	}
}

/* Give the place free when its database needs no workers and nobody waits for one. */
static void
launcher_free_place(SharedDatabase *place)
{
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	if (place->state == DATABASE_ABSENT && !place->wanted && place->holds == 0 &&
		pg_atomic_read_u32(&place->preparing) == 0)
	{
		place->database = InvalidOid;
		/* Of the database that gets the place next nothing is known: its folder has to sweep. */
		note_sweep(place);
		list_again = list_again || shared_state->full;
		shared_state->full = false;
		pg_atomic_fetch_add_u32(&shared_state->generation, 1);
	}
	LWLockRelease(shared_state->lock);
}

/* -----------------------------------------------------------------------------------------------
 * Folders
 * ---------------------------------------------------------------------------------------------*/

/* Start or end the database's folder. Returns when to look again, or 0. */
static TimestampTz
launcher_advance_folder(SharedDatabase *place, Pair *pair)
{
	DatabaseState state;
	bool		held;
	pid_t		pid;

	/* Whoever changes these afterwards wakes the launcher, which comes here again. */
	LWLockAcquire(shared_state->lock, LW_SHARED);
	state = place->state;
	held = place->holds > 0;
	LWLockRelease(shared_state->lock);
	if (pair->folder != NULL && GetBackgroundWorkerPid(pair->folder, &pid) == BGWH_STOPPED)
	{
		pfree(pair->folder);
		pair->folder = NULL;
	}
	/* It ends when it has nothing to do. A command that holds the database cannot wait for that. */
	if (pair->folder != NULL)
	{
		if (held || state == DATABASE_ABSENT || !settings_fold)
			TerminateBackgroundWorker(pair->folder);
		return 0;
	}
	/* Only a pair that runs knows that the extension is there, and keeps the place. */
	if (held || !settings_fold || !note_is_wanted(place) || pair->ending ||
		!launcher_pair_runs(pair) || (state != DATABASE_IDLE && state != DATABASE_ACTIVE))
		return 0;
	/* A folder that dies at its start must not be started over and over. */
	if (clock_is_ahead(pair->folder_at, FOLDER_MS))
		return pair->folder_at;
	pair->folder_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), FOLDER_MS);
	if (launcher_register(place, "folder", &MyProcPid, sizeof(MyProcPid), &pair->folder))
		return 0;
	shared_note_problem(place, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
							"no background worker slot is free: increase max_worker_processes");
	return pair->folder_at;
}

/* Bring a pair closer to what it should be. Returns when it has to be looked at again, or 0. */
static TimestampTz
launcher_advance(SharedDatabase *place, Pair *pair)
{
	DatabaseState state;
	bool		held;
	bool		wanted;

	launcher_reap(pair);
	/* Publisher and backends may change these at once, and wake the launcher if they do. */
	LWLockAcquire(shared_state->lock, LW_SHARED);
	state = place->state;
	held = place->holds > 0;
	wanted = place->wanted;
	LWLockRelease(shared_state->lock);

	if (held)
		pair->ending = true;
	if (pair->ending)
	{
		/* One that is registered and does not run yet is never started then. */
		for (int role = 0; role < SHARED_PAIR; role++)
			if (pair->workers[role] != NULL)
				TerminateBackgroundWorker(pair->workers[role]);
		/* A held database also has to lose its folder before it counts as empty. */
		if (!launcher_pair_runs(pair) && !(held && pair->folder != NULL))
			launcher_pair_ended(place, pair);
	}
	else if (launcher_pair_runs(pair))
	{
		if (state == DATABASE_ACTIVE && pair->workers[SHARED_DECODER] == NULL)
			launcher_start_decoder(place, pair);
	}
	else if (state == DATABASE_ABSENT && !wanted)
	{
		/* its end will wake us */
		if (pair->folder != NULL)
			return 0;
		launcher_free_place(place);
		MemSet(pair, 0, sizeof(*pair));
		/* nobody else wakes us to use the place */
		return list_again || unseen_databases != NIL ? GetCurrentTimestamp() : 0;
	}
	/* Nobody wakes the launcher at the end of a pause: the caller sleeps no longer. */
	else if (clock_is_ahead(pair->retry_at, LAST_RETRY_MS))
		return pair->retry_at;
	else
		launcher_start_pair(place, pair);

	/* another look is due at once where nothing runs now, as no worker's end will wake us */
	return launcher_pair_runs(pair) || held ? 0 : GetCurrentTimestamp();
}

static void
launcher_leave(int code, Datum arg)
{
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	shared_state->launcher_pid = 0;
	shared_state->launcher_latch = NULL;
	LWLockRelease(shared_state->lock);
}

/* End workers that an earlier launcher has left behind: their handles went with it. */
static void
launcher_enter(void)
{
	bool		alone;

	before_shmem_exit(launcher_leave, (Datum) 0);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	shared_state->launcher_pid = MyProcPid;
	shared_state->launcher_latch = MyLatch;
	LWLockRelease(shared_state->lock);

	do
	{
		alone = true;
		LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
		for (int i = 0; i < settings_max_databases; i++)
		{
			SharedDatabase *place = &shared_state->databases[i];

			for (int role = 0; role < SHARED_ROLES; role++)
				if (place->pids[role] != 0)
				{
					/* A worker takes its pid out under this lock before it ends. */
					kill(place->pids[role], SIGTERM);
					alone = false;
				}
			place->occupied = false;
			place->state = DATABASE_UNKNOWN;
		}
		LWLockRelease(shared_state->lock);
		if (!alone)
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 1000,
							 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	} while (!alone && !ShutdownRequestPending);
}

void
launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type, PGC_USERSET, PGC_S_OVERRIDE);
	MemoryContextSwitchTo(
		AllocSetContextCreate(TopMemoryContext, "gymstream launcher", ALLOCSET_DEFAULT_SIZES));

	launcher_pairs = palloc0(sizeof(Pair) * settings_max_databases);
	launcher_enter();
	unseen_databases = launcher_list_databases();

	while (!ShutdownRequestPending)
	{
		TimestampTz next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), FALLBACK_MS);

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}

		launcher_probe();
		for (int i = 0; i < settings_max_databases; i++)
		{
			SharedDatabase *place = &shared_state->databases[i];
			TimestampTz again;

			if (!OidIsValid(place->database))
				continue;
			again = launcher_advance_folder(place, &launcher_pairs[i]);
			if (again != 0)
				next = Min(next, again);
			again = launcher_advance(place, &launcher_pairs[i]);
			if (again != 0)
				next = Min(next, again);
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 TimestampDifferenceMilliseconds(GetCurrentTimestamp(), next),
						 PG_WAIT_EXTENSION);
	}
	proc_exit(1);
}
