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
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "log/log_write.h"
#include "publish/batch.h"
#include "publish/frame.h"
#include "worker/mark.h"

#define LOOK_MS 60000			/* look at the catalogs again even if nobody asked for it */
#define PARTIAL_MS 100			/* wait so long for the rest of a transaction */
#define OWED_MS 1000			/* see whether there is room for what listeners are owed */

static SharedDatabase *publisher_place;
static shm_mq_handle *publisher_queue;
static uint32 seen_pokes;
static TimestampTz looked_at;	/* at the catalogs */
static DatabaseState served_state;	/* what this publisher is here for */
static XLogRecPtr leave_at = InvalidXLogRecPtr; /* end when all up to here is told; invalid: stay */

/* the transaction at hand */
static EventStamp begun_stamp;
static bool is_begun = false;	/* its end has not come yet */
static TimestampTz begun_at;	/* when its begin came */
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

	/*
	 * Pokes are read before the catalogs. One that comes in between makes the publisher look once
	 * more.
	 */
	seen_pokes = pg_atomic_read_u32(&publisher_place->pokes);
	looked_at = GetCurrentTimestamp();
	log_tidy_soon();
	topics = publisher_count_topics();

	/*
	 * A transaction that is about to create a topic wants a decoder before the topic can be seen.
	 */
	if (topics < 0)
		state = DATABASE_ABSENT;
	else if (topics > 0 || pg_atomic_read_u32(&publisher_place->preparing) > 0)
		state = DATABASE_ACTIVE;
	else
		state = DATABASE_IDLE;

	/* The launcher reads the state under the lock, and starts or ends the decoder by it. */
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	changed = publisher_place->state != state;
	publisher_place->state = state;
	publisher_place->topics = Max(topics, 0);
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
	/* A slot of this name may be somebody's own: only ours is dropped. */
	if (slot != NULL && slot->data.database == MyDatabaseId &&
		strcmp(NameStr(slot->data.plugin), "gymstream") == 0)
		ReplicationSlotDrop(name, true);
	pg_atomic_write_u64(&publisher_place->confirmed_lsn, InvalidXLogRecPtr);
}

/* End, and let the launcher know what next. */
static void
publisher_end(PublisherEnd end)
{
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	publisher_place->end = end;
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

	/*
	 * The LSN moves behind the commit, so that nothing untold is confirmed. The batch may end in a
	 * transaction's midst: the last whole one counts.
	 */
	shared_advance(&publisher_place->published_lsn, ended_lsn);
	shared_wake_waiters();
	(void) log_tidy();
}

/* Wait until everybody sees what the transaction did. */
static void
publisher_await(TransactionId xid)
{
	pg_atomic_write_u32(&publisher_place->waiting_xid, xid);
	pgstat_report_activity(STATE_RUNNING, "waiting for a transaction to become visible");

	/*
	 * The wait is for the transaction's lock, and lasts as long as a standby is missing. The
	 * transaction here has no snapshot, so it holds back no VACUUM, and there is no lock_timeout.
	 */
	StartTransactionCommand();
	XactLockTableWait(xid, NULL, NULL, XLTW_None);
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, "");
	pg_atomic_write_u32(&publisher_place->waiting_xid, InvalidTransactionId);
}

static bool
publisher_was_told(const Frame *frame)
{
	XLogRecPtr	told = pg_atomic_read_u64(&publisher_place->told_lsn);

	/*
	 * A decoder that begins anew sends what was not confirmed, of which some was told. After a
	 * restart of the server nothing is known to be told.
	 */
	return begun_stamp.commit_lsn < told ||
		(begun_stamp.commit_lsn == told &&
		 frame->index <= pg_atomic_read_u32(&publisher_place->told_index));
}

