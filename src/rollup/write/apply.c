/*
 * apply.c: takes a rollup's pending deltas and adds each to a partial of its group, at the end of
 * the statement.
 *
 * A writer never waits here. It takes the partial of the group that it had last, where it can
 * (partials.c says which can be taken), otherwise the first that it can. Where there is none it
 * inserts one more, which it notes for the folder.
 *
 * Each delta is also logged as a message for those who decode. Never reads the source, runs no
 * query.
 */
#include "rollup/write/apply.h"

#include "access/htup_details.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/settings.h"
#include "base/shared.h"
#include "rollup/model/message.h"
#include "rollup/partials/claim.h"
#include "rollup/partials/fold.h"
#include "rollup/partials/hint.h"
#include "rollup/partials/note.h"
#include "rollup/partials/partials.h"

/* how many more partials of a group are looked at for one to fold in, where writers do */
#define FOLD_LOOKS 2

/* One flush of one rollup. */
typedef struct Apply
{
	PendingRollup *pending;
	Rollup	   *rollup;
	Partials	partials;
	ItemPointerData root;		/* of the HOT chain of the partial that was written, where known */
	bool		loose;			/* what is held is not locked: somebody may be faster */
	bool		writers_fold;	/* no folder does: it is turned off, or the database has none */
	bool		contended;		/* others write the group at this moment */
	NullableDatum *delta;		/* state values of the group at hand */
	bool		logged;			/* deltas go out as messages too */
} Apply;

/* The partial that this transaction wrote last for the group, if it is still there. */
static bool
take_own(Apply *apply, PendingGroup *group)
{
	ItemPointer own = pending_own_partial(apply->pending, group);

	/* What is remembered may be out of date. So only a current row of our own counts. */
	return own &&
		   table_tuple_fetch_row_version(apply->partials.relation, own, SnapshotSelf,
										 apply->partials.held) &&
		   partials_is_own(apply->partials.held);
}

/*
 * The candidate into held; locked, where a claim will not do or it must stay what it is while
 * another one is deleted.
 */
static bool
take_candidate(Apply *apply, bool lock)
{
	Partials   *partials = &apply->partials;

	/* Our own partial needs no claim: nobody can write it before we end. */
	apply->loose = !lock && claim_is_possible() && !partials_is_own(partials->candidate);
	return apply->loose ? partials_take_loosely(partials) : partials_take(partials, partials->held);
}

/* The partial that was found before. */
static bool
take_hinted(Apply *apply, PendingGroup *group)
{
	Hint		hint;

	if (!hint_get(apply->rollup->hints, apply->pending->file, group->hash, apply->writers_fold,
				  &hint) ||
		!partials_follow(&apply->partials, &hint, group->keys, group->isnull))
		return false;
	/*
	 * A hint says nothing about whose the partial is. So it is taken as any other, and a partial
	 * that others hold tells that the group is contended.
	 */
	apply->root = hint.root;
	apply->contended = !take_candidate(apply, false);
	return !apply->contended;
}

/*
 * A free partial into held. Where writers fold, another one that is free close by into folded: but
 * not while others write the group, who will come back to theirs. Says whether there are any at
 * all.
 */
static bool
take_free(Apply *apply, PendingGroup *group, bool *any, bool *fold)
{
	Partials   *partials = &apply->partials;
	bool		folds = apply->writers_fold && !apply->contended;
	bool		found = false;
	int			looks = 0;

	/*
	 * SnapshotSelf shows what is committed at this moment. Others may take or replace each partial
	 * between two looks, and such a partial is passed by.
	 */
	apply->loose = false;
	partials_search(partials, group->keys, group->isnull, SnapshotSelf);
	while (looks < FOLD_LOOKS && partials_next(partials))
	{
		*any = true;
		if (!found)
		{
			/*
			 * Where we fold, the first partial gets a row lock at once: it must stay what it is
			 * while the second is taken and deleted.
			 */
			found = take_candidate(apply, folds);
			apply->root = partials->root;
			if (found && !folds)
				break;
		}
		/*
		 * One more is enough: a writer pays for its own delta and for one fold. It gives up after a
		 * few that are held.
		 */
		else if (partials_take(partials, partials_folded(partials)))
		{
			*fold = true;
			break;
		}
		else
			looks++;
	}
	/*
	 * The last try sets loose even where it fails. Without a partial in hand there is nothing that
	 * could be lost.
	 */
	apply->loose = apply->loose && found;
	return found;
}

