/*
 * hold.h: a rollup that stays while somebody looks at it.
 */
#ifndef GS_HOLD_H
#define GS_HOLD_H

#include "base/base.h"

#include "base/catalog.h"
#include "rollup/model/shape.h"

typedef struct RollupHold
{
	RollupRelations relations;
	RollupShape *shape;
} RollupHold;

/*
 * Find the rollup of this view, and lock all that it is made of and its source in ACCESS SHARE
 * mode, in the order of its writers. Waits for whoever drops or alters it. False, and nothing is
 * locked, where there is no such rollup, or none any more.
 */
extern bool hold_rollup(Oid rollup, RollupHold *hold);

/* Unlock it again. After an error the end of the transaction does. */
extern void hold_release(const RollupHold *hold);

#endif							/* GS_HOLD_H */
