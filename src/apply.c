/*
 * apply.c: takes a rollup's pending deltas and adds each to a partial of its group, at the end of the statement.
 *
 * A writer never waits here. Of the group's partials it takes the first that no other transaction holds, by a tuple lock
 * that is skipped rather than waited for, and where there is none it inserts one more. Partials are looked up under
 * SnapshotSelf: that shows what is committed now and takes no predicate locks. But a partial is taken only where the
 * snapshot of the transaction, in READ COMMITTED that of the statement, sees the very version that is newest: whoever
 * reads on under that snapshot sees what it shows plus the transaction's own changes, and nothing of those who committed
 * since. (In READ COMMITTED too, since the statements of a rule share a snapshot.)
 *
 * Each delta is also logged as a message for those who decode. Relation locks are RowExclusiveLock on the partials and
 * its indexes, which no writer's lock conflicts with. Never reads the source, runs no query.
 */
#include "apply.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "executor/executor.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "message.h"

/* how many more partials of a group are looked at for one to fold in */
#define FOLD_LOOKS 2

/* One flush of one rollup. */
typedef struct Apply
{
	PendingRollup *pending;
	Rollup	   *rollup;
	Relation	partials;
	bool		indexes_open;
	List	   *indexes;		/* all of them */
	Relation	search;			/* the one on the keys; NULL: there is none, scan the table */
	IndexFetchTableData *fetch; /* follows hints */
	IndexScanDesc index_scan;
	TableScanDesc table_scan;
	TupleTableSlot *candidate;
	TupleTableSlot *held;		/* the partial that takes the delta */
	ItemPointerData root;		/* of its HOT chain, where known */
	bool		contended;		/* others write the group at this moment */
	TupleTableSlot *folded;		/* one that is folded into it */
	TupleTableSlot *out;		/* the row that is written */
	Datum	   *delta;			/* state values of the group at hand */
	Snapshot	snapshot;		/* what a partial must be visible to */
	bool		logged;			/* deltas go out as messages too */
	MemoryContext context;		/* lives as long as the flush; scans allocate in it when they please */
} Apply;

/*
 * Opening and closing
 */
static bool
index_is_on_keys(Relation index, int nkeys)
{
	Form_pg_index form = index->rd_index;

	if (nkeys == 0 || !form->indisvalid || form->indnkeyatts < nkeys || index->rd_rel->relam != BTREE_AM_OID ||
		RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < nkeys; i++)
		if (form->indkey.values[i] != i + 1)
			return false;
	return true;
}

/* Only when they are needed: most deltas go where a hint says, in a HOT update. */
static void
open_indexes(Apply *apply)
{
	MemoryContext old;
	ListCell   *cell;

	if (apply->indexes_open)
		return;
	old = MemoryContextSwitchTo(apply->context);
	foreach(cell, RelationGetIndexList(apply->partials))
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);

		apply->indexes = lappend(apply->indexes, index);
		if (apply->search == NULL && index_is_on_keys(index, apply->rollup->nkeys))
			apply->search = index;
	}
	apply->indexes_open = true;
	MemoryContextSwitchTo(old);
}

static void
apply_open(Apply *apply, PendingRollup *pending)
{
	memset(apply, 0, sizeof(*apply));
	apply->pending = pending;
	apply->context = CurrentMemoryContext;
	apply->rollup = pending->rollup;
	apply->partials = table_open(apply->rollup->partials, RowExclusiveLock);
	rollup_check_partials(apply->rollup, apply->partials);
	apply->candidate = table_slot_create(apply->partials, NULL);
	apply->held = table_slot_create(apply->partials, NULL);
	apply->out = MakeSingleTupleTableSlot(RelationGetDescr(apply->partials), &TTSOpsVirtual);
	apply->delta = palloc(apply->rollup->nstates * sizeof(Datum));
	apply->snapshot = IsolationUsesXactSnapshot() ? GetTransactionSnapshot() : GetActiveSnapshot();
	apply->logged = message_is_wanted(apply->rollup->has_topic);
	pending_storage(pending, gs_relfile(apply->partials));
}

