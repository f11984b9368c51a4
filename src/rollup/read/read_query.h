/*
 * read_query.h: a rollup's groups, planned once more with some keys given.
 */
#ifndef GS_READ_QUERY_H
#define GS_READ_QUERY_H

#include "base/base.h"

#include "nodes/pathnodes.h"

typedef struct ReadQuery
{
	RelOptInfo *rel;			/* the groups in the query around, with this planner's state */
	List	   *keys;			/* of ReadKey: those it was planned for */
	List	   *checks;			/* to be evaluated once before it is read */
	Path	   *path;			/* its cheapest */
} ReadQuery;

/*
 * The groups with these keys given; NULL: there are none of them. Planned is a list of what was
 * planned for the same groups, from which one is taken if it will do.
 */
extern ReadQuery *read_query_plan(PlannerInfo *root, RelOptInfo *rel, List *keys, List **planned);

#endif							/* GS_READ_QUERY_H */
