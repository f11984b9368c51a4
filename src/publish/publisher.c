/*
 * publisher.c: takes the decoder's frames and gives them to batches, but only once everybody can
 * see what they tell of. Looks after the database's part of the life of things: whether the
 * extension is there, how many topics, and that no replication slot remains when there are none.
 * Never decodes.
 *
 * Decoding runs ahead of visibility: a commit is in the WAL before its transaction leaves the proc
 * array, and long before, when a synchronous standby is missing. So each transaction's lock is
 * waited for, holding no snapshot.
 */
#include "worker/launcher.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "replication/slot.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "publish/batch.h"
#include "publish/frame.h"
#include "worker/mark.h"

#define LOOK_MS 60000			/* look at the catalogs again even if nobody asked for it */
#define OWED_MS 1000			/* see whether there is room for what listeners are owed */

static SharedDatabase *place;
static shm_mq_handle *queue;
static uint32 seen_pokes;
static DatabaseState served;	/* what this publisher is here for */
static XLogRecPtr leave_at = InvalidXLogRecPtr; /* end when all up to here is told; invalid: stay */

/* the transaction at hand */
static EventStamp stamp;
/* end of the last transaction that is whole, told or in the batch */
static XLogRecPtr ended_lsn;

/* -----------------------------------------------------------------------------------------------
 * Catalogs
 * ---------------------------------------------------------------------------------------------*/

/* The number of topics, or -1 without the extension. */
static int
publisher_count_topics(void)
{
	int			count = -1;
	Relation	catalog;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	if (catalog != NULL)
	{
		SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);

		for (count = 0; HeapTupleIsValid(systable_getnext(scan)); count++)
			 /* count */ ;
		systable_endscan(scan);
		table_close(catalog, AccessShareLock);
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return count;
}

/* Look at the catalogs and let the launcher know. */
static DatabaseState
publisher_look(void)
{
	DatabaseState state;
	bool		changed;
	int			topics;

	seen_pokes = pg_atomic_read_u32(&place->pokes);
	topics = publisher_count_topics();
	if (topics < 0)
		state = DATABASE_ABSENT;
	else if (topics > 0 || pg_atomic_read_u32(&place->preparing) > 0)
		state = DATABASE_ACTIVE;
	else
		state = DATABASE_IDLE;

	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	changed = place->state != state;
	place->state = state;
	place->topics = Max(topics, 0);
	LWLockRelease(shared_state->lock);
	if (changed)
		shared_wake_launcher();
	return state;
}

/*
 * A slot without a decoder would hold WAL back for ever. No decoder runs while a publisher starts.
 */
static void
publisher_drop_slot(void)
{
	char		name[NAMEDATALEN];
	ReplicationSlot *slot;

	snprintf(name, sizeof(name), GS_SLOT_NAME, MyDatabaseId);
	slot = SearchNamedReplicationSlot(name, true);
	if (slot != NULL && slot->data.database == MyDatabaseId &&
		strcmp(NameStr(slot->data.plugin), "gymstream") == 0)
		ReplicationSlotDrop(name, true);
	pg_atomic_write_u64(&place->confirmed_lsn, InvalidXLogRecPtr);
}

/* End, and let the launcher know what next. */
static void
publisher_end(PublisherEnd end)
{
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	place->end = end;
	LWLockRelease(shared_state->lock);
	proc_exit(0);
}

/* -----------------------------------------------------------------------------------------------
 * Frames
 * ---------------------------------------------------------------------------------------------*/

/* Tell what is in the batch; what is whole is then done with. */
static void
publisher_tell(void)
{
	batch_tell();
	shared_advance(&place->published_lsn, ended_lsn);
}

/* Wait until everybody sees what the transaction did. */
static void
publisher_await(TransactionId xid)
{
	pg_atomic_write_u32(&place->waiting_xid, xid);
	pgstat_report_activity(STATE_RUNNING, "waiting for a transaction to become visible");
	StartTransactionCommand();
	XactLockTableWait(xid, NULL, NULL, XLTW_None);
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, "");
	pg_atomic_write_u32(&place->waiting_xid, InvalidTransactionId);
}