/*
 * Whether somebody else is inserting a partial of the group, too: each of two may have found
 * none.
 */
static bool
others_come(Apply *apply, PendingGroup *group)
{
	/*
	 * Our own partial is inserted before this look. So of two who insert at the same time at least
	 * one sees the other.
	 */
	partials_search(&apply->partials, group->keys, group->isnull, &apply->partials.dirty);
	while (partials_next(&apply->partials))
		if (!partials_is_own(apply->partials.candidate))
			return true;
	return false;
}

/*
 * Writing
 */
static void
note_for_folder(Apply *apply, PendingGroup *group)
{
	note_group(apply->partials.relation, apply->rollup->nkeys, group->keys, group->isnull,
			   group->hash);
}

static void
write_new(Apply *apply, PendingGroup *group, bool further)
{
	Rollup	   *rollup = apply->rollup;
	TupleTableSlot *out = ExecClearTuple(apply->partials.out);

	memcpy(out->tts_values, group->keys, rollup->nkeys * sizeof(Datum));
	memcpy(out->tts_isnull, group->isnull, rollup->nkeys * sizeof(bool));
	for (int i = 0; i < rollup->nstates; i++)
	{
		out->tts_values[rollup->nkeys + i] = apply->delta[i].value;
		out->tts_isnull[rollup->nkeys + i] = apply->delta[i].isnull;
	}
	ExecStoreVirtualTuple(out);
	/* No lock is needed: nobody but us can take a row that is not committed. */
	partials_insert(&apply->partials);
	group->own = out->tts_tid;
	apply->root = out->tts_tid;
	/*
	 * The folder hears of the group only if our partial is not the only one, or needs the source.
	 */
	if (further || partials_are_marked(&apply->partials, out) || others_come(apply, group))
		note_for_folder(apply, group);
}

/*
 * Write the held partial with the delta, and with the folded one, added. False if the sum does not
 * fit, or it was lost.
 */
static bool
write_held(Apply *apply, PendingGroup *group, bool fold)
{
	Partials   *partials = &apply->partials;

	/*
	 * The sum is computed before the partial is claimed: adding may compare with functions that
	 * write other partials, and a backend has one claim at a time. If the sum does not fit or the
	 * claim is lost, nothing has been written, and the caller inserts.
	 */
	partials_load(partials);
	if (!partials_add(partials, apply->delta) || (apply->loose && !partials_hold(partials)))
		return false;
	/*
	 * Both are locked where we fold, so no claim is open here. The folded partial is deleted only
	 * after the sum has taken it in; it stays where the sum would not fit.
	 */
	if (fold && partials_add(partials, partials_states(partials, partials->folded)))
		partials_delete(partials, &partials->folded->tts_tid);
	/* A group without rows leaves no partial. Older snapshots still see the deleted one. */
	if (partials_are_zero(partials, partials->out))
	{
		partials_delete(partials, &partials->held->tts_tid);
		ItemPointerSetInvalid(&group->own);
	}
	else
	{
		/* An update that is not HOT begins a chain, which the hint must name from now on. */
		if (!partials_update(partials))
			apply->root = partials->out->tts_tid;
		group->own = partials->out->tts_tid;
		if (partials_are_marked(partials, partials->out))
			note_for_folder(apply, group);
	}
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
					 errmsg("bigint out of range in a sum of rollup \"%s\"",
							get_rel_name(apply->rollup->rollup))));
}

static void
log_delta(Apply *apply, const PendingGroup *group)
{
	Rollup	   *rollup = apply->rollup;
	TupleDesc	desc = RelationGetDescr(apply->partials.relation);
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc0(desc->natts * sizeof(bool));
	uint8	   *kinds = palloc(rollup->nstates);

	memcpy(values, group->keys, rollup->nkeys * sizeof(Datum));
	memcpy(isnull, group->isnull, rollup->nkeys * sizeof(bool));
	for (int i = 0; i < rollup->nstates; i++)
	{
		values[rollup->nkeys + i] = apply->delta[i].value;
		isnull[rollup->nkeys + i] = apply->delta[i].isnull;
		/* who reads it does not know an order that is not the type's own */
		kinds[i] =
			marked_order_is_known(rollup->states[i].order) ? rollup->states[i].kind : STATE_VALUE;
	}
	message_write(rollup->rollup, rollup->partials, rollup->nkeys, desc,
				  heap_form_tuple(desc, values, isnull), kinds);
}

