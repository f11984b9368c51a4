/*
 * epoch.c: takes the server's identity and gives the epoch of positions, which stands in the table
 * epoch. Enters a new one when the slot was made anew, or when the log is not the one that the last
 * epoch is of: after a promotion, and in a copy or a backup of the server.
 *
 * A new epoch is the time, in seconds since 1970, or the last epoch plus one if that is more. So it
 * is larger than any that was used before, also by another server from which this one was restored,
 * as long as clocks are right. Rows are only added: they say since when each epoch was in use.
 */
#include "publish/epoch.h"

#include <time.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "base/catalog.h"

static uint32 known_epoch = 0;
static uint32 known_slots;		/* how many slots had been made when it was looked up */

/* A row of the table epoch. */
typedef struct EpochRow
{
	uint32		epoch;
	uint64		system_identifier;
	TimeLineID	timeline;
} EpochRow;

/* The last epoch. All is 0 where there is none. */
static EpochRow
last_epoch(Relation catalog)
{
	TupleDesc	desc = RelationGetDescr(catalog);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	EpochRow	last = {0};
	HeapTuple	tuple;

	/* The newest epoch is the largest one, wherever its row stands. */
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		uint32		epoch = DatumGetInt64(heap_getattr(tuple, EPOCH_EPOCH, desc, &isnull));

		if (epoch < last.epoch)
			continue;
		last.epoch = epoch;
		last.system_identifier =
			DatumGetInt64(heap_getattr(tuple, EPOCH_SYSTEM_IDENTIFIER, desc, &isnull));
		last.timeline = DatumGetInt32(heap_getattr(tuple, EPOCH_TIMELINE, desc, &isnull));
	}
	systable_endscan(scan);
	return last;
}

/* No logical decoding is to see it: a subscriber has epochs of its own. */
static void
insert_epoch(Relation catalog, const EpochRow *row)
{
	Datum		values[EPOCH_NATTS];
	bool		nulls[EPOCH_NATTS] = {false};

	values[EPOCH_EPOCH - 1] = Int64GetDatum(row->epoch);
	values[EPOCH_SYSTEM_IDENTIFIER - 1] = Int64GetDatum((int64) row->system_identifier);
	values[EPOCH_TIMELINE - 1] = Int32GetDatum(row->timeline);
	values[EPOCH_SINCE - 1] = TimestampTzGetDatum(GetCurrentTimestamp());
	heap_insert(catalog, heap_form_tuple(RelationGetDescr(catalog), values, nulls),
				GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, NULL);

	/*
	 * Workers commit asynchronously. A crash must not bring an epoch back that listeners have left
	 * behind.
	 */
	ForceSyncCommit();
}

static uint32
look_up(bool slot_is_new)
{
	Relation	catalog = catalog_open(CATALOG_EPOCH, RowExclusiveLock);
	EpochRow now = {.system_identifier = GetSystemIdentifier(),
					.timeline = GetWALInsertionTimeLine()};
	EpochRow	last;

	/* Without the extension no event is told, so the epoch does not matter. */
	if (catalog == NULL)
		return known_epoch;
	/* A database has one publisher at a time, and nobody else writes here. */
	last = last_epoch(catalog);
	now.epoch = last.epoch;
	if (last.epoch == 0 || slot_is_new || last.system_identifier != now.system_identifier ||
		last.timeline != now.timeline)
	{
		now.epoch = Max(last.epoch + 1, (uint32) time(NULL));
		insert_epoch(catalog, &now);
	}
	table_close(catalog, RowExclusiveLock);
	return now.epoch;
}

uint32
epoch_current(SharedDatabase *place)
{
	uint32		slots = pg_atomic_read_u32(&place->slots_made);
	MemoryContext context = CurrentMemoryContext;

	if (known_epoch != 0 && slots == known_slots)
		return known_epoch;
	/* of a slot that an earlier publisher did not get to know */
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	known_epoch = look_up(slots != place->slots_known);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	known_slots = slots;

	/*
	 * The slot counts as known only behind the commit. A publisher that dies in between leaves one
	 * epoch unused.
	 */
	LWLockAcquire(shared_state->lock, LW_EXCLUSIVE);
	place->slots_known = slots;
	place->epoch = known_epoch;
	LWLockRelease(shared_state->lock);
	return known_epoch;
}
