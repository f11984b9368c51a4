/*
 * flatten.c: takes an analyzed query over views, subqueries in FROM and WITH queries, and gives the
 * same query over the one table below them; or the error that says because of what there is none.
 * Looks at the shape of the query only: what the table may be, and what stands in expressions, is
 * define_check's business. Changes nothing.
 *
 * Each level must be a plain SELECT, one row of it for each row of what it reads that passes its
 * conditions; only the uppermost may group. Then columns can be replaced by the expressions they
 * stand for, and conditions joined by AND.
 */
#include "rollup/model/flatten.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "rewrite/rewriteManip.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "rollup/model/refuse.h"

#define JOIN_HINT "Make a rollup of one table, and join in queries on the rollup."
#define ONE_TABLE_HINT "A rollup reads the rows of one table."

/* A query in the nest of queries. */
typedef struct Level
{
	Query	   *query;			/* ours to change */
	const SelectStmt *raw;		/* NULL: it is not in the text, but in a view */
	int			place;			/* where what has no place of its own is shown */
	const char *name;			/* what it is, for errors; NULL: the rollup's own query */
	const struct Level *parent; /* whose WITH it sees */
	List	  **views;
} Level;

static Query *flatten_level(Level *level);
GS_NORETURN static void refuse_in(const Level *level, int place, const char *what,
								  const char *hint);

/* The construct stands at place, or somewhere in this level. */
static void
refuse_in(const Level *level, int place, const char *what, const char *hint)
{
	refuse_construct(place >= 0 ? place : level->place,
					 level->name ? psprintf("%s in %s", what, level->name) : what, hint);
}

static void
refuse_raw(const Level *level, const void *raw, const char *what, const char *hint)
{
	refuse_in(level, refuse_place_raw(raw), what, hint);
}

/*
 * What no level can have
 */
typedef struct Search
{
	bool		(*matches) (const Node *node);
	const Node *found;
} Search;

static bool
is_sublink(const Node *node)
{
	return IsA(node, SubLink);
}

static bool
is_window_function(const Node *node)
{
	return IsA(node, WindowFunc);
}

static bool
returns_set(const Node *node)
{
	return (IsA(node, FuncExpr) && ((const FuncExpr *) node)->funcretset) ||
		(IsA(node, OpExpr) && ((const OpExpr *) node)->opretset);
}

static bool
is_aggregate(const Node *node)
{
	return IsA(node, Aggref);
}

static bool
search_walker(Node *node, Search *search)
{
	if (node == NULL)
		return false;
	if (search->matches(node))
	{
		search->found = node;
		return true;
	}
	return expression_tree_walker(node, search_walker, search);
}

/* Where the first such node is. */
static int
place_of(const Query *query, bool (*matches) (const Node *node))
{
	Search		search = {matches, NULL};

	/* The clauses are searched in the order in which they are written. */
	if (!search_walker((Node *) query->targetList, &search) &&
		!search_walker(query->jointree->quals, &search))
		search_walker(query->havingQual, &search);
	/* Where no clause has such a node, found is NULL and there is no place. */
	return refuse_place(search.found);
}

static void
check_with(const Level *level)
{
	ListCell   *cell;

	/* A WITH query that nobody reads does no harm, unless it writes. */
	if (!level->query->hasModifyingCTE)
		return;
	foreach(cell, level->query->cteList)
		if (castNode(Query, lfirst_node(CommonTableExpr, cell)->ctequery)->commandType !=
			CMD_SELECT)
			refuse_in(level, refuse_place(lfirst(cell)), "a data-modifying statement in WITH",
					  ONE_TABLE_HINT);
}

static void
check_row_clauses(const Level *level)
{
	const Query *query = level->query;
	const SelectStmt *raw = level->raw;

	/*
	 * raw is NULL where the text does not have this level. The error then points at the level's own
	 * place.
	 */
	if (query->setOperations)
		refuse_raw(level, raw ? raw->rarg : NULL, "UNION, INTERSECT or EXCEPT",
				   "Make a rollup of each SELECT, and a view over them.");
	if (query->limitCount || query->limitOffset)
		refuse_raw(level,
				   !raw			   ? NULL :
				   raw->limitCount ? raw->limitCount :
									 raw->limitOffset,
				   "LIMIT or OFFSET",
				   level->name ? "Choose the rows by a condition in WHERE." :
								 "Write it in queries on the rollup.");
	if (query->sortClause != NIL)
		refuse_raw(level, raw ? raw->sortClause : NULL, "ORDER BY",
				   level->name ? "Order has no meaning here: leave it out, or write it within the "
								 "aggregate that needs it." :
								 "Write it in queries on the rollup.");
	if (query->rowMarks != NIL)
		refuse_raw(level, raw ? raw->lockingClause : NULL, "FOR UPDATE or FOR SHARE",
				   "Leave it out: a rollup locks no rows.");
	if (query->hasSubLinks)
		refuse_in(level, place_of(query, is_sublink), "a subquery in an expression",
				  "Group by the columns that the subquery compares, and write it in queries on the "
				  "rollup.");
	if (query->hasWindowFuncs)
		refuse_in(level, place_of(query, is_window_function), "a window function",
				  "Use window functions in queries on the rollup.");
	if (query->hasTargetSRFs)
		refuse_in(level, place_of(query, returns_set), "a set-returning function",
				  "Call it in queries on the rollup, or store its rows in a table and make a "
				  "rollup of that.");
}

