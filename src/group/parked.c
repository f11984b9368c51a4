/*
 * parked.c: takes events that a group could not do, and stores them with their content, so that
 * they outlive the log's retention. Gives them back when they are to be tried again. Who parks an
 * event or takes one has claimed its partition.
 */
#include "group/parked.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"

#define PARKED_GROUP 1
#define PARKED_TOPIC 2
#define PARKED_DEAD 3
#define PARKED_OFFSET 4
#define PARKED_KEY_HASH 5
#define PARKED_ATTEMPTS 6
#define PARKED_DUE 7
#define PARKED_SINCE 8
#define PARKED_AT 9
#define PARKED_COMMIT_TIME 10
#define PARKED_CAUSE 11
#define PARKED_KEY 12
#define PARKED_BODY 13
#define PARKED_NATTS 13

/* No wait between two attempts is longer. */
#define LONGEST_WAIT_MS (INT64CONST(3600) * 1000)

/* ---- reading ---- */

/* The first three keys of the index; a fourth one, for the offset, is the caller's. */
static SysScanDesc
scan_parked(Relation table, const ConsumerGroup *group, Oid topic, bool dead, ScanKey keys,
			int nkeys)
{
	ScanKeyInit(&keys[0], PARKED_GROUP, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(group->id));
	ScanKeyInit(&keys[1], PARKED_TOPIC, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(topic));
	ScanKeyInit(&keys[2], PARKED_DEAD, BTEqualStrategyNumber, F_BOOLEQ, BoolGetDatum(dead));
	/* SnapshotSelf: what is committed now, without predicate locks. */
	return systable_beginscan(table, group_index(table), true, SnapshotSelf, nkeys, keys);
}

static const char *
read_text(Datum value, bool isnull, Size *size)
{
	text	   *copy;

	*size = 0;
	if (isnull)
		return NULL;
	copy = DatumGetTextPCopy(value);
	*size = VARSIZE_ANY_EXHDR(copy);
	return VARDATA_ANY(copy);
}

static Parked *
read_parked(HeapTuple tuple, TupleDesc desc)
{
	Parked	   *parked = palloc0(sizeof(Parked));
	LogEvent   *event = &parked->event;
	Datum		values[PARKED_NATTS];
	bool		nulls[PARKED_NATTS];
	const Position *position;

	heap_deform_tuple(tuple, desc, values, nulls);
	position = (const Position *) DatumGetPointer(values[PARKED_AT - 1]);
	event->offset = DatumGetInt64(values[PARKED_OFFSET - 1]);
	event->epoch = position->epoch;
	event->lsn = position->lsn;
	event->index = position->index;
	event->commit_time = DatumGetTimestampTz(values[PARKED_COMMIT_TIME - 1]);
	event->key_hash = (uint32) DatumGetInt64(values[PARKED_KEY_HASH - 1]);
	event->key = read_text(values[PARKED_KEY - 1], nulls[PARKED_KEY - 1], &event->key_size);
	event->body = read_text(values[PARKED_BODY - 1], nulls[PARKED_BODY - 1], &event->size);
	parked->attempts = DatumGetInt32(values[PARKED_ATTEMPTS - 1]);
	parked->due = DatumGetTimestampTz(values[PARKED_DUE - 1]);
	parked->since = DatumGetTimestampTz(values[PARKED_SINCE - 1]);
	parked->dead = DatumGetBool(values[PARKED_DEAD - 1]);
	parked->cause = nulls[PARKED_CAUSE - 1] ? NULL : TextDatumGetCString(values[PARKED_CAUSE - 1]);
	parked->row = tuple->t_self;
	return parked;
}

static uint32
key_hash_of(HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;

	return (uint32) DatumGetInt64(heap_getattr(tuple, PARKED_KEY_HASH, desc, &isnull));
}

static int
compare_offsets(const ListCell *a, const ListCell *b)
{
	int64		first = ((const Parked *) lfirst(a))->event.offset;
	int64		second = ((const Parked *) lfirst(b))->event.offset;

	return first < second ? -1 : first > second;
}

static List *
list_parked(const ConsumerGroup *group, Oid topic, bool dead, int partition)
{
	Relation	table = group_open(CATALOG_GROUP_EVENT, AccessShareLock);
	ScanKeyData keys[3];
	SysScanDesc scan = scan_parked(table, group, topic, dead, keys, 3);
	List	   *list = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		uint32		hash = key_hash_of(tuple, RelationGetDescr(table));

		if (partition < 0 || hash % group->partitions == partition)
			list = lappend(list, read_parked(tuple, RelationGetDescr(table)));
	}
	systable_endscan(scan);
	/* Kept until the end: VACUUM FULL must not move rows that are yet to be deleted. */
	table_close(table, NoLock);
	list_sort(list, compare_offsets);
	return list;
}

List *
parked_list(const ConsumerGroup *group, Oid topic, int partition)
{
	return list_parked(group, topic, false, partition);
}

