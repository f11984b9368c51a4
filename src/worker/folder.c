/*
 * folder.c: takes the notes that writers left, and folds those groups. A worker for a database that
 * the launcher starts when there is a note, and that ends soon after the last one is done with: it
 * costs no worker slot at other times.
 *
 * It folds in short transactions, one rollup in each, and rests ten times as long as each took; it
 * looks for notes about once a second. A group of which somebody still holds a partial is tried
 * again later, and later each time. Where notes did not find room, or the server was started, it
 * sweeps through all rollups in pieces. A rollup that fails is left alone for a while, and the
 * others go on. Never waits for a writer, and makes none wait.
 */
#include "worker/launcher.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/clock.h"
#include "base/owner.h"
#include "base/settings.h"
#include "rollup/partials/fold.h"
#include "rollup/partials/note.h"
#include "worker/incident.h"
#include "worker/limit.h"
#include "worker/mark.h"
#include "worker/pause.h"

#define LOOK_MS 1000			/* between two looks for notes */
#define LINGER_MS 5000			/* stay for so long with nothing to do */
#define REST_FACTOR 10			/* a rest is so many times as long as the work before it */
#define BATCH_GROUPS 100		/* folded in one transaction */
#define BATCH_MS 50				/* after so long it takes no further one */
#define MAX_GROUPS 2000			/* known at a time; more: sweep once again */
#define LAST_RETRY_MS 60000		/* for a group that others hold */
#define FAILURE_MS 3000			/* an error is taken as if it had lasted so long */

/* a group to be folded */
typedef struct FolderGroup
{
	Oid			partials;
	uint32		hash;
	uint32		types;
	MinimalTuple keys;
	int			tries;
	TimestampTz due;
} FolderGroup;

static SharedDatabase *folder_place;
static MemoryContext folder_context;	/* of all that outlives a transaction */
static FolderGroup *folder_groups;		/* MAX_GROUPS of them */
static int	ngroups = 0;
static List *to_sweep = NIL;	/* OIDs of partials */
static FoldSweep folder_sweep;			/* of the first of them */
static TimestampTz sweep_at = 0;	/* sweep all rollups then; 0: no need */
static TimestampTz leave_at = 0;	/* stay until then, even with nothing to do */

/* -----------------------------------------------------------------------------------------------
 * What is to be done
 * ---------------------------------------------------------------------------------------------*/

static TimestampTz
in_ms(int64 ms)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
}

/* The earliest wish counts. One sweep serves all who asked for it before it has begun. */
static void
sweep_later(int ms)
{
	if (sweep_at == 0 || sweep_at > in_ms(ms))
		sweep_at = in_ms(ms);
}

static void
group_add(Oid partials, uint32 hash, uint32 types, MinimalTuple keys, TimestampTz due)
{
	MemoryContext old;

	/*
	 * Two groups with one hash count as one. Such a pair is rare, and a later note or sweep finds
	 * the one that was left out.
	 */
	for (int i = 0; i < ngroups; i++)
		if (folder_groups[i].partials == partials && folder_groups[i].hash == hash)
			return;
	/* What finds no room here is not lost: its partials stay, and a sweep finds them. */
	if (ngroups == MAX_GROUPS)
	{
		sweep_later(LAST_RETRY_MS);
		return;
	}
	/* The keys outlive the transaction that has found them, until group_remove frees them. */
	old = MemoryContextSwitchTo(folder_context);
	folder_groups[ngroups++] =
		(FolderGroup) {partials, hash, types, gs_copy_minimal_tuple(keys), 0, due};
	MemoryContextSwitchTo(old);
}

/* The last group takes the place of the removed one, so loops that remove run backwards. */
static void
group_remove(int i)
{
	pfree(folder_groups[i].keys);
	folder_groups[i] = folder_groups[--ngroups];
}

/* Try it again: the later, the more often it was tried already. */
static void
group_retry(FolderGroup *group)
{
	group->due = in_ms(Min((int64) LOOK_MS << Min(group->tries, 6), LAST_RETRY_MS));
	group->tries++;
}

static bool
is_failing(Oid partials)
{
	return pause_is_on(folder_place, PAUSE_FOLDING, partials, NULL);
}

