/*
 * log_row.c: takes a topic and gives its segments as a reader finds them, and the rows of one.
 * Unpacks no batch.
 */
#include "log/log_row.h"

#include "access/htup_details.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "log/log_error.h"

/* ---- rows ---- */

static void
read_row(HeapTuple tuple, TupleDesc desc, LogRow *row)
{
	Datum		values[LOG_NATTS];
	bool		nulls[LOG_NATTS];
	struct varlena *body;

	heap_deform_tuple(tuple, desc, values, nulls);
	row->first = DatumGetInt64(values[LOG_FIRST - 1]);
	row->part = DatumGetInt32(values[LOG_PART - 1]);
	row->count = DatumGetInt32(values[LOG_COUNT - 1]);
	row->epoch = (uint32) DatumGetInt64(values[LOG_EPOCH - 1]);
	row->last.epoch = row->epoch;
	row->last.lsn = DatumGetUInt64(values[LOG_LSN - 1]);
	row->last.index = (uint32) DatumGetInt64(values[LOG_INDEX - 1]);
	row->last.offset = row->first + row->count - 1;
	row->newest = DatumGetTimestampTz(values[LOG_NEWEST - 1]);
	row->size = DatumGetInt32(values[LOG_SIZE - 1]);
	body = (struct varlena *) DatumGetPointer(values[LOG_BODY - 1]);
	row->body = VARDATA_ANY(body);
	row->length = VARSIZE_ANY_EXHDR(body);
	/* The publisher goes on from here, and readers take memory by it. */
	if (row->first < 1 || row->count < 1 || row->first > PG_INT64_MAX - row->count ||
		row->part < 0 || row->size < row->length || !AllocSizeIsValid(row->size))
		log_refuse_damage(row->first);
}

static SysScanDesc
begin_rows(LogTable *table, Snapshot snapshot, StrategyNumber strategy, RegProcedure compare,
		   int64 first)
{
	ScanKeyData key;

	ScanKeyInit(&key, LOG_FIRST, strategy, compare, Int64GetDatum(first));
	return systable_beginscan_ordered(table->relation, table->index, snapshot, 1, &key);
}

bool
log_row_find(LogTable *table, Snapshot snapshot, int64 offset, LogRow *row)
{
	SysScanDesc rows =
		begin_rows(table, snapshot, BTLessEqualStrategyNumber, F_INT8LE, offset);
	HeapTuple	tuple = systable_getnext_ordered(rows, BackwardScanDirection);

	if (HeapTupleIsValid(tuple))
		read_row(tuple, RelationGetDescr(table->relation), row);
	row->body = NULL;
	systable_endscan_ordered(rows);
	return HeapTupleIsValid(tuple);
}

SysScanDesc
log_rows_begin(LogTable *table, Snapshot snapshot, int64 first)
{
	return begin_rows(table, snapshot, BTGreaterEqualStrategyNumber, F_INT8GE, first);
}

bool
log_rows_next(SysScanDesc rows, LogRow *row)
{
	HeapTuple	tuple = systable_getnext_ordered(rows, ForwardScanDirection);

	if (HeapTupleIsValid(tuple))
		read_row(tuple, RelationGetDescr(rows->heap_rel), row);
	return HeapTupleIsValid(tuple);
}

/* ---- segments ---- */

/* What retention has given up is passed over. The newest one stays: it says what comes next. */
void
log_view_renew(LogView *view)
{
	List	   *all = log_segments(&view->topic);
	ListCell   *cell;

	view->segments = NIL;
	foreach(cell, all)
	{
		LogSegment *segment = lfirst(cell);

		if (segment == llast(all) || (!segment->dropping && OidIsValid(segment->table)))
			view->segments = lappend(view->segments, segment);
	}
}

void
log_view_init(LogView *view, Oid topic, Snapshot snapshot)
{
	if (!topic_lookup(topic, &view->topic))
	{
		char	   *name = get_rel_name(topic);

		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 name ? errmsg("\"%s\" has no topic", name) :
						errmsg("relation with OID %u does not exist", topic)));
	}
	view->snapshot = snapshot;
	log_view_renew(view);
}

int64
log_view_first(const LogView *view)
{
	const LogSegment *segment = linitial(view->segments);

	/* the newest one, without its events */
	if (segment->dropping || !OidIsValid(segment->table))
		return segment->last.offset + 1;
	return segment->before.offset + 1;
}

int
log_view_find(const LogView *view, int64 offset)
{
	for (int i = list_length(view->segments) - 1; i > 0; i--)
		if (((LogSegment *) list_nth(view->segments, i))->before.offset < offset)
			return i;
	if (view->segments == NIL)
		return -1;
	if (offset < log_view_first(view))
		log_refuse_past(view);
	return 0;
}

/* ---- errors ---- */

void
log_refuse_past(const LogView *view)
{
	const char *name = topic_name(view->topic.relation);

	ereport(ERROR,
			(errcode(ERRCODE_LOG_PAST_RETENTION),
			 errmsg("events of \"%s\" that are to be read are no longer kept", name ? name : "?"),
			 errdetail("The first event that is kept has the offset " INT64_FORMAT ".",
					   view->segments ? log_view_first(view) : 1),
			 errhint("Read the table or rollup itself, and go on after the position that "
					 "gymstream.last_position has returned before. To skip what is lost, read "
					 "from the beginning, with after => null.")));
	pg_unreachable();
}
