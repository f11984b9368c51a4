/*
 * poll.c: takes a group and gives rows: events of partitions that nobody else has, parked ones
 * first, then those of the log in one scan. What is given is acked by the transaction's commit.
 */
#include "group/poll.h"

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/argument.h"
#include "group/ack.h"
#include "group/parked.h"
#include "group/partition.h"
#include "group/settle.h"
#include "group/waiter.h"
#include "log/log_read.h"
#include "log/log_scan.h"

#define MOST_EVENTS 100000

/* So many events a poll for each partition that it claims: a scan passes over those of others. */
#define EVENTS_A_PARTITION 64

/* Where nothing of a partition is found, that is stored this often. */
#define STORE_EVERY_MS 10000

/* How often a client is asked whether it is there while its statement runs. */
#define CHECK_CLIENT_MS "1000"

/* ---- rows ---- */

static Datum
json_datum(const char *text, Size size)
{
	return PointerGetDatum(cstring_to_text_with_len(text, size));
}

static void
give(Poll *poll, Taken *taken, const LogEvent *event, int attempt)
{
	Position	position = {event->epoch, event->index, event->lsn, event->offset};
	Datum		values[] = {
		ObjectIdGetDatum(poll->topic->topic), PointerGetDatum(&position),
		event->key ? json_datum(event->key, event->key_size) : (Datum) 0,
		json_datum(event->body, event->size), TimestampTzGetDatum(event->commit_time),
		Int32GetDatum(attempt), Int32GetDatum(taken->partition)};
	bool		nulls[lengthof(values)] = {false};

	nulls[2] = event->key == NULL;
	tuplestore_putvalues(poll->result->setResult, poll->result->setDesc, values, nulls);
	if (event->key)
		pfree(DatumGetPointer(values[2]));
	pfree(DatumGetPointer(values[3]));
	poll->given++;
	taken->given++;
}

static bool
is_full(const Poll *poll)
{
	return poll->given >= poll->max || (poll->alone && poll->given > 0);
}

/* ---- parked events ---- */

/* Whether an event of the key still waits in the partition. */
static bool
key_waits(const Taken *taken, uint32 key_hash)
{
	ListCell   *cell;

	foreach(cell, taken->waiting)
		if (((Parked *) lfirst(cell))->event.key_hash == key_hash)
			return true;
	return false;
}

/* Whether one of the key that is earlier waits. */
static bool
is_behind(const Taken *taken, const Parked *parked)
{
	ListCell   *cell;

	foreach(cell, taken->waiting)
	{
		const Parked *other = lfirst(cell);

		if (other == parked)
			return false;
		if (other->event.key_hash == parked->event.key_hash)
			return true;
	}
	return false;
}

static void
give_parked(Poll *poll, Taken *taken)
{
	ListCell   *cell;

	foreach(cell, taken->waiting)
	{
		Parked	   *parked = lfirst(cell);

		if (is_full(poll))
			return;
		/* One that has failed comes alone. */
		if (parked->due > poll->now || is_behind(taken, parked) ||
			(parked->attempts > 0 && !poll->alone))
			continue;
		give(poll, taken, &parked->event, parked->attempts + 1);
		parked_delete(parked);
		ack_keep(poll->group->id, poll->topic->topic, parked);
		taken->changed = taken->parked = true;
		taken->first = parked->event.offset;
		taken->lsn = parked->event.lsn;
		taken->waiting = foreach_delete_current(taken->waiting, cell);
	}
}

/* When one of the partition is to be tried again. */
static TimestampTz
next_due(const Taken *taken)
{
	TimestampTz due = CELL_NEVER;
	ListCell   *cell;

	foreach(cell, taken->waiting)
	{
		const Parked *parked = lfirst(cell);

		/* Followers may be had when the one before them is done: then it is now. */
		if (!is_behind(taken, parked))
			due = Min(due, Max(parked->due, CELL_UNKNOWN + 1));
	}
	return due;
}

/* The event has the key of one that waits: it waits behind it. */
static void
park_behind(Poll *poll, Taken *taken, const LogEvent *event)
{
	Parked	   *parked = palloc0(sizeof(Parked));

	parked->event = *event;
	parked->due = CELL_UNKNOWN + 1;
	parked_insert(poll->group, poll->topic->topic, parked);
	/* Its texts are the scan's, and are not looked at again. */
	taken->waiting = lappend(taken->waiting, parked);
	taken->changed = true;
}

/* ---- the log ---- */

