/*
 * partials_find.c: takes the keys of a group, or a hint, and gives the group's partials one after
 * the other, with where their HOT chains begin. Waits for nobody; writes nothing but what pruning a
 * page takes away.
 */
#include "rollup/partials/partials.h"

#include "access/heapam.h"
#include "access/relscan.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* a page with less room than this is pruned: a quarter of what the fill factor leaves */
#define PARTIALS_ROOM (BLCKSZ / 8)

/* Only when they are needed: most deltas go where a hint says, in a HOT update. */
void
partials_open_indexes(Partials *partials)
{
	MemoryContext old;
	ListCell   *cell;

	if (partials->indexes_open)
		return;
	old = MemoryContextSwitchTo(partials->context);
	foreach(cell, RelationGetIndexList(partials->relation))
	{
		KeyIndex *index =
			key_index_open(lfirst_oid(cell), partials->rollup->nkeys, RowExclusiveLock);

		partials->indexes = lappend(partials->indexes, index);
		if (partials->search || !index->serves)
			continue;
		partials->search = index->relation;
		partials->search_by_hash = index->on_hash;
		partials->search_exact = !index->on_hash && !partials->rollup->by_image;
	}
	partials->indexes_open = true;
	MemoryContextSwitchTo(old);
}

/*
 * Reading pages
 */

/*
 * To a partial's page. The server's own reading of an index prunes whenever a page has less room
 * than its fill factor leaves, and so each time after the first update: half of what a writer
 * costs. Here it is done when room runs short.
 */
static void
visit_page(Partials *partials, ItemPointer tid)
{
	Buffer		before = partials->page;
	Page		page;

	/* The pin is kept from one partial to the next: those of a group are often on one page. */
	partials->page =
		ReleaseAndReadBuffer(before, partials->relation, ItemPointerGetBlockNumber(tid));
	if (partials->page == before)
		return;
	page = BufferGetPage(partials->page);
	/* what is read without a lock may be wrong, and then it is only early or late */
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < PARTIALS_ROOM)
		gs_heap_page_prune(partials->relation, partials->page);
}

static void
store_candidate(Partials *partials)
{
	TupleTableSlot *candidate = partials->candidate;

	candidate->tts_tableOid = RelationGetRelid(partials->relation);
	ExecStoreBufferHeapTuple(&((BufferHeapTupleTableSlot *) candidate)->base.tupdata, candidate,
							 partials->page);
}

/*
 * The next one that the snapshot shows of the HOT chain that begins here, as
 * table_index_fetch_tuple gives it.
 */
static bool
fetch_of_chain(Partials *partials, ItemPointer tid, Snapshot looks, bool *again, bool *all_dead)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) partials->candidate)->base.tupdata;
	bool		found;

	if (!*again)
		visit_page(partials, tid);
	/*
	 * The share lock covers the walk along the chain only. The pin keeps the row in place
	 * afterwards.
	 */
	LockBuffer(partials->page, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(tid, partials->relation, partials->page, looks, tuple, all_dead,
								   !*again);
	LockBuffer(partials->page, BUFFER_LOCK_UNLOCK);
	/*
	 * An MVCC snapshot sees one version of a chain. Others may show a second, so the chain is asked
	 * again.
	 */
	*again = found && !IsMVCCSnapshot(looks);
	if (found)
		store_candidate(partials);
	return found;
}

/* The version at this very place, if it is what is committed now. */
static bool
fetch_version(Partials *partials, ItemPointer tid)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) partials->candidate)->base.tupdata;
	OffsetNumber offset = ItemPointerGetOffsetNumber(tid);
	Page		page;
	bool		found = false;

	visit_page(partials, tid);
	page = BufferGetPage(partials->page);
	/*
	 * The place may have been pruned, and used again by any row. Only under the page's lock is it
	 * sure what stands there.
	 */
	LockBuffer(partials->page, BUFFER_LOCK_SHARE);
	if (offset <= PageGetMaxOffsetNumber(page) && ItemIdIsNormal(PageGetItemId(page, offset)))
	{
		tuple->t_data = (HeapTupleHeader) PageGetItem(page, PageGetItemId(page, offset));
		tuple->t_len = ItemIdGetLength(PageGetItemId(page, offset));
		tuple->t_tableOid = RelationGetRelid(partials->relation);
		tuple->t_self = *tid;
		found = HeapTupleSatisfiesVisibility(tuple, SnapshotSelf, partials->page);
	}
	LockBuffer(partials->page, BUFFER_LOCK_UNLOCK);
	if (found)
		store_candidate(partials);
	return found;
}

/*
 * Finding the group's partials
 */
static int
search_keys(Partials *partials, ScanKey keys)
{
	Rollup	   *rollup = partials->rollup;

	if (partials->search_by_hash)
	{
		uint32		hash = rollup_hash_index(rollup, partials->keys, partials->isnull);

		ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum((int32) hash));
		return 1;
	}
	for (int i = 0; i < rollup->nkeys; i++)
	{
		bool		isnull = partials->isnull[i];

		ScanKeyEntryInitialize(&keys[i], isnull ? SK_ISNULL | SK_SEARCHNULL : 0, i + 1,
							   isnull ? InvalidStrategy : BTEqualStrategyNumber, InvalidOid,
							   isnull ? InvalidOid : rollup->keys[i].collation,
							   isnull ? InvalidOid : rollup->keys[i].search, partials->keys[i]);
	}
	return rollup->nkeys;
}