static void
folder_take_notes(void)
{
	Note	   *notes = palloc(sizeof(Note) * NOTE_SLOTS);
	bool		all;
	int			n = note_take(folder_place, notes, &all);

	/* Notes were copied, so writers do not wait for what follows. */
	for (int i = 0; i < n; i++)
		group_add(notes[i].partials, notes[i].hash, notes[i].types, (MinimalTuple) notes[i].keys,
				  GetCurrentTimestamp());
	/* Where somebody writes, more notes are likely soon. Staying costs less than another start. */
	if (n > 0)
		leave_at = in_ms(LINGER_MS);
	if (all)
		sweep_later(0);
	pfree(notes);
}

/* -----------------------------------------------------------------------------------------------
 * Doing it. Each of these runs in a transaction and says whether it has found something to do.
 * ---------------------------------------------------------------------------------------------*/

/* Make the list of rollups to sweep through. */
static void
list_rollups(void)
{
	Relation	catalog = catalog_open(CATALOG_ROLLUP, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;

	/* A wish that comes after this asks for another sweep. */
	sweep_at = 0;
	/* Without the extension there is nothing to fold, and the launcher ends the folder. */
	if (catalog == NULL)
		return;
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		MemoryContext old = MemoryContextSwitchTo(folder_context);

		/*
		 * The list outlives this transaction, with each rollup swept in others. One that is gone by
		 * then cannot be opened, which does no harm.
		 */
		to_sweep =
			lappend_oid(to_sweep, DatumGetObjectId(heap_getattr(
									  tuple, ROLLUP_PARTIALS, RelationGetDescr(catalog), &isnull)));
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* Forget what was seen of the first rollup. Also after an error, when the transaction is gone. */
static void
sweep_next_rollup(void)
{
	if (folder_sweep.seen)
		pfree(folder_sweep.seen);
	memset(&folder_sweep, 0, sizeof(folder_sweep));
	folder_sweep.context = folder_context;
	if (to_sweep != NIL)
		to_sweep = list_delete_first(to_sweep);
}

/* A piece of the sweep. */
static void
sweep_piece(Oid partials)
{
	TimestampTz end = in_ms(BATCH_MS);
	Fold		fold;
	List	   *found;
	ListCell   *cell;
	uint32		types;
	bool		more;

	/* The rollup is gone, or somebody has locked it as a whole. A folder waits for nobody. */
	if (!fold_open(&fold, partials))
	{
		sweep_later(LAST_RETRY_MS);
		sweep_next_rollup();
		return;
	}

	/*
	 * From fold_open to fold_close the owner's functions run as the owner. An error in between puts
	 * the caller back too.
	 */
	types = note_types(fold.partials.relation);
	more = fold_find(&fold, &folder_sweep, &found);
	foreach(cell, found)
	{
		MinimalTuple keys = lfirst(cell);

		/*
		 * Where the time is over before all is folded, the rest is kept as if it had been noted: no
		 * transaction is to last long.
		 */
		bool		late = GetCurrentTimestamp() > end;
		int			result = late ? 0 : fold_group(&fold, keys, types);

		if (late)
			group_add(partials, fold_hash(&fold, keys), types, keys, GetCurrentTimestamp());
		if (result & FOLD_FOLDED)
			pg_atomic_fetch_add_u64(&folder_place->folded, 1);
		if (result & FOLD_BUSY)
			group_add(partials, fold_hash(&fold, keys), types, keys, in_ms(LOOK_MS));
		CHECK_FOR_INTERRUPTS();
	}
	fold_close(&fold);
	/* More pieces follow in transactions of their own, from where this one has ended. */
	if (!more)
		sweep_next_rollup();
}

/* Groups of a rollup that are due. */
static void
fold_due(Oid partials)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end = in_ms(BATCH_MS);
	Fold		fold;

	/*
	 * A rollup that is there but cannot be opened is locked, so its groups are tried later. Groups
	 * of a rollup that is gone are forgotten.
	 */
	bool		open = fold_open(&fold, partials);
	bool exists = open || OidIsValid(catalog_rollup(ROLLUP_PARTIALS, partials, ROLLUP_ROLLUP));
	int			n = 0;

	/* Backwards, as removing a group moves the last one. */
	for (int i = ngroups - 1; i >= 0 && n < BATCH_GROUPS && GetCurrentTimestamp() < end; i--)
	{
		int			result = exists ? FOLD_BUSY : 0;

		if (folder_groups[i].partials != partials || folder_groups[i].due > now)
			continue;
		if (open)
			result = fold_group(&fold, folder_groups[i].keys, folder_groups[i].types);
		if (result & FOLD_FOLDED)
			pg_atomic_fetch_add_u64(&folder_place->folded, 1);
		/* A group may be folded in part, and busy as well: then the rest of it is for later. */
		if (result & FOLD_BUSY)
			group_retry(&folder_groups[i]);
		else
			group_remove(i);
		n++;
		CHECK_FOR_INTERRUPTS();
	}
	if (open)
		fold_close(&fold);
}

/* The rollup to work on next, or InvalidOid. */
static Oid
next_rollup(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < ngroups; i++)
		if (folder_groups[i].due <= now && !is_failing(folder_groups[i].partials))
			return folder_groups[i].partials;
	return InvalidOid;
}

