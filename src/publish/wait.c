/*
 * wait.c: takes a position of the write-ahead log, and returns when all that was committed up to it
 * has been published: kept in the logs of topics, and told. Holds no snapshot while it waits, and
 * is woken: by the publisher, or by a decoder that has found nothing to publish.
 *
 * On a standby nothing is published. There it waits until the log is replayed, for which the server
 * wakes nobody: so it looks again and again.
 */
#include "publish/wait.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xlogrecovery.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

#include "base/catalog.h"
#include "base/shared.h"
#include "base/unpinned.h"
#include "topic/topic.h"

#define REPLAY_LOOK_MS 10		/* on a standby */
#define WAKE_MS 10000			/* even where nobody wakes us: workers may have been started anew */

PG_FUNCTION_INFO_V1(gs_wait_topic);

/* How long there is. */
typedef struct WaitTime
{
	TimestampTz until;			/* 0: for ever */
} WaitTime;

/* Milliseconds that are left, at most max; an error when it is over. */
static long
wait_left(const WaitTime *time, XLogRecPtr lsn, long max)
{
	TimestampTz now = GetCurrentTimestamp();

	if (time->until == 0)
		return max;
	if (now >= time->until)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("timeout while waiting for what was committed up to %X/%X",
						LSN_FORMAT_ARGS(lsn)),
				 errhint("See the view gymstream.status for what holds publishing up.")));
	return Min(TimestampDifferenceMilliseconds(now, time->until), max);
}

/*
 * Whether all up to there is published. What was decoded is read first: transactions of which the
 * publisher was sent something before then are in sent_lsn by now. Only a decoder that begins sets
 * both back.
 */
static bool
is_published(SharedDatabase *place, XLogRecPtr lsn)
{
	uint32		begins = pg_atomic_read_u32(&place->decoder_begins);
	XLogRecPtr	decoded;
	XLogRecPtr	sent;
	XLogRecPtr	published;

	pg_memory_barrier();
	decoded = pg_atomic_read_u64(&place->decoded_lsn);
	pg_memory_barrier();
	sent = pg_atomic_read_u64(&place->sent_lsn);
	published = pg_atomic_read_u64(&place->published_lsn);
	pg_memory_barrier();
	if (published >= lsn)
		return true;
	return decoded >= lsn && sent <= published && begins % 2 == 0 &&
		begins == pg_atomic_read_u32(&place->decoder_begins);
}

/* The end of the log as records have it: not behind the header of a page that has none yet. */
static XLogRecPtr
end_of_log(void)
{
	XLogRecPtr	end = GetXLogInsertRecPtr();
	int			header = XLogSegmentOffset(end, wal_segment_size) == SizeOfXLogLongPHD ?
		SizeOfXLogLongPHD : SizeOfXLogShortPHD;

	return end % XLOG_BLCKSZ == header ? end - header : end;
}

/* Let the decoder read up to here, which it does only for what is on disk. */
static void
ask_decoder(SharedDatabase *place, XLogRecPtr lsn)
{
	XLogRecPtr	end = end_of_log();

	if (pg_atomic_read_u64(&place->decoded_lsn) >= Min(lsn, end))
		return;
	XLogFlush(end);
	shared_advance(&place->wanted_lsn, Min(lsn, end));
	shared_wake(place, SHARED_DECODER);
}

/* At the end, whatever ends it. */
static void
leave_wait(int code, Datum unused)
{
	pg_atomic_fetch_sub_u32(&shared_state->waiters, 1);
}

/* The place of this database, which the launcher may free at any time. */
static SharedDatabase *
require_place(void)
{
	SharedDatabase *place = shared_mine();

	if (place == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no worker of gymstream serves this database"),
				 errhint("See the view gymstream.status.")));
	return place;
}

static void
wait_for_publisher(XLogRecPtr lsn, const WaitTime *time)
{
	/* The count comes before the look: who moves an LSN later on sees it, and wakes us. */
	pg_atomic_fetch_add_u32(&shared_state->waiters, 1);
	PG_ENSURE_ERROR_CLEANUP(leave_wait, (Datum) 0);
	{
		ConditionVariablePrepareToSleep(&shared_state->progress);
		while (!is_published(require_place(), lsn))
		{
			ask_decoder(require_place(), lsn);
			ConditionVariableTimedSleep(&shared_state->progress, wait_left(time, lsn, WAKE_MS),
										PG_WAIT_EXTENSION);
		}
		ConditionVariableCancelSleep();
	}
	PG_END_ENSURE_ERROR_CLEANUP(leave_wait, (Datum) 0);
	leave_wait(0, (Datum) 0);
}

XLogRecPtr
wait_all_published(void)
{
	XLogRecPtr	lsn = end_of_log();
	WaitTime	for_ever = {0};

	topic_check_server();
	wait_for_publisher(lsn, &for_ever);
	return lsn;
}

static void
wait_for_replay(XLogRecPtr lsn, const WaitTime *time)
{
	/* After a promotion all of it is replayed, or never will be. */
	while (GetXLogReplayRecPtr(NULL) < lsn && RecoveryInProgress())
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_left(time, lsn, REPLAY_LOOK_MS), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Where nothing is given, the end of this session's last commit; invalid where there is none. */
static XLogRecPtr
wanted_position(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(1))
		return PG_GETARG_LSN(1);
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("lsn must not be null on a standby"),
				 errdetail("This session has committed nothing here."),
				 errhint("Pass what pg_current_wal_lsn() says on the primary after the commit.")));
	return XactLastCommitEnd;
}

static WaitTime
wanted_time(FunctionCallInfo fcinfo)
{
	WaitTime	time = {0};

	/* A timeout of less than no time is over at once. */
	if (!PG_ARGISNULL(2))
		time.until = DatumGetTimestampTz(DirectFunctionCall2(
			timestamptz_pl_interval, TimestampTzGetDatum(GetCurrentTimestamp()),
			PG_GETARG_DATUM(2)));
	return time;
}

static void
check_topic(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("topic must not be null")));
	if (!catalog_has_topic(PG_GETARG_OID(0)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no topic",
						get_rel_name(PG_GETARG_OID(0)) ? get_rel_name(PG_GETARG_OID(0)) : "?"),
				 errhint("The view gymstream.topics lists all topics.")));
}

/* wait_topic(topic regclass, lsn pg_lsn, timeout interval): a procedure */
Datum
gs_wait_topic(PG_FUNCTION_ARGS)
{
	XLogRecPtr	lsn = wanted_position(fcinfo);
	WaitTime	time = wanted_time(fcinfo);

	check_topic(fcinfo);
	if (XLogRecPtrIsInvalid(lsn))
		PG_RETURN_VOID();
	unpinned_begin("gymstream.wait_topic");
	if (RecoveryInProgress())
	{
		wait_for_replay(lsn, &time);
		PG_RETURN_VOID();
	}
	topic_check_server();
	wait_for_publisher(lsn, &time);
	PG_RETURN_VOID();
}
