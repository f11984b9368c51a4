/*
 * admin_alter.c: takes a group and gives it other rules, another number of partitions, or another
 * place to go on. What all partitions stand on is changed by who has claimed them all.
 */
#include "group/admin.h"

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "base/argument.h"
#include "group/ack.h"
#include "group/bookmark.h"
#include "group/cell.h"
#include "group/parked.h"
#include "group/partition.h"
#include "log/log_scan.h"

/* the arguments of alter_group, in their order */
enum
{
	ARG_NAME,
	ARG_PARTITIONS,
	ARG_MAX_ATTEMPTS,
	ARG_RETRY_DELAY,
	ARG_TAKEOVER,
	ARG_RESET
};

/* ---- bookmarks of all partitions ---- */

/* Where each partition goes on, and the serial of its newest bookmark. */
static void
read_bookmarks(const ConsumerGroup *group, const GroupTopic *topic, Snapshot snapshot, int64 *next)
{
	int64		first = 1;
	int64		last = 1;

	(void) log_range(topic->topic, snapshot, &first, &last);
	for (int i = 0; i < group->partitions; i++)
	{
		bool		seen;
		Bookmark	bookmark = bookmark_newest(group, topic->topic, i, snapshot, &seen);

		if (bookmark.serial == 0)
			next[i] = group->start_latest ? last : first;
		else if (bookmark.created != topic->created)
			next[i] = first;
		else
			next[i] = bookmark.next;
	}
}

static void
write_next(const ConsumerGroup *group, const GroupTopic *topic, int partition, int64 next)
{
	bool		seen;
	Bookmark	bookmark =
		bookmark_newest(group, topic->topic, partition, GetActiveSnapshot(), &seen);

	bookmark.serial++;
	bookmark.next = next;
	bookmark.created = topic->created;
	bookmark_write(group->id, topic->topic, partition, &bookmark);
}

/* ---- another number of partitions ---- */

