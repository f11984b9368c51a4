/*
 * partials.h: the partials of a rollup, open for writing.
 */
#ifndef GS_PARTIALS_H
#define GS_PARTIALS_H

#include "base/base.h"

#include "access/genam.h"
#include "access/tableam.h"

#include "rollup/model/rollup.h"
#include "rollup/partials/hint.h"

typedef struct Partials
{
	Rollup	   *rollup;
	Relation	relation;
	bool		indexes_open;
	List	   *indexes;		/* all of them, of KeyIndex */
	/* the one on the keys, or on their hash; NULL: there is none, scan the table */
	Relation	search;
	bool		search_by_hash;
	bool		search_exact;	/* what the index finds is of the group */
	Buffer		page;			/* that was read last, pinned */
	IndexScanDesc index_scan;
	bool		within_chain;	/* the scan has not yet come to the end of a HOT chain */
	TableScanDesc table_scan;
	SnapshotData dirty;			/* shows what transactions in progress insert, too */
	Snapshot	snapshot;		/* what a partial must be visible to, to be taken */
	Datum	   *keys;			/* of the group that is searched for */
	bool	   *isnull;
	TupleTableSlot *candidate;	/* what partials_next has found */
	ItemPointerData root;		/* of its HOT chain, or invalid */
	TupleTableSlot *held;		/* the partial that is to be written */
	/* one that is folded into it; made when partials_folded is first called */
	TupleTableSlot *folded;
	TupleTableSlot *out;		/* the row that is written, virtual */
	/* lives until it is closed; scans allocate in it when they please */
	MemoryContext context;
} Partials;

/*
 * Open them in RowExclusiveLock mode, which no writer's lock conflicts with. The rollup stays the
 * caller's, who also calls CommandCounterIncrement before and after: without that, what was written
 * earlier in this command could neither be seen nor written again. Keeps to CurrentMemoryContext.
 */
extern void partials_open(Partials *partials, Rollup *rollup);
extern void partials_close(Partials *partials);

/*
 * Look for the partials of a group, whose keys are not copied: each call of partials_next brings
 * one into the candidate slot. SnapshotSelf shows those that are committed now, the partials' own
 * dirty snapshot also those that are just being inserted. Another one must be let go of, by ending
 * the search, before it goes.
 */
extern void partials_search(Partials *partials, Datum *keys, bool *isnull, Snapshot looks);
extern bool partials_next(Partials *partials);
extern void partials_end_search(Partials *partials);

/* The candidate is what is now where a hint says. False: none of the group. */
extern bool partials_follow(Partials *partials, const Hint *hint, Datum *keys, bool *isnull);

/* What searching and writing do for themselves where they need it. */
extern void partials_open_indexes(Partials *partials);

/* Whether this transaction wrote it. */
extern bool partials_is_own(TupleTableSlot *slot);

/*
 * Whether it is worth trying to take the candidate. What it reads may change under it: only taking
 * decides.
 */
extern bool partials_look_free(Partials *partials);

/*
 * Take the candidate, without waiting: its newest version is then in the slot and ours until the
 * transaction ends.
 */
extern bool partials_take(Partials *partials, TupleTableSlot *slot);

/* The same with the very version that was found: only if that is still the newest. */
extern bool partials_take_version(Partials *partials, TupleTableSlot *slot);

/*
 * Without a lock: what is free to look at is in the held slot, and is ours from partials_hold,
 * which may say that it is free no more: until it is written, and so for good. Nobody has anything
 * to wait for if it is written in between. Only where claims are possible.
 */
extern bool partials_take_loosely(Partials *partials);
extern bool partials_hold(Partials *partials);

/* The slot for a partial that is to be folded. */
extern TupleTableSlot *partials_folded(Partials *partials);

/*
 * The held partial's row, or what it was made to be since, with these states added. False, and
 * unchanged, if they do not fit.
 */
extern void partials_load(Partials *partials);
extern bool partials_add(Partials *partials, const NullableDatum *states);

/* The states of a slot, checked: what an owner's own UPDATE may have put there is not trusted. */
extern NullableDatum *partials_states(Partials *partials, TupleTableSlot *slot);

/* Whether the states in a slot are all zero. */
extern bool partials_are_zero(Partials *partials, TupleTableSlot *slot);

/*
 * Whether the states in a slot may mark their group: rows that they do not show have to be read for
 * its value. A group is marked only if a partial of it says so alone, not the other way round.
 */
extern bool partials_are_marked(Partials *partials, TupleTableSlot *slot);

/*
 * Write out as a new partial, or in place of the held one: out->tts_tid is where it was written.
 * partials_update returns false where it began a new HOT chain.
 */
extern void partials_insert(Partials *partials);
extern bool partials_update(Partials *partials);
extern void partials_delete(Partials *partials, ItemPointer tid);

/* Let go of the rows in its slots. */
extern void partials_clear(Partials *partials);

#endif							/* GS_PARTIALS_H */
