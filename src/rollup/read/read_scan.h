/*
 * read_scan.h: the node of a plan that looks a rollup's groups up.
 */
#ifndef GS_READ_SCAN_H
#define GS_READ_SCAN_H

#include "base/base.h"

#include "nodes/pathnodes.h"

#include "rollup/read/read_query.h"

/* A path of the groups, parameterised like info, in which the query's keys are given. */
extern Path *read_scan_path(PlannerInfo *root, RelOptInfo *rel, const ReadQuery *query,
							ParamPathInfo *info);

extern void read_scan_init(void);

#endif							/* GS_READ_SCAN_H */
