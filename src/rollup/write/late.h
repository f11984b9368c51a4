/*
 * late.h: rollups that have come after a transaction's snapshot.
 */
#ifndef GS_LATE_H
#define GS_LATE_H

#include "base/base.h"

#include "nodes/execnodes.h"

/* Error if the statement, which has been started, reads a rollup newer than its snapshot. */
extern void late_check(const EState *estate);

#endif							/* GS_LATE_H */
