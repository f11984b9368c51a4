/*
 * flush.c: takes the moments at which pending deltas must be applied, and has them applied: when a trigger asks for it, and
 * at the latest before the subtransaction that collected them ends. At the end of a transaction it also folds, where no
 * folder does, and lets pending deltas go.
 */
#include "rollup/write/flush.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "rollup/partials/fold.h"
#include "rollup/partials/note.h"
#include "rollup/write/apply.h"
#include "rollup/write/pending.h"

static void
flush_pending(PendingRollup *pending)
{
	if (pending->dirty == NULL)
		return;
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
