/*
 * cell.c: takes a partition and gives its cell in shared memory. All that is in it is either a hint
 * or void as soon as the bookmark's serial is another. One lock guards all cells, for single looks.
 */
#include "group/cell.h"

#include "miscadmin.h"
#include "common/hashfn.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include "base/region.h"
#include "base/settings.h"

#define CELL_TRANCHE "gymstream groups"

/* A partition's cell is one of so many that follow each other. */
#define PROBES 16

/* So many databases may have a settler at a time, and one that says nothing is given up. */
#define SETTLERS 16
#define SETTLER_MS 5000

typedef struct Settler
{
	Oid			database;
	TimestampTz since;
} Settler;

typedef struct CellTable
{
	LWLock	   *lock;
	uint64		clock;			/* counts uses */
	Settler		settlers[SETTLERS];
	Cell		cells[FLEXIBLE_ARRAY_MEMBER];
} CellTable;

static CellTable *cell_table = NULL;

static Size
table_size(void)
{
	return offsetof(CellTable, cells) + sizeof(Cell) * (Size) settings_group_partitions;
}

static void
fill_table(void)
{
	MemSet(cell_table, 0, table_size());
	cell_table->lock = &GetNamedLWLockTranche(CELL_TRANCHE)->lock;
}

void
cell_init(void)
{
	static Region region = {"gymstream groups", table_size, (void **) &cell_table, fill_table,
							CELL_TRANCHE};

	if (settings_is_preloaded())
		region_add(&region);
}

void
cell_check(void)
{
	if (cell_table == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gymstream is not in \"shared_preload_libraries\""),
				 errdetail("Groups need shared memory, which is set aside when the server "
						   "starts."),
				 errhint("Add gymstream to \"shared_preload_libraries\" and restart the "
						 "server.")));
}

static Cell
fresh_cell(const CellKey *key, int32 generation)
{
	Cell		cell = {*key};

	cell.generation = generation;
	cell.serial = -1;
	return cell;
}

/*
 * The partition's place. take: where it has none, it gets the one that was used least lately.
 * Otherwise NULL. The caller holds the lock.
 */
static Cell *
find_cell(const CellKey *key, bool take)
{
	uint32		hash = hash_bytes((const unsigned char *) key, sizeof(*key));
	Cell	   *oldest = NULL;

	for (int i = 0; i < PROBES; i++)
	{
		Cell	   *cell = &cell_table->cells[(hash + i) % settings_group_partitions];

		if (memcmp(&cell->key, key, sizeof(*key)) == 0)
			return cell;
		if (oldest == NULL || cell->used < oldest->used)
			oldest = cell;
	}
	return take ? oldest : NULL;
}

Cell
cell_read(const CellKey *key, int32 generation)
{
	Cell		copy;
	Cell	   *cell;

	LWLockAcquire(cell_table->lock, LW_SHARED);
	cell = find_cell(key, false);
	copy = cell && cell->generation == generation ? *cell : fresh_cell(key, generation);
	LWLockRelease(cell_table->lock);
	return copy;
}

int64
cell_frontier(const CellKey *key, int32 generation)
{
	return cell_table ? cell_read(key, generation).frontier : 0;
}

void
cell_write(const Cell *cell)
{
	Cell	   *place;
	Cell		old;

	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	place = find_cell(&cell->key, true);
	old = *place;
	*place = *cell;
	place->used = ++cell_table->clock;
	if (memcmp(&old.key, &cell->key, sizeof(old.key)) == 0 && old.dues != cell->dues)
	{
		place->due = old.due;
		place->dues = old.dues;
	}
	LWLockRelease(cell_table->lock);
}

/* The cell, if its delivery is that of the serial. The caller holds the lock. */
static Cell *
find_delivery(const CellKey *key, int32 generation, int64 serial)
{
	Cell	   *cell = find_cell(key, false);

	return cell && cell->generation == generation && cell->serial == serial ? cell : NULL;
}

void
cell_ack(const CellKey *key, int32 generation, int64 serial, int64 next)
{
	Cell	   *cell;

	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	cell = find_delivery(key, generation, serial);
	if (cell)
	{
		cell->serial = -1;
		/* Less than was delivered, where a subtransaction gave some of it back. */
		cell->frontier = Max(cell->frontier, next);
	}
	LWLockRelease(cell_table->lock);
}

void
cell_not_alone(const CellKey *key, int32 generation, int64 serial)
{
	Cell	   *cell;

	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	cell = find_delivery(key, generation, serial);
	if (cell)
		cell->alone = false;
	LWLockRelease(cell_table->lock);
}

void
cell_raise_frontier(const CellKey *key, int32 generation, int64 from, int64 to)
{
	Cell	   *cell;

	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	cell = find_cell(key, false);
	if (cell && cell->generation == generation && cell->frontier >= from && cell->frontier < to)
		cell->frontier = to;
	LWLockRelease(cell_table->lock);
}

void
cell_set_due(const CellKey *key, TimestampTz due)
{
	Cell	   *cell;

	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	cell = find_cell(key, false);
	if (cell)
	{
		cell->due = Min(cell->due, due);
		cell->dues++;
	}
	LWLockRelease(cell_table->lock);
}

int
cell_list_alone(Cell *cells, int count)
{
	int			found = 0;

	LWLockAcquire(cell_table->lock, LW_SHARED);
	for (int i = 0; i < settings_group_partitions && found < count; i++)
	{
		const Cell *cell = &cell_table->cells[i];

		if (cell->key.database == MyDatabaseId && cell->serial >= 0 && cell->alone)
			cells[found++] = *cell;
	}
	LWLockRelease(cell_table->lock);
	return found;
}

bool
cell_may_settle(void)
{
	TimestampTz now = GetCurrentTimestamp();
	Settler    *free = NULL;
	bool		runs = false;

	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SETTLERS; i++)
	{
		Settler    *settler = &cell_table->settlers[i];

		/* The clock may have been set back. */
		if (!OidIsValid(settler->database) || settler->since > now ||
			TimestampDifferenceExceeds(settler->since, now, SETTLER_MS))
			free = settler;
		else if (settler->database == MyDatabaseId)
			runs = true;
	}
	if (!runs && free)
	{
		free->database = MyDatabaseId;
		free->since = now;
	}
	LWLockRelease(cell_table->lock);
	return !runs && free != NULL;
}

void
cell_settled(void)
{
	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < SETTLERS; i++)
		if (cell_table->settlers[i].database == MyDatabaseId)
			cell_table->settlers[i].database = InvalidOid;
	LWLockRelease(cell_table->lock);
}

void
cell_forget(int32 group)
{
	LWLockAcquire(cell_table->lock, LW_EXCLUSIVE);
	for (int i = 0; i < settings_group_partitions; i++)
	{
		Cell	   *cell = &cell_table->cells[i];

		if (cell->key.database == MyDatabaseId && cell->key.group == group)
			MemSet(cell, 0, sizeof(*cell));
	}
	LWLockRelease(cell_table->lock);
}
