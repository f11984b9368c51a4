/*
 * log_seek.c: takes a position or a time and gives the offset to read from. Both only grow from
 * batch to batch, so a search needs few of their rows, whatever the size of the log.
 */
#include "log/log_scan.h"

#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "log/log_error.h"
#include "log/log_row.h"

/* What is looked for: the first batch whose last event is after it, or not before it in time. */
typedef struct LogTarget
{
	const Position *after;		/* NULL: by time */
	TimestampTz at;
} LogTarget;

static bool
is_reached(const LogTarget *target, const Position *last, TimestampTz newest)
{
	return target->after ? position_compare(last, target->after) > 0 : newest >= target->at;
}

/*
 * The last batch of the segment that the snapshot sees. False: it sees none, or the segment is
 * gone.
 */
static bool
last_row(const LogSegment *segment, Snapshot snapshot, LogRow *row)
{
	LogTable	table;
	bool		found;

	if (!log_table_open(&table, segment, AccessShareLock))
		return false;
	found = log_row_find(&table, snapshot, PG_INT64_MAX, row);
	log_table_close(&table, AccessShareLock);
	return found;
}

/* The last position that the snapshot sees. There is a segment. */
static Position
view_last(const LogView *view)
{
	LogRow		row;

	for (int i = list_length(view->segments) - 1; i >= 0; i--)
	{
		const LogSegment *segment = list_nth(view->segments, i);

		if (segment->dropping || !OidIsValid(segment->table))
			return segment->last;
		if (last_row(segment, view->snapshot, &row))
			return row.last;
	}
	return ((LogSegment *) linitial(view->segments))->before;
}

/* The first offset in a segment's batches of the first one that reaches the target. */
static int64
search_segment(const LogView *view, const LogSegment *segment, const LogTarget *target)
{
	int64		low = segment->before.offset + 1;
	int64		high;
	LogTable	table;
	LogRow		row;

	if (!log_table_open(&table, segment, AccessShareLock))
		log_refuse_past(view);
	high = log_row_find(&table, view->snapshot, PG_INT64_MAX, &row) ? row.last.offset + 1 : low;
	/* All before low do not reach it; all from high on do, or are not there. */
	while (low < high)
	{
		if (!log_row_find(&table, view->snapshot, low + (high - low) / 2, &row))
			log_refuse_damage(low);
		if (is_reached(target, &row.last, row.newest))
			high = row.first;
		else
			low = row.last.offset + 1;
	}
	log_table_close(&table, AccessShareLock);
	return low;
}

/* The same in all that is kept. */
static int64
search_batch(const LogView *view, const LogTarget *target)
{
	ListCell   *cell;

	foreach(cell, view->segments)
	{
		const LogSegment *segment = lfirst(cell);

		if (segment->closed != 0 && !is_reached(target, &segment->last, segment->newest))
			continue;
		/* a newest segment that has no events any more */
		if (segment->dropping || !OidIsValid(segment->table))
			continue;
		return search_segment(view, segment, target);
	}
	return view_last(view).offset + 1;
}

static Position
position_of(const LogEvent *event)
{
	return (Position) {event->epoch, event->index, event->lsn, event->offset};
}

/* The first event that reaches the target, in the first batch that has one. */
static int64
search_event(const LogView *view, const LogTarget *target)
{
	int64		offset = search_batch(view, target);
	LogScan    *scan = log_scan_begin(view->topic.relation, offset, view->snapshot);
	LogEvent	event;

	while (log_scan_next(scan, &event))
	{
		Position	position = position_of(&event);

		if (is_reached(target, &position, event.commit_time))
			break;
		offset = event.offset + 1;
	}
	log_scan_end(scan);
	return offset;
}

int64
log_offset_at(Oid topic, TimestampTz at, Snapshot snapshot)
{
	LogTarget	target = {.at = at};
	LogView		view;

	log_view_init(&view, topic, snapshot);
	return view.segments == NIL ? 1 : search_event(&view, &target);
}

bool
log_range(Oid topic, Snapshot snapshot, int64 *first, int64 *next)
{
	LogView		view;

	log_view_init(&view, topic, snapshot);
	*first = *next = 1;
	if (view.segments == NIL)
		return false;
	*first = log_view_first(&view);
	*next = view_last(&view).offset + 1;
	return true;
}

