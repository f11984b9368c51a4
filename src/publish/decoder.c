/*
 * decoder.c: takes the WAL of its database, woken at each commit, and gives the publisher the
 * committed changes of whatever has a topic. Only decodes: it never gets a transaction id, never
 * writes a table and runs no SQL.
 *
 * One decoding context stays open. Its page_read answers "would block" where the WAL flushed so far
 * ends; the record reader then keeps its place and can simply be asked again. The slot is confirmed
 * up to what the publisher has told, or, when that is all that was sent, up to where WAL was read:
 * an idle database holds no WAL back.
 */
#include "worker/launcher.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlogreader.h"
#include "access/xlogutils.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "replication/decode.h"
#include "replication/logical.h"
#include "replication/slot.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "publish/decoder.h"
#include "publish/follow.h"
#include "publish/frame.h"
#include "worker/incident.h"
#include "worker/mark.h"

#define FALLBACK_MS 10000		/* read and confirm WAL of other databases */
#define UNCONFIRMED_MS 500		/* the same while something sent is not confirmed */
#define SLOT_WAIT_MS 20			/* between looks for WAL while the slot is being made */
#define CONFIRM_BYTES (16 * 1024 * 1024)	/* confirm at least this often while busy */

SharedDatabase *decoder_place;
shm_mq_handle *decoder_queue;
static bool wait_for_wal;		/* page_read waits: while the slot is being made */
static bool has_topics;			/* there were some when the slot was made */

/* -----------------------------------------------------------------------------------------------
 * Reading WAL
 * ---------------------------------------------------------------------------------------------*/

static void
decoder_sleep(int timeout_ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout_ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* XLogReaderRoutine's page_read. The flush pointer stands at a record's end or at a page's. */
static int
decoder_read_page(XLogReaderState *reader, XLogRecPtr page, int needed, XLogRecPtr target,
				  char *buffer)
{
	TimeLineID	timeline;
	XLogRecPtr	flushed = GetFlushRecPtr(&timeline);
	WALReadError error;
	int			count;

	/* Nothing waits inside of the reader, except while a new slot finds its beginning. */
	while (flushed < page + needed)
	{
		if (!wait_for_wal)
			return XLREAD_WOULDBLOCK;
		decoder_sleep(SLOT_WAIT_MS);
		flushed = GetFlushRecPtr(&timeline);
	}

	/* After a promotion, WAL of before is of an older timeline, which ends where it was left. */
	XLogReadDetermineTimeline(reader, page, needed, timeline);
	if (reader->currTLI != timeline)
	{
		timeline = reader->currTLI;
		flushed = reader->currTLIValidUntil;
	}
	/* The last page is given as far as it was flushed; the reader asks for more of it later. */
	count = Min(XLOG_BLCKSZ, flushed - page);
	if (!WALRead(reader, buffer, page, count, timeline, &error))
		WALReadRaiseError(&error);
	return count;
}

#define DECODER_READER                                                                             \
	XL_ROUTINE(.page_read = decoder_read_page, .segment_open = wal_segment_open,                   \
			   .segment_close = wal_segment_close)

/* -----------------------------------------------------------------------------------------------
 * The slot
 * ---------------------------------------------------------------------------------------------*/

static void
decoder_create_slot(const char *name)
{
	LogicalDecodingContext *ctx;

	pgstat_report_activity(STATE_RUNNING, "creating the replication slot");
	gs_slot_create(name);
	gs_turn_decoding_on();
	/* This waits for all transactions that have written, for as long as they last. */
	wait_for_wal = true;
	ctx = gs_create_init_decoding("gymstream", DECODER_READER);
	DecodingContextFindStartpoint(ctx);
	FreeDecodingContext(ctx);
	wait_for_wal = false;
	ReplicationSlotPersist();
	ReplicationSlotRelease();
}

/* Read catalogs in a transaction, before anything is decoded. */
static void
decoder_look(void (*look) (void))
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	/* A transaction's end leaves neither context nor resource owner, so both are put back. */
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	look();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
}

/* Whether there are topics: their listeners get nothing from before the slot was made. */
static void
decoder_look_for_topics(void)
{
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	SysScanDesc scan;

	has_topics = false;
	if (catalog == NULL)
		return;
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	has_topics = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

/* Before anything else is told, listeners are told to read anew. */
static void
decoder_reset(const char *why)
{
	Incident	incident = {.kind = INCIDENT_RESET};

	strlcpy(incident.message, why, sizeof(incident.message));
	incident_note(decoder_place, &incident);
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	decoder_place->reset_at = GetCurrentTimestamp();
	LWLockRelease(shared_state->lock);
	/* The flag outlives both workers: it stays until a publisher has told all topics. */
	pg_atomic_fetch_or_u32(&decoder_place->owed, OWED_RESET);
	ereport(WARNING,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("changes before %X/%X were not published: %s",
					LSN_FORMAT_ARGS(MyReplicationSlot->data.confirmed_flush), why),
			 errdetail("Listeners are told to read anew."),
			 errhint("See the view gymstream.incidents.")));
}