static int
common_divisor(int a, int b)
{
	while (b != 0)
	{
		int			rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/*
 * A key that is in partition p of the old ones is in one of the new ones that leave the same rest
 * by their common divisor. So each new one begins where the hindmost of such old ones is; what the
 * others are ahead is in the layout.
 */
static void
divide_anew(const ConsumerGroup *group, const GroupTopic *topic, int partitions, Snapshot snapshot)
{
	int			divisor = common_divisor(group->partitions, partitions);
	Layout		layout = {group->partitions, palloc(sizeof(int64) * group->partitions),
						  topic->created};
	int64		hindmost = PG_INT64_MAX;

	read_bookmarks(group, topic, snapshot, layout.next);
	for (int i = 0; i < group->partitions; i++)
		hindmost = Min(hindmost, layout.next[i]);
	partition_forget_layouts(group, topic, hindmost);
	partition_write_layout(group, topic->topic, &layout);
	for (int i = 0; i < partitions; i++)
	{
		int64		next = PG_INT64_MAX;

		for (int old = i % divisor; old < group->partitions; old += divisor)
			next = Min(next, layout.next[old]);
		write_next(group, topic, i, next);
	}
}

static void
change_partitions(const ConsumerGroup *group, const List *topics, int partitions)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ListCell   *cell;

	foreach(cell, topics)
		if (((GroupTopic *) lfirst(cell))->created != 0)
			divide_anew(group, lfirst(cell), partitions, snapshot);
	UnregisterSnapshot(snapshot);
}

/*
 * alter_group(group_name text, partitions integer, max_attempts integer, retry_delay interval,
 * takeover interval, reset text) returns void: what is null stays as it is. For members of its
 * owner. Waits for those who have polled and not committed only where partitions are others.
 */
PG_FUNCTION_INFO_V1(gs_alter_group);
Datum
gs_alter_group(PG_FUNCTION_ARGS)
{
	bool		divides = !PG_ARGISNULL(ARG_PARTITIONS);
	int			partitions = divides ? PG_GETARG_INT32(ARG_PARTITIONS) : 0;
	ConsumerGroup group;
	List	   *topics;
	Datum		values[DEFINITION_NATTS] = {0};
	bool		replace[DEFINITION_NATTS] = {false};

	argument_writes("gymstream.alter_group");
	topics = admin_begin(fcinfo, &group, divides);

#define SET_COLUMN(column, value) \
	(replace[(column) -1] = true, values[(column) -1] = (value))

	if (divides && admin_partitions(partitions, list_length(topics)) != group.partitions)
	{
		change_partitions(&group, topics, partitions);
		SET_COLUMN(DEFINITION_PARTITIONS, Int32GetDatum(partitions));
		SET_COLUMN(DEFINITION_GENERATION, Int32GetDatum(group.generation + 1));
	}
	if (!PG_ARGISNULL(ARG_MAX_ATTEMPTS))
		SET_COLUMN(DEFINITION_MAX_ATTEMPTS,
				   Int32GetDatum(admin_max_attempts(PG_GETARG_INT32(ARG_MAX_ATTEMPTS))));
	if (!PG_ARGISNULL(ARG_RETRY_DELAY))
		SET_COLUMN(DEFINITION_RETRY_MS,
				   Int64GetDatum(admin_milliseconds(fcinfo, ARG_RETRY_DELAY, "retry_delay")));
	if (!PG_ARGISNULL(ARG_TAKEOVER))
		SET_COLUMN(DEFINITION_TAKEOVER_MS,
				   Int64GetDatum(admin_milliseconds(fcinfo, ARG_TAKEOVER, "takeover")));
	if (!PG_ARGISNULL(ARG_RESET))
		SET_COLUMN(DEFINITION_RESET, CStringGetTextDatum(admin_reset(fcinfo, ARG_RESET)));
#undef SET_COLUMN
	group_change(&group, values, replace);
	ack_changed_at_commit(group.id);
	PG_RETURN_VOID();
}

/* ---- pausing ---- */

static void
set_paused(FunctionCallInfo fcinfo, bool paused)
{
	ConsumerGroup group;
	Datum		values[DEFINITION_NATTS] = {0};
	bool		replace[DEFINITION_NATTS] = {false};

	argument_writes(paused ? "gymstream.pause_group" : "gymstream.resume_group");
	(void) admin_begin(fcinfo, &group, false);
	values[DEFINITION_PAUSED - 1] = BoolGetDatum(paused);
	replace[DEFINITION_PAUSED - 1] = true;
	group_change(&group, values, replace);
	ack_changed_at_commit(group.id);
}

/* pause_group(group_name text) returns void: polls give nothing until it is resumed. */
PG_FUNCTION_INFO_V1(gs_pause_group);
Datum
gs_pause_group(PG_FUNCTION_ARGS)
{
	set_paused(fcinfo, true);
	PG_RETURN_VOID();
}

/* resume_group(group_name text) returns void */
PG_FUNCTION_INFO_V1(gs_resume_group);
Datum
gs_resume_group(PG_FUNCTION_ARGS)
{
	set_paused(fcinfo, false);
	PG_RETURN_VOID();
}

/* ---- seeking ---- */

static void
show_move(ReturnSetInfo *result, Oid topic, int partition, int64 from, int64 to)
{
	Datum		values[] = {ObjectIdGetDatum(topic), Int32GetDatum(partition),
							Int64GetDatum(from), Int64GetDatum(to)};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Only shown, or done as well. */
static void
seek_topic(FunctionCallInfo fcinfo, const ConsumerGroup *group, const GroupTopic *topic, int64 to,
		   bool dry_run)
{
	int64	   *next = palloc(sizeof(int64) * group->partitions);

	read_bookmarks(group, topic, GetActiveSnapshot(), next);
	for (int i = 0; i < group->partitions; i++)
	{
		show_move((ReturnSetInfo *) fcinfo->resultinfo, topic->topic, i, next[i], to);
		if (!dry_run)
			write_next(group, topic, i, to);
	}
	if (dry_run)
		return;
	/* What waits is either given again by the log, or passed over. */
	parked_forget_waiting(group, topic->topic);
	partition_forget_layouts(group, topic, PG_INT64_MAX);
}

static void
check_seek(FunctionCallInfo fcinfo, const AdminTarget *target, const List *topics)
{
	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("dry_run must not be null")));
	if (target->kind == ADMIN_POSITION && PG_ARGISNULL(2) && list_length(topics) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a position is in one topic only"),
				 errhint("Pass the topic as well.")));
}

/*
 * seek_group(group_name text, target text, topic regclass, dry_run boolean) returns setof record:
 * each partition, where it was and where it goes on. For members of its owner. Waits for those who
 * have polled and not committed.
 */
PG_FUNCTION_INFO_V1(gs_seek_group);
Datum
gs_seek_group(PG_FUNCTION_ARGS)
{
	AdminTarget target = admin_target(fcinfo, 1, "target");
	bool		dry_run = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
	Datum		values[DEFINITION_NATTS] = {0};
	bool		replace[DEFINITION_NATTS] = {false};
	Snapshot	snapshot;
	ConsumerGroup group;
	List	   *topics;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (!dry_run)
		argument_writes("gymstream.seek_group");
	topics = admin_begin(fcinfo, &group, !dry_run);
	check_seek(fcinfo, &target, topics);
	if (!PG_ARGISNULL(2))
		topics = list_make1(unconstify(GroupTopic *, group_topic(&group, PG_GETARG_OID(2))));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	foreach(cell, topics)
	{
		const GroupTopic *topic = lfirst(cell);

		if (topic->created != 0)
			seek_topic(fcinfo, &group, topic, admin_offset(&target, topic->topic, snapshot),
					   dry_run);
	}
	UnregisterSnapshot(snapshot);
	values[DEFINITION_GENERATION - 1] = Int32GetDatum(group.generation + 1);
	replace[DEFINITION_GENERATION - 1] = true;
	if (!dry_run)
	{
		group_change(&group, values, replace);
		ack_changed_at_commit(group.id);
	}
	return (Datum) 0;
}
