/*
 * partials.c: takes a rollup and the keys of a group and gives the group's partials, one after the other: to be taken,
 * added up, and written back through the heap.
 *
 * Nobody waits here. A partial is taken by a tuple lock that is skipped rather than waited for. Partials are looked up
 * under SnapshotSelf: that shows what is committed now and takes no predicate locks. But a partial is taken only where
 * the snapshot of the transaction, in READ COMMITTED that of the statement, sees the very version that is newest: whoever
 * reads on under that snapshot sees it plus the transaction's own changes, and nothing of those who committed since. (In
 * READ COMMITTED too, since the statements of a rule share a snapshot.)
 *
 * Knows no delta, never reads the source, runs no query.
 */
#include "partials.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "storage/smgr.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "claim.h"

/* a page with less room than this is pruned: a quarter of what the fill factor leaves */
#define PARTIALS_ROOM (BLCKSZ / 8)

/*
 * Opening and closing
 */
/* Only when they are needed: most deltas go where a hint says, in a HOT update. */
static void
open_indexes(Partials *partials)
{
	MemoryContext old;
	ListCell   *cell;

	if (partials->indexes_open)
		return;
	old = MemoryContextSwitchTo(partials->context);
	foreach(cell, RelationGetIndexList(partials->relation))
	{
		KeyIndex   *index = key_index_open(lfirst_oid(cell), partials->rollup->nkeys, RowExclusiveLock);

		partials->indexes = lappend(partials->indexes, index);
		if (partials->search || !index->serves)
			continue;
		partials->search = index->relation;
		partials->search_by_hash = index->on_hash;
	}
	partials->indexes_open = true;
	MemoryContextSwitchTo(old);
}

void
partials_open(Partials *partials, Rollup *rollup)
{
	Relation	relation = table_open(rollup->partials, RowExclusiveLock);

	memset(partials, 0, sizeof(*partials));
	partials->context = CurrentMemoryContext;
	partials->rollup = rollup;
	partials->relation = relation;
	rollup_check_partials(rollup, relation);
	InitDirtySnapshot(partials->dirty);
	partials->candidate = table_slot_create(relation, NULL);
	partials->held = table_slot_create(relation, NULL);
	partials->out = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
	partials->snapshot = IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetActiveSnapshot();
}

void
partials_close(Partials *partials)
{
	ListCell   *cell;

	partials_end_search(partials);
	if (BufferIsValid(partials->page))
		ReleaseBuffer(partials->page);
	ExecDropSingleTupleTableSlot(partials->candidate);
	ExecDropSingleTupleTableSlot(partials->held);
	if (partials->folded)
		ExecDropSingleTupleTableSlot(partials->folded);
	ExecDropSingleTupleTableSlot(partials->out);
	foreach(cell, partials->indexes)
		index_close(((KeyIndex *) lfirst(cell))->relation, NoLock);
	table_close(partials->relation, NoLock);
}

/*
 * Reading pages
 */

/*
 * To a partial's page. The server's own reading of an index prunes whenever a page has less room than its fill factor leaves,
 * and so each time after the first update: half of what a writer costs. Here it is done when room runs short.
 */
static void
visit_page(Partials *partials, ItemPointer tid)
{
	Buffer		before = partials->page;
	Page		page;

	partials->page = ReleaseAndReadBuffer(before, partials->relation, ItemPointerGetBlockNumber(tid));
	if (partials->page == before)
		return;
	page = BufferGetPage(partials->page);
	/* what is read without a lock may be wrong, and then it is only early or late */
	if (PageIsFull(page) || PageGetHeapFreeSpace(page) < PARTIALS_ROOM)
		heap_page_prune_opt(partials->relation, partials->page);
}

static void
store_candidate(Partials *partials)
{
	TupleTableSlot *candidate = partials->candidate;

	candidate->tts_tableOid = RelationGetRelid(partials->relation);
	ExecStoreBufferHeapTuple(&((BufferHeapTupleTableSlot *) candidate)->base.tupdata, candidate, partials->page);
}