static void
apply_group(Apply *apply, PendingGroup *group)
{
	bool		any = false;
	bool		fold = false;
	bool		written;

	if (!group_changed(apply->rollup, group))
		return;
	form_delta(apply, group);
	/* The cheapest way comes first: our own partial needs no lock, a hinted one no search. */
	ItemPointerSetInvalid(&apply->root);
	apply->contended = false;
	apply->loose = false;
	written = (take_own(apply, group) || take_hinted(apply, group) ||
			   take_free(apply, group, &any, &fold)) &&
			  write_held(apply, group, fold);
	if (!written && apply->loose)
	{
		/* somebody was faster */
		apply->contended = true;
		written = take_free(apply, group, &any, &fold) && write_held(apply, group, fold);
	}
	/*
	 * Nobody waits. Where others hold all partials, or the sum does not fit, one more is inserted.
	 */
	if (!written)
		write_new(apply, group, any || apply->loose);
	/* A table that is searched without an index gives no root, and so no hint. */
	if (ItemPointerIsValid(&apply->root))
		hint_set(apply->rollup->hints, apply->pending->file, group->hash, &apply->root,
				 &group->own);
	if (apply->logged)
		log_delta(apply, group);
	/* The slots keep pages pinned, and a row in them may lie in the memory of this group. */
	partials_clear(&apply->partials);
}

static void
clear_deltas(const Rollup *rollup, PendingGroup *group)
{
	for (int i = 0; i < rollup->nstates; i++)
	{
		const RollupState *state = &rollup->states[i];

		/*
		 * The group lives on in the pending context, with the partial that it was written to. So
		 * what its deltas own must be freed one by one.
		 */
		if (STATE_IS_SUM(state->kind))
			state_delta_clear(state->kind, &group->deltas[i]);
		else if (state->order && group->deltas[i].extreme.known && !state->order->typbyval)
			pfree(DatumGetPointer(group->deltas[i].extreme.value));
	}
	memset(group->deltas, 0, rollup->nstates * sizeof(StateDelta));
	group->dirty = false;
}

static void
apply_open(Apply *apply, PendingRollup *pending)
{
	memset(apply, 0, sizeof(*apply));
	apply->pending = pending;
	apply->rollup = pending->rollup;
	/* Hints outlive the transaction: they are in the memory of the rollup. */
	if (apply->rollup->hints == NULL)
		apply->rollup->hints = hint_make(apply->rollup->context);
	partials_open(&apply->partials, apply->rollup);
	apply->delta = palloc(apply->rollup->nstates * sizeof(NullableDatum));
	apply->writers_fold = !settings_fold || shared_mine() == NULL;
	apply->logged = message_is_wanted(apply->rollup->has_topic);
	/*
	 * A table that was rewritten has another file. The partials remembered in the old one are void.
	 */
	pending_storage(pending, gs_relfile(apply->partials.relation));
}

void
apply_deltas(PendingRollup *pending)
{
	Apply		apply;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "gymstream apply", ALLOCSET_DEFAULT_SIZES);
	MemoryContext per_group = NULL;
	MemoryContext old = MemoryContextSwitchTo(context);

	/*
	 * From here on keys are compared, by functions that may be anybody's. Until the end such a
	 * function can neither flush nor collect for this rollup.
	 */
	rollup_enter(pending->rollup);
	/* without this, what an earlier flush in this command wrote could not be seen, nor written */
	CommandCounterIncrement();
	apply_open(&apply, pending);
	/* a statement of one row needs no further one */
	if (pending->dirty->next_dirty)
		per_group = AllocSetContextCreate(context, "gymstream apply group", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(per_group ? per_group : context);
	while (pending->dirty)
	{
		/*
		 * A group leaves the list only when it is written. After an error the subtransaction is
		 * aborted, and its list with it.
		 */
		PendingGroup *group = pending->dirty;

		apply_group(&apply, group);
		clear_deltas(apply.rollup, group);
		pending->dirty = group->next_dirty;
		if (per_group)
			MemoryContextReset(per_group);
	}
	MemoryContextSwitchTo(context);
	partials_close(&apply.partials);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	CommandCounterIncrement();
	rollup_leave(pending->rollup);
}
