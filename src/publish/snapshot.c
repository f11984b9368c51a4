/*
 * snapshot.c: takes a transaction's snapshot and gives the position in a topic that it is as of: of
 * the last event that it sees, so that who reads its rows and then on after this position has each
 * change once.
 *
 * Transactions become visible a moment after they are in the log, and not quite in its order. So
 * there are snapshots that see a later commit and not an earlier one, for which there is no such
 * position: then the caller is asked to take another one.
 */
#include "base/base.h"

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "log/log_read.h"
#include "log/log_scan.h"
#include "publish/wait.h"

PG_FUNCTION_INFO_V1(gs_snapshot_position);

static void
check_transaction(void)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a snapshot on a standby has no position in a topic"),
				 errhint("Take gymstream.last_position, and read the rows in the same snapshot. "
						 "Events after it may then repeat what the rows have.")));
	if (!IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("snapshot_position needs a transaction that has one snapshot"),
				 errhint("Begin it with BEGIN ISOLATION LEVEL REPEATABLE READ, and read the rows "
						 "in it.")));
	/* What it has written it sees, and nobody knows yet where that will stand. */
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("snapshot_position cannot be called in a transaction that has written"),
				 errhint("Commit what it has written before.")));
}

/*
 * The transaction of an event; invalid for one that does not say it. In the event's text all quotes
 * within strings are escaped, so this can be found by itself.
 */
static TransactionId
event_xid(const LogEvent *event)
{
	static const char member[] = ",\"xid\":";
	const char *end = event->body + event->size;
	TransactionId xid = 0;

	for (const char *at = event->body; at + sizeof(member) <= end; at++)
	{
		if (memcmp(at, member, sizeof(member) - 1) != 0)
			continue;
		for (at += sizeof(member) - 1; at < end && *at >= '0' && *at <= '9'; at++)
			xid = xid * 10 + (*at - '0');
		return xid;
	}
	return InvalidTransactionId;
}

static void
refuse_order(Oid topic)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg("the snapshot has no position in the topic of \"%s\"", get_rel_name(topic)),
			 errdetail("It sees a transaction and not another one that was committed before."),
			 errhint("Roll back, and try again with a new snapshot.")));
}

/*
 * Go on from the last event that the snapshot sees in the log. Behind it there are those that were
 * visible, but not stored yet, when it was taken: none of them was committed after upto.
 */
static Position
last_visible(Oid topic, Snapshot snapshot, XLogRecPtr upto)
{
	Position	last = log_last(topic, snapshot);
	LogScan    *scan = log_scan_begin(topic, last.offset + 1, GetLatestSnapshot());
	bool		passed = false;
	LogEvent	event;

	while (log_scan_next(scan, &event) && event.lsn <= upto)
	{
		TransactionId xid = event_xid(&event);

		if (!TransactionIdIsValid(xid))
			continue;
		if (XidInMVCCSnapshot(xid, snapshot))
		{
			passed = true;
			continue;
		}
		if (passed)
			refuse_order(topic);
		last = (Position) {event.epoch, event.index, event.lsn, event.offset};
	}
	log_scan_end(scan);
	return last;
}

/* snapshot_position(topic regclass) returns position */
Datum
gs_snapshot_position(PG_FUNCTION_ARGS)
{
	Snapshot	snapshot;
	XLogRecPtr	upto;
	Position   *position = palloc(sizeof(Position));

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("topic must not be null")));
	check_transaction();
	log_check_reader(PG_GETARG_OID(0), GetUserId());
	snapshot = GetActiveSnapshot();
	/* What the snapshot sees was committed before. */
	upto = wait_all_published();
	*position = last_visible(PG_GETARG_OID(0), snapshot, upto);
	PG_RETURN_POINTER(position);
}