/* The next one that the snapshot shows of the HOT chain that begins here, as table_index_fetch_tuple gives it. */
static bool
fetch_of_chain(Partials *partials, ItemPointer tid, Snapshot looks, bool *again, bool *all_dead)
{
	HeapTuple	tuple = &((BufferHeapTupleTableSlot *) partials->candidate)->base.tupdata;
	bool		found;

	if (!*again)
		visit_page(partials, tid);
	LockBuffer(partials->page, BUFFER_LOCK_SHARE);
	found = heap_hot_search_buffer(tid, partials->relation, partials->page, looks, tuple, all_dead, !*again);
	LockBuffer(partials->page, BUFFER_LOCK_UNLOCK);
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
		uint32		hash = rollup_hash_keys(rollup, partials->keys, partials->isnull);

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

	open_indexes(partials);
	partials->keys = keys;
	partials->isnull = isnull;
	ItemPointerSetInvalid(&partials->root);
	partials->within_chain = false;
	if (partials->search == NULL)
	{
		if (partials->table_scan == NULL)
			partials->table_scan = table_beginscan(partials->relation, looks, 0, NULL);
		else
			table_rescan(partials->table_scan, NULL);
		partials->table_scan->rs_snapshot = looks;
		MemoryContextSwitchTo(old);
		return;
	}
	nkeys = search_keys(partials, scan_keys);
	if (partials->index_scan == NULL)
		partials->index_scan = gs_index_beginscan(partials->relation, partials->search, looks, nkeys);
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
		if (!partials->isnull[i] && !DatumGetBool(FunctionCall2Coll(&key->equal, key->collation,
																	candidate->tts_values[i], partials->keys[i])))
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

		if (!partials->within_chain)
		{
			ItemPointer tid = index_getnext_tid(scan, ForwardScanDirection);

			if (tid == NULL)
				return false;
			partials->root = *tid;
		}
		if (fetch_of_chain(partials, &scan->xs_heaptid, scan->xs_snapshot, &partials->within_chain, &all_dead))
			return true;
		scan->kill_prior_tuple = all_dead;
	}
}

bool
partials_next(Partials *partials)
{
	bool		exact = partials->search && !partials->search_by_hash;
	bool		found;

	do
	{
		MemoryContext old = MemoryContextSwitchTo(partials->context);

		found = partials->search ? next_of_index(partials) :
			table_scan_getnextslot(partials->table_scan, ForwardScanDirection, partials->candidate);
		MemoryContextSwitchTo(old);
	} while (found && !exact && !keys_match(partials));
	return found;
}

/*
 * Whether the file still has the block. VACUUM (TRUNCATE) cuts a file without giving it another name, and lets its lock go
 * before it tells relcaches; but before that it sends the message by which everyone forgets the file's size, which
 * we have taken in with our lock. So a size that is remembered is one that the file has had since, and may only have grown.
 */
static bool
block_exists(Relation relation, BlockNumber block)
{
	BlockNumber known = RelationGetSmgr(relation)->smgr_cached_nblocks[MAIN_FORKNUM];

	return (BlockNumberIsValid(known) && block < known) || block < RelationGetNumberOfBlocks(relation);
}

bool
partials_follow(Partials *partials, const Hint *hint, Datum *keys, bool *isnull)
{
	ItemPointerData tid = hint->root;
	bool		again = false;

	partials->keys = keys;
	partials->isnull = isnull;
	partials->root = hint->root;
	if (!block_exists(partials->relation, ItemPointerGetBlockNumber(&hint->root)))
		return false;
	ItemPointerSetOffsetNumber(&tid, hint->version);
	if (OffsetNumberIsValid(hint->version) && fetch_version(partials, &tid) && keys_match(partials))
		return true;
	tid = hint->root;
	return fetch_of_chain(partials, &tid, SnapshotSelf, &again, NULL) && keys_match(partials);
}

/*
 * Taking one
 */
static HeapTupleHeader
slot_header(TupleTableSlot *slot)
{
	return ((HeapTupleTableSlot *) slot)->tuple->t_data;
}

bool
partials_is_own(TupleTableSlot *slot)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(slot_header(slot)));
}

