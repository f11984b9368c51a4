/*
 * drop.h: what goes with a rollup that is dropped.
 */
#ifndef GS_DROP_H
#define GS_DROP_H

#include "base/base.h"

#include "nodes/parsenodes.h"

/*
 * Before DROP VIEW or DROP EXTENSION: what the rollups' parts depend on is as create_rollup leaves
 * it, also where it was made while no event trigger came, as pg_upgrade does: so that they need no
 * CASCADE, and take all parts along.
 */
extern void drop_prepare(const DropStmt *statement);

#endif							/* GS_DROP_H */