static void
apply_close(Apply *apply)
{
	ListCell   *cell;

	if (apply->fetch)
		table_index_fetch_end(apply->fetch);
	if (apply->index_scan)
		index_endscan(apply->index_scan);
	if (apply->table_scan)
		table_endscan(apply->table_scan);
	ExecDropSingleTupleTableSlot(apply->candidate);
	ExecDropSingleTupleTableSlot(apply->held);
	if (apply->folded)
		ExecDropSingleTupleTableSlot(apply->folded);
	ExecDropSingleTupleTableSlot(apply->out);
	foreach(cell, apply->indexes)
		index_close(lfirst(cell), NoLock);
	table_close(apply->partials, NoLock);
}

/*
 * Finding the group's partials
 */
static void
search_start(Apply *apply, const PendingGroup *group)
{
	Rollup	   *rollup = apply->rollup;
	ScanKeyData keys[INDEX_MAX_KEYS];
	MemoryContext old = MemoryContextSwitchTo(apply->context);

	open_indexes(apply);
	if (apply->search == NULL)
	{
		if (apply->table_scan == NULL)
			apply->table_scan = table_beginscan(apply->partials, SnapshotSelf, 0, NULL);
		else
			table_rescan(apply->table_scan, NULL);
		MemoryContextSwitchTo(old);
		return;
	}
	for (int i = 0; i < rollup->nkeys; i++)
		ScanKeyEntryInitialize(&keys[i], group->isnull[i] ? SK_ISNULL | SK_SEARCHNULL : 0, i + 1,
							   group->isnull[i] ? InvalidStrategy : BTEqualStrategyNumber, InvalidOid,
							   group->isnull[i] ? InvalidOid : rollup->keys[i].collation,
							   group->isnull[i] ? InvalidOid : rollup->keys[i].search, group->keys[i]);
	if (apply->index_scan == NULL)
		apply->index_scan = gs_index_beginscan(apply->partials, apply->search, SnapshotSelf, rollup->nkeys);
	index_rescan(apply->index_scan, keys, rollup->nkeys, NULL, 0);
	MemoryContextSwitchTo(old);
}

static bool
keys_match(Apply *apply, const PendingGroup *group)
{
	slot_getsomeattrs(apply->candidate, apply->rollup->nkeys);
	for (int i = 0; i < apply->rollup->nkeys; i++)
	{
		RollupKey  *key = &apply->rollup->keys[i];

		if (apply->candidate->tts_isnull[i] != group->isnull[i])
			return false;
		if (!group->isnull[i] && !DatumGetBool(FunctionCall2Coll(&key->equal, key->collation,
																 apply->candidate->tts_values[i], group->keys[i])))
			return false;
	}
	return true;
}

/* As index_getnext_slot does, but says where the HOT chain begins. */
static bool
search_index(Apply *apply, ItemPointer root)
{
	IndexScanDesc scan = apply->index_scan;

	for (;;)
	{
		if (!scan->xs_heap_continue)
		{
			ItemPointer tid = index_getnext_tid(scan, ForwardScanDirection);

			if (tid == NULL)
				return false;
			*root = *tid;
		}
		if (index_fetch_heap(scan, apply->candidate))
			return true;
	}
}

/* The next partial of the group into the candidate slot. */
static bool
search_next(Apply *apply, const PendingGroup *group, ItemPointer root)
{
	MemoryContext old = MemoryContextSwitchTo(apply->context);
	bool		found;

	ItemPointerSetInvalid(root);
	if (apply->search)
		found = search_index(apply, root);
	else
		do
			found = table_scan_getnextslot(apply->table_scan, ForwardScanDirection, apply->candidate);
		while (found && !keys_match(apply, group));
	MemoryContextSwitchTo(old);
	return found;
}

static HeapTupleHeader
slot_header(TupleTableSlot *slot)
{
	return ((HeapTupleTableSlot *) slot)->tuple->t_data;
}

