/*
 * before_drop.h: what a DROP is about to take, known before it is done.
 */
#ifndef GS_BEFORE_DROP_H
#define GS_BEFORE_DROP_H

#include "base/base.h"

#include "nodes/nodes.h"

#include "base/catalog.h"

/* Whether the command has dropped a trigger that a rollup misses now; which rollup. */
extern bool before_drop_missed(const Node *command, RollupRelations *relations);

#endif							/* GS_BEFORE_DROP_H */