/* This database's slot, made when it is missing or the server has given it up. */
static void
decoder_acquire_slot(void)
{
	char		name[NAMEDATALEN];
	const char *lost = NULL;

	snprintf(name, sizeof(name), GS_SLOT_NAME, MyDatabaseId);
	if (SearchNamedReplicationSlot(name, true) != NULL)
	{
		gs_slot_acquire(name);
		if (strcmp(NameStr(MyReplicationSlot->data.plugin), "gymstream") != 0 ||
			MyReplicationSlot->data.database != MyDatabaseId)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("replication slot \"%s\" is not gymstream's", name),
					 errhint("Drop this slot: its name is reserved for gymstream's decoder.")));
		if (gs_slot_is_invalid(MyReplicationSlot))
			lost = "the replication slot was invalidated";
		else if (mark_is_hopeless())
			lost = "decoders have ended at one place again and again, see the server's log";
		else
			return;
		mark_forget();
		ReplicationSlotRelease();
		ReplicationSlotDrop(name, true);
	}
	decoder_create_slot(name);
	/* The publisher enters a new epoch when it sees this number grow. */
	pg_atomic_fetch_add_u32(&decoder_place->slots_made, 1);
	decoder_look(decoder_look_for_topics);
	if (lost == NULL && has_topics)
		lost = "there was no replication slot";
	gs_slot_acquire(name);
	pg_atomic_write_u64(&decoder_place->confirmed_lsn, MyReplicationSlot->data.confirmed_flush);
	if (lost != NULL)
		decoder_reset(lost);
}

/*
 * Nobody but a decoder confirms anything: if somebody has advanced the slot by hand, the changes in
 * between are lost.
 */
static void
decoder_check_advance(void)
{
	XLogRecPtr	confirmed = pg_atomic_read_u64(&decoder_place->confirmed_lsn);

	if (!XLogRecPtrIsInvalid(confirmed) && MyReplicationSlot->data.confirmed_flush > confirmed)
		decoder_reset("somebody has advanced the replication slot");
}

static LogicalDecodingContext *
decoder_open(void)
{
	LogicalDecodingContext *ctx;

	/*
	 * newer minor releases want output plugins to be named there; it is a superuser's setting,
	 * which we are
	 */
	if (GetConfigOption("output_plugin_libraries", true, false) != NULL)
		SetConfigOption("output_plugin_libraries", "gymstream", PGC_SUSET, PGC_S_OVERRIDE);
	gs_check_decoding();
	decoder_acquire_slot();
	decoder_check_advance();

	decoder_look(follow_begin);
	/* Decoding goes on where the slot was confirmed, and leaves out what committed before. */
	ctx = CreateDecodingContext(InvalidXLogRecPtr, NIL, false, DECODER_READER, NULL, NULL, NULL);
	ctx->streaming = false;
	decoder_set_callbacks(ctx);
	/* Reading begins earlier, so that transactions of that time are read whole. */
	XLogBeginRead(ctx->reader, MyReplicationSlot->data.restart_lsn);

	/*
	 * What an earlier decoder has sent and nobody published is sent again. Who looks at both LSNs
	 * meanwhile looks once more.
	 */
	pg_atomic_fetch_add_u32(&decoder_place->decoder_begins, 1);
	pg_atomic_write_u64(&decoder_place->decoded_lsn, MyReplicationSlot->data.confirmed_flush);
	pg_atomic_write_u64(&decoder_place->sent_lsn,
						pg_atomic_read_u64(&decoder_place->published_lsn));
	pg_atomic_fetch_add_u32(&decoder_place->decoder_begins, 1);
	shared_advance(&decoder_place->wanted_lsn, MyReplicationSlot->data.confirmed_flush);
	pg_atomic_write_u64(&decoder_place->confirmed_lsn, MyReplicationSlot->data.confirmed_flush);
	shared_wake(decoder_place, SHARED_PUBLISHER);
	/* From here on commits are published. Whoever waits to create a topic is woken. */
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	decoder_place->ready = true;
	decoder_place->failing = false;
	LWLockRelease(shared_state->lock);
	ConditionVariableBroadcast(&shared_state->changed);
	return ctx;
}

