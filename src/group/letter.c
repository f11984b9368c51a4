/*
 * letter.c: takes an event that this transaction has polled and sets it aside: for good, or for
 * another attempt. Takes dead letters and lets them be tried again, or throws them away.
 */
#include "group/parked.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/argument.h"
#include "group/ack.h"
#include "group/cell.h"
#include "group/partition.h"
#include "log/log_scan.h"

/* ---- arguments ---- */

static Oid
topic_argument(FunctionCallInfo fcinfo, int argument)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("topic must not be null")));
	return PG_GETARG_OID(argument);
}

static const Position *
position_argument(FunctionCallInfo fcinfo, int argument)
{
	const Position *position = PG_ARGISNULL(argument) ?
		NULL :
		(const Position *) DatumGetPointer(PG_GETARG_DATUM(argument));

	if (position == NULL || position->offset == POSITION_NO_OFFSET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 position ? errmsg("the position has no offset") :
							errmsg("position must not be null"),
				 errhint("Pass the position that poll_group has given with the event.")));
	return position;
}

static void
refuse_event(const ConsumerGroup *group, const Position *position)
{
	char		text[POSITION_TEXT_SIZE];

	position_print(position, text);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("this transaction has polled no event at position %s from group \"%s\"", text,
					group->name),
			 errhint("An event is rejected or released by the transaction that has polled it, "
					 "once.")));
}

/* ---- events of this transaction ---- */

/* Whether the transaction has polled the event of the log. */
static bool
is_polled(const ConsumerGroup *group, const GroupTopic *topic, const LogEvent *event)
{
	const Ack  *ack = ack_find(group->id, topic->topic, event->key_hash % group->partitions);

	return ack && event->offset >= ack->from && event->offset < ack->bookmark.next &&
		!partition_is_done(partition_layouts(group, topic), event->offset,
						   event->key_hash);
}

/* The event, which the transaction must have been given and not have set aside. */
static Parked *
find_polled(const ConsumerGroup *group, const GroupTopic *topic, const Position *position)
{
	Oid			relation = topic->topic;
	const Parked *kept = ack_kept(group->id, relation, position->offset);
	Parked	   *polled = palloc0(sizeof(Parked));
	LogScan    *scan;
	LogEvent	event;
	bool		found;

	/* What is set aside, the transaction was not given, or no longer has. */
	if (parked_is_aside(group, relation, position))
		refuse_event(group, position);
	if (kept && parked_is_at(&kept->event, position))
	{
		*polled = *kept;
		return polled;
	}
	scan = log_scan_begin(relation, position->offset, GetActiveSnapshot());
	found = log_scan_next(scan, &event) && parked_is_at(&event, position) &&
		is_polled(group, topic, &event);
	if (found)
	{
		polled->event = event;
		polled->event.body = pnstrdup(event.body, event.size);
		polled->event.key = event.key ? pnstrdup(event.key, event.key_size) : NULL;
	}
	log_scan_end(scan);
	if (!found)
		refuse_event(group, position);
	return polled;
}

static Parked *
polled_argument(FunctionCallInfo fcinfo, ConsumerGroup *group, const GroupTopic **topic)
{
	const Position *position;

	group_argument(fcinfo, 0, group);
	cell_check();
	*topic = group_topic(group, topic_argument(fcinfo, 1));
	position = position_argument(fcinfo, 2);
	if (!ack_has(group->id))
		refuse_event(group, position);
	return find_polled(group, *topic, position);
}

static CellKey
cell_of(const ConsumerGroup *group, const GroupTopic *topic, const Parked *parked)
{
	CellKey		key = {MyDatabaseId, group->id, topic->topic,
					   parked->event.key_hash % group->partitions, topic->created};

	return key;
}

static void
set_due(const ConsumerGroup *group, const GroupTopic *topic, const Parked *parked)
{
	CellKey		key = cell_of(group, topic, parked);

	cell_set_due(&key, Max(parked->due, CELL_UNKNOWN + 1));
}

/*
 * reject_event(group_name text, topic regclass, position gymstream.position, reason text) returns
 * void: the event is a dead letter once this transaction, which has polled it, commits.
 */
