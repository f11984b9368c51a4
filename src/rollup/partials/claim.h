/*
 * claim.h: a partial, for the moment in which it is written.
 */
#ifndef GS_CLAIM_H
#define GS_CLAIM_H

#include "base/base.h"

#include "storage/itemptr.h"

/* False where the library is not preloaded: only a row lock keeps others away then. */
extern bool claim_is_possible(void);

/*
 * Claim it until claim_release, or the end of the subtransaction by an error. False: somebody else
 * is just writing it, or one that shares its flag. At most one at a time. True, without effect,
 * where claims are not possible.
 */
extern bool claim_take(GsRelFile file, const ItemPointerData *tid);
extern void claim_release(void);

extern void claim_init(void);

#endif							/* GS_CLAIM_H */
