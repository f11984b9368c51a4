/*
 * partials.c: takes a partial that partials_find.c has found: for nobody else to write, to be added
 * up, and written back through the heap.
 *
 * Nobody waits here. A partial is taken by a tuple lock that is skipped rather than waited for.
 * Partials are looked up under SnapshotSelf: that shows what is committed now and takes no
 * predicate locks. But a partial is taken only where the snapshot of the transaction (in READ
 * COMMITTED: of the statement) sees the very version that is newest. Whoever reads on under this
 * snapshot sees the partial plus the transaction's own changes, and nothing of those who committed
 * since. (In READ COMMITTED too, since the statements of a rule share a snapshot.)
 *
 * Knows no delta, never reads the source, runs no query.
 */
#include "rollup/partials/partials.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/quiet.h"
#include "rollup/partials/claim.h"

/*
 * Opening and closing
 */
void
partials_open(Partials *partials, Rollup *rollup)
{
	/*
	 * The lock is kept until the transaction ends. It goes with every writer's and folder's lock.
	 */
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
	/*
	 * A partial is taken only if this snapshot sees it. The caller keeps the snapshot alive until
	 * the partials are closed.
	 */
	partials->snapshot =
		IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetActiveSnapshot();
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

	/* A multixact is not looked into here. The row lock will tell. */
	if (header->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI))
		return false;
	return !TransactionIdIsCurrentTransactionId(xmax) && TransactionIdIsInProgress(xmax);
}

bool
partials_look_free(Partials *partials)
{
	/*
	 * The row is read without the page's lock, so xmax may change under the look. Taking decides.
	 */
	if (partials_is_own(partials->candidate))
		return true;
	return !looks_busy(partials->candidate) &&
		table_tuple_satisfies_snapshot(partials->relation, partials->candidate, partials->snapshot);
}

bool
partials_take_version(Partials *partials, TupleTableSlot *slot)
{
	ItemPointerData tid = partials->candidate->tts_tid;
	TM_FailureData failure;
	TM_Result	result;

	/*
	 * Who has claimed the partial writes it without a row lock. So even a row lock is taken under
	 * the claim only.
	 */
	if (!claim_take(gs_relfile(partials->relation), &tid))
		return false;
	/* The call waits for no holder of the row, and follows it to no newer version. */
	result =
		table_tuple_lock(partials->relation, &tid, SnapshotSelf, slot, GetCurrentCommandId(true),
						 LockTupleNoKeyExclusive, LockWaitSkip, 0, &failure);
	/* From here on the row lock keeps others away, until the transaction ends. */
	claim_release();
	return result == TM_Ok;
}

bool
partials_take_loosely(Partials *partials)
{
	TupleTableSlot *taken = partials->candidate;

	if (!partials_look_free(partials))
		return false;
	/*
	 * Nobody asks for the candidate any more: the slots change places, which is cheaper than a
	 * copy. But a tuple that belongs to a scan goes with the scan. The slot pins the page. The row
	 * may get a newer version meanwhile, but cannot move.
	 */
	if (((HeapTupleTableSlot *) taken)->tuple != &((HeapTupleTableSlot *) taken)->tupdata)
		ExecCopySlot(partials->held, taken);
	else
	{
		partials->candidate = ExecClearTuple(partials->held);
		partials->held = taken;
	}
	return true;
}

bool
partials_hold(Partials *partials)
{
	BufferHeapTupleTableSlot *held = (BufferHeapTupleTableSlot *) partials->held;
	TM_Result	result;

	/*
	 * The claim comes first: nobody can begin to write the partial after the look at it. On success
	 * it stays ours until the partial is written, or an error aborts us.
	 */
	if (!claim_take(gs_relfile(partials->relation), &partials->held->tts_tid))
		return false;
	/*
	 * The share lock is for the look at xmax only. If the version is still the newest, it is the
	 * one that our snapshot has seen.
	 */
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
	/* A row of our own is in nobody else's reach, so no lock is written for it. */
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
static pg_noinline void
refuse_null(const Partials *partials)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("null in the partials \"%s\" of a rollup",
					RelationGetRelationName(partials->relation)),
			 errhint("Run gymstream.rebuild_rollup.")));
}

/* A state of a slot whose attributes have all been read. */
static inline NullableDatum
state_at(const Partials *partials, const TupleTableSlot *slot, int i)
{
	int			column = partials->rollup->nkeys + i;
	NullableDatum state = {slot->tts_values[column], slot->tts_isnull[column]};

	if (unlikely(state.isnull) && STATE_IS_SUM(partials->rollup->states[i].kind))
		refuse_null(partials);
	return state;
}