static bool
is_own(TupleTableSlot *slot)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(slot_header(slot)));
}

/* Whether trying to lock it is in vain. What it reads may change under it: only the lock decides. */
static bool
looks_busy(TupleTableSlot *slot)
{
	HeapTupleHeader header = slot_header(slot);
	TransactionId xmax = HeapTupleHeaderGetRawXmax(header);

	if (header->t_infomask & (HEAP_XMAX_INVALID | HEAP_XMAX_IS_MULTI))
		return false;
	return !TransactionIdIsCurrentTransactionId(xmax) && TransactionIdIsInProgress(xmax);
}

/* Take the candidate, without waiting: its newest version is then in the slot and ours until the transaction ends. */
static bool
take_candidate(Apply *apply, TupleTableSlot *slot)
{
	TM_FailureData failure;

	if (!is_own(apply->candidate))
	{
		if (looks_busy(apply->candidate))
			return false;
		if (!table_tuple_satisfies_snapshot(apply->partials, apply->candidate, apply->snapshot))
			return false;
		return table_tuple_lock(apply->partials, &apply->candidate->tts_tid, SnapshotSelf, slot,
								GetCurrentCommandId(true), LockTupleNoKeyExclusive, LockWaitSkip, 0,
								&failure) == TM_Ok;
	}
	ExecCopySlot(slot, apply->candidate);
	return true;
}

/* The partial that this transaction wrote last for the group, if it is still there. */
static bool
take_own(Apply *apply, PendingGroup *group)
{
	ItemPointer own = pending_own_partial(apply->pending, group);

	return own && table_tuple_fetch_row_version(apply->partials, own, SnapshotSelf, apply->held) &&
		is_own(apply->held);
}

/* The partial that this backend has found before. */
static bool
take_hinted(Apply *apply, PendingGroup *group)
{
	ItemPointerData tid;
	bool		again = false;

	if (!hint_get(apply->rollup->hints, apply->pending->file, group->hash, &tid))
		return false;
	apply->root = tid;
	if (apply->fetch == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(apply->context);

		apply->fetch = table_index_fetch_begin(apply->partials);
		MemoryContextSwitchTo(old);
	}
	if (!table_index_fetch_tuple(apply->fetch, &tid, SnapshotSelf, apply->candidate, &again, NULL) ||
		!keys_match(apply, group))
		return false;
	apply->contended = !take_candidate(apply, apply->held);
	return !apply->contended;
}

static TupleTableSlot *
folded_slot(Apply *apply)
{
	if (apply->folded == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(apply->context);

		apply->folded = table_slot_create(apply->partials, NULL);
		MemoryContextSwitchTo(old);
	}
	return apply->folded;
}

/*
 * A free partial into held, and if another one is free close by, that into folded: but not while others write the group,
 * who will come back to theirs.
 */
static bool
take_free(Apply *apply, PendingGroup *group, bool *fold)
{
	ItemPointerData root;
	bool		found = false;
	int			looks = 0;

	*fold = false;
	search_start(apply, group);
	while (looks < FOLD_LOOKS && search_next(apply, group, &root))
	{
		if (!found)
		{
			found = take_candidate(apply, apply->held);
			apply->root = root;
			if (found && apply->contended)
				break;
		}
		else if (take_candidate(apply, folded_slot(apply)))
		{
			*fold = true;
			break;
		}
		else
			looks++;
	}
	return found;
}

/*
 * Writing
 */
