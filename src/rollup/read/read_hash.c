/*
 * read_hash.c: takes the partials in a query of which each key is given, and lets the planner find
 * them by the hash of all keys, as writers do where no btree has place for the keys. Without it a
 * key of text has an index of its own only: if many groups share it all of them are read, for each
 * of them again.
 */
#include "rollup/read/read_hash.h"

#include "catalog/pg_am.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "parser/parse_coerce.h"
#include "utils/typcache.h"

#include "rollup/read/read_group.h"

static Node *
strip_relabels(Node *node)
{
	while (node && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

/*
 * What a condition says that the key is, as a value of the key's type; NULL: it does not say. Only
 * the type's own equality will do, since the hash is that of it.
 */
static Node *
value_in_condition(PlannerInfo *root, const RestrictInfo *condition, const Var *key)
{
	OpExpr	   *op = (OpExpr *) condition->clause;
	NullTest   *test = (NullTest *) condition->clause;
	Node	   *value;

	if (IsA(test, NullTest) && test->nulltesttype == IS_NULL && !test->argisrow &&
		equal(strip_relabels((Node *) test->arg), key))
		return (Node *) makeNullConst(key->vartype, key->vartypmod, key->varcollid);
	if (!IsA(op, OpExpr) || list_length(op->args) != 2 || op->inputcollid != key->varcollid ||
		op->opno != lookup_type_cache(key->vartype, TYPECACHE_EQ_OPR)->eq_opr)
		return NULL;
	value = equal(strip_relabels(linitial(op->args)), key) ? lsecond(op->args) :
			equal(strip_relabels(lsecond(op->args)), key)  ? linitial(op->args) :
															  NULL;
	if (value == NULL || !bms_is_empty(pull_varnos(root, value)) ||
		contain_volatile_functions(value) || contain_subplans(value) ||
		!IsBinaryCoercible(exprType(value), key->vartype))
		return NULL;
	/* A text is as good as a varchar. The hash asks for the collation too. */
	return (Node *) makeRelabelType((Expr *) copyObject(value), key->vartype, -1, key->varcollid,
									COERCE_IMPLICIT_CAST);
}

/* The values that the conditions give the keys of the hash; NIL: not all are given. */
static List *
values_of(PlannerInfo *root, RelOptInfo *rel, const FuncExpr *hash)
{
	List	   *values = NIL;
	ListCell   *key,
			   *cell;

	foreach(key, hash->args)
	{
		Node	   *value = NULL;

		if (!IsA(lfirst(key), Var))
			return NIL;
		foreach(cell, rel->baserestrictinfo)
			if (value == NULL)
				value = value_in_condition(root, lfirst(cell), lfirst_node(Var, key));
		if (value == NULL)
			return NIL;
		values = lappend(values, value);
	}
	return values;
}

/* NULL: it is another index, or of one key, which has an index of its own that is as good. */
static FuncExpr *
hash_of_index(const IndexOptInfo *index)
{
	FuncExpr   *hash;

	if (index->relam != BTREE_AM_OID || index->nkeycolumns != 1 || index->indexkeys[0] != 0 ||
		index->indpred != NIL)
		return NULL;
	hash = linitial(index->indexprs);
	return read_group_calls((Node *) hash, GROUP_KEY_HASH) && list_length(hash->args) > 1 ? hash :
																							NULL;
}

/* key_hash(keys) = key_hash(values), which the conditions imply: about one row has it. */
static RestrictInfo *
hash_condition(PlannerInfo *root, const RelOptInfo *rel, FuncExpr *hash, List *values)
{
	FuncExpr   *given = copyObject(hash);
	Expr	   *clause;
	RestrictInfo *condition;

	given->args = values;
	clause = make_opclause(Int4EqualOperator, BOOLOID, false, copyObject((Expr *) hash),
						   (Expr *) eval_const_expressions(root, (Node *) given), InvalidOid,
						   InvalidOid);
	set_opfuncid((OpExpr *) clause);
	condition = make_simple_restrictinfo(root, clause);
	condition->norm_selec = condition->outer_selec = 1 / Max(rel->tuples, 1);
	return condition;
}

void
read_hash_add(PlannerInfo *root, RelOptInfo *rel)
{
	List	   *indexes = rel->indexlist;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		IndexOptInfo *index = lfirst(cell);
		FuncExpr   *hash = hash_of_index(index);
		List	   *values = hash ? values_of(root, rel, hash) : NIL;

		if (values == NIL)
			continue;
		/* The relation's own conditions stay as they are, and so do its estimates. */
		index->indrestrictinfo = lappend(list_copy(index->indrestrictinfo),
										 hash_condition(root, rel, hash, values));
		rel->indexlist = list_make1(index);
		create_index_paths(root, rel);
		rel->indexlist = indexes;
	}
}
