/*
 * apply.h: deltas into partials.
 */
#ifndef GS_APPLY_H
#define GS_APPLY_H

#include "base/base.h"

#include "rollup/write/pending.h"

/* Apply and clear all dirty groups of the rollup. Never waits for another transaction. */
extern void apply_deltas(PendingRollup *pending);

#endif							/* GS_APPLY_H */
