/*
 * settle.c: a background worker that takes what failed alone, in a transaction of its own: parks it
 * with one attempt more, or makes it a dead letter, and moves the partition's bookmark past it. The
 * consumer cannot: its transaction fails, or finds nothing else and is rolled back, for ever.
 *
 * A poll that meets such an event starts the worker, which ends when it has done what there is.
 */
#include "group/settle.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "group/bookmark.h"
#include "group/cell.h"
#include "group/group.h"
#include "group/parked.h"
#include "group/partition.h"
#include "group/waiter.h"
#include "log/log_scan.h"

/* So many at a time: more than are likely to be at work. */
#define MOST_CELLS 1024

#define FAILURE "the transaction that had it alone did not commit"

/* ---- one partition ---- */

/* Those before it that wait behind others were parked by the transaction that failed, too. */
static Parked *
find_failed(const ConsumerGroup *group, const GroupTopic *topic, const Cell *cell, int64 from)
{
	List	   *layouts = partition_layouts(group, topic);
	Parked	   *failed = NULL;
	int64		first,
				next;
	LogScan    *scan;
	LogEvent	event;

	/* It may not be kept any more: then the next poll does what the group's reset says. */
	(void) log_range(topic->topic, GetActiveSnapshot(), &first, &next);
	scan = log_scan_begin(topic->topic, Max(from, first), GetActiveSnapshot());
	while (failed == NULL && log_scan_next(scan, &event) && event.offset <= cell->offset)
	{
		Parked		parked = {event};

		if (event.key_hash % group->partitions != cell->key.partition ||
			partition_is_done(layouts, event.offset, event.key_hash))
			continue;
		if (event.offset < cell->offset)
		{
			parked.due = CELL_UNKNOWN + 1;
			parked_insert(group, topic->topic, &parked);
			continue;
		}
		failed = palloc0(sizeof(Parked));
		failed->event = event;
		/* The scan's memory ends with the scan. */
		failed->event.body = pnstrdup(event.body, event.size);
		failed->event.key = event.key ? pnstrdup(event.key, event.key_size) : NULL;
	}
	log_scan_end(scan);
	return failed;
}

/* Park what failed. False: it is not there any more. */
static bool
park_failed(const ConsumerGroup *group, const GroupTopic *topic, const Cell *cell, int64 from)
{
	Parked	   *failed = cell->parked ?
		parked_find(group, topic->topic, cell->offset, cell->lsn) :
		find_failed(group, topic, cell, from);

	if (failed == NULL)
		return false;
	if (cell->parked)
		parked_delete(failed);
	parked_fail(group, failed, FAILURE);
	parked_insert(group, topic->topic, failed);
	return true;
}

static void
settle_claimed(const ConsumerGroup *group, const GroupTopic *topic, Cell *cell)
{
	bool		seen;
	Bookmark	bookmark = bookmark_newest(group, topic->topic, cell->key.partition,
										   GetActiveSnapshot(), &seen);

	*cell = cell_read(&cell->key, group->generation);
	if (cell->serial < 0 || !cell->alone)
		return;
	/* With another serial it has been acked. */
	if (bookmark.serial == cell->serial &&
		park_failed(group, topic, cell, bookmark.next))
	{
		if (!cell->parked)
			bookmark.next = cell->offset + 1;
		bookmark.serial++;
		bookmark.created = topic->created;
		bookmark_write(group->id, topic->topic, cell->key.partition, &bookmark);
	}
	cell->serial = -1;
	cell->due = CELL_UNKNOWN;
	cell_write(cell);
}

/* The group's topic that the cell is of; NULL: it was dropped, or made again. */
static const GroupTopic *
topic_of(const ConsumerGroup *group, const Cell *cell)
{
	ListCell   *lc;

	foreach(lc, group_topics(group))
	{
		const GroupTopic *topic = lfirst(lc);

		if (topic->topic == cell->key.topic && topic->created == cell->key.created)
			return topic;
	}
	return NULL;
}

static void
settle_cell(Cell *cell)
{
	ConsumerGroup group;
	const GroupTopic *topic;

	if (!OidIsValid(catalog_schema()) || !group_lookup_id(cell->key.group, &group) ||
		group.generation != cell->generation)
	{
		cell_forget(cell->key.group);
		return;
	}
	topic = topic_of(&group, cell);
	if (topic == NULL)
	{
		cell->serial = -1;
		cell_write(cell);
		return;
	}
	if (!partition_claim(&group, topic, cell->key.partition))
		return;
	/* The snapshot comes after the claim, so that the log is at least as far. */
	PushActiveSnapshot(GetTransactionSnapshot());
	settle_claimed(&group, topic, cell);
	PopActiveSnapshot();
}

/* In a transaction of its own: what goes wrong in one group is told, and holds up no other. */
static void
try_cell(Cell *cell)
{
	MemoryContext memory = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PG_TRY();
	{
		settle_cell(cell);
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		HOLD_INTERRUPTS();
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	waiter_wake(cell->key.group);
}

/* ---- the worker ---- */

static void
settle_all(void)
{
	static Cell cells[MOST_CELLS];
	int			count = cell_list_alone(cells, MOST_CELLS);

	for (int i = 0; i < count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		try_cell(&cells[i]);
	}
}

PGDLLEXPORT void settle_main(Datum arg);

void
settle_main(Datum arg)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid, 0);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type, PGC_USERSET, PGC_S_OVERRIDE);
	pgstat_report_activity(STATE_RUNNING, "parking events that failed");
	settle_all();
	/* Who met a failure meanwhile has started no other settler: so this one looks again. */
	cell_settled();
	settle_all();
	proc_exit(0);
}

void
settle_start(void)
{
	BackgroundWorker worker;

	if (!cell_may_settle())
		return;
	MemSet(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	strcpy(worker.bgw_library_name, "gymstream");
	strcpy(worker.bgw_function_name, "settle_main");
	snprintf(worker.bgw_name, BGW_MAXLEN, "gymstream settler for database %u", MyDatabaseId);
	strcpy(worker.bgw_type, "gymstream settler");
	if (!RegisterDynamicBackgroundWorker(&worker, NULL))
	{
		cell_settled();
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("an event that failed is not parked, as no background worker slot is "
						"free"),
				 errhint("You might need to increase max_worker_processes.")));
	}
}
