/*
 * fold.c: takes the keys of a group and makes one partial of all those that nobody holds; an all
 * zero one goes.
 *
 * Folding changes no group's value in anybody's snapshot. A folder F takes only what its own
 * snapshot sees as committed, and writes p = p1 + ... + pn in place of p1, deleting the others, in
 * one transaction. A snapshot that has F sees p, and would have seen each of p1 to pn without it:
 * their writers had ended when F took them. One that has not sees p1 to pn in the versions it saw
 * before. How F meets a writer W of the same group:
 *
 *	W holds a partial (any level)
 *		F's lock is skipped: F leaves it and folds the rest.
 *	F holds them, W comes
 *		W's lock is skipped: it inserts beside, and F or the next folder finds it.
 *	F commits, then W in READ COMMITTED
 *		W's statement began before: it does not see p, and inserts. A later statement takes p.
 *	the same in REPEATABLE READ and SERIALIZABLE
 *		W's snapshot does not see p: it inserts. Nothing that W reads or locks was updated under it:
 *		p1 to pn were not W's. F is never serializable, so no conflict counts.
 *	F rolls back
 *		Its locks and p are void, p1 to pn as before.
 *	W deletes the last row
 *		Its own partial has a negative count. F adds it up, and what is all zero is deleted.
 *	A marked group
 *		is computed from the source: fold_marked.c.
 *	TRUNCATE, rebuild_rollup
 *		are excluded by relation locks: F skips a rollup that it cannot lock at once. Of the source
 *		it takes a writer's lock, since that lets readers in.
 *
 * No message is logged: the deltas were.
 */
#include "rollup/partials/fold.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "commands/tablecmds.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/argument.h"
#include "base/settings.h"
#include "rollup/model/standing.h"
#include "rollup/partials/note.h"

/* blocks of a piece of a sweep */
#define PIECE_BLOCKS 64

/*
 * Opening and closing
 */

/* Lock all that a rollup is compiled from, and its partials, if that can be done at once. */
static bool
lock_rollup(const RollupRelations *relations)
{
	return ConditionalLockRelationOid(relations->definition, AccessShareLock) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relations->definition)) &&
		ConditionalLockRelationOid(rollup_shape(relations)->source, RowExclusiveLock) &&
		ConditionalLockRelationOid(relations->partials, RowExclusiveLock) &&
		SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relations->partials));
}