static bool
looks_busy(TupleTableSlot *slot)
{
	HeapTupleHeader header = slot_header(slot);
	TransactionId xmax = HeapTupleHeaderGetRawXmax(header);

	if (header->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI))
		return false;
	return !TransactionIdIsCurrentTransactionId(xmax) && TransactionIdIsInProgress(xmax);
}

bool
partials_look_free(Partials *partials)
{
	if (partials_is_own(partials->candidate))
		return true;
	return !looks_busy(partials->candidate) &&
		table_tuple_satisfies_snapshot(partials->relation, partials->candidate, partials->snapshot);
}

bool
partials_take_version(Partials *partials, TupleTableSlot *slot)
{
	TM_FailureData failure;
	TM_Result	result;

	if (!claim_take(gs_relfile(partials->relation), &partials->candidate->tts_tid))
		return false;
	result = table_tuple_lock(partials->relation, &partials->candidate->tts_tid, SnapshotSelf, slot,
							  GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitSkip, 0, &failure);
	claim_release();
	return result == TM_Ok;
}

bool
partials_take_loosely(Partials *partials)
{
	if (!partials_look_free(partials))
		return false;
	ExecCopySlot(partials->held, partials->candidate);
	return true;
}

bool
partials_hold(Partials *partials)
{
	BufferHeapTupleTableSlot *held = (BufferHeapTupleTableSlot *) partials->held;
	TM_Result	result;

	if (!claim_take(gs_relfile(partials->relation), &partials->held->tts_tid))
		return false;
	LockBuffer(held->buffer, BUFFER_LOCK_SHARE);
	result = HeapTupleSatisfiesUpdate(held->base.tuple, GetCurrentCommandId(true), held->buffer);
	LockBuffer(held->buffer, BUFFER_LOCK_UNLOCK);
	if (result != TM_Ok)
		claim_release();
	return result == TM_Ok;
}

bool
partials_take(Partials *partials, TupleTableSlot *slot)
{
	if (!partials_look_free(partials))
		return false;
	if (!partials_is_own(partials->candidate))
		return partials_take_version(partials, slot);
	ExecCopySlot(slot, partials->candidate);
	return true;
}

TupleTableSlot *
partials_folded(Partials *partials)
{
	if (partials->folded == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(partials->context);

		partials->folded = table_slot_create(partials->relation, NULL);
		MemoryContextSwitchTo(old);
	}
	return partials->folded;
}

void
partials_clear(Partials *partials)
{
	ExecClearTuple(partials->candidate);
	ExecClearTuple(partials->held);
	if (partials->folded)
		ExecClearTuple(partials->folded);
}

/*
 * Adding up
 */
NullableDatum *
partials_states(Partials *partials, TupleTableSlot *slot)
{
	Rollup	   *rollup = partials->rollup;
	NullableDatum *states = palloc(rollup->nstates * sizeof(NullableDatum));

	slot_getallattrs(slot);
	for (int i = 0; i < rollup->nstates; i++)
	{
		states[i].value = slot->tts_values[rollup->nkeys + i];
		states[i].isnull = slot->tts_isnull[rollup->nkeys + i];
		if (states[i].isnull && STATE_IS_SUM(rollup->states[i].kind))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("null in the partials \"%s\" of a rollup", RelationGetRelationName(partials->relation)),
					 errhint("Run gymstream.rebuild_rollup.")));
	}
	return states;
}

static void
set_states(Partials *partials, const NullableDatum *states)
{
	TupleTableSlot *out = partials->out;
	int			nkeys = partials->rollup->nkeys;

	for (int i = 0; i < partials->rollup->nstates; i++)
	{
		out->tts_values[nkeys + i] = states[i].value;
		out->tts_isnull[nkeys + i] = states[i].isnull;
	}
}

void
partials_load(Partials *partials)
{
	int			nkeys = partials->rollup->nkeys;
	TupleTableSlot *out = ExecClearTuple(partials->out);
	NullableDatum *states = partials_states(partials, partials->held);

	memcpy(out->tts_values, partials->held->tts_values, nkeys * sizeof(Datum));
	memcpy(out->tts_isnull, partials->held->tts_isnull, nkeys * sizeof(bool));
	set_states(partials, states);
	ExecStoreVirtualTuple(out);
}

