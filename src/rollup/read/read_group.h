/*
 * read_group.h: which queries are a rollup's groups.
 */
#ifndef GS_READ_GROUP_H
#define GS_READ_GROUP_H

#include "base/base.h"

#include "nodes/parsenodes.h"

/*
 * Whether the query adds partials up to groups, and does nothing that a condition on a key must not
 * come before. As it stands in a rollup's view, or anywhere.
 */
extern bool read_group_is(const Query *query);

/* The partials of such a query, and the rollup that they are of. */
extern Oid	read_group_partials(const Query *query);
extern Oid	read_group_rollup(Oid partials);

/* Functions of the extension that views and indexes of rollups call. */
typedef enum GroupFunction
{
	GROUP_READABLE,				/* in the view: whether the rollup may be read */
	GROUP_KEY_HASH,				/* in an index of partials */
	GROUP_FUNCTIONS
} GroupFunction;

/* Whether it is a call of that one. */
extern bool read_group_calls(const Node *node, GroupFunction function);

extern void read_group_init(void);

#endif							/* GS_READ_GROUP_H */