/* Take frames until there are none. False when there were none at all. */
static bool
publisher_receive(void)
{
	Frame		frame;
	const char *body;
	Size		size;
	bool		any = false;

	while (frame_receive(publisher_queue, &frame, &body, &size))
	{
		any = true;
		CHECK_FOR_INTERRUPTS();
		switch (frame.kind)
		{
			case FRAME_BEGIN:
				begun_stamp = frame.stamp;
				is_begun = true;
				begun_at = GetCurrentTimestamp();
				/* What is in the batch can be seen already, and need not wait with this one. */
				if (TransactionIdIsInProgress(begun_stamp.xid))
				{
					publisher_tell();
					publisher_await(begun_stamp.xid);
				}
				break;
			case FRAME_EVENT:
			case FRAME_LARGE_EVENT:
			case FRAME_ROLLUP:
			case FRAME_MARK:
				if (publisher_was_told(&frame))
					break;
				/* the body is good until the next frame is taken */
				if (batch_is_full(&frame, &begun_stamp))
					publisher_tell();
				batch_add(&frame, &begun_stamp, body, size);
				break;
			case FRAME_END:
				ended_lsn = frame.end_lsn;
				is_begun = false;
				break;
		}
	}

	/*
	 * The queue is empty, and waiting for more would only delay what there is. But what is missing
	 * of a transaction is on its way: what fits into one batch is stored and told as a whole. One
	 * of which most is not published may take the decoder long.
	 */
	if (!is_begun || TimestampDifferenceExceeds(begun_at, GetCurrentTimestamp(), PARTIAL_MS))
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
	/* A decoder can join a publisher that runs. Whatever else changes takes a new pair. */
	if (now == served_state || (served_state == DATABASE_IDLE && now == DATABASE_ACTIVE))
		served_state = now;
	else if (served_state == DATABASE_ACTIVE && publisher_place->ready)
		leave_at = pg_atomic_read_u64(&publisher_place->wanted_lsn);
	else
		publisher_end(PUBLISHER_AGAIN);
}

/* What remains to be cleaned up is for the next publisher, once the decoder has ended too. */
static void
publisher_leave(void)
{
	if (XLogRecPtrIsInvalid(leave_at) ||
		(publisher_place->ready && pg_atomic_read_u64(&publisher_place->decoded_lsn) < leave_at))
		return;
	/* what it has decoded, it has sent */
	publisher_receive();
	publisher_end(PUBLISHER_AGAIN);
}

/* Sleep until something is to be done. True when it is time to look at the catalogs. */
static bool
publisher_sleep(void)
{
	long		stats_ms = pgstat_report_stat(false);
	long		ms = Min(batch_owed_any() ? OWED_MS : LOOK_MS, log_tidy());
	int			events;

	if (is_begun)
		ms = Min(ms, PARTIAL_MS);
	mark_clear();
	events = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					   stats_ms > 0 ? Min(stats_ms, ms) : ms, PG_WAIT_EXTENSION);

	if (stats_ms > 0 && (events & WL_TIMEOUT))
		pgstat_report_stat(true);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	return TimestampDifferenceExceeds(looked_at, GetCurrentTimestamp(), LOOK_MS);
}

static void
publisher_run(void)
{
	served_state = publisher_look();

	/*
	 * The last topic may have gone before this publisher began: the one before has left the slot.
	 */
	if (served_state == DATABASE_ABSENT || served_state == DATABASE_IDLE)
		publisher_drop_slot();
	if (served_state == DATABASE_ABSENT)
		publisher_end(PUBLISHER_ABSENT);

	/* with topics, that is for the decoder to say */
	if (served_state == DATABASE_IDLE)
		shared_note_well(publisher_place);
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
			if (pg_atomic_read_u32(&publisher_place->pokes) != seen_pokes)
				publisher_look_again();
		} while (publisher_receive());
		publisher_leave();
	}
}

void
publisher_main(Datum arg)
{
	publisher_queue = launcher_begin_worker(arg, SHARED_PUBLISHER, &publisher_place);
	launcher_set_options("0");
	mark_open("publisher");
	batch_init(publisher_place);
	batch_owed_init(publisher_place);

	PG_TRY();
	{
		publisher_run();
	}
	PG_CATCH();
	{
		/* What was in the batch is sent again by the next decoder, since it was not confirmed. */
		mark_take_error();
		shared_note_error(publisher_place);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