/* What only the rollup's own query can have. */
static void
check_group_clauses(const Level *level)
{
	const Query *query = level->query;
	const SelectStmt *raw = level->raw;
	const char *hint = "Group once, in the query of the rollup, or make a rollup of the inner "
					   "query and a view over that rollup.";

	if (query->hasAggs)
		refuse_in(level, place_of(query, is_aggregate), "an aggregate", hint);
	if (query->groupClause != NIL || query->groupingSets != NIL || query->havingQual)
		refuse_raw(level,
				   !raw				? NULL :
				   raw->groupClause ? (void *) raw->groupClause :
									  (void *) raw->havingClause,
				   "GROUP BY or HAVING", hint);
	if (query->distinctClause != NIL)
		refuse_raw(level, raw ? raw->distinctClause : NULL, "SELECT DISTINCT", hint);
}

/*
 * Grouping, of the rollup's own query
 */

/* Distinct rows of groups are the groups, if the rows show all of the keys. */
static void
check_distinct_groups(const Level *level)
{
	const Query *query = level->query;
	ListCell   *cell;

	foreach(cell, query->groupClause)
	{
		TargetEntry *key = get_sortgroupclause_tle(lfirst(cell), query->targetList);

		if (key->resjunk)
			refuse_raw(
				level, level->raw ? level->raw->groupClause : NULL,
				"SELECT DISTINCT where not all grouping keys are in the target list",
				"Add the keys to the target list, or write DISTINCT in queries on the rollup.");
	}
}

static void
normalize_groups(Level *level)
{
	Query	   *query = level->query;

	if (query->groupingSets != NIL)
	{
		GroupingSet *set = linitial_node(GroupingSet, query->groupingSets);

		/* GROUP BY () is what aggregates without GROUP BY do */
		if (list_length(query->groupingSets) > 1 || set->kind != GROUPING_SET_EMPTY)
			refuse_in(level, refuse_place(set), "GROUPING SETS, ROLLUP or CUBE",
					  "Make a rollup of each grouping.");
		query->groupingSets = NIL;
	}
	if (query->hasDistinctOn)
		refuse_raw(level, level->raw ? level->raw->distinctClause : NULL, "DISTINCT ON",
				   "Write GROUP BY, and for each column an aggregate such as (array_agg(x ORDER BY "
				   "y))[1].");
	/*
	 * Distinct rows without groups are groups. Where groups differ in what they show, DISTINCT
	 * changes nothing and goes.
	 */
	if (query->distinctClause != NIL)
	{
		if (query->groupClause == NIL && !query->hasAggs && !query->havingQual)
			query->groupClause = query->distinctClause;
		else
			check_distinct_groups(level);
		query->distinctClause = NIL;
	}
	/* Such a query shows rows and no groups, and has nothing to add up. */
	if (!query->hasAggs && query->groupClause == NIL)
		refuse_lack("an aggregate or GROUP BY",
					"Write for example SELECT k, count(*) FROM t GROUP BY k.");
}

/*
 * What a level reads
 */

/* The one item of FROM, in the query and in its text. */
static int
from_item(const Level *level, Node **raw)
{
	List	   *items = level->query->jointree->fromlist;
	List	   *raw_items = level->raw ? level->raw->fromClause : NIL;
	Node	   *item;

	if (items == NIL)
		refuse_lack("a table in FROM", "Write for example SELECT k, count(*) FROM t GROUP BY k.");
	/* The analyzed list and the written one have the same items, where there is a text. */
	*raw = raw_items ? linitial(raw_items) : NULL;
	if (list_length(items) > 1)
		refuse_raw(level, raw_items ? lsecond(raw_items) : NULL, "a join", JOIN_HINT);
	item = linitial(items);
	/* A join is a JoinExpr in both trees. *raw is NULL where there is no text. */
	if (!IsA(item, RangeTblRef))
		refuse_raw(level, *raw ? ((JoinExpr *) *raw)->rarg : NULL, "a join", JOIN_HINT);
	return ((RangeTblRef *) item)->rtindex;
}

