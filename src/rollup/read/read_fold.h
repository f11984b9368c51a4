/*
 * read_fold.h: one group's partials added up without an Agg node.
 */
#ifndef GS_READ_FOLD_H
#define GS_READ_FOLD_H

#include "base/base.h"

#include "nodes/pathnodes.h"

/*
 * Adds a path for the groups to the output relation, if the query is a rollup's groups and its
 * conditions leave one group at most.
 */
extern void read_fold_add(PlannerInfo *root, RelOptInfo *input, RelOptInfo *output);

extern void read_fold_init(void);

#endif							/* GS_READ_FOLD_H */