static void
write_indexes(Apply *apply)
{
	ListCell   *cell;

	open_indexes(apply);
	foreach(cell, apply->indexes)
	{
		Relation	index = lfirst(cell);
		IndexInfo  *info = BuildIndexInfo(index);
		Datum		values[INDEX_MAX_KEYS];
		bool		isnull[INDEX_MAX_KEYS];

		/* one that CREATE INDEX or REINDEX CONCURRENTLY has only named so far */
		if (!info->ii_ReadyForInserts)
			continue;
		if (info->ii_Expressions != NIL || info->ii_Predicate != NIL || info->ii_Unique)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("index \"%s\" on the partials of a rollup is unique, partial or on an expression",
							RelationGetRelationName(index)),
					 errhint("Drop the index.")));
		FormIndexDatum(info, apply->out, NULL, values, isnull);
		index_insert(index, values, isnull, &apply->out->tts_tid, apply->partials, UNIQUE_CHECK_NO, false, info);
	}
}

static void
write_new(Apply *apply, PendingGroup *group)
{
	Rollup	   *rollup = apply->rollup;
	TupleTableSlot *out = ExecClearTuple(apply->out);

	memcpy(out->tts_values, group->keys, rollup->nkeys * sizeof(Datum));
	memcpy(out->tts_isnull, group->isnull, rollup->nkeys * sizeof(bool));
	memcpy(out->tts_values + rollup->nkeys, apply->delta, rollup->nstates * sizeof(Datum));
	memset(out->tts_isnull + rollup->nkeys, false, rollup->nstates * sizeof(bool));
	ExecStoreVirtualTuple(out);
	table_tuple_insert(apply->partials, out, GetCurrentCommandId(true), 0, NULL);
	write_indexes(apply);
	group->own = out->tts_tid;
	apply->root = out->tts_tid;
}

static void
write_update(Apply *apply, PendingGroup *group)
{
	ItemPointerData old = apply->held->tts_tid;
	TM_FailureData failure;
	LockTupleMode mode;
	GsUpdateIndexes indexes;
	TM_Result	result;

	result = table_tuple_update(apply->partials, &old, apply->out, GetCurrentCommandId(true), InvalidSnapshot,
								InvalidSnapshot, true, &failure, &mode, &indexes);
	if (result != TM_Ok)
		elog(ERROR, "could not update a partial that this transaction holds: %d", result);
	if (gs_update_indexes_needed(indexes))
	{
		write_indexes(apply);
		apply->root = apply->out->tts_tid;
	}
	group->own = apply->out->tts_tid;
}

static void
write_delete(Apply *apply, TupleTableSlot *slot)
{
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_delete(apply->partials, &slot->tts_tid, GetCurrentCommandId(true), InvalidSnapshot,
								InvalidSnapshot, true, &failure, false);
	if (result != TM_Ok)
		elog(ERROR, "could not delete a partial that this transaction holds: %d", result);
}

/* All of the partial's columns. What an owner's own UPDATE may have put there is not trusted. */
static void
get_states(Apply *apply, TupleTableSlot *slot)
{
	slot_getallattrs(slot);
	for (int i = 0; i < apply->rollup->nstates; i++)
		if (slot->tts_isnull[apply->rollup->nkeys + i])
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("null in the partials \"%s\" of a rollup", RelationGetRelationName(apply->partials)),
					 errhint("Run gymstream.rebuild_rollup.")));
}

/* Add the states of b to those of the row in out. False if the sum does not fit: out is then of no use. */
static bool
add_states(Apply *apply, const Datum *b, bool *zero)
{
	TupleDesc	desc = RelationGetDescr(apply->partials);
	Datum	   *states = apply->out->tts_values + apply->rollup->nkeys;

	*zero = true;
	for (int i = 0; i < apply->rollup->nstates; i++)
	{
		Oid			type = TupleDescAttr(desc, apply->rollup->nkeys + i)->atttypid;

		if (!state_add(type, states[i], b[i], &states[i]))
			return false;
		if (*zero && !state_is_zero(type, states[i]))
			*zero = false;
	}
	return true;
}