bool
fold_open(Fold *fold, Oid partials)
{
	RollupRelations relations;
	Rollup	   *rollup;
	MemoryContext context;

	rollup_refuse_entered(partials);
	/*
	 * The rollup is compiled only after all locks are there: what it is made of cannot change from
	 * then on. Locks that were taken before one is refused are kept until the transaction ends.
	 */
	if (!catalog_relations(ROLLUP_PARTIALS, partials, &relations) || !lock_rollup(&relations))
		return false;
	context = AllocSetContextCreate(CurrentMemoryContext, "gymstream fold", ALLOCSET_DEFAULT_SIZES);
	/* The context owns the reference. So an error releases it, too. */
	rollup = rollup_acquire(partials);
	rollup_release_with(rollup, context);
	if (rollup->stopped)
	{
		MemoryContextDelete(context);
		return false;
	}
	fold->plain = false;
	fold->context = context;
	fold->outer = MemoryContextSwitchTo(context);
	fold->per_group =
		AllocSetContextCreate(context, "gymstream fold group", ALLOCSET_DEFAULT_SIZES);
	/* The settings belong to the nest level that owner_enter has begun. owner_leave undoes them. */
	owner_enter(&fold->caller, rollup->owner);
	SetConfigOption("jit", "off", PGC_USERSET, PGC_S_SESSION);
	SetConfigOption("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_SESSION);
	CommandCounterIncrement();
	rollup_enter(rollup);
	partials_open(&fold->partials, rollup);
	return true;
}

void
fold_close(Fold *fold)
{
	partials_close(&fold->partials);
	CommandCounterIncrement();
	rollup_leave(fold->partials.rollup);
	owner_leave(&fold->caller);
	MemoryContextSwitchTo(fold->outer);
	MemoryContextDelete(fold->context);
}

/*
 * One group
 */

/* Whether somebody is inserting the candidate, as one that was not there. */
static bool
is_coming(Partials *partials)
{
	/*
	 * The dirty snapshot names whoever inserts it. A new version of an old partial has
	 * HEAP_UPDATED, and is no newcomer.
	 */
	HeapTupleHeader header = ((HeapTupleTableSlot *) partials->candidate)->tuple->t_data;

	return TransactionIdIsValid(partials->dirty.xmin) && (header->t_infomask & HEAP_UPDATED) == 0;
}

/* What a look without taking shows of a group. */
typedef struct Looks
{
	int			nfree;
	int			nheld;			/* by others, at this moment */
	int			ncoming;
	bool		zero;			/* one of the free ones is */
	bool		marked;
	bool		will_be;		/* marked, once somebody has committed */
} Looks;

static Looks
look_at_group(Partials *partials, Datum *keys, bool *isnull)
{
	Looks		looks = {0};

	/*
	 * Nothing is locked here: a row lock would be logged even where nothing is to be folded. What
	 * is counted may have changed when the partials are taken.
	 */
	partials_search(partials, keys, isnull, &partials->dirty);
	while (partials_next(partials))
	{
		bool		marked = partials_are_marked(partials, partials->candidate);

		if (TransactionIdIsValid(partials->dirty.xmin))
		{
			looks.ncoming += is_coming(partials);
			looks.will_be = looks.will_be || marked;
			continue;
		}
		looks.marked = looks.marked || marked;
		if (partials_look_free(partials))
		{
			looks.nfree++;
			looks.zero = looks.zero || partials_are_zero(partials, partials->candidate);
		}
		else
			looks.nheld++;
	}
	return looks;
}

/* Take all that are free, add them up, and write the sum. */
static bool
fold_free(Partials *partials, Datum *keys, bool *isnull, bool *busy)
{
	int			ntaken = 0;
	bool		zero;

	/*
	 * Each partial is taken by a row lock, which we keep until we commit. Writers who come
	 * meanwhile skip the locked ones and insert beside them.
	 */
	partials_search(partials, keys, isnull, SnapshotSelf);
	while (partials_next(partials))
	{
		/*
		 * The first one stays held, to be written with the sum. The folded slot is used again for
		 * each of the others.
		 */
		if (!partials_take(partials, ntaken == 0 ? partials->held : partials_folded(partials)))
			*busy = true;
		else if (ntaken == 0)
		{
			partials_load(partials);
			ntaken++;
		}
		/* where the sum does not fit they stay two */
		else if (partials_add(partials, partials_states(partials, partials->folded)))
		{
			partials_delete(partials, &partials->folded->tts_tid);
			ntaken++;
		}
	}
	if (ntaken == 0)
		return false;
	/* The deletes and the update commit together. No snapshot sees one without the other. */
	zero = partials_are_zero(partials, partials->out);
	if (zero)
		partials_delete(partials, &partials->held->tts_tid);
	else if (ntaken > 1)
		(void) partials_update(partials);
	return zero || ntaken > 1;
}

static int
fold_keys(Fold *fold, Datum *keys, bool *isnull)
{
	Partials   *partials = &fold->partials;
	Looks		looks;
	bool		busy,
				folded;

	/*
	 * a group comes again where a sweep has met several of its partials: what was written is to be
	 * seen, and written
	 */
	CommandCounterIncrement();
	looks = look_at_group(partials, keys, isnull);
	/*
	 * Busy tells the folder to come back: those who hold or insert partials now will leave
	 * something to fold.
	 */
	busy = looks.will_be || (looks.nheld + looks.ncoming > 0 &&
							 (looks.marked || looks.nfree + looks.nheld + looks.ncoming > 1));
	/*
	 * A marked group is replaced as a whole or not at all. While others hold a part of it, reading
	 * its rows would be in vain.
	 */
	folded = looks.marked && looks.nheld == 0 && !fold->plain &&
			 fold_from_source(partials, keys, isnull);

	if (!folded)
	{
		busy = busy || looks.marked;
		if (looks.nfree > 1 || looks.zero)
			folded = fold_free(partials, keys, isnull, &busy);
	}
	/* The slots keep pages pinned, which would hinder pruning. */
	partials_clear(partials);
	return (folded ? FOLD_FOLDED : 0) | (busy ? FOLD_BUSY : 0);
}

static void
read_keys(Fold *fold, MinimalTuple tuple, Datum **keys, bool **isnull)
{
	TupleDesc	desc = RelationGetDescr(fold->partials.relation);

	*keys = palloc(desc->natts * sizeof(Datum));
	*isnull = palloc(desc->natts * sizeof(bool));
	heap_deform_tuple(heap_tuple_from_minimal_tuple(tuple), desc, *keys, *isnull);
}

int
fold_group(Fold *fold, MinimalTuple tuple, uint32 types)
{
	MemoryContext old;
	Datum	   *keys;
	bool	   *isnull;
	int			result;

	/* noted for a table that has been altered since, or that had the same OID */
	if (types != note_types(fold->partials.relation))
		return 0;
	old = MemoryContextSwitchTo(fold->per_group);
	read_keys(fold, tuple, &keys, &isnull);
	result = fold_keys(fold, keys, isnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(fold->per_group);
	return result;
}

uint32
fold_hash(Fold *fold, MinimalTuple tuple)
{
	MemoryContext old = MemoryContextSwitchTo(fold->per_group);
	Datum	   *keys;
	bool	   *isnull;
	uint32		hash;

	read_keys(fold, tuple, &keys, &isnull);
	hash = rollup_hash_keys(fold->partials.rollup, keys, isnull);
	MemoryContextSwitchTo(old);
	MemoryContextReset(fold->per_group);
	return hash;
}

/*
 * Finding groups
 */
static void
sweep_begin(Fold *fold, FoldSweep *sweep)
{
	uint64		rows = (uint64) RelationGetNumberOfBlocks(fold->partials.relation) * 256;
	uint32		bits = 1 << 16;

	while (bits < rows * 4 && bits < (1 << 26))
		bits *= 2;
	sweep->mask = bits - 1;
	sweep->seen = MemoryContextAllocZero(sweep->context, bits / 8);
	sweep->next = 0;
}

/* Whether a partial of a group with the same hash was seen before. */
static bool
sweep_saw(FoldSweep *sweep, uint32 hash)
{
	uint32		bit = hash & sweep->mask;
	bool		saw = (sweep->seen[bit / 8] & (1 << (bit % 8))) != 0;

	sweep->seen[bit / 8] |= 1 << (bit % 8);
	return saw;
}

bool
fold_find(Fold *fold, FoldSweep *sweep, List **groups)
{
	Partials   *partials = &fold->partials;
	int			nkeys = partials->rollup->nkeys;
	BlockNumber nblocks = RelationGetNumberOfBlocks(partials->relation);
	TableScanDesc scan;
	ItemPointerData from,
				to;

	*groups = NIL;
	if (sweep->seen == NULL)
		sweep_begin(fold, sweep);
	if (sweep->next >= nblocks)
		return false;
	ItemPointerSet(&from, sweep->next, FirstOffsetNumber);
	sweep->next = Min(nblocks, sweep->next + PIECE_BLOCKS);
	ItemPointerSet(&to, sweep->next - 1, MaxOffsetNumber);
	/*
	 * what is on its way, too: nobody else will know of it if it was prepared before the server was
	 * started
	 */
	scan = gs_table_beginscan_tidrange(partials->relation, &partials->dirty, &from, &to);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, partials->candidate))
	{
		TupleTableSlot *slot = partials->candidate;

		CHECK_FOR_INTERRUPTS();
		slot_getsomeattrs(slot, nkeys);
		/*
		 * Two groups may share a bit. The second is then named in vain, and the fold finds one
		 * partial.
		 */
		if (sweep_saw(sweep,
					  rollup_hash_keys(partials->rollup, slot->tts_values, slot->tts_isnull)) ||
			partials_are_zero(partials, slot) || partials_are_marked(partials, slot))
			*groups = lappend(*groups, note_keys(partials->relation, nkeys, slot->tts_values,
												 slot->tts_isnull));
	}
	table_endscan(scan);
	ExecClearTuple(partials->candidate);
	return sweep->next < nblocks;
}

