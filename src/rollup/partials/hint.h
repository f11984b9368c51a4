/*
 * hint.h: where a partial of a group was found last.
 */
#ifndef GS_HINT_H
#define GS_HINT_H

#include "base/base.h"

#include "storage/itemptr.h"
#include "storage/off.h"

typedef struct Hint
{
	uint32		hash;
	ItemPointerData root;		/* of the HOT chain in which the partial was */
	OffsetNumber version;		/* of it, in the same block, that was newest then; or invalid */
} Hint;

typedef struct Hints Hints;

/* None yet. Allocated in the context. */
extern Hints *hint_make(MemoryContext context);

/*
 * Where a partial of a group with this hash was. It may be anything by now, or another group's:
 * whoever follows it looks. False where nothing is known; and where writers fold for themselves,
 * now and then: search for all of its partials then.
 */
extern bool hint_get(Hints *hints, GsRelFile file, uint32 hash, bool writers_fold, Hint *hint);

/* The version need not be valid. */
extern void hint_set(Hints *hints, GsRelFile file, uint32 hash, const ItemPointerData *root,
					 const ItemPointerData *version);

extern void hint_init(void);

#endif							/* GS_HINT_H */
