/*
 * late.c: takes a statement that starts in a transaction with one snapshot, and refuses it if it
 * reads a rollup that was created after that snapshot. The catalogs know no snapshots, so the
 * rollup is found, but none of its partials is seen: it would be read as empty, where its query
 * sees rows.
 *
 * Where the library is not preloaded, and nothing else in the session has loaded it, nobody looks.
 */
#include "rollup/write/late.h"

#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "rollup/write/trigger.h"

static bool
is_guarded(Relation relation)
{
	const TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers && i < triggers->numtriggers; i++)
		if (trigger_guards(&triggers->triggers[i]))
			return true;
	return false;
}

/* Whether the row that makes it a rollup is of a transaction that the snapshot does not see. */
static bool
is_late(Oid partials, Snapshot snapshot)
{
	Relation	catalog = catalog_open(CATALOG_ROLLUP, AccessShareLock);
	HeapTuple	tuple;
	TransactionId xmin = InvalidTransactionId;

	if (catalog == NULL)
		return false;
	/* The row is read as it is committed now, whatever the snapshot. It may be gone already. */
	tuple = catalog_find(catalog, ROLLUP_PARTIALS, ObjectIdGetDatum(partials));
	if (HeapTupleIsValid(tuple))
		xmin = HeapTupleHeaderGetXmin(tuple->t_data);
	table_close(catalog, AccessShareLock);
	/* A frozen row has no normal xmin. No snapshot is older than such a row. */
	return TransactionIdIsNormal(xmin) && !TransactionIdIsCurrentTransactionId(xmin) &&
		XidInMVCCSnapshot(xmin, snapshot);
}

void
late_check(const EState *estate)
{
	if (!IsolationUsesXactSnapshot() || IsParallelWorker() || estate->es_snapshot == NULL ||
		!IsMVCCSnapshot(estate->es_snapshot))
		return;
	for (int i = 0; i < estate->es_range_table_size; i++)
	{
		Relation	relation = estate->es_relations[i];
		Oid			rollup;

		if (relation == NULL || !is_guarded(relation) ||
			!is_late(RelationGetRelid(relation), estate->es_snapshot))
			continue;
		rollup = catalog_rollup(ROLLUP_PARTIALS, RelationGetRelid(relation), ROLLUP_ROLLUP);
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access because rollup \"%s\" is newer than the "
						"snapshot",
						get_rel_name(rollup)),
				 errhint("The transaction might succeed if retried.")));
	}
}