void
partials_search(Partials *partials, Datum *keys, bool *isnull, Snapshot looks)
{
	ScanKeyData scan_keys[INDEX_MAX_KEYS];
	MemoryContext old = MemoryContextSwitchTo(partials->context);
	int			nkeys;

	/*
	 * A scan lives in the context of the partials and is used for one group after the other, each
	 * with its own snapshot. The keys stay the caller's.
	 */
	partials_open_indexes(partials);
	partials->keys = keys;
	partials->isnull = isnull;
	ItemPointerSetInvalid(&partials->root);
	partials->within_chain = false;
	/* Where no index serves, all rows of the table are compared. None of them has a root then. */
	if (partials->search == NULL)
	{
		if (partials->table_scan == NULL)
			partials->table_scan = gs_table_beginscan(partials->relation, looks);
		else
			table_rescan(partials->table_scan, NULL);
		partials->table_scan->rs_snapshot = looks;
		MemoryContextSwitchTo(old);
		return;
	}
	nkeys = search_keys(partials, scan_keys);
	/* The number of scan keys never changes, so one scan does for all groups. */
	if (partials->index_scan == NULL)
		partials->index_scan =
			gs_index_beginscan(partials->relation, partials->search, looks, nkeys);
	partials->index_scan->xs_snapshot = looks;
	index_rescan(partials->index_scan, scan_keys, nkeys, NULL, 0);
	MemoryContextSwitchTo(old);
}

void
partials_end_search(Partials *partials)
{
	if (partials->index_scan)
		index_endscan(partials->index_scan);
	if (partials->table_scan)
		table_endscan(partials->table_scan);
	partials->index_scan = NULL;
	partials->table_scan = NULL;
}

static bool
keys_match(Partials *partials)
{
	TupleTableSlot *candidate = partials->candidate;

	slot_getsomeattrs(candidate, partials->rollup->nkeys);
	for (int i = 0; i < partials->rollup->nkeys; i++)
	{
		RollupKey  *key = &partials->rollup->keys[i];

		if (candidate->tts_isnull[i] != partials->isnull[i])
			return false;
		if (!partials->isnull[i] &&
			!DatumGetBool(FunctionCall2Coll(&key->equal, key->collation, candidate->tts_values[i],
											partials->keys[i])))
			return false;
	}
	return true;
}

/* As index_getnext_slot does, but says where the HOT chain begins. */
static bool
next_of_index(Partials *partials)
{
	IndexScanDesc scan = partials->index_scan;

	for (;;)
	{
		bool		all_dead = false;

		/*
		 * The root is copied before the chain is followed: xs_heaptid then names the version that
		 * was found.
		 */
		if (!partials->within_chain)
		{
			ItemPointer tid = index_getnext_tid(scan, ForwardScanDirection);

			if (tid == NULL)
				return false;
			partials->root = *tid;
		}
		if (fetch_of_chain(partials, &scan->xs_heaptid, scan->xs_snapshot, &partials->within_chain,
						   &all_dead))
			return true;
		/* A chain that nobody can see any more lets the index forget its entry. */
		scan->kill_prior_tuple = all_dead;
	}
}

bool
partials_next(Partials *partials)
{
	bool		found;

	do
	{
		/*
		 * Keys are compared in the caller's memory, which goes with the group. The scan keeps to
		 * its own.
		 */
		MemoryContext old = MemoryContextSwitchTo(partials->context);

		found = partials->search ? next_of_index(partials) :
			table_scan_getnextslot(partials->table_scan, ForwardScanDirection, partials->candidate);
		MemoryContextSwitchTo(old);
	} while (found && !partials->search_exact && !keys_match(partials));
	return found;
}

/*
 * Whether the file still has the block. VACUUM (TRUNCATE) cuts a file without giving it another
 * name, and lets its lock go before it tells relcaches; but before that it sends the message by
 * which everyone forgets the file's size, which we have taken in with our lock. So a size that is
 * remembered is one that the file has had since, and may only have grown.
 */
static bool
block_exists(Relation relation, BlockNumber block)
{
	BlockNumber known = RelationGetSmgr(relation)->smgr_cached_nblocks[MAIN_FORKNUM];

	return (BlockNumberIsValid(known) && block < known) ||
		   block < RelationGetNumberOfBlocks(relation);
}

bool
partials_follow(Partials *partials, const Hint *hint, Datum *keys, bool *isnull)
{
	ItemPointerData tid = hint->root;
	bool		again = false;

	partials->keys = keys;
	partials->isnull = isnull;
	partials->root = hint->root;
	/* A hint may be torn or old. Reading a block beyond the end of the file would be an error. */
	if (!block_exists(partials->relation, ItemPointerGetBlockNumber(&hint->root)))
		return false;
	/*
	 * The version costs no walk along the chain. Where it is no longer the newest, the chain is
	 * followed from its root.
	 */
	ItemPointerSetOffsetNumber(&tid, hint->version);
	if (OffsetNumberIsValid(hint->version) && fetch_version(partials, &tid) && keys_match(partials))
		return true;
	tid = hint->root;
	return fetch_of_chain(partials, &tid, SnapshotSelf, &again, NULL) && keys_match(partials);
}
