/*
 * partition.c: takes a group, a topic and a partition's number, and claims it by a transaction's
 * lock in a key space that no SQL function reaches. Keeps layouts, which say what was done when the
 * number of partitions was another. Knows nothing of events.
 */
#include "group/partition.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"

#define LAYOUT_GROUP 1
#define LAYOUT_TOPIC 2
#define LAYOUT_PARTITIONS 3
#define LAYOUT_NEXT 4
#define LAYOUT_CREATED 5
#define LAYOUT_NATTS 5

/* Advisory locks of SQL have 1 or 2 in the fourth field. */
#define CLAIM_SPACE 7
#define WHOLE_GROUP PG_UINT32_MAX
#define NO_GROUP 0

StaticAssertDecl(GROUP_MAX_PARTITIONS <= 0x10000 && GROUP_MAX_TOPICS < 0xffff,
				 "a topic's number and a partition fit into a lock's field");

/* ---- claims ---- */

static LOCKTAG
lock_of(int32 group, uint32 what)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) group, what, CLAIM_SPACE);
	return tag;
}

static LOCKTAG
claim_of(const ConsumerGroup *group, const GroupTopic *topic, int partition)
{
	return lock_of(group->id, (uint32) topic->number << 16 | (uint32) partition);
}

bool
partition_claim(const ConsumerGroup *group, const GroupTopic *topic, int partition)
{
	LOCKTAG		tag = claim_of(group, topic, partition);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
partition_release(const ConsumerGroup *group, const GroupTopic *topic, int partition)
{
	LOCKTAG		tag = claim_of(group, topic, partition);

	(void) LockRelease(&tag, ExclusiveLock, false);
}

void
partition_lock_group(const ConsumerGroup *group)
{
	LOCKTAG		tag = lock_of(group->id, WHOLE_GROUP);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
partition_lock_creation(void)
{
	LOCKTAG		tag = lock_of(NO_GROUP, WHOLE_GROUP);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

void
partition_claim_all(const ConsumerGroup *group, const List *topics)
{
	ListCell   *cell;

	foreach(cell, topics)
		for (int partition = 0; partition < group->partitions; partition++)
		{
			LOCKTAG		tag = claim_of(group, lfirst(cell), partition);

			(void) LockAcquire(&tag, ExclusiveLock, false, false);
		}
}

/* ---- layouts ---- */

static SysScanDesc
scan_layouts(Relation table, const ConsumerGroup *group, Oid topic, ScanKey keys)
{
	ScanKeyInit(&keys[0], LAYOUT_GROUP, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(group->id));
	ScanKeyInit(&keys[1], LAYOUT_TOPIC, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(topic));
	return systable_beginscan(table, group_index(table), true, SnapshotSelf, 2, keys);
}

static Layout *
read_layout(HeapTuple tuple, TupleDesc desc)
{
	Layout	   *layout = palloc(sizeof(Layout));
	ArrayType  *array;
	bool		isnull;

	layout->partitions = DatumGetInt32(heap_getattr(tuple, LAYOUT_PARTITIONS, desc, &isnull));
	/* A copy: the row goes with its page. */
	array = DatumGetArrayTypePCopy(heap_getattr(tuple, LAYOUT_NEXT, desc, &isnull));
	layout->next = (int64 *) ARR_DATA_PTR(array);
	layout->created = DatumGetTimestampTz(heap_getattr(tuple, LAYOUT_CREATED, desc, &isnull));
	return layout;
}

List *
partition_layouts(const ConsumerGroup *group, const GroupTopic *topic)
{
	Relation	table = group_open(CATALOG_GROUP_LAYOUT, AccessShareLock);
	List	   *layouts = NIL;
	ScanKeyData keys[2];
	SysScanDesc scan = scan_layouts(table, group, topic->topic, keys);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Layout	   *layout = read_layout(tuple, RelationGetDescr(table));

		/* A topic that was made again counts from the start: none of its events is done. */
		if (layout->created == topic->created)
			layouts = lappend(layouts, layout);
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return layouts;
}

bool
partition_is_done(const List *layouts, int64 offset, uint32 key_hash)
{
	ListCell   *cell;

	foreach(cell, layouts)
	{
		const Layout *layout = lfirst(cell);

		if (offset < layout->next[key_hash % layout->partitions])
			return true;
	}
	return false;
}

void
partition_write_layout(const ConsumerGroup *group, Oid topic, const Layout *layout)
{
	Relation	table = group_open(CATALOG_GROUP_LAYOUT, RowExclusiveLock);
	Datum	   *next = palloc(sizeof(Datum) * layout->partitions);
	Datum		values[LAYOUT_NATTS];
	bool		nulls[LAYOUT_NATTS] = {false};

	for (int i = 0; i < layout->partitions; i++)
		next[i] = Int64GetDatum(layout->next[i]);
	values[LAYOUT_GROUP - 1] = Int32GetDatum(group->id);
	values[LAYOUT_TOPIC - 1] = ObjectIdGetDatum(topic);
	values[LAYOUT_PARTITIONS - 1] = Int32GetDatum(layout->partitions);
	values[LAYOUT_NEXT - 1] = PointerGetDatum(construct_array(
		next, layout->partitions, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[LAYOUT_CREATED - 1] = TimestampTzGetDatum(layout->created);
	group_insert(table, values, nulls);
	table_close(table, NoLock);
}

void
partition_forget_layouts(const ConsumerGroup *group, const GroupTopic *topic, int64 next)
{
	Relation	table = group_open(CATALOG_GROUP_LAYOUT, RowExclusiveLock);
	ScanKeyData keys[2];
	SysScanDesc scan = scan_layouts(table, group, topic->topic, keys);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Layout	   *layout = read_layout(tuple, RelationGetDescr(table));
		int64		last = 0;

		for (int i = 0; i < layout->partitions; i++)
			last = Max(last, layout->next[i]);
		if (last <= next || layout->created != topic->created)
			group_delete(table, &tuple->t_self);
	}
	systable_endscan(scan);
	table_close(table, NoLock);
}
