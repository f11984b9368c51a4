/*
 * read_key.c: takes a rollup's groups in a query and gives the conditions that compare their keys
 * with what other relations give, as far as such a condition says the same of a group's partials as
 * of the group: so it may come before the GROUP BY, like a condition with a constant that the
 * server takes there.
 */
#include "rollup/read/read_key.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "optimizer/tlist.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"

/* A key of the groups that is looked for. */
typedef struct KeySearch
{
	RelOptInfo *rel;
	const TargetEntry *output;
	const SortGroupClause *group;
} KeySearch;

/* A varchar is compared as text: the same bytes by another name. */
static Node *
strip_relabels(Node *node)
{
	while (node && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
is_key(const KeySearch *search, Node *node)
{
	Var		   *var = (Var *) strip_relabels(node);

	return var && IsA(var, Var) && var->varno == search->rel->relid &&
		   var->varattno == search->output->resno && var->varlevelsup == 0;
}

static bool
member_is_key(PlannerInfo *root, RelOptInfo *rel, EquivalenceClass *class,
			  EquivalenceMember *member, void *search)
{
	return is_key(search, (Node *) member->em_expr);
}

/* x = y, x < y or the like, or x IS NOT DISTINCT FROM y; NULL: it is none of these. */
static OpExpr *
comparison_of(const RestrictInfo *clause)
{
	Node	   *node = (Node *) clause->clause;

	if (is_notclause(node) && IsA(get_notclausearg((Expr *) node), DistinctExpr))
		return (OpExpr *) get_notclausearg((Expr *) node);
	return IsA(node, OpExpr) && list_length(((OpExpr *) node)->args) == 2 ? (OpExpr *) node : NULL;
}

/*
 * Whether the operator is of the family of the grouping's equality, and so says the same of keys
 * that this takes for equal: all keys of a group are equal to what is given, or less, or none is.
 */
static bool
is_of_grouping(const Node *key, const SortGroupClause *group, const OpExpr *comparison)
{
	Oid			grouped = exprCollation(key);
	Oid			compared = comparison->inputcollid;

	if (!equality_ops_are_compatible(comparison->opno, group->eqop))
		return false;
	return !OidIsValid(compared) || compared == grouped ||
		   (get_collation_isdeterministic(compared) &&
			(!OidIsValid(grouped) || get_collation_isdeterministic(grouped)));
}

/* Whether it may be asked of rows that the reader must not see: those below a security barrier. */
static bool
may_see_all(PlannerInfo *root, RelOptInfo *rel, RestrictInfo *clause, const OpExpr *comparison)
{
	if (!restriction_is_securely_promotable(clause, rel))
		return false;
	return !planner_rt_fetch(rel->relid, root)->security_barrier ||
		   !contain_leaked_vars((Node *) comparison);
}

static ReadKey *
make_key(PlannerInfo *root, const KeySearch *search, RestrictInfo *clause)
{
	OpExpr	   *comparison = comparison_of(clause);
	RelOptInfo *rel = search->rel;
	bool		key_left;
	Node	   *given;
	ReadKey    *key;

	if (comparison == NULL || clause->pseudoconstant)
		return NULL;
	key_left = is_key(search, linitial(comparison->args));
	if (!key_left && !is_key(search, lsecond(comparison->args)))
		return NULL;
	given = key_left ? lsecond(comparison->args) : linitial(comparison->args);
	if (bms_overlap(pull_varnos(root, given), rel->relids) ||
		contain_volatile_functions((Node *) comparison) ||
		contain_subplans((Node *) comparison) ||
		!is_of_grouping((Node *) search->output->expr, search->group, comparison) ||
		!may_see_all(root, rel, clause, comparison))
		return NULL;
	key = palloc(sizeof(ReadKey));
	key->clause = clause;
	key->resno = search->output->resno;
	key->key_left = key_left;
	key->null_safe = IsA(comparison, DistinctExpr);
	key->outer = bms_difference(clause->clause_relids, rel->relids);
	return bms_is_empty(key->outer) ? NULL : key;
}

/* The clauses that say something of the key. */
static List *
add_keys(PlannerInfo *root, List *keys, const KeySearch *search, List *clauses)
{
	ListCell   *cell;

	foreach(cell, clauses)
	{
		ReadKey    *key = make_key(root, search, lfirst(cell));

		if (key)
			keys = lappend(keys, key);
	}
	return keys;
}

/* Clauses that can be checked where the groups are read: what equalities imply, and all others. */
static List *
movable_clauses(PlannerInfo *root, KeySearch *search)
{
	RelOptInfo *rel = search->rel;
	List	   *clauses = NIL;
	ListCell   *cell;

	/*
	 * Who reads the groups laterally, as a view's part for marked groups does, comes after them and
	 * can give them nothing.
	 */
	if (rel->has_eclass_joins)
		clauses = generate_implied_equalities_for_column(root, rel, member_is_key, search,
														 rel->lateral_referencers);
	foreach(cell, rel->joininfo)
		if (join_clause_is_movable_to(lfirst(cell), rel))
			clauses = lappend(clauses, lfirst(cell));
	return clauses;
}

static List *
find_keys(PlannerInfo *root, RelOptInfo *rel, const Query *query, List *clauses, bool possible)
{
	List	   *keys = NIL;
	ListCell   *cell;

	foreach(cell, query->groupClause)
	{
		SortGroupClause *group = lfirst_node(SortGroupClause, cell);
		KeySearch	search = {rel, get_sortgroupclause_tle(group, query->targetList), group};

		/*
		 * What is not shown cannot be compared. Whoever may read partials may group them by
		 * anything.
		 */
		if (search.output->resjunk ||
			contain_volatile_functions(
				(Node *) get_tle_by_resno(rel->subroot->parse->targetList, search.output->resno)
					->expr))
			continue;
		keys = add_keys(root, keys, &search,
						possible ? movable_clauses(root, &search) : clauses);
	}
	return keys;
}

List *
read_keys_possible(PlannerInfo *root, RelOptInfo *rel, const Query *query)
{
	return find_keys(root, rel, query, NIL, true);
}

List *
read_keys_chosen(PlannerInfo *root, RelOptInfo *rel, const Query *query, List *clauses)
{
	return find_keys(root, rel, query, clauses, false);
}

bool
read_key_is_fixed(PlannerInfo *root, RelOptInfo *rel, Node *key, const SortGroupClause *group,
				  RestrictInfo *condition)
{
	OpExpr	   *comparison = comparison_of(condition);
	NullTest   *test = (NullTest *) condition->clause;
	Node	   *left,
			   *right;

	/* Of a row's type IS NULL may be true of several values. */
	if (IsA(test, NullTest))
		return test->nulltesttype == IS_NULL && !test->argisrow &&
			   equal(strip_relabels((Node *) test->arg), key);
	/* The family has operators besides equality: k >= 1 leaves many groups. */
	if (comparison == NULL || !IsA(comparison, OpExpr) ||
		!is_of_grouping(key, group, comparison) ||
		(get_mergejoin_opfamilies(comparison->opno) == NIL &&
		 !op_hashjoinable(comparison->opno, exprType(key))))
		return false;
	left = strip_relabels(linitial(comparison->args));
	right = strip_relabels(lsecond(comparison->args));
	if (!equal(left, key) && !equal(right, key))
		return false;
	return bms_is_empty(pull_varnos(root, equal(left, key) ? right : left)) &&
		   !contain_volatile_functions((Node *) comparison);
}

OpExpr *
read_key_comparison(const ReadKey *key)
{
	return comparison_of(key->clause);
}

Node *
read_key_given(const ReadKey *key)
{
	OpExpr	   *comparison = read_key_comparison(key);

	return key->key_left ? lsecond(comparison->args) : linitial(comparison->args);
}

/*
 * Conditions
 */
static Node *
is_null(Node *argument)
{
	NullTest   *test = makeNode(NullTest);

	/* Not of a row's fields: a row of nulls is a key, and not NULL. */
	test->arg = copyObject((Expr *) argument);
	test->nulltesttype = IS_NULL;
	test->argisrow = false;
	test->location = -1;
	return (Node *) test;
}

/* The key's side of the comparison, with the expression below the GROUP BY in the place of it. */
static Node *
put_below(Node *side, Node *expression)
{
	RelabelType *last = (RelabelType *) side;

	if (!IsA(side, RelabelType))
		return expression;
	while (IsA(last->arg, RelabelType))
		last = (RelabelType *) last->arg;
	last->arg = (Expr *) expression;
	return side;
}

Node *
read_key_condition(const ReadKey *key, const Query *query)
{
	OpExpr	   *comparison = copyObject(read_key_comparison(key));
	Node	   *left = linitial(comparison->args);
	Node	   *right = lsecond(comparison->args);
	Node	   *given = key->key_left ? right : left;
	Node	   *output = (Node *) get_tle_by_resno(query->targetList, key->resno)->expr;
	Node	   *below = put_below(key->key_left ? left : right, copyObject(output));
	Node	   *both_null;

	/* What is given belongs to the query around. */
	IncrementVarSublevelsUp(given, 1, 0);
	comparison->args = key->key_left ? list_make2(below, given) : list_make2(given, below);
	if (!key->null_safe)
		return (Node *) comparison;
	/* Of the same form, and opfuncid is the operator's; but true where both are equal. */
	NodeSetTag(comparison, T_OpExpr);
	both_null = (Node *) make_andclause(list_make2(is_null(below), is_null(given)));
	return (Node *) make_orclause(list_make2(comparison, both_null));
}