Position
log_last(Oid topic, Snapshot snapshot)
{
	LogView		view;

	log_view_init(&view, topic, snapshot);
	if (view.segments != NIL)
		return view_last(&view);
	return (Position) {.epoch = log_last_epoch()};
}

/* Whether the offset is that of a batch's last event, as those are that readers stop at. */
static bool
is_last_in_batch(const LogView *view, int64 offset, Position *last)
{
	const LogSegment *segment = list_nth(view->segments, log_view_find(view, offset));
	LogTable	table;
	LogRow		row;
	bool		found;

	if (!log_table_open(&table, segment, AccessShareLock))
		return false;
	found = log_row_find(&table, view->snapshot, offset, &row);
	log_table_close(&table, AccessShareLock);
	if (found)
		*last = row.last;
	return found && row.last.offset == offset;
}

/* The event at this offset, which the snapshot sees. */
static Position
event_position(const LogView *view, int64 offset)
{
	LogScan    *scan;
	LogEvent	event;
	Position	position;

	if (is_last_in_batch(view, offset, &position))
		return position;
	scan = log_scan_begin(view->topic.relation, offset, view->snapshot);
	if (!log_scan_next(scan, &event))
		log_refuse_damage(offset);
	position = position_of(&event);
	log_scan_end(scan);
	return position;
}

/* The position of the event before the first one that is kept. There is a segment. */
static Position
view_before(const LogView *view)
{
	const LogSegment *segment = linitial(view->segments);

	return segment->dropping || !OidIsValid(segment->table) ? segment->last : segment->before;
}

Position
log_position_before(Oid topic, int64 offset, Snapshot snapshot)
{
	LogView		view;
	Position	last;

	log_view_init(&view, topic, snapshot);
	if (view.segments == NIL)
		return (Position) {.epoch = log_last_epoch()};
	if (offset <= log_view_first(&view))
		return view_before(&view);
	last = view_last(&view);
	return offset > last.offset ? last : event_position(&view, offset - 1);
}

/* ---- bookmarks ---- */

static void
refuse_epoch(const LogView *view, const Position *position, uint32 epoch)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOG_OTHER_EPOCH),
			 errmsg("the position is of epoch %u, and the log of \"%s\" of epoch %u",
					position->epoch, topic_name(view->topic.relation), epoch),
			 errdetail("Changes between them may have been lost: the log was begun anew after a "
					   "restore, a promotion, or the loss of its replication slot."),
			 errhint("Read the table or rollup itself, and go on after the position that "
					 "gymstream.last_position has returned before.")));
}

static void
refuse_other(const LogView *view)
{
	ereport(ERROR,
			(errcode(ERRCODE_LOG_OTHER_EPOCH),
			 errmsg("the position is not of the log of \"%s\"",
					topic_name(view->topic.relation)),
			 errdetail("Another event has its offset, or none: the position is of another topic, "
					   "or of one that was dropped and created again."),
			 errhint("Read the table or rollup itself, and go on after the position that "
					 "gymstream.last_position has returned before.")));
}

/*
 * Whether the bookmark's offset is that of its event. What is ahead of all that can be seen may be
 * so since the snapshot is old, or a standby late.
 */
static bool
offset_is_right(const LogView *view, const Position *bookmark, const Position *last)
{
	Position	there;

	if (bookmark->offset >= last->offset)
		there = *last;
	else if (bookmark->offset == log_view_first(view) - 1)
		there = view_before(view);
	else
		there = event_position(view, bookmark->offset);
	if (bookmark->offset > last->offset)
		return position_compare(bookmark, last) > 0;
	return position_compare(bookmark, &there) == 0;
}

int64
log_offset_after(Oid topic, const Position *position, Snapshot snapshot)
{
	LogTarget	target = {.after = position};
	LogView		view;
	Position	last;
	Position	before;

	log_view_init(&view, topic, snapshot);
	last = view.segments ? view_last(&view) : (Position) {.epoch = log_last_epoch()};
	if (position->epoch != last.epoch)
		refuse_epoch(&view, position, last.epoch);
	if (view.segments == NIL)
		return 1;
	before = view_before(&view);
	if (position->offset == POSITION_NO_OFFSET)
	{
		if (position_compare(position, &before) < 0)
			log_refuse_past(&view);
		return search_event(&view, &target);
	}
	if (position->offset < before.offset)
		log_refuse_past(&view);
	if (!offset_is_right(&view, position, &last))
		refuse_other(&view);
	return position->offset + 1;
}
