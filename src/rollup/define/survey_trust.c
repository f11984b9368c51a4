/*
 * survey_trust.c: takes a rollup's partials and says whether a query that counts them runs
 * functions that nobody has to trust but their owner. Runs no function of theirs to find out.
 *
 * Partials are their owner's table. A function can stand in an index or in statistics on it, where
 * the planner computes it, and behind the comparisons of its columns' types. What a superuser has
 * made is trusted.
 */
#include "rollup/define/survey.h"

#include "access/htup_details.h"
#include "catalog/pg_index.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

static bool
is_foreign_function(Oid function, void *context)
{
	HeapTuple	tuple;
	bool		foreign = true;

	if (function < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (HeapTupleIsValid(tuple))
	{
		foreign = !superuser_arg(((Form_pg_proc) GETSTRUCT(tuple))->proowner);
		ReleaseSysCache(tuple);
	}
	return foreign;
}

static bool
calls_foreign(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (check_functions_in_node(node, is_foreign_function, NULL) || IsA(node, CoerceToDomain))
		return true;
	return expression_tree_walker(node, calls_foreign, context);
}

/* Whether the expressions in this column of an index's pg_index row call such functions. */
static bool
index_calls_foreign(HeapTuple tuple, AttrNumber column)
{
	bool		isnull;
	Datum		stored = SysCacheGetAttr(INDEXRELID, tuple, column, &isnull);

	return !isnull && calls_foreign(stringToNode(TextDatumGetCString(stored)), NULL);
}

static bool
has_foreign_index(Relation partials)
{
	List	   *indexes = RelationGetIndexList(partials);
	bool		foreign = false;
	ListCell   *cell;

	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(cell)));

		if (!HeapTupleIsValid(tuple))
			continue;
		foreign = foreign || index_calls_foreign(tuple, Anum_pg_index_indexprs) ||
			index_calls_foreign(tuple, Anum_pg_index_indpred);
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return foreign;
}

/* A type is compared by the functions of its default operator classes. */
static bool
has_foreign_type(TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		TypeCacheEntry *type =
			lookup_type_cache(TupleDescAttr(desc, i)->atttypid,
							  TYPECACHE_EQ_OPR_FINFO | TYPECACHE_CMP_PROC | TYPECACHE_HASH_PROC);

		if (is_foreign_function(type->eq_opr_finfo.fn_oid, NULL) ||
			is_foreign_function(type->cmp_proc, NULL) || is_foreign_function(type->hash_proc, NULL))
			return true;
	}
	return false;
}

bool
survey_trusts(Relation partials)
{
	TupleConstr *constraints = RelationGetDescr(partials)->constr;

	return !partials->rd_rel->relrowsecurity && !partials->rd_rel->relhasrules &&
		!partials->rd_rel->relhassubclass && (constraints == NULL || constraints->num_check == 0) &&
		RelationGetStatExtList(partials) == NIL && !has_foreign_index(partials) &&
		!has_foreign_type(RelationGetDescr(partials));
}
