/*
 * read_key.h: the conditions of a query that give the keys of a rollup's groups.
 */
#ifndef GS_READ_KEY_H
#define GS_READ_KEY_H

#include "base/base.h"

#include "nodes/pathnodes.h"

/* One key, compared with what other relations give. */
typedef struct ReadKey
{
	RestrictInfo *clause;
	int			resno;			/* of the groups' outputs: the key */
	bool		key_left;
	bool		null_safe;		/* IS NOT DISTINCT FROM */
	Relids		outer;			/* who gives the other side */
} ReadKey;

/* All that could be used, and what of a set of clauses can. Lists of ReadKey. */
extern List *read_keys_possible(PlannerInfo *root, RelOptInfo *rel, const Query *query);
extern List *read_keys_chosen(PlannerInfo *root, RelOptInfo *rel, const Query *query,
							  List *clauses);

/*
 * Whether a condition on the rows that are grouped leaves one value of the key, so that what it
 * lets by is of one group as far as this key says.
 */
extern bool read_key_is_fixed(PlannerInfo *root, RelOptInfo *rel, Node *key,
							  const SortGroupClause *group, RestrictInfo *condition);

/* The comparison in a key's clause, and what the key is compared with in it. */
extern OpExpr *read_key_comparison(const ReadKey *key);
extern Node *read_key_given(const ReadKey *key);

/* The comparison as a condition below the GROUP BY of the query whose output the key is. */
extern Node *read_key_condition(const ReadKey *key, const Query *query);

#endif							/* GS_READ_KEY_H */