static bool
is_whole_row(const Node *node)
{
	return IsA(node, Var) && ((const Var *) node)->varattno == 0;
}

/* The rows of what lies below have no type of their own there. */
static void
check_whole_rows(const Level *level)
{
	Search		search = {is_whole_row, NULL};

	/* Columns of an inner level are replaced one by one, which a whole row does not allow. */
	if (search_walker((Node *) level->query->targetList, &search) ||
		search_walker(level->query->jointree->quals, &search) ||
		search_walker(level->query->havingQual, &search))
		refuse_in(level, refuse_place(search.found), "a whole row as a value", "Name the columns.");
}

static Node *
and_quals(Node *inner, Node *outer)
{
	/* A level without conditions has NULL here. */
	if (inner == NULL || outer == NULL)
		return inner ? inner : outer;
	return (Node *) make_andclause(list_make2(inner, outer));
}

/*
 * The level over what the inner one, its range table entry varno, reads. The inner conditions come
 * first.
 */
static Query *
combine_levels(Level *level, int varno, Query *inner)
{
	Query	   *query = level->query;
	RangeTblEntry *entry = rt_fetch(varno, query->rtable);

	check_whole_rows(level);
	/*
	 * The inner level has one row for each row below it that passes its conditions. So its outputs
	 * can stand where the outer level names its columns.
	 */
	query->targetList =
		(List *) gs_replace_vars((Node *) query->targetList, varno, entry, inner->targetList);
	query->havingQual = gs_replace_vars(query->havingQual, varno, entry, inner->targetList);
	query->jointree->quals =
		and_quals(inner->jointree->quals,
				  gs_replace_vars(query->jointree->quals, varno, entry, inner->targetList));
	/* The inner level is flat: its range table is the one table, and its FROM names it. */
	query->jointree->fromlist = inner->jointree->fromlist;
	query->rtable = inner->rtable;
	return query;
}

/* The level reads a table. */
static Query *
settle_table(Level *level, int varno)
{
	Query	   *query = level->query;
	RangeTblRef *reference = makeNode(RangeTblRef);

	if (rt_fetch(varno, query->rtable)->tablesample)
		refuse_in(level, -1, "TABLESAMPLE", "A rollup reads all rows of its table.");
	/* The range table may have entries that nobody reads. The table alone stays, as number 1. */
	ChangeVarNodes((Node *) query->targetList, varno, 1, 0);
	ChangeVarNodes(query->havingQual, varno, 1, 0);
	ChangeVarNodes(query->jointree->quals, varno, 1, 0);
	query->rtable = list_make1(rt_fetch(varno, query->rtable));
	reference->rtindex = 1;
	query->jointree->fromlist = list_make1(reference);
	return query;
}

static const SelectStmt *
raw_select(const Node *raw)
{
	return raw && IsA(raw, SelectStmt) ? (const SelectStmt *) raw : NULL;
}

static Query *
view_query(const Level *level, Oid view, int place)
{
	Relation	relation = relation_open(view, AccessShareLock);
	const char *name = psprintf("view \"%s\"", RelationGetRelationName(relation));
	RollupRelations rollup;
	Query	   *query;

	if (catalog_relations(ROLLUP_ROLLUP, view, &rollup))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a rollup cannot read \"%s\"", RelationGetRelationName(relation)),
				 errdetail("It is a rollup itself."),
				 errhint("Make this rollup over the same table, or make a view over the other "
						 "rollup."),
				 refuse_at(place)));
	if (RelationIsSecurityView(relation) || RelationHasSecurityInvoker(relation))
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("a rollup cannot read %s", name),
			 RelationIsSecurityView(relation) ?
				 errdetail("It is a security_barrier view: its conditions must be evaluated before "
						   "all others.") :
				 errdetail("It is a security_invoker view: what it shows depends on who reads it."),
			 errhint("Write the query over the table that the view reads."), refuse_at(place)));
	/* The relcache owns the view's query, so that a copy is changed. */
	query = flatten_view_query(relation);
	/* the lock stays, so that whoever replaces the view sees the rollup that is being made */
	relation_close(relation, NoLock);
	return query;
}