/* Confirm what nobody will need again. True when everything sent is confirmed. */
static bool
decoder_confirm(XLogRecPtr decoded)
{
	XLogRecPtr	published = pg_atomic_read_u64(&decoder_place->published_lsn);
	bool		idle = pg_atomic_read_u64(&decoder_place->sent_lsn) <= published;
	XLogRecPtr	upto = idle ? decoded : published;

	/* After a crash the slot stands where a checkpoint wrote it: the rest is told once more. */
	if (upto > pg_atomic_read_u64(&decoder_place->confirmed_lsn))
	{
		LogicalConfirmReceivedLocation(upto);
		/* so that the next checkpoint writes it, a shutdown's too */
		ReplicationSlotMarkDirty();
		pg_atomic_write_u64(&decoder_place->confirmed_lsn, upto);
	}
	return idle;
}

/* -----------------------------------------------------------------------------------------------
 * The worker
 * ---------------------------------------------------------------------------------------------*/

/* Decode what has been flushed. */
static void
decoder_catch_up(LogicalDecodingContext *ctx)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	XLogRecPtr	confirm_at = ctx->reader->EndRecPtr + CONFIRM_BYTES;
	XLogRecord *record;
	char	   *error = NULL;

	/* NULL without an error: flushed WAL ends here. The reader keeps what it has of a record. */
	while ((record = XLogReadRecord(ctx->reader, &error)) != NULL)
	{
		LogicalDecodingProcessRecord(ctx, ctx->reader);
		/* a decoded transaction leaves TopMemoryContext and no resource owner behind */
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		CHECK_FOR_INTERRUPTS();
		pg_atomic_write_u64(&decoder_place->decoded_lsn, ctx->reader->EndRecPtr);
		/* A busy server may not let this loop end, and the slot holds WAL back. */
		if (ctx->reader->EndRecPtr > confirm_at)
		{
			decoder_confirm(ctx->reader->EndRecPtr);
			confirm_at = ctx->reader->EndRecPtr + CONFIRM_BYTES;
		}
	}
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("could not read WAL at %X/%X: %s", LSN_FORMAT_ARGS(ctx->reader->EndRecPtr),
						error)));
}

static void
decoder_run(void)
{
	LogicalDecodingContext *ctx = decoder_open();

	pgstat_report_activity(STATE_IDLE, "");
	/* until a transaction is known */
	mark_set((MarkPoint) {MyReplicationSlot->data.confirmed_flush, 0},
			 (MarkPoint) {PG_UINT64_MAX, MARK_LAST_INDEX});
	for (;;)
	{
		bool		confirmed;

		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		/* Sending waits on the latch too, and so may have missed a commit: look again. */
		do
		{
			/* with synchronous_commit = off commits are not flushed yet */
			if (pg_atomic_read_u64(&decoder_place->wanted_lsn) > GetFlushRecPtr(NULL))
				XLogFlush(pg_atomic_read_u64(&decoder_place->wanted_lsn));
			decoder_catch_up(ctx);
		} while (pg_atomic_read_u64(&decoder_place->wanted_lsn) > GetFlushRecPtr(NULL));
		/* a publisher that is to end waits for this */
		if (decoder_place->state != DATABASE_ACTIVE)
			shared_wake(decoder_place, SHARED_PUBLISHER);
		/* there may have been nothing to publish */
		shared_wake_waiters();
		mark_clear();
		confirmed = decoder_confirm(ctx->reader->EndRecPtr);
		decoder_sleep(confirmed ? FALLBACK_MS : UNCONFIRMED_MS);
	}
}

/*
 * Finding where to begin it waits for transactions to end, outside of one of its own: a lock that
 * it gets in the moment in which it is told to end is released by nobody else.
 */
static void
decoder_leave(int code, Datum arg)
{
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
}

void
decoder_main(Datum arg)
{
	decoder_queue = launcher_begin_worker(arg, SHARED_DECODER, &decoder_place);
	launcher_set_options("0");
	/* Decoding runs outside of a transaction, which would bring a resource owner. */
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "gymstream decoder");
	MemoryContextSwitchTo(
		AllocSetContextCreate(TopMemoryContext, "gymstream decoder", ALLOCSET_DEFAULT_SIZES));
	decoder_change_init();
	before_shmem_exit(decoder_leave, (Datum) 0);
	mark_open("decoder");

	PG_TRY();
	{
		decoder_run();
	}
	PG_CATCH();
	{
		mark_take_error();
		shared_note_error(decoder_place);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