PG_FUNCTION_INFO_V1(gs_reject_event);
Datum
gs_reject_event(PG_FUNCTION_ARGS)
{
	ConsumerGroup group;
	const GroupTopic *topic;
	Parked	   *parked;

	argument_writes("gymstream.reject_event");
	parked = polled_argument(fcinfo, &group, &topic);
	parked->attempts++;
	parked->dead = true;
	parked->cause = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	parked->due = GetCurrentTimestamp();
	parked_insert(&group, topic->topic, parked);
	PG_RETURN_VOID();
}

/*
 * release_event(group_name text, topic regclass, position gymstream.position, delay interval)
 * returns void: the event comes again once this transaction, which has polled it, has committed
 * and the delay is over; without one after the group's retry_delay.
 */
PG_FUNCTION_INFO_V1(gs_release_event);
Datum
gs_release_event(PG_FUNCTION_ARGS)
{
	ConsumerGroup group;
	const GroupTopic *topic;
	Parked	   *parked;

	argument_writes("gymstream.release_event");
	parked = polled_argument(fcinfo, &group, &topic);
	parked_fail(&group, parked, "it was released");
	if (!PG_ARGISNULL(3))
	{
		int64		delay = group_interval_ms(PG_GETARG_INTERVAL_P(3));

		if (delay < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("delay must not be negative")));
		parked->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), delay);
	}
	parked_insert(&group, topic->topic, parked);
	if (!parked->dead)
		set_due(&group, topic, parked);
	PG_RETURN_VOID();
}

/* ---- dead letters ---- */

/* Whether a dead letter is one of those that the arguments name. */
static bool
is_meant(FunctionCallInfo fcinfo, const Parked *parked)
{
	if (!PG_ARGISNULL(2) && !parked_is_at(&parked->event, position_argument(fcinfo, 2)))
		return false;
	return PG_ARGISNULL(3) || parked->since >= PG_GETARG_TIMESTAMPTZ(3);
}

/* False: it waits already, as one that has failed again since the group was sent back does. */
static bool
replay_letter(const ConsumerGroup *group, const GroupTopic *topic, Parked *parked)
{
	const LogEvent *event = &parked->event;
	Position	position = {event->epoch, event->index, event->lsn, event->offset};
	CellKey		key = cell_of(group, topic, parked);

	if (parked_is_aside(group, topic->topic, &position))
		return false;
	parked->dead = false;
	parked->attempts = 0;
	parked->due = CELL_UNKNOWN + 1;
	parked_insert(group, topic->topic, parked);
	ack_due_at_commit(&key);
	return true;
}

/* Take those that are meant away; with replay they are tried again. Gives how many. */
static int64
for_dead_letters(FunctionCallInfo fcinfo, bool replay)
{
	int64		count = 0;
	ConsumerGroup group;
	ListCell   *cell;
	ListCell   *letter;

	argument_writes(replay ? "gymstream.replay_events" : "gymstream.discard_events");
	group_argument(fcinfo, 0, &group);
	cell_check();
	/* One at a time. */
	partition_lock_group(&group);
	/* It may have been changed while we waited. */
	group_argument(fcinfo, 0, &group);
	foreach(cell, group_topics(&group))
	{
		const GroupTopic *topic = lfirst(cell);

		if (!PG_ARGISNULL(1) && PG_GETARG_OID(1) != topic->topic)
			continue;
		foreach(letter, parked_dead(&group, topic->topic))
		{
			Parked	   *parked = lfirst(letter);

			if (!is_meant(fcinfo, parked))
				continue;
			parked_delete(parked);
			if (!replay || replay_letter(&group, topic, parked))
				count++;
		}
	}
	return count;
}

/*
 * replay_events(group_name text, topic regclass, position gymstream.position, since timestamptz)
 * returns bigint: dead letters that are tried again, all where nothing else is said.
 */
PG_FUNCTION_INFO_V1(gs_replay_events);
Datum
gs_replay_events(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(for_dead_letters(fcinfo, true));
}

/* discard_events(the same) returns bigint: dead letters that are thrown away. */
PG_FUNCTION_INFO_V1(gs_discard_events);
Datum
gs_discard_events(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(for_dead_letters(fcinfo, false));
}
