/*
 * bookmark.c: takes a partition and gives its newest bookmark, or writes the next one. Bookmarks
 * are only appended: the newest one is the first that a scan meets from the end of the index, in
 * however many versions and for however long an old snapshot keeps what went before. Trusts the
 * caller to have claimed the partition.
 */
#include "group/bookmark.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"

#define BOOKMARK_GROUP 1
#define BOOKMARK_TOPIC 2
#define BOOKMARK_PARTITION 3
#define BOOKMARK_SERIAL 4
#define BOOKMARK_NEXT 5
#define BOOKMARK_CREATED 6
#define BOOKMARK_NATTS 6

/* The old ones are deleted after so many new ones. */
#define CLEAN_EVERY 64

static void
partition_keys(ScanKey keys, int32 group, Oid topic, int partition)
{
	ScanKeyInit(&keys[0], BOOKMARK_GROUP, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(group));
	ScanKeyInit(&keys[1], BOOKMARK_TOPIC, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(topic));
	ScanKeyInit(&keys[2], BOOKMARK_PARTITION, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(partition));
}

static void
read_bookmark(HeapTuple tuple, TupleDesc desc, Bookmark *bookmark)
{
	bool		isnull;

	bookmark->serial = DatumGetInt64(heap_getattr(tuple, BOOKMARK_SERIAL, desc, &isnull));
	bookmark->next = DatumGetInt64(heap_getattr(tuple, BOOKMARK_NEXT, desc, &isnull));
	bookmark->created = DatumGetTimestampTz(heap_getattr(tuple, BOOKMARK_CREATED, desc, &isnull));
}

/* The newest one that a snapshot sees; seen: whether another one sees it, too. */
static Bookmark
newest_by(Snapshot by, const ConsumerGroup *group, Oid topic, int partition, Snapshot snapshot,
		  bool *seen)
{
	Relation	table = group_open(CATALOG_GROUP_BOOKMARK, AccessShareLock);
	Relation	index = index_open(group_index(table), AccessShareLock);
	Bookmark	bookmark = {0};
	ScanKeyData keys[3];
	SysScanDesc scan;
	HeapTuple	tuple;

	partition_keys(keys, group->id, topic, partition);
	scan = systable_beginscan_ordered(table, index, by, lengthof(keys), keys);
	tuple = systable_getnext_ordered(scan, BackwardScanDirection);
	/* Where there is none, nobody has acked anything that a snapshot could fail to see. */
	*seen = true;
	if (HeapTupleIsValid(tuple))
	{
		read_bookmark(tuple, RelationGetDescr(table), &bookmark);
		*seen = table_tuple_satisfies_snapshot(table, scan->slot, snapshot);
	}
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(table, AccessShareLock);
	return bookmark;
}

Bookmark
bookmark_newest(const ConsumerGroup *group, Oid topic, int partition, Snapshot snapshot, bool *seen)
{
	return newest_by(SnapshotSelf, group, topic, partition, snapshot, seen);
}

Bookmark
bookmark_seen(const ConsumerGroup *group, Oid topic, int partition, Snapshot snapshot)
{
	bool		seen;

	return newest_by(snapshot, group, topic, partition, snapshot, &seen);
}

/*
 * Delete those below the serial. Only the latest are looked at: those before went the last time,
 * and may lie there dead for as long as somebody has an old snapshot.
 */
static void
clean_below(Relation table, int32 group, Oid topic, int partition, int64 serial)
{
	ScanKeyData keys[5];
	SysScanDesc scan;
	HeapTuple	tuple;

	partition_keys(keys, group, topic, partition);
	/* Four times as many: where a transaction that cleaned was undone, the next ones make up. */
	ScanKeyInit(&keys[3], BOOKMARK_SERIAL, BTGreaterEqualStrategyNumber, F_INT8GE,
				Int64GetDatum(serial - 4 * CLEAN_EVERY));
	ScanKeyInit(&keys[4], BOOKMARK_SERIAL, BTLessStrategyNumber, F_INT8LT, Int64GetDatum(serial));
	scan = systable_beginscan(table, group_index(table), true, SnapshotSelf, lengthof(keys), keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		group_delete(table, &tuple->t_self);
	systable_endscan(scan);
}

void
bookmark_write(int32 group, Oid topic, int partition, const Bookmark *bookmark)
{
	Relation	table = group_open(CATALOG_GROUP_BOOKMARK, RowExclusiveLock);
	Datum		values[BOOKMARK_NATTS];
	bool		nulls[BOOKMARK_NATTS] = {false};

	values[BOOKMARK_GROUP - 1] = Int32GetDatum(group);
	values[BOOKMARK_TOPIC - 1] = ObjectIdGetDatum(topic);
	values[BOOKMARK_PARTITION - 1] = Int32GetDatum(partition);
	values[BOOKMARK_SERIAL - 1] = Int64GetDatum(bookmark->serial);
	values[BOOKMARK_NEXT - 1] = Int64GetDatum(bookmark->next);
	values[BOOKMARK_CREATED - 1] = TimestampTzGetDatum(bookmark->created);
	group_insert(table, values, nulls);
	if (bookmark->serial % CLEAN_EVERY == 0)
		clean_below(table, group, topic, partition, bookmark->serial);
	table_close(table, NoLock);
}
