/*
 * collect_table.c: takes all rows of a table at once, which come into a rollup's source or go out
 * of it with the table: a partition that is attached, detached, dropped or truncated. Gives pending
 * deltas, as of so many changes.
 *
 * The table is locked in a mode that no writer's lock goes with, so that its rows are those
 * committed and our own. All of them count, since all of them come or go: a transaction whose
 * snapshot does not show the same ones cannot be exact.
 */
#include "rollup/write/collect.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"


/* Error unless the transaction's snapshot shows the rows that there are now. */
static void
check_snapshot(Relation table)
{
	Snapshot	snapshot = GetTransactionSnapshot();
	TableScanDesc scan = gs_table_beginscan(table, SnapshotAny);
	TupleTableSlot *slot = table_slot_create(table, NULL);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		/*
		 * Dead versions are looked at, too: the snapshot may still see a row that is deleted now.
		 */
		if (table_tuple_satisfies_snapshot(table, slot, snapshot) !=
			table_tuple_satisfies_snapshot(table, slot, SnapshotSelf))
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not serialize access due to concurrent changes of partition "
							"\"%s\"",
							RelationGetRelationName(table)),
					 errdetail("A rollup would count other rows than the transaction's snapshot "
							   "shows."),
					 errhint("The transaction might succeed if retried.")));
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}

static void
load_row(TupleTableSlot *row, TupleTableSlot *from, const AttrNumber *columns)
{
	ExecClearTuple(row);
	for (int i = 0; i < row->tts_tupleDescriptor->natts; i++)
		row->tts_values[i] = slot_getattr(from, columns[i], &row->tts_isnull[i]);
	ExecStoreVirtualTuple(row);
}

void
collect_table(Rollup *rollup, Relation table, bool comes)
{
	AttrNumber *columns = rollup_table_map(rollup, RelationGetRelid(table));
	TableScanDesc scan;
	TupleTableSlot *slot;

	Assert(table->rd_rel->relkind == RELKIND_RELATION);
	if (IsolationUsesXactSnapshot())
		check_snapshot(table);
	/* takes no predicate locks: the lock on the table tells others more than these would */
	scan = gs_table_beginscan(table, SnapshotSelf);
	slot = table_slot_create(table, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		/*
		 * A function of the query may be what runs this command. The row slots are then in use, and
		 * must not be filled again.
		 */
		rollup_refuse_entered(rollup->partials);
		load_row(comes ? rollup->new_row : rollup->old_row, slot, columns);
		collect_change(rollup, !comes, comes);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}