/* Say what has happened to the rollup with these partials, in the log not each time. */
static void
folder_note(Oid partials, bool late)
{
	ErrorData  *error = CopyErrorData();
	Incident incident = {
		.kind = INCIDENT_FOLD, .relation = partials, .sqlerrcode = error->sqlerrcode};

	strlcpy(incident.message, late ? "took longer than gymstream.worker_timeout" :
			error->message ? error->message : "unknown error", sizeof(incident.message));
	if (incident_note(folder_place, &incident))
		EmitErrorReport();
	FreeErrorData(error);
}

/* The error in hand is one rollup's: leave that alone for a while. */
static void
folder_failed(Oid partials, bool late, TimestampTz start)
{
	/*
	 * The error is copied before the transaction is aborted. A cancel or an end must not come in
	 * between and leave half of that undone.
	 */
	HOLD_INTERRUPTS();
	shared_note_error(folder_place);
	folder_note(partials, late);
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();

	/*
	 * What was noted of the rollup is forgotten. The sweep that is asked for below finds it again.
	 */
	for (int i = ngroups - 1; i >= 0; i--)
		if (folder_groups[i].partials == partials)
			group_remove(i);
	if (to_sweep != NIL && linitial_oid(to_sweep) == partials)
		sweep_next_rollup();
	/* other errors than of time are left alone for a minute at least */
	if (!late)
		start = TimestampTzPlusMilliseconds(start, -FAILURE_MS);
	/* Pauses are in shared memory, and hold for the next folder too. */
	pause_begin(folder_place, PAUSE_FOLDING, partials, start, 0);
	sweep_later(LAST_RETRY_MS);
}

/* What folders have died of is left alone for the longest time. */
static void
folder_avoid(void)
{
	/* A folder's mark bears the partials' OID in place of an LSN. */
	MarkPoint	last = mark_last();
	Oid			partials = mark_is_deadly(last) ? last.lsn : InvalidOid;
	Incident incident = {.kind = INCIDENT_FOLD,
						 .relation = partials,
						 .message = "workers ended at it several times"};

	if (!OidIsValid(partials))
		return;
	incident_note(folder_place, &incident);
	/* A start that lies far back makes a long pause: what died has told no time. */
	pause_begin(folder_place, PAUSE_FOLDING, partials, in_ms(-LAST_RETRY_MS), 0);
	mark_forget();
}

