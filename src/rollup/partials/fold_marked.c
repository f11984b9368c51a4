/*
 * fold_marked.c: takes a marked group and computes its one partial from the rows of the source, so
 * that it is marked no longer; or lets it go where the source has no row of it.
 *
 * One snapshot S says both what the source has and which partials stand for it. The row is computed
 * first, since that may take a while; then each partial that S sees is taken, and only if all of
 * them are still the newest versions, and nobody's, they are replaced. So nothing is lost and
 * nothing counted twice:
 *
 *	A transaction's changes of the source and of partials become visible together. What S sees of
 *	the partials adds up to what S sees of the source, and that is what replaces them.
 *
 *	A partial that S does not see was inserted by a transaction that S does not see. It holds
 *	changes of that transaction, and of others that came after it, and none that the new row has.
 *	(One that S sees and such a transaction has written since is not the newest version: we give
 *	up.) It stays beside the new row, and still says that rows have changed, or which extreme went
 *	out, with respect to rows that S sees: the marks of the group go on being right.
 *
 * Whoever comes while they are held inserts beside them; a snapshot older than this transaction
 * goes on seeing the old.
 */
#include "rollup/partials/fold.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/spi.h"
#include "nodes/nodeFuncs.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "rollup/model/source.h"
#include "rollup/model/sql.h"

/*
 * The group's row as the active snapshot shows the source, in CurrentMemoryContext; NULL: there is
 * none.
 */
static HeapTuple
compute_row(Partials *partials, Datum *keys, const bool *isnull)
{
	Rollup	   *rollup = partials->rollup;
	TupleDesc	desc = RelationGetDescr(partials->relation);
	RollupRelations relations = {rollup->rollup, rollup->definition, rollup->partials};
	Oid			types[INDEX_MAX_KEYS];
	Datum		values[INDEX_MAX_KEYS];
	int			nvalues = 0;
	HeapTuple	row = NULL;

	for (int i = 0; i < rollup->nkeys; i++)
		if (!isnull[i])
		{
			types[nvalues] = rollup->keys[i].value.type;
			values[nvalues++] = keys[i];
		}
	/*
	 * Read-only: SPI then uses the active snapshot, which the partials are read with, and takes no
	 * newer one. SPI_copytuple puts the row into the caller's memory, out of reach of SPI_finish.
	 */
	SPI_connect();
	if (SPI_execute_with_args(sql_group(rollup_shape(&relations), isnull), nvalues, types, values,
							  NULL, true, 0) != SPI_OK_SELECT ||
		SPI_processed > 1)
		elog(ERROR, "could not compute a group of rollup %u", rollup->rollup);
	for (int i = 0; i < desc->natts; i++)
		if (SPI_tuptable->tupdesc->natts != desc->natts ||
			TupleDescAttr(SPI_tuptable->tupdesc, i)->atttypid != TupleDescAttr(desc, i)->atttypid)
			elog(ERROR, "column %d of the partials of rollup %u has another type", i + 1,
				 rollup->rollup);
	if (SPI_processed == 1)
		row = SPI_copytuple(SPI_tuptable->vals[0]);
	SPI_finish();
	return row;
}

/*
 * The TIDs of the group's partials that the snapshot sees, all of them held; NIL where one cannot
 * be. The first is held.
 */
static List *
take_seen(Partials *partials, Datum *keys, bool *isnull, Snapshot snapshot)
{
	List	   *tids = NIL;

	/* The partials taken before one is refused stay locked until we end, and unchanged. */
	partials_search(partials, keys, isnull, snapshot);
	while (partials_next(partials))
	{
		TupleTableSlot *slot = tids == NIL ? partials->held : partials_folded(partials);
		ItemPointer tid = palloc(sizeof(ItemPointerData));

		if (!partials_take_version(partials, slot))
			return NIL;
		*tid = slot->tts_tid;
		tids = lappend(tids, tid);
	}
	return tids;
}

static void
replace_partials(Partials *partials, List *tids, HeapTuple row)
{
	int			nkeys = partials->rollup->nkeys;
	TupleTableSlot *out = ExecClearTuple(partials->out);
	ListCell   *cell;

	for_each_from(cell, tids, 1)
		partials_delete(partials, lfirst(cell));
	if (row == NULL)
	{
		partials_delete(partials, linitial(tids));
		return;
	}
	heap_deform_tuple(row, RelationGetDescr(partials->relation), out->tts_values, out->tts_isnull);
	/* equal keys may look different: as before, the update can be a HOT one */
	slot_getsomeattrs(partials->held, nkeys);
	memcpy(out->tts_values, partials->held->tts_values, nkeys * sizeof(Datum));
	memcpy(out->tts_isnull, partials->held->tts_isnull, nkeys * sizeof(bool));
	ExecStoreVirtualTuple(out);
	(void) partials_update(partials);
}

/* Lock the tables that hold the source's rows, if that can be done at once. NIL: it cannot. */
static List *
lock_tables(const Rollup *rollup)
{
	List	   *tables = source_tables(rollup->source, NoLock);
	ListCell   *cell;

	foreach(cell, tables)
		if (!ConditionalLockRelationOid(lfirst_oid(cell), AccessShareLock))
			return NIL;
	/* also those of which we have locked nothing new */
	AcceptInvalidationMessages();
	return tables;
}

bool
fold_from_source(Partials *partials, Datum *keys, bool *isnull)
{
	List	   *tables = lock_tables(partials->rollup);
	Snapshot	snapshot;
	HeapTuple	row;
	List	   *tids = NIL;

	if (tables == NIL)
		return false;
	/*
	 * The snapshot is taken after the locks: no table of the source can be truncated or rewritten
	 * after it.
	 */
	PushActiveSnapshot(GetLatestSnapshot());
	snapshot = GetActiveSnapshot();
	row = compute_row(partials, keys, isnull);
	/* a partition that has come since would be in the row, but not in the snapshot's partials */
	if (equal(tables, source_tables(partials->rollup->source, NoLock)))
		tids = take_seen(partials, keys, isnull, snapshot);
	/* The search refers to the snapshot. So it ends first. */
	partials_end_search(partials);
	PopActiveSnapshot();
	if (tids != NIL)
		replace_partials(partials, tids, row);
	return tids != NIL;
}
