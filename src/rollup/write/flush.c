/*
 * flush.c: takes the moments at which pending deltas must be applied, and has them applied: when a
 * trigger asks for it, when they outgrow work_mem, and at the latest before the subtransaction that
 * collected them ends. At the end of a transaction it also folds, where no folder does, and lets
 * pending deltas go.
 *
 * A flush in the middle of a statement, from the WHEN of a row trigger, is as good as one at its
 * end:
 *
 *   - It comes after the old and the new row of a change, never between them. So what is applied
 *     are whole changes.
 *   - The row has been written, with its index entries, and no page is locked. Rows that follow get
 *     the command number that the statement began with, whatever CommandCounterIncrement says
 *     meanwhile. It is the same where a trigger's function runs SQL.
 *   - The active snapshot is the statement's, as at its end. So the same partials can be taken. The
 *     statement itself, if it reads the rollup, does not see what was written: that has a later
 *     command number than its snapshot.
 *   - Deltas of other subtransactions stay where they are.
 *   - What is known of the transaction's own partials is forgotten with the groups. The statement
 *     finds these partials again by hints and by searching.
 *   - If the statement fails, what was applied is undone with its rows.
 *
 * A volatile function that reads the rollup in the middle of a statement sees some of its changes,
 * where it would see none of a small statement. Which ones was never promised.
 */
#include "rollup/write/flush.h"

#include "access/xact.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "rollup/partials/fold.h"
#include "rollup/partials/note.h"
#include "rollup/write/apply.h"
#include "rollup/write/pending.h"

/*
 * The transaction itself has dropped the rollup in the middle of a statement. Rows that are still
 * collected are for nobody.
 */
static bool
is_dropped(const Rollup *rollup)
{
	return rollup->stale && !SearchSysCacheExists1(RELOID, ObjectIdGetDatum(rollup->partials));
}

static void
flush_pending(PendingRollup *pending)
{
	/*
	 * A function that collect or apply has called may ask for a flush. What is pending then waits
	 * for the next one.
	 */
	if (pending->dirty == NULL || rollup_is_entered(pending->rollup->partials))
		return;
	if (is_dropped(pending->rollup))
	{
		pending_clear(pending);
		return;
	}
	apply_deltas(pending);
	pending_trim(pending);
}

void
flush_rollup(Oid partials)
{
	PendingRollup *pending = pending_find(partials);

	if (pending)
		flush_pending(pending);
}

void
flush_all(void)
{
	for (PendingRollup *pending = pending_first(); pending; pending = pending->next)
		flush_pending(pending);
}

/* What no statement trigger has flushed, as in a subscriber's apply worker. */
static void
flush_before_end(void)
{
	if (!pending_any_dirty())
		return;
	/* No snapshot need be active at this moment, and apply takes only what the active one sees. */
	PushActiveSnapshot(GetTransactionSnapshot());
	flush_all();
	PopActiveSnapshot();
}

/* Late, so that what it takes is ours for a moment only. */
static void
fold_before_end(void)
{
	if (!note_any_remembered() || pending_first() == NULL)
		return;
	/* Only rollups that this transaction has written are folded: their source is locked already. */
	PushActiveSnapshot(GetTransactionSnapshot());
	for (PendingRollup *pending = pending_first(); pending; pending = pending->next)
		fold_remembered(pending->rollup);
	PopActiveSnapshot();
}

static void
transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			flush_before_end();
			fold_before_end();
			break;
		case XACT_EVENT_PRE_PREPARE:
			flush_before_end();
			break;
		/* Nothing may fail here. What is freed had to be applied before. */
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending_discard();
			break;
		default:
			break;
	}
}

static void
subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	switch (event)
	{
		case SUBXACT_EVENT_PRE_COMMIT_SUB:
			flush_before_end();
			break;
		case SUBXACT_EVENT_COMMIT_SUB:
			pending_keep_subtransaction(subid, parent);
			break;
		case SUBXACT_EVENT_ABORT_SUB:
			pending_discard_subtransaction(subid);
			break;
		default:
			break;
	}
}

void
flush_init(void)
{
	RegisterXactCallback(transaction_end, NULL);
	RegisterSubXactCallback(subtransaction_end, NULL);
}
