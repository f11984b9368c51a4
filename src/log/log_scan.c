/*
 * log_scan.c: takes a topic and an offset and gives the events from there on, segment by segment.
 * Segments are looked up as they are now; what is in them is seen under the caller's snapshot.
 * Batches become visible in the order of their offsets, so what is seen has no hole: that is
 * checked, as a hole would be a lost event.
 */
#include "log/log_scan.h"

#include "access/genam.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "log/log_error.h"
#include "log/log_row.h"

struct LogScan
{
	LogView		view;			/* the topic, its segments, the snapshot */
	int64		next;			/* offset of the event that is to come next */
	bool		from_first;		/* that is the first one that is kept, whichever it is by then */
	int			segment;		/* its number in the view */
	bool		is_open;
	LogTable	table;
	SysScanDesc rows;
	bool		has_batch;
	LogUnpacked batch;
	MemoryContext batch_context;	/* reset with each batch */
};

/* ---- segments ---- */

/* Begin to read the rows of the current segment, at the batch that holds the next event. */
static void
open_rows(LogScan *scan)
{
	LogRow		row;
	int64		start = scan->next;

	if (log_row_find(&scan->table, scan->view.snapshot, scan->next, &row))
		start = row.first;
	scan->rows = log_rows_begin(&scan->table, scan->view.snapshot, start);
	scan->is_open = true;
}

static void
close_segment(LogScan *scan)
{
	if (!scan->is_open)
		return;
	systable_endscan_ordered(scan->rows);
	log_table_close(&scan->table, AccessShareLock);
	scan->is_open = false;
}

/*
 * Open the segment that holds the next event. False: the log ends before. A segment that was
 * dropped since the look-up is not there any more when looked up again: then the next event is
 * past retention.
 */
static bool
open_segment(LogScan *scan)
{
	for (int tries = 0;; tries++)
	{
		const LogSegment *segment;

		scan->segment = log_view_find(&scan->view, scan->next);
		if (scan->segment < 0)
			return false;
		segment = list_nth(scan->view.segments, scan->segment);
		if (segment->closed != 0 && scan->next > segment->last.offset)
			return false;
		if (log_table_open(&scan->table, segment, AccessShareLock))
			break;
		/* Its row is there and its table is not: it did not come along from another server. */
		if (tries > 0)
			log_refuse_past(&scan->view);
		log_view_renew(&scan->view);
		if (scan->from_first && scan->view.segments != NIL)
			scan->next = log_view_first(&scan->view);
	}
	open_rows(scan);
	return true;
}

LogScan *
log_scan_begin(Oid topic, int64 from, Snapshot snapshot)
{
	LogScan    *scan = palloc0(sizeof(LogScan));

	log_view_init(&scan->view, topic, RegisterSnapshot(snapshot));
	scan->batch_context =
		AllocSetContextCreate(CurrentMemoryContext, "gymstream log batch", ALLOCSET_DEFAULT_SIZES);
	scan->next = Max(from, 1);
	scan->from_first = from <= 0;
	if (scan->from_first && scan->view.segments != NIL)
		scan->next = log_view_first(&scan->view);
	if (scan->view.segments != NIL && scan->next < log_view_first(&scan->view))
		log_refuse_past(&scan->view);
	return scan;
}

void
log_scan_end(LogScan *scan)
{
	close_segment(scan);
	UnregisterSnapshot(scan->view.snapshot);
	MemoryContextDelete(scan->batch_context);
	pfree(scan);
}

/* ---- batches ---- */

/* Put a batch's parts together, of which row is the first. */
static void
read_batch(LogScan *scan, const LogRow *row)
{
	MemoryContext old;
	char	   *stored;
	int			have = row->length;
	LogRow		part;

	MemoryContextReset(scan->batch_context);
	old = MemoryContextSwitchTo(scan->batch_context);
	if (row->part != 0)
		log_refuse_damage(row->first);
	stored = palloc(row->size);
	memcpy(stored, row->body, row->length);
	for (int i = 1; have < row->size; i++)
	{
		if (!log_rows_next(scan->rows, &part) || part.first != row->first || part.part != i ||
			part.length > row->size - have)
			log_refuse_damage(row->first);
		memcpy(stored + have, part.body, part.length);
		have += part.length;
	}
	log_unpack(&scan->batch, row->first, row->epoch, stored, row->size);
	if (scan->batch.count != row->count)
		log_refuse_damage(row->first);
	scan->has_batch = true;
	MemoryContextSwitchTo(old);
}

/* The batch that holds the next event. False: the log ends before. */
static bool
next_batch(LogScan *scan)
{
	LogRow		row;

	scan->has_batch = false;
	for (;;)
	{
		if (!scan->is_open && !open_segment(scan))
			return false;
		if (!log_rows_next(scan->rows, &row))
		{
			const LogSegment *segment = list_nth(scan->view.segments, scan->segment);
			bool		more = segment->closed != 0 && scan->next > segment->last.offset;

			close_segment(scan);
			if (!more)
				return false;
			continue;
		}
		/* where the search for the beginning has found a batch that ends before */
		if (row.first + row.count <= scan->next)
			continue;
		if (row.first > scan->next)
			log_refuse_damage(scan->next);
		read_batch(scan, &row);
		return true;
	}
}

bool
log_scan_next(LogScan *scan, LogEvent *event)
{
	for (;;)
	{
		if (scan->has_batch && log_unpack_next(&scan->batch, event))
		{
			if (event->offset < scan->next)
				continue;
			scan->next = event->offset + 1;
			scan->from_first = false;
			return true;
		}
		CHECK_FOR_INTERRUPTS();
		if (scan->view.segments == NIL || !next_batch(scan))
			return false;
	}
}
