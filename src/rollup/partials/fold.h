/*
 * fold.h: making one partial of a group's many.
 */
#ifndef GS_FOLD_H
#define GS_FOLD_H

#include "base/base.h"

#include "nodes/pg_list.h"
#include "storage/block.h"

#include "base/owner.h"
#include "rollup/partials/partials.h"

/* A rollup open to be folded, as its owner. */
typedef struct Fold
{
	Partials	partials;
	MemoryContext outer;
	MemoryContext context;		/* lives until it is closed */
	MemoryContext per_group;
	bool		plain;			/* nothing is computed from the source */
	OwnerCaller caller;
} Fold;

/* What became of a group; both may be. */
#define FOLD_FOLDED 1			/* it has fewer partials than before */
#define FOLD_BUSY 2				/* others hold some of them */

/*
 * False: there is no such rollup any more, or somebody has locked its source or its partials as a
 * whole. Never waits for that.
 */
extern bool fold_open(Fold *fold, Oid partials);
extern void fold_close(Fold *fold);

/* Fold one group. The keys are those of a row of the partials, of whose types this is a hash. */
extern int	fold_group(Fold *fold, MinimalTuple keys, uint32 types);

extern uint32 fold_hash(Fold *fold, MinimalTuple keys);

/* A search through all of a rollup, in pieces. */
typedef struct FoldSweep
{
	MemoryContext context;		/* what is seen is kept here */
	BlockNumber next;			/* where to go on */
	uint32		mask;
	uint8	   *seen;			/* a bit for each hash of keys; NULL: not begun */
} FoldSweep;

/*
 * The next piece: groups of which more than one partial was seen, or an empty one, as MinimalTuple
 * keys in CurrentMemoryContext. Some may be named in vain. False when it was the last one.
 */
extern bool fold_find(Fold *fold, FoldSweep *sweep, List **groups);

/*
 * Compute the one partial of a marked group from the source. False where somebody else has written
 * one of them, or holds it now: then nothing was changed. Between fold*.c.
 */
extern bool fold_from_source(Partials *partials, Datum *keys, bool *isnull);

/* Fold a group that an earlier transaction of this session noted, where nobody else will. */
extern void fold_remembered(Rollup *rollup);

#endif							/* GS_FOLD_H */
