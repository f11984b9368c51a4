/*
 * hint.h: where this backend last found a partial of a group.
 */
#ifndef GS_HINT_H
#define GS_HINT_H

#include "gymstream.h"

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
 * Where a partial of a group with this hash was. It may be anything by now, or another group's: whoever follows it looks.
 * NULL where nothing is known, and now and then: search for all of the group's partials then.
 */
extern const Hint *hint_get(Hints *hints, GsRelFile file, uint32 hash);

/* The version need not be valid. */
extern void hint_set(Hints *hints, GsRelFile file, uint32 hash, const ItemPointerData *root, const ItemPointerData *version);

#endif							/* GS_HINT_H */