static Query *
flatten_view(Level *level, int varno, int place)
{
	Oid			view = rt_fetch(varno, level->query->rtable)->relid;
	/* A view sees no WITH of the query around it, so that its level has no parent. */
	Level		inner = {view_query(level, view, place), NULL, place, NULL, NULL, level->views};

	inner.name = psprintf("view \"%s\"", get_rel_name(view));
	/* Only views that the query's own text names are listed. The caller may want no list. */
	if (level->raw && level->views)
		*level->views = list_append_unique_oid(*level->views, view);
	return combine_levels(level, varno, flatten_level(&inner));
}

static Query *
flatten_subquery(Level *level, int varno, const Node *raw, int place)
{
	Level inner = {rt_fetch(varno, level->query->rtable)->subquery,
				   NULL,
				   place,
				   "a subquery in FROM",
				   level,
				   level->views};

	/* Where the text has no such item, inner.raw stays NULL. */
	if (raw && IsA(raw, RangeSubselect))
		inner.raw = raw_select(((const RangeSubselect *) raw)->subquery);
	return combine_levels(level, varno, flatten_level(&inner));
}

/* As the text has it: its statement, and where that begins. */
static void
find_raw_with(const Level *owner, const char *name, const SelectStmt **raw, int *place)
{
	ListCell   *cell;

	/* What the text does not have keeps its NULL, and the place that the caller has given. */
	if (owner->raw == NULL || owner->raw->withClause == NULL)
		return;
	foreach(cell, owner->raw->withClause->ctes)
	{
		CommonTableExpr *with = lfirst_node(CommonTableExpr, cell);

		if (strcmp(with->ctename, name) == 0)
		{
			*raw = raw_select(with->ctequery);
			*place = with->location;
		}
	}
}

static Query *
flatten_with(Level *level, int varno, int place)
{
	RangeTblEntry *entry = rt_fetch(varno, level->query->rtable);
	const Level *owner = level;
	Level inner = {NULL, NULL,		  place, psprintf("WITH query \"%s\"", entry->ctename),
				   NULL, level->views};
	CommonTableExpr *with = NULL;
	ListCell   *cell;

	/* The analyzed query counts levels outwards, and each of them is a parent here. */
	for (Index i = 0; i < entry->ctelevelsup && owner; i++)
		owner = owner->parent;
	if (owner == NULL)
		elog(ERROR, "WITH query \"%s\" is out of sight", entry->ctename);
	foreach(cell, owner->query->cteList)
		if (strcmp(lfirst_node(CommonTableExpr, cell)->ctename, entry->ctename) == 0)
			with = lfirst(cell);
	if (with == NULL)
		elog(ERROR, "WITH query \"%s\" is missing", entry->ctename);
	if (with->cterecursive)
		refuse_in(level, refuse_place(with), "WITH RECURSIVE", ONE_TABLE_HINT);
	find_raw_with(owner, entry->ctename, &inner.raw, &inner.place);
	/* More than one level may read the same WITH query, and each level changes its own copy. */
	inner.query = copyObject(castNode(Query, with->ctequery));
	inner.parent = owner;
	return combine_levels(level, varno, flatten_level(&inner));
}

static Query *
flatten_level(Level *level)
{
	RangeTblEntry *entry;
	Node	   *raw;
	int			varno,
				place;

	/* What later versions of PostgreSQL put between outputs and keys goes first. */
	gs_flatten_groups(level->query);
	check_with(level);
	check_row_clauses(level);
	if (level->name)
		check_group_clauses(level);
	else
		normalize_groups(level);

	/* The checks above have left a plain SELECT. What it reads is one item. */
	varno = from_item(level, &raw);
	entry = rt_fetch(varno, level->query->rtable);
	place = raw ? refuse_place_raw(raw) : level->place;
	switch (entry->rtekind)
	{
		case RTE_RELATION:
			return entry->relkind == RELKIND_VIEW ? flatten_view(level, varno, place) :
													settle_table(level, varno);
		case RTE_SUBQUERY:
			return flatten_subquery(level, varno, raw, place);
		case RTE_CTE:
			return flatten_with(level, varno, place);
		case RTE_FUNCTION:
			refuse_in(level, place, "a function in FROM",
					  "Store its rows in a table, and make a rollup of that.");
		case RTE_VALUES:
			refuse_in(level, place, "VALUES",
					  "Store the rows in a table, and make a rollup of that.");
		default:
			refuse_in(level, place, "anything but a table, view or subquery in FROM",
					  ONE_TABLE_HINT);
	}
	return NULL;
}

Query *
flatten_view_query(Relation view)
{
	return copyObject(get_view_query(view));
}

Query *
flatten_query(const Query *query, const SelectStmt *raw, List **views)
{
	Level		level = {copyObject((Query *) query), raw, -1, NULL, NULL, views};

	return flatten_level(&level);
}