List *
parked_dead(const ConsumerGroup *group, Oid topic)
{
	return list_parked(group, topic, true, -1);
}

/* All of that offset: more than one, where the topic was made again. */
static SysScanDesc
scan_offset(Relation table, const ConsumerGroup *group, Oid topic, bool dead, int64 offset,
			ScanKey keys)
{
	ScanKeyInit(&keys[3], PARKED_OFFSET, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(offset));
	return scan_parked(table, group, topic, dead, keys, 4);
}

Parked *
parked_find(const ConsumerGroup *group, Oid topic, int64 offset, XLogRecPtr lsn)
{
	Relation	table = group_open(CATALOG_GROUP_EVENT, AccessShareLock);
	ScanKeyData keys[4];
	Parked	   *found = NULL;
	SysScanDesc scan = scan_offset(table, group, topic, false, offset, keys);
	HeapTuple	tuple;

	while (found == NULL && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		found = read_parked(tuple, RelationGetDescr(table));
		if (found->event.lsn != lsn)
			found = NULL;
	}
	systable_endscan(scan);
	/* kept, as above */
	table_close(table, NoLock);
	return found;
}

bool
parked_is_at(const LogEvent *event, const Position *position)
{
	return event->offset == position->offset && event->epoch == position->epoch &&
		event->lsn == position->lsn && event->index == position->index;
}

static bool
is_aside(const ConsumerGroup *group, Oid topic, const Position *position, bool dead)
{
	Relation	table = group_open(CATALOG_GROUP_EVENT, AccessShareLock);
	ScanKeyData keys[4];
	bool		found = false;
	SysScanDesc scan = scan_offset(table, group, topic, dead, position->offset, keys);
	HeapTuple	tuple;

	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		/* An earlier dead letter is of an earlier delivery: the group was sent back since. */
		found = (!dead ||
				 TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data))) &&
			parked_is_at(&read_parked(tuple, RelationGetDescr(table))->event, position);
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return found;
}

bool
parked_is_aside(const ConsumerGroup *group, Oid topic, const Position *position)
{
	return is_aside(group, topic, position, false) || is_aside(group, topic, position, true);
}

/* ---- writing ---- */

void
parked_insert(const ConsumerGroup *group, Oid topic, const Parked *parked)
{
	Relation	table = group_open(CATALOG_GROUP_EVENT, RowExclusiveLock);
	const LogEvent *event = &parked->event;
	Position	position = {event->epoch, event->index, event->lsn, event->offset};
	Datum		values[PARKED_NATTS] = {0};
	bool		nulls[PARKED_NATTS] = {false};

	values[PARKED_GROUP - 1] = Int32GetDatum(group->id);
	values[PARKED_TOPIC - 1] = ObjectIdGetDatum(topic);
	values[PARKED_DEAD - 1] = BoolGetDatum(parked->dead);
	values[PARKED_OFFSET - 1] = Int64GetDatum(event->offset);
	values[PARKED_KEY_HASH - 1] = Int64GetDatum((int64) event->key_hash);
	values[PARKED_ATTEMPTS - 1] = Int32GetDatum(parked->attempts);
	values[PARKED_DUE - 1] = TimestampTzGetDatum(parked->due);
	values[PARKED_SINCE - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[PARKED_AT - 1] = PointerGetDatum(&position);
	values[PARKED_COMMIT_TIME - 1] = TimestampTzGetDatum(event->commit_time);
	nulls[PARKED_CAUSE - 1] = parked->cause == NULL;
	if (parked->cause)
		values[PARKED_CAUSE - 1] = CStringGetTextDatum(parked->cause);
	nulls[PARKED_KEY - 1] = event->key == NULL;
	if (event->key)
		values[PARKED_KEY - 1] =
			PointerGetDatum(cstring_to_text_with_len(event->key, event->key_size));
	values[PARKED_BODY - 1] = PointerGetDatum(cstring_to_text_with_len(event->body, event->size));
	group_insert(table, values, nulls);
	table_close(table, NoLock);
}

void
parked_delete(const Parked *parked)
{
	Relation	table = group_open(CATALOG_GROUP_EVENT, RowExclusiveLock);
	ItemPointerData row = parked->row;

	group_delete(table, &row);
	table_close(table, NoLock);
}

void
parked_fail(const ConsumerGroup *group, Parked *parked, const char *cause)
{
	int			doublings = Min(parked->attempts, 30);
	int64		wait = Min(group->retry_ms << doublings, LONGEST_WAIT_MS);

	/* A delay that is longer was asked for. */
	wait = Max(wait, group->retry_ms);
	parked->attempts++;
	parked->cause = cause;
	parked->dead = parked->attempts >= group->max_attempts;
	parked->due = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), wait);
}

void
parked_forget_waiting(const ConsumerGroup *group, Oid topic)
{
	ListCell   *cell;

	foreach(cell, parked_list(group, topic, -1))
		parked_delete(lfirst(cell));
}