/*
 * A statement in the middle of changing the source has changes pending that a group's row, computed
 * now, already has.
 */
static void
check_source(const Rollup *rollup)
{
	Relation	source;

	if (!rollup->can_be_marked)
		return;
	source = table_open(rollup->source, NoLock);
	CheckTableNotInUse(source, "fold a rollup of");
	table_close(source, NoLock);
}

/*
 * gymstream.fold_rollup(rollup regclass) returns bigint: folds all groups that can be; the number
 * of them
 *
 * Its owner's. In READ COMMITTED, since under an older snapshot most could not be taken, and a
 * serializable one would count as a writer of what it only folds.
 */
PG_FUNCTION_INFO_V1(gs_fold_rollup);
Datum
gs_fold_rollup(PG_FUNCTION_ARGS)
{
	Oid			rollup = PG_GETARG_OID(0);
	RollupRelations relations;
	FoldSweep	sweep = {.context = CurrentMemoryContext};
	Fold		fold;
	List	   *groups;
	ListCell   *cell;
	int64		nfolded = 0;
	bool		more;

	argument_writes("gymstream.fold_rollup");
	argument_own_rollup(rollup, &relations);
	argument_read_committed("gymstream.fold_rollup");
	standing_require(relations.partials);
	if (!fold_open(&fold, relations.partials))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("could not obtain a lock on rollup \"%s\"", get_rel_name(rollup)),
				 errdetail("Its source or its partials are locked as a whole, and folding waits "
						   "for nobody."),
				 errhint("Try again when that transaction has ended.")));
	check_source(fold.partials.rollup);
	do
	{
		more = fold_find(&fold, &sweep, &groups);
		foreach(cell, groups)
			if (fold_group(&fold, lfirst(cell), note_types(fold.partials.relation)) & FOLD_FOLDED)
				nfolded++;
		list_free_deep(groups);
	} while (more);
	fold_close(&fold);
	PG_RETURN_INT64(nfolded);
}

/*
 * Where no folder runs
 */
void
fold_remembered(Rollup *rollup)
{
	Note		note;
	Fold		fold;

	/*
	 * Under an older snapshot nearly nothing could be taken, and the note would be used up in vain.
	 */
	if (!settings_fold || IsolationUsesXactSnapshot() || !note_remembered(rollup->partials, &note))
		return;
	if (!fold_open(&fold, rollup->partials))
		return;
	/* reading the source may take long, and this is somebody's commit */
	fold.plain = true;
	(void) fold_group(&fold, (MinimalTuple) note.keys, note.types);
	fold_close(&fold);
}
