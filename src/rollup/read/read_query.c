/*
 * read_query.c: takes a rollup's groups that the server has planned, and conditions on their keys,
 * and plans them once more with the conditions below the GROUP BY, as if the query had said
 * LATERAL. Whatever the server can do with a condition on a partial's key it does then: use an
 * index, apply row security, check rights.
 */
#include "rollup/read/read_query.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/planner.h"

#include "rollup/read/read_group.h"
#include "rollup/read/read_key.h"

/*
 * The query
 */

/* A condition that planning has made a list of. */
static Node *
as_expression(Node *condition)
{
	return condition && IsA(condition, List) ? (Node *) make_ands_explicit((List *) condition) :
											   condition;
}

/* Numbers of aggregates are those of the planning that gave them. */
static bool
forget_numbers(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
		((Aggref *) node)->aggno = ((Aggref *) node)->aggtransno = -1;
	return expression_tree_walker(node, forget_numbers, context);
}

/*
 * The condition of a rollup's view that says whether it may be read just now: true or an error, so
 * that it matters not where it stands. In the query it would be asked again for each key.
 */
static List *
take_checks(Query *query, List **checks)
{
	List	   *conditions = make_ands_implicit((Expr *) as_expression(query->jointree->quals));
	List	   *rest = NIL;
	ListCell   *cell;

	foreach(cell, conditions)
	{
		Node	   *condition = lfirst(cell);

		if (read_group_calls(condition, GROUP_READABLE))
			*checks = lappend(*checks, condition);
		else
			rest = lappend(rest, condition);
	}
	return rest;
}

/*
 * From the query that was planned: what the server took into it, conditions with constants, is in
 * that alone.
 */
static Query *
keyed_query(RelOptInfo *rel, List *keys, List **checks)
{
	Query	   *query = copyObject(rel->subroot->parse);
	List	   *conditions = take_checks(query, checks);
	ListCell   *cell;

	query->havingQual = as_expression(query->havingQual);
	forget_numbers((Node *) query->targetList, NULL);
	forget_numbers(query->havingQual, NULL);
	foreach(cell, keys)
		conditions = lappend(conditions, read_key_condition(lfirst(cell), query));
	query->jointree->quals = (Node *) make_ands_explicit(conditions);
	return query;
}

/*
 * What was planned for the same keys from elsewhere
 */

/* Whether two lists of keys differ in nothing but which columns give them. */
static bool
key_is_alike(const ReadKey *one, const ReadKey *other)
{
	const OpExpr *a = read_key_comparison(one);
	const OpExpr *b = read_key_comparison(other);
	Node	   *from = read_key_given(one);
	Node	   *to = read_key_given(other);

	return one->resno == other->resno && one->key_left == other->key_left &&
		   one->null_safe == other->null_safe && a->opno == b->opno &&
		   a->inputcollid == b->inputcollid && IsA(from, Var) && IsA(to, Var) &&
		   exprType(from) == exprType(to) && exprTypmod(from) == exprTypmod(to) &&
		   exprCollation(from) == exprCollation(to);
}

static bool
keys_are_alike(const List *planned, const List *wanted)
{
	if (list_length(planned) != list_length(wanted))
		return false;
	for (int i = 0; i < list_length(planned); i++)
	{
		if (!key_is_alike(list_nth(planned, i), list_nth(wanted, i)))
			return false;
		/* Two keys given by one column have one parameter. */
		for (int j = 0; j < i; j++)
			if (equal(read_key_given(list_nth(planned, i)), read_key_given(list_nth(planned, j))) !=
				equal(read_key_given(list_nth(wanted, i)), read_key_given(list_nth(wanted, j))))
				return false;
	}
	return true;
}

/* The same plan, with its parameters set from other columns. */
static ReadQuery *
share_query(RelOptInfo *rel, const ReadQuery *planned, List *keys)
{
	ReadQuery  *query = palloc(sizeof(ReadQuery));
	List	   *params = NIL;
	ListCell   *cell;

	*query = *planned;
	query->keys = keys;
	query->rel = makeNode(RelOptInfo);
	*query->rel = *planned->rel;
	foreach(cell, planned->rel->subplan_params)
	{
		PlannerParamItem *item = makeNode(PlannerParamItem);

		*item = *lfirst_node(PlannerParamItem, cell);
		for (int i = 0; i < list_length(keys); i++)
			if (equal(item->item, read_key_given(list_nth(planned->keys, i))))
			{
				item->item = copyObject(read_key_given(list_nth(keys, i)));
				break;
			}
		params = lappend(params, item);
	}
	query->rel->subplan_params = params;
	return query;
}

static ReadQuery *
plan_anew(PlannerInfo *root, RelOptInfo *rel, List *keys)
{
	ReadQuery  *query = palloc0(sizeof(ReadQuery));
	List	   *saved = root->plan_params;
	RelOptInfo *final;

	query->keys = keys;
	query->rel = makeNode(RelOptInfo);
	*query->rel = *rel;
	/* The query around collects what this one wants of it, apart from what others want. */
	root->plan_params = list_copy(rel->subplan_params);
	query->rel->subroot =
		gs_plan_subquery(root, rel->relid, keyed_query(rel, keys, &query->checks));
	query->rel->subplan_params = root->plan_params;
	root->plan_params = saved;
	final = fetch_upper_rel(query->rel->subroot, UPPERREL_FINAL, NULL);
	query->path = IS_DUMMY_REL(final) ? NULL : final->cheapest_total_path;
	return query;
}

ReadQuery *
read_query_plan(PlannerInfo *root, RelOptInfo *rel, List *keys, List **planned)
{
	ReadQuery  *query = NULL;
	ListCell   *cell;

	foreach(cell, *planned)
		if (query == NULL && rel->subplan_params == NIL &&
			keys_are_alike(((ReadQuery *) lfirst(cell))->keys, keys))
			query = share_query(rel, lfirst(cell), keys);
	if (query == NULL)
	{
		query = plan_anew(root, rel, keys);
		*planned = lappend(*planned, query);
	}
	return query->path ? query : NULL;
}
