/*
 * log_segment.c: takes a topic and gives its segments: rows of the table segment, which the
 * publisher alone writes. Reads them as they are now: an old snapshot must not find what is dropped
 * meanwhile. Opens no segment.
 */
#include "log/log_segment.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "base/quiet.h"

/* ---- reading ---- */

static LogSegment *
read_segment(HeapTuple tuple, TupleDesc desc)
{
	LogSegment *segment = palloc0(sizeof(LogSegment));
	Datum		values[SEGMENT_NATTS];
	bool		nulls[SEGMENT_NATTS];

	heap_deform_tuple(tuple, desc, values, nulls);
	segment->topic = DatumGetObjectId(values[SEGMENT_TOPIC - 1]);
	segment->created = DatumGetTimestampTz(values[SEGMENT_CREATED - 1]);
	segment->number = DatumGetInt32(values[SEGMENT_NUMBER - 1]);
	segment->table = DatumGetObjectId(values[SEGMENT_TABLE - 1]);
	segment->before = *(Position *) DatumGetPointer(values[SEGMENT_BEFORE - 1]);
	segment->opened = DatumGetTimestampTz(values[SEGMENT_OPENED - 1]);
	segment->closed =
		nulls[SEGMENT_CLOSED - 1] ? 0 : DatumGetTimestampTz(values[SEGMENT_CLOSED - 1]);
	segment->last = *(Position *) DatumGetPointer(values[SEGMENT_LAST - 1]);
	segment->newest = DatumGetTimestampTz(values[SEGMENT_NEWEST - 1]);
	segment->bytes = DatumGetInt64(values[SEGMENT_BYTES - 1]);
	segment->ended = DatumGetBool(values[SEGMENT_ENDED - 1]);
	segment->dropping = DatumGetBool(values[SEGMENT_DROPPING - 1]);
	return segment;
}

static int
compare_segments(const ListCell *a, const ListCell *b)
{
	const LogSegment *first = lfirst(a);
	const LogSegment *second = lfirst(b);

	if (first->topic != second->topic)
		return first->topic < second->topic ? -1 : 1;
	return first->number < second->number ? -1 : first->number > second->number;
}

List *
log_segments(const Topic *topic)
{
	Relation	catalog = catalog_open(CATALOG_SEGMENT, AccessShareLock);
	List	   *segments = NIL;
	Snapshot	snapshot;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			index;

	/* version 0.1 has no such table */
	if (catalog == NULL)
		return NIL;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	index = topic ? catalog_index(catalog, SEGMENT_TOPIC) : InvalidOid;
	ScanKeyInit(&key, SEGMENT_TOPIC, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(topic ? topic->relation : InvalidOid));
	scan = systable_beginscan(catalog, index, OidIsValid(index), snapshot, topic ? 1 : 0, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		LogSegment *segment = read_segment(tuple, RelationGetDescr(catalog));

		if (topic == NULL || segment->created == topic->created)
			segments = lappend(segments, segment);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(catalog, AccessShareLock);
	list_sort(segments, compare_segments);
	return segments;
}

uint32
log_last_epoch(void)
{
	Relation	catalog = catalog_open(CATALOG_EPOCH, AccessShareLock);
	Snapshot	snapshot;
	SysScanDesc scan;
	HeapTuple	tuple;
	uint32		last = 0;
	bool		isnull;

	if (catalog == NULL)
		return 0;
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		uint32		epoch = DatumGetInt64(
			heap_getattr(tuple, EPOCH_EPOCH, RelationGetDescr(catalog), &isnull));

		last = Max(last, epoch);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(catalog, AccessShareLock);
	return last;
}

/* ---- writing: only the publisher does, so there is nobody to wait for ---- */

static HeapTuple
form_segment(Relation catalog, const LogSegment *segment)
{
	Datum		values[SEGMENT_NATTS];
	bool		nulls[SEGMENT_NATTS] = {false};

	values[SEGMENT_TOPIC - 1] = ObjectIdGetDatum(segment->topic);
	values[SEGMENT_CREATED - 1] = TimestampTzGetDatum(segment->created);
	values[SEGMENT_NUMBER - 1] = Int32GetDatum(segment->number);
	values[SEGMENT_TABLE - 1] = ObjectIdGetDatum(segment->table);
	values[SEGMENT_BEFORE - 1] = PointerGetDatum(&segment->before);
	values[SEGMENT_OPENED - 1] = TimestampTzGetDatum(segment->opened);
	values[SEGMENT_CLOSED - 1] = TimestampTzGetDatum(segment->closed);
	nulls[SEGMENT_CLOSED - 1] = segment->closed == 0;
	values[SEGMENT_LAST - 1] = PointerGetDatum(&segment->last);
	values[SEGMENT_NEWEST - 1] = TimestampTzGetDatum(segment->newest);
	values[SEGMENT_BYTES - 1] = Int64GetDatum(segment->bytes);
	values[SEGMENT_ENDED - 1] = BoolGetDatum(segment->ended);
	values[SEGMENT_DROPPING - 1] = BoolGetDatum(segment->dropping);
	return heap_form_tuple(RelationGetDescr(catalog), values, nulls);
}

/*
 * Where the segment's row is. It is looked up each time: VACUUM FULL moves rows, and there may be
 * the row of another segment where this one was.
 */
static bool
find_row(Relation catalog, const LogSegment *segment, ItemPointer tid)
{
	Oid			index = catalog_index(catalog, SEGMENT_TOPIC);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		found = false;

	ScanKeyInit(&key, SEGMENT_TOPIC, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(segment->topic));
	scan = systable_beginscan(catalog, index, OidIsValid(index), snapshot, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		LogSegment *row = read_segment(tuple, RelationGetDescr(catalog));

		found = row->number == segment->number && row->created == segment->created;
		*tid = tuple->t_self;
		pfree(row);
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	return found;
}

static void
write_segment(const LogSegment *segment, bool insert, bool delete)
{
	Relation	catalog = catalog_open(CATALOG_SEGMENT, RowExclusiveLock);
	ItemPointerData tid;

	if (catalog == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" is not installed", GS_SCHEMA)));
	if (!insert && !find_row(catalog, segment, &tid))
		elog(ERROR, "segment %d of topic %u has no row", segment->number, segment->topic);
	quiet_change(catalog, insert ? NULL : &tid, delete ? NULL : form_segment(catalog, segment));
	table_close(catalog, NoLock);
	CommandCounterIncrement();
}

void
log_segment_insert(const LogSegment *segment)
{
	write_segment(segment, true, false);
}

void
log_segment_update(const LogSegment *segment)
{
	write_segment(segment, false, false);
}

void
log_segment_delete(const LogSegment *segment)
{
	write_segment(segment, false, true);
}
