/*
 * read_cost.h: what looking groups up costs, and computing the marked ones.
 */
#ifndef GS_READ_COST_H
#define GS_READ_COST_H

#include "base/base.h"

#include "nodes/pathnodes.h"

/*
 * What is saved, of the cost of a path, where it is run once for each row of the outer relations:
 * pages of indexes and of the table are in the cache then.
 */
extern Cost read_cost_saved(PlannerInfo *root, Relids outer, PlannerInfo *subroot, Path *path);

/* Where the relation computes the marked groups of a rollup: let it cost what few groups do. */
extern void read_cost_marked(PlannerInfo *root, RelOptInfo *rel, const RangeTblEntry *entry);

/* The column of the groups that says which are marked; 0: there is none. */
extern AttrNumber read_cost_marked_column(PlannerInfo *root, Index groups);

#endif							/* GS_READ_COST_H */
