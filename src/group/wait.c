/*
 * wait.c: takes a group and sleeps until there may be something to be had from it. Pins no
 * snapshot meanwhile: what it needs it has read before.
 */
#include "group/waiter.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/unpinned.h"
#include "group/ack.h"
#include "group/cell.h"
#include "group/partition.h"
#include "log/log_head.h"

/* For what nobody is woken for: a prepared transaction that ends, a waiter that died once woken. */
#define LOOK_AGAIN_MS 5000

/* Where there is no room to be woken. */
#define UNWOKEN_MS 100

#define LONGEST_TIMEOUT_MS (INT64CONST(24) * 3600 * 1000)

/* ---- is there anything? ---- */

/* Whether one that was delivered is free: its transaction is over. */
static bool
is_free(const ConsumerGroup *group, const GroupTopic *topic, int partition)
{
	if (!partition_claim(group, topic, partition))
		return false;
	partition_release(group, topic, partition);
	return true;
}

/* Whether the partition may have something; otherwise when it will at the latest. */
static bool
partition_has_news(const ConsumerGroup *group, const GroupTopic *topic, int partition,
				   TimestampTz *due)
{
	CellKey		key = {MyDatabaseId, group->id, topic->topic, partition, topic->created};
	Cell		cell = cell_read(&key, group->generation);

	int64		head = log_head_next(topic->topic);

	if (cell.serial >= 0)
		return is_free(group, topic, partition);
	/* Since the server has started, the log may not have grown: then its head is not known. */
	if (cell.due == CELL_UNKNOWN || cell.due <= GetCurrentTimestamp() ||
		(head != 0 && cell.frontier != head && !cell.full))
		return true;
	*due = Min(*due, cell.due);
	return false;
}

static bool
group_has_news(const ConsumerGroup *group, const List *topics, TimestampTz *due)
{
	ListCell   *cell;

	if (group->paused)
		return false;
	foreach(cell, topics)
	{
		const GroupTopic *topic = lfirst(cell);

		for (int i = 0; i < group->partitions && topic->created != 0; i++)
			if (partition_has_news(group, topic, i, due))
				return true;
	}
	return false;
}

/* ---- sleeping ---- */

static void
sleep_until(TimestampTz until)
{
	long		wait = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, wait,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
wait_for_news(const ConsumerGroup *group, const List *topics, TimestampTz end)
{
	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();
		TimestampTz until = TimestampTzPlusMilliseconds(
			now, waiter_is_entered() ? LOOK_AGAIN_MS : UNWOKEN_MS);

		if (waiter_is_woken() || now >= end || group_has_news(group, topics, &until))
			return;
		sleep_until(Min(until, end));
	}
}

/* ---- wait_group ---- */

static int64
timeout_argument(FunctionCallInfo fcinfo, int argument)
{
	Interval   *timeout = PG_ARGISNULL(argument) ? NULL : PG_GETARG_INTERVAL_P(argument);
	int64		ms = timeout ? group_interval_ms(timeout) : LONGEST_TIMEOUT_MS;

	if (ms < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must not be negative")));
	return Min(ms, LONGEST_TIMEOUT_MS);
}

static void
check_call(void)
{
	if (ack_events() > 0)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("wait_group cannot run while events are not acked"),
				 errhint("Commit first.")));
}

/*
 * wait_group(group_name text, timeout interval): a procedure that returns when there may be
 * something to poll, or the time is over. For members of the group's owner.
 */
PG_FUNCTION_INFO_V1(gs_wait_group);
Datum
gs_wait_group(PG_FUNCTION_ARGS)
{
	TimestampTz end;
	ConsumerGroup group;
	List	   *topics;

	check_call();
	group_argument(fcinfo, 0, &group);
	end = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_argument(fcinfo, 1));
	cell_check();
	topics = group_topics(&group);

	unpinned_begin("gymstream.wait_group");
	waiter_enter(&group, topics);
	PG_TRY();
	{
		wait_for_news(&group, topics, end);
	}
	PG_FINALLY();
	{
		waiter_leave();
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}