/* Add a state to another. False if the sum does not fit. */
static bool
add_state(const RollupState *state, NullableDatum *a, const NullableDatum *b)
{
	if (STATE_IS_SUM(state->kind))
		return state_add(state->type, a->value, b->value, &a->value);
	*a = marked_merge(state->kind, state->order, *a, *b);
	return true;
}

bool
partials_add(Partials *partials, const NullableDatum *states)
{
	Rollup	   *rollup = partials->rollup;
	NullableDatum *sums = partials_states(partials, partials->out);

	for (int i = 0; i < rollup->nstates; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(partials->relation), rollup->nkeys + i);

		if (!add_state(&rollup->states[i], &sums[i], &states[i]))
			return false;
		/* what was added goes with its slot */
		if (!column->attbyval && !sums[i].isnull && sums[i].value == states[i].value)
			sums[i].value = datumCopy(sums[i].value, false, column->attlen);
	}
	set_states(partials, sums);
	return true;
}

bool
partials_are_zero(Partials *partials, TupleTableSlot *slot)
{
	Rollup	   *rollup = partials->rollup;
	NullableDatum *states = partials_states(partials, slot);

	for (int i = 0; i < rollup->nstates; i++)
		if (!state_is_zero(rollup->states[i].kind, rollup->states[i].type, states[i]))
			return false;
	return true;
}

/* Whether what went out comes not after what came in; what came in is the state of the same input before it. */
static bool
is_reached(const RollupState *state, NullableDatum in, NullableDatum out)
{
	return in.isnull || marked_merge(state->kind, state->order, out, in).value == out.value;
}

bool
partials_are_marked(Partials *partials, TupleTableSlot *slot)
{
	Rollup	   *rollup = partials->rollup;
	NullableDatum *states;

	if (!rollup->can_be_marked)
		return false;
	states = partials_states(partials, slot);
	for (int i = 0; i < rollup->nstates; i++)
	{
		const RollupState *state = &rollup->states[i];

		if (state->kind == STATE_CHANGED && !states[i].isnull && DatumGetBool(states[i].value))
			return true;
		if ((state->kind != STATE_MIN_OUT && state->kind != STATE_MAX_OUT) || states[i].isnull)
			continue;
		for (int j = 0; j < rollup->nstates; j++)
			if (rollup->states[j].kind == state->kind - 1 && rollup->states[j].input == state->input &&
				is_reached(state, states[j], states[i]))
				return true;
	}
	return false;
}

/*
 * Writing
 */
static void
write_indexes(Partials *partials)
{
	TupleTableSlot *out = partials->out;
	uint32		hash = rollup_hash_keys(partials->rollup, out->tts_values, out->tts_isnull);
	ListCell   *cell;

	open_indexes(partials);
	foreach(cell, partials->indexes)
		key_index_insert(lfirst(cell), partials->relation, out, hash);
}

void
partials_insert(Partials *partials)
{
	table_tuple_insert(partials->relation, partials->out, GetCurrentCommandId(true), 0, NULL);
	write_indexes(partials);
}

bool
partials_update(Partials *partials)
{
	ItemPointerData old = partials->held->tts_tid;
	TM_FailureData failure;
	LockTupleMode mode;
	GsUpdateIndexes indexes;
	TM_Result	result;

	result = table_tuple_update(partials->relation, &old, partials->out, GetCurrentCommandId(true), InvalidSnapshot,
								InvalidSnapshot, true, &failure, &mode, &indexes);
	if (result != TM_Ok)
		elog(ERROR, "could not update a partial that this transaction holds: %d", result);
	if (!gs_update_indexes_needed(indexes))
		return true;
	write_indexes(partials);
	return false;
}

void
partials_delete(Partials *partials, ItemPointer tid)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_delete(partials->relation, tid, GetCurrentCommandId(true), InvalidSnapshot,
								InvalidSnapshot, true, &failure, false);
	if (result != TM_Ok)
		elog(ERROR, "could not delete a partial that this transaction holds: %d", result);
}