NullableDatum *
partials_states(Partials *partials, TupleTableSlot *slot)
{
	int			nstates = partials->rollup->nstates;
	NullableDatum *states = palloc(nstates * sizeof(NullableDatum));

	slot_getallattrs(slot);
	for (int i = 0; i < nstates; i++)
		states[i] = state_at(partials, slot, i);
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
	int			ncolumns = partials->rollup->nkeys + partials->rollup->nstates;
	TupleTableSlot *out = ExecClearTuple(partials->out);

	slot_getallattrs(partials->held);
	for (int i = 0; i < partials->rollup->nstates; i++)
		(void) state_at(partials, partials->held, i);

	/*
	 * Out borrows what is passed by reference from the held slot, which must stay filled until out
	 * is written.
	 */
	memcpy(out->tts_values, partials->held->tts_values, ncolumns * sizeof(Datum));
	memcpy(out->tts_isnull, partials->held->tts_isnull, ncolumns * sizeof(bool));
	ExecStoreVirtualTuple(out);
}

bool
partials_add(Partials *partials, const NullableDatum *states)
{
	Rollup	   *rollup = partials->rollup;
	NullableDatum *sums = partials_states(partials, partials->out);

	for (int i = 0; i < rollup->nstates; i++)
	{
		const RollupState *state = &rollup->states[i];
		Form_pg_attribute column =
			TupleDescAttr(RelationGetDescr(partials->relation), rollup->nkeys + i);

		/* The sums are a copy. Where one does not fit, out keeps what it had. */
		if (STATE_IS_SUM(state->kind) && !states[i].isnull)
		{
			if (!state_add(state->kind, sums[i].value, states[i].value, &sums[i].value))
				return false;
		}
		else if (!marked_add(state->kind, state->order, column, &sums[i], states[i]))
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
	bool		zero = true;

	slot_getallattrs(slot);
	for (int i = 0; i < rollup->nstates; i++)
	{
		NullableDatum state = state_at(partials, slot, i);

		zero = zero && state_is_zero(rollup->states[i].kind, state);
	}
	return zero;
}

/*
 * Whether what went out comes not after what came in; what came in is the state of the same input
 * before it.
 */
static bool
is_reached(const RollupState *state, NullableDatum in, NullableDatum out)
{
	return in.isnull || !marked_comes_first(state->order, in.value, out.value);
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
		/* The state that says what came in has the kind before this one, and the same input. */
		for (int j = 0; j < rollup->nstates; j++)
			if (rollup->states[j].kind == state->kind - 1 &&
				rollup->states[j].input == state->input && is_reached(state, states[j], states[i]))
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
	uint32		hash = rollup_hash_index(partials->rollup, out->tts_values, out->tts_isnull);
	ListCell   *cell;

	partials_open_indexes(partials);
	foreach(cell, partials->indexes)
		key_index_insert(lfirst(cell), partials->relation, out, hash);
}

void
partials_insert(Partials *partials)
{
	table_tuple_insert(partials->relation, partials->out, GetCurrentCommandId(true),
					   quiet_is(partials->relation) ? TABLE_INSERT_NO_LOGICAL : 0, NULL);
	write_indexes(partials);
}

/* As quiet as the relation is. */
static TM_Result
write_update(Partials *partials, ItemPointer old, GsUpdateIndexes *indexes)
{
	TM_FailureData failure;
	LockTupleMode mode;
	Quiet		quiet;
	volatile TM_Result result = TM_Ok;

	quiet_begin(&quiet, partials->relation);
	PG_TRY();
	{
		result = gs_table_update(partials->relation, old, partials->out, GetCurrentCommandId(true),
								 &failure, &mode, indexes);
	}
	PG_CATCH();
	{
		quiet_end_after_error(&quiet);
		PG_RE_THROW();
	}
	PG_END_TRY();
	quiet_end(&quiet);
	return result;
}

bool
partials_update(Partials *partials)
{
	ItemPointerData old = partials->held->tts_tid;
	GsUpdateIndexes indexes;
	TM_Result	result = write_update(partials, &old, &indexes);

	/* The partial is claimed, locked or our own. So nobody can have written it since. */
	if (result != TM_Ok)
		elog(ERROR, "could not update a partial that this transaction holds: %d", result);
	/*
	 * it is held by what was written now; indexes, and who asks for marks, compare with functions
	 * that may write others
	 */
	claim_release();
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

	result = gs_table_delete(partials->relation, tid, GetCurrentCommandId(true), &failure);
	if (result != TM_Ok)
		elog(ERROR, "could not delete a partial that this transaction holds: %d", result);
	claim_release();
}