/* One event of the log. False: the scan ends before it. */
static bool
meet_event(Poll *poll, const LogEvent *event)
{
	int			partition = event->key_hash % poll->group->partitions;
	Taken	   *taken;

	if (poll->places[partition] < 0)
	{
		if (poll->elsewhere[partition] == 0)
			poll->elsewhere[partition] = event->offset;
		return true;
	}
	taken = &poll->taken[poll->places[partition]];
	if (event->offset < taken->from || taken->stopped ||
		partition_is_done(poll->layouts, event->offset, event->key_hash))
		return true;
	if (is_full(poll))
		return false;
	if (taken->waiting && key_waits(taken, event->key_hash))
	{
		if (list_length(taken->waiting) >= PARKED_LIMIT)
			taken->stopped = event->offset;
		else
			park_behind(poll, taken, event);
		return true;
	}
	if (taken->first == 0)
	{
		taken->first = event->offset;
		taken->lsn = event->lsn;
	}
	give(poll, taken, event, 1);
	return true;
}

/* Gives the offset before which all partitions that are taken have been looked at. */
static int64
scan_log(Poll *poll)
{
	int64		from = PG_INT64_MAX;
	int64		reached = poll->next;
	LogScan    *scan;
	LogEvent	event;

	for (int i = 0; i < poll->count; i++)
		from = Min(from, poll->taken[i].from);
	if (from >= poll->next || is_full(poll))
		return from;
	scan = log_scan_begin(poll->topic->topic, from, poll->snapshot);
	while (log_scan_next(scan, &event))
	{
		CHECK_FOR_INTERRUPTS();
		if (!meet_event(poll, &event))
		{
			reached = event.offset;
			break;
		}
	}
	log_scan_end(scan);

	/* Those that others have are spared the scan. */
	for (int i = 0; i < poll->group->partitions; i++)
		if (poll->places[i] < 0)
		{
			CellKey		key = poll_cell(poll, i);

			cell_raise_frontier(&key, poll->group->generation, from,
								poll->elsewhere[i] ? poll->elsewhere[i] : reached);
		}
	return reached;
}

/* ---- acks ---- */

/* Whether to store where a partition is, though nothing of it was found. */
static bool
is_to_be_stored(const Poll *poll, Taken *taken, int64 next)
{
	if (taken->must_ack)
		return true;
	if (next <= taken->newest.next ||
		!TimestampDifferenceExceeds(taken->cell.stored, poll->now, STORE_EVERY_MS))
		return false;
	taken->cell.stored = poll->now;
	return true;
}

static void
finish_partition(Poll *poll, Taken *taken, int64 reached)
{
	int64		next = Max(taken->from, taken->stopped ? taken->stopped : reached);
	Cell	   *cell = &taken->cell;
	bool		ack =
		taken->given > 0 || taken->changed || is_to_be_stored(poll, taken, next);

	cell->due = next_due(taken);
	cell->full = taken->stopped != 0;
	/*
	 * Until the commit, what is given or parked is not done. So of a partition that was polled
	 * before in this transaction the frontier stays where it is.
	 */
	if (taken->claimed)
		cell->frontier = taken->changed ? taken->from : taken->first ? taken->first : next;
	if (taken->given > 0)
	{
		cell->serial = taken->newest.serial;
		cell->offset = taken->first;
		cell->lsn = taken->lsn;
		cell->upto = next;
		cell->alone = poll->given == 1 && ack_events() == 0;
		cell->parked = taken->parked;
	}
	cell_write(cell);
	if (ack)
	{
		Ack			one = {poll->group->id, poll->group->generation, poll->topic->topic,
						   taken->partition, taken->start};

		one.bookmark.serial = taken->newest.serial + 1;
		one.bookmark.next = next;
		one.bookmark.created = poll->topic->created;
		one.more = next < poll->next;
		ack_add(&one);
	}
	else
		poll_leave(poll, taken);
}