/* One transaction's worth of work. False: there is none. */
static bool
folder_work(void)
{
	Oid			rollup = next_rollup();
	bool		due = OidIsValid(rollup);
	TimestampTz start = GetCurrentTimestamp();

	/*
	 * Groups that are due come first, then the sweep at hand. Rollups are listed only when there is
	 * neither.
	 */
	bool list = !due && to_sweep == NIL && sweep_at != 0 && sweep_at <= GetCurrentTimestamp();

	/* A paused rollup is left out of this sweep, and so delays no other one. */
	while (!due && to_sweep != NIL && is_failing(linitial_oid(to_sweep)))
		sweep_next_rollup();
	if (!due && to_sweep != NIL)
		rollup = linitial_oid(to_sweep);
	if (!OidIsValid(rollup) && !list)
		return false;

	pgstat_report_activity(STATE_RUNNING, list ? "looking for rollups" : "folding");

	/*
	 * Should the process die from here on, the next folder knows of which rollup. A list of rollups
	 * is no rollup's, and marks nothing.
	 */
	mark_set((MarkPoint) {rollup, 1}, (MarkPoint) {rollup, 1});
	limit_begin(settings_worker_timeout, folder_place, PAUSE_FOLDING, rollup);
	PG_TRY();
	{
		/*
		 * One transaction and one snapshot for each piece of work: others' VACUUM is held back for
		 * no longer than that.
		 */
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		if (list)
			list_rollups();
		else if (due)
			fold_due(rollup);
		else
			sweep_piece(rollup);
		PopActiveSnapshot();
		CommitTransactionCommand();
		/* The work is done, though the time was over: this rollup is as slow as one that failed. */
		if (limit_end())
			pause_begin(folder_place, PAUSE_FOLDING, rollup, start, ERRCODE_QUERY_CANCELED);
		else
			pause_forget(folder_place, PAUSE_FOLDING, rollup);
	}
	PG_CATCH();
	{
		bool		late = limit_end();

		/* The limit has ended, so no further ring comes while the transaction is aborted. */
		MemoryContextSwitchTo(folder_context);
		folder_failed(rollup, late, start);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(folder_context);
	owner_let_go();
	mark_clear();
	pgstat_report_activity(STATE_IDLE, "");
	return true;
}

/* -----------------------------------------------------------------------------------------------
 * The worker
 * ---------------------------------------------------------------------------------------------*/

/* What is left is found by the next one. */
static void
folder_leave(int code, Datum arg)
{
	/*
	 * Notes that were taken are in this process alone. One flag in shared memory stands for all of
	 * them, and for the sweeps.
	 */
	if (ngroups > 0 || to_sweep != NIL || sweep_at != 0)
		note_sweep(folder_place);
}

static void
folder_rest(int64 ms)
{
	(void) pgstat_report_stat(ms >= LOOK_MS);
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (long) Max(ms, 1), PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* All that was to wait for a later time is due: how late that is nobody knows any more. */
static void
folder_clock_was_set_back(TimestampTz now)
{
	for (int i = 0; i < ngroups; i++)
		folder_groups[i].due = now;
	sweep_at = Min(sweep_at, now);
	leave_at = Min(leave_at, now);
}

void
folder_main(Datum arg)
{
	TimestampTz look_at;
	TimestampTz before;

	folder_place = launcher_begin_folder(arg);
	launcher_set_options("1s");
	folder_context =
		AllocSetContextCreate(TopMemoryContext, "gymstream folder", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(folder_context);
	folder_groups = palloc(sizeof(FolderGroup) * MAX_GROUPS);
	folder_sweep.context = folder_context;
	before_shmem_exit(folder_leave, (Datum) 0);
	mark_open("folder");
	folder_avoid();

	/* The folder rests in this loop alone, where it has no transaction, snapshot or lock. */
	look_at = before = GetCurrentTimestamp();
	while (settings_fold)
	{
		TimestampTz start = GetCurrentTimestamp();
		bool		worked;

		if (start < before)
		{
			folder_clock_was_set_back(start);
			look_at = start;
		}
		before = start;
		if (start >= look_at)
		{
			folder_take_notes();
			look_at = in_ms(LOOK_MS);
		}
		worked = folder_work();
		if (worked)
		{
			/* No work is longer than its limit: then the clock was set forward meanwhile. */
			int64		us = Min(GetCurrentTimestamp() - start,
								 settings_worker_timeout * INT64CONST(1000));

			/*
			 * The rest is a multiple of the work, so the folder takes a bounded part of one
			 * processor, however much there is to do.
			 */
			folder_rest(us * REST_FACTOR / 1000);
		}
		else if (ngroups == 0 && to_sweep == NIL && sweep_at == 0 && leave_at <= start)
			break;
		else
			/* Some groups are not due yet, or their rollup is paused: the next look finds them. */
			folder_rest(clock_ms_until(look_at, LOOK_MS));
	}
	proc_exit(0);
}