static bool
publisher_was_told(const Frame *frame)
{
	XLogRecPtr	told = pg_atomic_read_u64(&place->told_lsn);

	return stamp.commit_lsn < told ||
		(stamp.commit_lsn == told && frame->index <= pg_atomic_read_u32(&place->told_index));
}

/* Take frames until there are none. False when there were none at all. */
static bool
publisher_receive(void)
{
	Frame		frame;
	const char *body;
	Size		size;
	bool		any = false;

	while (frame_receive(queue, &frame, &body, &size))
	{
		any = true;
		CHECK_FOR_INTERRUPTS();
		switch (frame.kind)
		{
			case FRAME_BEGIN:
				stamp = frame.stamp;
				if (TransactionIdIsInProgress(stamp.xid))
				{
					publisher_tell();
					publisher_await(stamp.xid);
				}
				break;
			case FRAME_EVENT:
			case FRAME_LARGE_EVENT:
			case FRAME_ROLLUP:
			case FRAME_MARK:
				if (publisher_was_told(&frame))
					break;
				/* the body is good until the next frame is taken */
				if (batch_is_full(&frame, &stamp))
					publisher_tell();
				batch_add(&frame, &stamp, body, size);
				break;
			case FRAME_END:
				ended_lsn = frame.end_lsn;
				break;
		}
	}
	publisher_tell();
	return any;
}

/* -----------------------------------------------------------------------------------------------
 * The worker
 * ---------------------------------------------------------------------------------------------*/

/*
 * Look, and see whether something else is wanted than before. Where topics have gone, their
 * listeners are to know it first: then the publisher leaves when the decoder has got there.
 */
static void
publisher_look_again(void)
{
	DatabaseState now = publisher_look();

	leave_at = InvalidXLogRecPtr;
	if (now == served || (served == DATABASE_IDLE && now == DATABASE_ACTIVE))
		served = now;
	else if (served == DATABASE_ACTIVE && place->ready)
		leave_at = pg_atomic_read_u64(&place->wanted_lsn);
	else
		publisher_end(PUBLISHER_AGAIN);
}

/* What remains to be cleaned up is for the next publisher, once the decoder has ended too. */
static void
publisher_leave(void)
{
	if (XLogRecPtrIsInvalid(leave_at) ||
		(place->ready && pg_atomic_read_u64(&place->decoded_lsn) < leave_at))
		return;
	/* what it has decoded, it has sent */
	publisher_receive();
	publisher_end(PUBLISHER_AGAIN);
}

/* Sleep until something is to be done. True when that took the longest time. */
static bool
publisher_sleep(void)
{
	long		stats_ms = pgstat_report_stat(false);
	long		ms = batch_owed_any() ? OWED_MS : LOOK_MS;
	int			events;

	mark_clear();
	events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					   stats_ms > 0 ? Min(stats_ms, ms) : ms, PG_WAIT_EXTENSION);

	if (stats_ms > 0 && (events & WL_TIMEOUT))
		pgstat_report_stat(true);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return stats_ms == 0 && ms == LOOK_MS && (events & WL_TIMEOUT);
}

static void
publisher_run(void)
{
	served = publisher_look();
	if (served == DATABASE_ABSENT || served == DATABASE_IDLE)
		publisher_drop_slot();
	if (served == DATABASE_ABSENT)
		publisher_end(PUBLISHER_ABSENT);

	/* with topics, that is for the decoder to say */
	if (served == DATABASE_IDLE)
		shared_note_well(place);
	pgstat_report_activity(STATE_IDLE, "");
	for (;;)
	{
		bool		idle = publisher_sleep();

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (idle)
			publisher_look_again();
		/*
		 * Telling waits for locks, on the latch too, and so may have missed a frame or a poke: look
		 * again.
		 */
		do
		{
			if (pg_atomic_read_u32(&place->pokes) != seen_pokes)
				publisher_look_again();
		} while (publisher_receive());
		publisher_leave();
	}
}

void
publisher_main(Datum arg)
{
	queue = launcher_begin_worker(arg, SHARED_PUBLISHER, &place);
	launcher_set_options("0");
	mark_open("publisher");
	batch_init(place);
	batch_owed_init(place);

	PG_TRY();
	{
		publisher_run();
	}
	PG_CATCH();
	{
		mark_take_error();
		shared_note_error(place);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