/* A claim that is held while its client is silent is let go of after the group's limit. */
static void
limit_silence(const ConsumerGroup *group)
{
	char		limit[32];
	int			now = IdleInTransactionSessionTimeout;

	if (group->takeover_ms == 0)
		return;
	snprintf(limit, sizeof(limit), INT64_FORMAT, group->takeover_ms);
	if (now == 0 || now > group->takeover_ms)
		(void) set_config_option("idle_in_transaction_session_timeout", limit, PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	/* Not every system can tell. */
	if (client_connection_check_interval == 0)
		(void) set_config_option("client_connection_check_interval", CHECK_CLIENT_MS,
								 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, DEBUG1,
								 false);
}

/* ---- a topic ---- */

/* Take some partitions and give what they have. False: nothing was to be taken. */
static bool
poll_some(Poll *poll)
{
	int			most = (poll->group->partitions + 3) / 4;
	int			want = Max(1, Min((poll->max - poll->given) / EVENTS_A_PARTITION, most));
	int64		reached;

	if (!poll_take(poll, want) || poll->count == 0)
		return false;
	MemSet(poll->elsewhere, 0, sizeof(int64) * poll->group->partitions);
	poll->layouts = partition_layouts(poll->group, poll->topic);
	for (int i = 0; i < poll->count; i++)
		give_parked(poll, &poll->taken[i]);
	reached = scan_log(poll);
	for (int i = 0; i < poll->count; i++)
		finish_partition(poll, &poll->taken[i], reached);
	return true;
}

static void
poll_topic(Poll *poll)
{
	int			partitions = poll->group->partitions;

	/* The topic may have been dropped, and others of the group not. */
	if (poll->topic->created == 0)
		return;
	/* Where nothing was ever stored, it begins with 1, and a group that is new here does too. */
	(void) log_range(poll->topic->topic, poll->snapshot, &poll->first, &poll->next);
	log_check_reader(poll->topic->topic, GetUserId());
	poll->taken = palloc(sizeof(Taken) * partitions);
	poll->places = palloc(sizeof(int) * partitions);
	poll->elsewhere = palloc0(sizeof(int64) * partitions);
	/* Each round lets the next one know of all partitions that it passed. */
	for (int round = 0; round < partitions && !is_full(poll); round++)
		if (!poll_some(poll))
			break;
	/* What it leaves in other partitions is for others. */
	for (int i = 0; i < partitions && is_full(poll); i++)
		if (poll->elsewhere[i] > 0)
		{
			waiter_wake(poll->group->id);
			break;
		}
}

/* ---- poll_group ---- */

static int
events_argument(FunctionCallInfo fcinfo, int argument)
{
	int			events = PG_ARGISNULL(argument) ? 0 : PG_GETARG_INT32(argument);

	if (events < 1 || events > MOST_EVENTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 PG_ARGISNULL(argument) ? errmsg("max_events must not be null") :
										  errmsg("max_events is %d", events),
				 errhint("Use a number from 1 to %d.", MOST_EVENTS)));
	return events;
}

static void
check_server(void)
{
	PreventCommandDuringRecovery("gymstream.poll_group()");
	argument_writes("gymstream.poll_group");
	PreventCommandIfParallelMode("gymstream.poll_group()");
	cell_check();
}

static void
end_poll(const Poll *poll)
{
	ack_count(poll->given);
	/* Whatever is to be acked is claimed until the end. */
	if (ack_has(poll->group->id))
		limit_silence(poll->group);
	if (poll->failed)
		settle_start();
	if (poll->given == 0 && poll->passed_over && IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent acks in group \"%s\"",
						poll->group->name),
				 errdetail("What others have acked since this transaction's snapshot is not in "
						   "it."),
				 errhint("The transaction might succeed if retried.")));
}

/*
 * poll_group(group_name text, max_events integer) returns setof record: events that nobody else
 * has, up to so many. For members of the group's owner who may read the topics.
 */
PG_FUNCTION_INFO_V1(gs_poll_group);
Datum
gs_poll_group(PG_FUNCTION_ARGS)
{
	static uint32 first_topic = 0;
	ConsumerGroup group;
	Poll		poll = {&group};
	List	   *topics;

	poll_check_form(fcinfo);
	InitMaterializedSRF(fcinfo, 0);
	group_argument(fcinfo, 0, &group);
	poll.max = events_argument(fcinfo, 1);
	check_server();
	if (group.paused)
		return (Datum) 0;
	poll.result = (ReturnSetInfo *) fcinfo->resultinfo;
	poll.snapshot = GetActiveSnapshot();
	poll.now = GetCurrentTimestamp();
	topics = group_topics(&group);
	/* Not always the same one is first. */
	first_topic++;
	for (int i = 0; i < list_length(topics) && poll.given == 0; i++)
	{
		poll.topic = list_nth(topics, (first_topic + i) % list_length(topics));
		poll_topic(&poll);
	}
	end_poll(&poll);
	return (Datum) 0;
}
