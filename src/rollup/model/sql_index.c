/*
 * sql_index.c: takes the shape of a rollup whose groups can be marked, and gives the statement that
 * makes an index of the source that finds a group's rows; or nothing where the source has one. Runs
 * no statement.
 */
#include "rollup/model/sql.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_am.h"
#include "catalog/pg_index.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "base/name.h"

static Expr *
key_expression(const RollupShape *shape, int i)
{
	return list_nth_node(TargetEntry, shape->keys, i)->expr;
}

/* Which key the index's column is, -1 for none. */
static int
index_key(Relation index, int column, const RollupShape *shape, List **expressions)
{
	AttrNumber	attnum = index->rd_index->indkey.values[column];
	Node	   *expression = NULL;

	/* Expressions stand in the order of their columns, and each is taken from the list once. */
	if (attnum == 0)
	{
		expression = linitial(*expressions);
		*expressions = list_delete_first(*expressions);
	}
	for (int i = 0; i < list_length(shape->keys); i++)
	{
		/* The relcache has simplified the index's expressions, and so the key is simplified. */
		Node *key = eval_const_expressions(NULL, copyObject((Node *) key_expression(shape, i)));
		Oid			equality = lookup_type_cache(exprType(key), TYPECACHE_EQ_OPR)->eq_opr;

		if (expression ? !equal(expression, key) :
						 !IsA(key, Var) || ((Var *) key)->varattno != attnum)
			continue;
		/* The index must be by the key's own equality and collation. */
		if ((!OidIsValid(index->rd_indcollation[column]) ||
			 index->rd_indcollation[column] == exprCollation(key)) &&
			op_in_opfamily(equality, index->rd_opfamily[column]))
			return i;
	}
	return -1;
}

/* Whether the index leads to rows by all keys, or by so many that the rows are unique. */
static bool
index_finds_groups(Relation index, const RollupShape *shape)
{
	Form_pg_index form = index->rd_index;
	List	   *expressions = list_copy(RelationGetIndexExpressions(index));
	List	   *predicate = RelationGetIndexPredicate(index);
	Bitmapset  *found = NULL;
	int			column;

	/* A partial index has all rows of the groups if the rollup's filter implies its condition. */
	if (!form->indisvalid || form->indisexclusion ||
		(index->rd_rel->relam != BTREE_AM_OID && index->rd_rel->relam != HASH_AM_OID) ||
		(predicate != NIL &&
		 !predicate_implied_by(predicate, make_ands_implicit((Expr *) shape->filter), false)))
		return false;
	for (column = 0; column < form->indnkeyatts; column++)
	{
		int			key = index_key(index, column, shape, &expressions);

		if (key < 0)
			break;
		found = bms_add_member(found, key);
	}
	return bms_num_members(found) == list_length(shape->keys) ||
		   (form->indisunique && column == form->indnkeyatts);
}

char *
sql_index_of_source(const RollupShape *shape)
{
	Relation	source = table_open(shape->source, AccessShareLock);
	StringInfoData sql;
	bool		found = shape->keys == NIL;
	ListCell   *cell;

	/* Without keys the only group is the whole table, and no index helps. */
	foreach(cell, RelationGetIndexList(source))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);

		found = found || index_finds_groups(index, shape);
		index_close(index, AccessShareLock);
	}
	table_close(source, AccessShareLock);
	if (found)
		return NULL;
	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE INDEX ON %s (", name_of_relation(shape->source));
	for (int i = 0; i < list_length(shape->keys); i++)
		appendStringInfo(&sql, IsA(key_expression(shape, i), Var) ? "%s%s" : "%s(%s)",
						 i ? ", " : "",
						 sql_name_expression((Node *) key_expression(shape, i), shape->source));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}
