/*
 * poll_take.c: takes the partitions of a topic and claims some that may have events, and says from
 * where each goes on. The claim comes first, then a look at what is committed, then whether the
 * statement's snapshot sees it.
 */
#include "group/poll.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "group/ack.h"
#include "group/parked.h"
#include "group/partition.h"

/* Where this backend begins to look: each somewhere else, and further on every time. */
static uint32 look_from = 0;

CellKey
poll_cell(const Poll *poll, int partition)
{
	CellKey		key = {MyDatabaseId, poll->group->id, poll->topic->topic, partition,
						   poll->topic->created};

	return key;
}

/* ---- where a partition goes on ---- */

/* The log does not have what comes next: the group's rule says what follows. */
static int64
reset_offset(Poll *poll, const char *detail, const char *remedy)
{
	GroupReset	reset = poll->group->reset;
	char	   *topic = get_rel_name(poll->topic->topic);

	if (reset == GROUP_RESET_ERROR)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("group \"%s\" cannot go on in topic \"%s\"", poll->group->name, topic),
				 errdetail("%s", detail),
				 errhint("Make good what may be missing, then run gymstream.seek_group.")));
	if (!poll->warned)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("group \"%s\" may have lost events of topic \"%s\"", poll->group->name,
						topic),
				 errdetail("%s", detail),
				 errhint("It goes on with the %s event.%s",
						 reset == GROUP_RESET_LATEST ? "next" : "earliest", remedy)));
	poll->warned = true;
	return reset == GROUP_RESET_LATEST ? poll->next : poll->first;
}

static void
set_start(Poll *poll, Taken *taken)
{
	const Bookmark *newest = &taken->newest;
	int64		frontier = taken->cell.frontier <= poll->next ? taken->cell.frontier : 0;
	bool		lost = true;

	if (newest->serial == 0)
		taken->from = poll->group->start_latest ? poll->next : poll->first;
	else if (newest->created != poll->topic->created || newest->next > poll->next)
		taken->from =
			reset_offset(poll, "The topic's events are others: it was dropped and made again.", "");
	else if (newest->next < poll->first && frontier < poll->first)
		taken->from = reset_offset(
			poll, "The topic's retention has dropped events that the group had not polled.",
			" A longer retain of the topic gives it more time.");
	else
		lost = false;
	taken->must_ack = lost;
	if (!lost)
		taken->from = Max(Max(newest->next, frontier), poll->first);
	taken->start = taken->from;
}

/* ---- what was delivered before ---- */

/* The delivery under the newest bookmark was not acked, and its transaction is over. */
static bool
settle_delivery(Poll *poll, Taken *taken)
{
	Cell	   *cell = &taken->cell;

	/* Of events that the log does not have any more, nothing can be tried again. */
	if (cell->serial != taken->newest.serial || taken->newest.created != poll->topic->created)
	{
		cell->serial = -1;
		return true;
	}
	if (cell->alone)
	{
		poll->failed = true;
		return false;
	}
	cell->suspect_to = Max(cell->suspect_to, cell->upto);
	cell->serial = -1;
	return true;
}

/* Whether the next event of it has failed, or may have. */
static bool
needs_alone(const Poll *poll, const Taken *taken)
{
	ListCell   *cell;

	if (taken->from < taken->cell.suspect_to)
		return true;
	foreach(cell, taken->waiting)
	{
		const Parked *parked = lfirst(cell);

		if (parked->due <= poll->now &&
			(parked->attempts > 0 || parked->event.offset < taken->cell.suspect_to))
			return true;
	}
	return false;
}

/* ---- taking ---- */

void
poll_leave(const Poll *poll, const Taken *taken)
{
	if (taken->claimed)
		partition_release(poll->group, poll->topic, taken->partition);
}

/* Go on with a partition that this transaction has polled. */
static void
take_again(Poll *poll, const Ack *ack, Taken *taken)
{
	taken->newest = ack->bookmark;
	taken->newest.serial--;
	taken->start = ack->from;
	taken->from = ack->bookmark.next;
}

/* Claim one and see what it is about. False: it is not for us now. */
static bool
take_new(Poll *poll, Taken *taken)
{
	bool		seen;

	/* Nothing has come since somebody looked, or nothing can be taken, and nothing is due. */
	if (taken->cell.serial < 0 && (taken->cell.frontier == poll->next || taken->cell.full) &&
		taken->cell.due != CELL_UNKNOWN && taken->cell.due > poll->now)
		return false;
	if (!partition_claim(poll->group, poll->topic, taken->partition))
		return false;
	taken->claimed = true;
	/* What the one before has left there is there before the claim is free. */
	taken->cell = cell_read(&taken->cell.key, poll->group->generation);
	taken->newest = bookmark_newest(poll->group, poll->topic->topic, taken->partition,
									poll->snapshot, &seen);
	if (!seen)
		poll->passed_over = true;
	if (!seen || !settle_delivery(poll, taken))
	{
		poll_leave(poll, taken);
		return false;
	}
	set_start(poll, taken);
	return true;
}

static bool
take(Poll *poll, int partition)
{
	Taken	   *taken = &poll->taken[poll->count];
	CellKey		key = poll_cell(poll, partition);
	const Ack  *ack = ack_find(poll->group->id, poll->topic->topic, partition);

	/* What this transaction has polled to the end needs no other look. */
	if (ack && ack->bookmark.next >= poll->next)
		return false;
	MemSet(taken, 0, sizeof(*taken));
	taken->partition = partition;
	taken->cell = cell_read(&key, poll->group->generation);
	if (ack)
		take_again(poll, ack, taken);
	else if (!take_new(poll, taken))
		return false;
	taken->waiting = parked_list(poll->group, poll->topic->topic, partition);
	if (needs_alone(poll, taken))
	{
		/* It must be all that the transaction gets. Another poll begins with it. */
		if (poll->count > 0 || poll->given > 0 || ack_events() > 0)
		{
			poll_leave(poll, taken);
			return false;
		}
		poll->alone = true;
	}
	poll->places[partition] = poll->count++;
	return true;
}

/* Whoever changes the group claims all partitions: once we have some, it stays as it is. */
static bool
group_is_same(Poll *poll)
{
	ConsumerGroup now;

	return group_lookup_id(poll->group->id, &now) && now.generation == poll->group->generation;
}

bool
poll_take(Poll *poll, int want)
{
	int			partitions = poll->group->partitions;

	if (look_from == 0)
		look_from = MyProcPid;
	poll->count = 0;
	poll->alone = false;
	for (int i = 0; i < partitions; i++)
		poll->places[i] = -1;
	for (int i = 0; i < partitions && poll->count < want && !poll->alone; i++)
		(void) take(poll, (look_from + i) % partitions);
	if (poll->count == 0)
		return true;
	look_from = poll->taken[poll->count - 1].partition + 1;
	if (group_is_same(poll))
		return true;
	for (int i = 0; i < poll->count; i++)
		poll_leave(poll, &poll->taken[i]);
	poll->count = 0;
	return false;
}