/* Write the held partial with the delta, and with the folded one, added. False if the sum does not fit. */
static bool
write_held(Apply *apply, PendingGroup *group, bool fold)
{
	int			nkeys = apply->rollup->nkeys;
	int			natts = nkeys + apply->rollup->nstates;
	TupleTableSlot *out = ExecClearTuple(apply->out);
	bool		zero;

	get_states(apply, apply->held);
	memcpy(out->tts_values, apply->held->tts_values, natts * sizeof(Datum));
	memcpy(out->tts_isnull, apply->held->tts_isnull, natts * sizeof(bool));
	ExecStoreVirtualTuple(out);
	if (!add_states(apply, apply->delta, &zero))
		return false;
	if (fold)
	{
		get_states(apply, apply->folded);
		if (!add_states(apply, apply->folded->tts_values + nkeys, &zero))
			return false;
		write_delete(apply, apply->folded);
	}
	if (zero)
	{
		write_delete(apply, apply->held);
		ItemPointerSetInvalid(&group->own);
	}
	else
		write_update(apply, group);
	return true;
}

/*
 * One group
 */
static bool
group_changed(const Rollup *rollup, const PendingGroup *group)
{
	for (int i = 0; i < rollup->nstates; i++)
		if (!state_delta_is_zero(rollup->states[i].kind, &group->deltas[i]))
			return true;
	return false;
}

static void
form_delta(Apply *apply, const PendingGroup *group)
{
	for (int i = 0; i < apply->rollup->nstates; i++)
		if (!state_delta_datum(apply->rollup->states[i].kind, &group->deltas[i], &apply->delta[i]))
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("bigint out of range in a sum of rollup %u", apply->rollup->rollup)));
}

static void
log_delta(Apply *apply, const PendingGroup *group)
{
	Rollup	   *rollup = apply->rollup;
	TupleDesc	desc = RelationGetDescr(apply->partials);
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc0(desc->natts * sizeof(bool));

	memcpy(values, group->keys, rollup->nkeys * sizeof(Datum));
	memcpy(isnull, group->isnull, rollup->nkeys * sizeof(bool));
	memcpy(values + rollup->nkeys, apply->delta, rollup->nstates * sizeof(Datum));
	message_write(rollup->rollup, rollup->partials, rollup->nkeys, desc, heap_form_tuple(desc, values, isnull));
}

static void
apply_group(Apply *apply, PendingGroup *group)
{
	bool		fold = false;

	if (!group_changed(apply->rollup, group))
		return;
	form_delta(apply, group);
	ItemPointerSetInvalid(&apply->root);
	apply->contended = false;
	if (!((take_own(apply, group) || take_hinted(apply, group) || take_free(apply, group, &fold)) &&
		  write_held(apply, group, fold)))
		write_new(apply, group);
	if (ItemPointerIsValid(&apply->root))
		hint_set(apply->rollup->hints, apply->pending->file, group->hash, &apply->root);
	if (apply->logged)
		log_delta(apply, group);
	ExecClearTuple(apply->candidate);
	ExecClearTuple(apply->held);
	if (apply->folded)
		ExecClearTuple(apply->folded);
}

static void
clear_deltas(const Rollup *rollup, PendingGroup *group)
{
	for (int i = 0; i < rollup->nstates; i++)
		if (rollup->states[i].kind == STATE_SUM_NUMERIC && group->deltas[i].numeric)
			pfree(group->deltas[i].numeric);
	memset(group->deltas, 0, rollup->nstates * sizeof(StateDelta));
	group->dirty = false;
}

void
apply_deltas(PendingRollup *pending)
{
	Apply		apply;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "gymstream apply", ALLOCSET_DEFAULT_SIZES);
	MemoryContext per_group = AllocSetContextCreate(context, "gymstream apply group", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);

	/* else what an earlier flush in this command wrote could be neither seen nor written again */
	CommandCounterIncrement();
	apply_open(&apply, pending);
	MemoryContextSwitchTo(per_group);
	while (pending->dirty)
	{
		PendingGroup *group = pending->dirty;

		apply_group(&apply, group);
		clear_deltas(apply.rollup, group);
		pending->dirty = group->next_dirty;
		MemoryContextReset(per_group);
	}
	MemoryContextSwitchTo(context);
	apply_close(&apply);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CommandCounterIncrement();
}
