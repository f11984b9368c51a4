/*
 * log_tidy.c: takes the segments that there are and drops those that need not be kept: older than
 * retain, more than retain_bytes, of topics that are gone. In two steps: what is marked is found by
 * no reader any more; then it is dropped, as soon as nobody has a lock on it. Waits for nobody.
 */
#include "log/log_write.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "log/log_table.h"

#define TIDY_MS 10000
#define TIDY_IDLE_MS 60000		/* where there is no segment */
#define TIDY_SHORT_MS 1000		/* where a topic keeps its events for seconds only */

static TimestampTz tidy_at = 0;
static bool tidy_soon;			/* a topic, or a drop that had to be put off, wants it */
static bool tidy_any;			/* there are segments */
static bool tidy_changed;		/* rows, or an error has left it open whether */

/* ---- what is to go ---- */

static void
mark(LogSegment *segment)
{
	if (segment->dropping)
		return;
	segment->dropping = true;
	tidy_changed = true;
	log_segment_update(segment);
}

/* Whether the topic that the segments are of is there. */
static bool
topic_of(const LogSegment *segment, Topic *topic)
{
	return topic_lookup(segment->topic, topic) && topic->created == segment->created;
}

/* The open segment of a topic where nothing happens gets old, too. */
static bool
close_old(const Topic *topic, const LogSegment *segment)
{
	if (segment->closed != 0 || !OidIsValid(segment->table))
		return false;
	if (topic->stored && GetCurrentTimestamp() - segment->opened < log_segment_age(topic))
		return false;
	log_close_tail(topic, !topic->stored);
	tidy_changed = true;
	return true;
}

/* Mark what a topic's retention gives up; the segments are in their order. */
static void
mark_topic(const Topic *topic, List *segments)
{
	TimestampTz now = GetCurrentTimestamp();
	int64		bytes = 0;

	for (int i = list_length(segments) - 1; i >= 0; i--)
	{
		LogSegment *segment = list_nth(segments, i);

		if (!OidIsValid(segment->table))
		{
			/* the newest one stays, so that its offsets are not given again */
			if (i < list_length(segments) - 1)
				mark(segment);
			continue;
		}
		bytes += segment->closed == 0 ? log_table_size(segment) : segment->bytes;
		if (segment->closed == 0)
			continue;
		if (!topic->stored || now - segment->closed > log_retain_time(topic) ||
			(topic->retain_bytes > 0 && bytes > topic->retain_bytes))
			mark(segment);
	}
}

/* The segments of one topic, the first of which is all[start]. Returns how many they are. */
static int
tidy_topic(List *all, int start)
{
	LogSegment *first = list_nth(all, start);
	List	   *segments = NIL;
	Topic		topic;
	int			n = 0;

	for (; start + n < list_length(all); n++)
	{
		LogSegment *segment = list_nth(all, start + n);

		if (segment->topic != first->topic || segment->created != first->created)
			break;
		segments = lappend(segments, segment);
	}
	if (!topic_of(first, &topic))
	{
		ListCell   *cell;

		foreach(cell, segments)
			mark(lfirst(cell));
		return n;
	}
	if (topic.stored && log_segment_age(&topic) < TIDY_MS * INT64CONST(1000))
		tidy_soon = true;
	if (close_old(&topic, llast(segments)))
		segments = log_segments(&topic);
	mark_topic(&topic, segments);
	return n;
}

static void
mark_all(void)
{
	List	   *all = log_segments(NULL);

	tidy_any = all != NIL;
	for (int i = 0; i < list_length(all);)
		i += tidy_topic(all, i);
}

/* ---- dropping ---- */

/* Whether the segment is the newest one of a topic that is there. */
static bool
is_newest(const LogSegment *segment)
{
	Topic		topic;
	List	   *segments;

	if (!topic_of(segment, &topic))
		return false;
	segments = log_segments(&topic);
	return ((LogSegment *) llast(segments))->number == segment->number;
}

static void
drop_segment(LogSegment *segment)
{
	if (!log_table_drop(segment))
	{
		tidy_soon = true;
		return;
	}
	segment->table = InvalidOid;
	segment->dropping = false;
	if (is_newest(segment))
		log_segment_update(segment);
	else
		log_segment_delete(segment);
}

/* In a transaction of its own; what fails is tried again. */
static void
do_apart(void (*work)(LogSegment *), LogSegment *segment)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		work(segment);
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		tidy_changed = true;
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
}

static List *marked_segments;

static void
find_marked(LogSegment *unused)
{
	MemoryContext old;
	ListCell   *cell;

	mark_all();
	CommandCounterIncrement();
	foreach(cell, log_segments(NULL))
	{
		LogSegment *copy;

		if (!((LogSegment *) lfirst(cell))->dropping)
			continue;
		old = MemoryContextSwitchTo(TopMemoryContext);
		copy = palloc(sizeof(LogSegment));
		*copy = *(LogSegment *) lfirst(cell);
		marked_segments = lappend(marked_segments, copy);
		MemoryContextSwitchTo(old);
	}
}

void
log_tidy_soon(void)
{
	tidy_at = 0;
}

long
log_tidy(void)
{
	long		pause;
	TimestampTz now = GetCurrentTimestamp();
	ListCell   *cell;

	if (now < tidy_at)
		return TimestampDifferenceMilliseconds(now, tidy_at);
	tidy_soon = tidy_changed = false;
	marked_segments = NIL;
	do_apart(find_marked, NULL);
	foreach(cell, marked_segments)
		do_apart(drop_segment, lfirst(cell));
	if (tidy_changed)
		log_forget_tails();
	list_free_deep(marked_segments);
	pause = tidy_soon ? TIDY_SHORT_MS : tidy_any ? TIDY_MS : TIDY_IDLE_MS;
	tidy_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), pause);
	return pause;
}
