/*
 * hint.h: where this backend last found a partial of a group.
 */
#ifndef GS_HINT_H
#define GS_HINT_H

#include "gymstream.h"

#include "storage/itemptr.h"

typedef struct Hints Hints;

/* None yet. Allocated in the context. */
extern Hints *hint_make(MemoryContext context);

/*
 * The root of the HOT chain in which a partial of a group with this hash was. It may be anything by now, or another
 * group's: whoever follows it looks. False where nothing is known, and now and then: search for all of the group's
 * partials then.
 */
extern bool hint_get(Hints *hints, GsRelFile file, uint32 hash, ItemPointer root);

extern void hint_set(Hints *hints, GsRelFile file, uint32 hash, const ItemPointerData *root);

#endif							/* GS_HINT_H */
