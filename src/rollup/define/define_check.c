/*
 * define_check.c: takes the text of a rollup's query and gives the analyzed query, or an error that
 * names what in it a rollup cannot have, points at its place, and says what to write instead.
 * Changes nothing.
 */
#include "rollup/define/define.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "parser/analyze.h"
#include "parser/parse_target.h"
#include "parser/parsetree.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "rollup/model/flatten.h"
#include "rollup/model/key.h"
#include "rollup/model/refuse.h"

#define HINT_CURRENT_TIME "Leave the current time to queries on the rollup."

static void
refuse(const void *node, const char *what, const char *hint)
{
	refuse_construct(refuse_place(node), what, hint);
}

/*
 * Expressions
 */
static bool
function_is_mutable(Oid function, void *context)
{
	if (func_volatile(function) == PROVOLATILE_IMMUTABLE)
		return false;
	*(Oid *) context = function;
	return true;
}

static bool check_node_walker(Node *node, Query *query);

/* What to write instead of a function that is not immutable. */
static const char *
hint_for_mutable(Oid function)
{
	Oid		   *types;
	int			ntypes;

	if (func_volatile(function) == PROVOLATILE_STABLE)
	{
		if (get_func_rettype(function) == TIMESTAMPTZOID && get_func_nargs(function) == 0)
			return HINT_CURRENT_TIME;
		get_func_signature(function, &types, &ntypes);
		for (int i = 0; i < ntypes; i++)
		{
			if (types[i] == TIMESTAMPTZOID)
				return "Name a time zone, as in (x AT TIME ZONE 'UTC')::date or "
					"date_trunc('hour', x AT TIME ZONE 'UTC').";
		}
	}
	return "Use immutable functions only, or store the value in a column.";
}

static void
check_function(const Node *node, Query *query)
{
	Oid			function = InvalidOid;

	if (!check_functions_in_node((Node *) node, function_is_mutable, &function))
		return;
	/* the argument is to blame in now() - interval '1 day' */
	expression_tree_walker((Node *) node, check_node_walker, query);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("a rollup cannot use function %s", format_procedure(function)),
			 errdetail("It is %s: its result may change while the table does not.",
					   func_volatile(function) == PROVOLATILE_STABLE ? "stable" : "volatile"),
			 errhint("%s", hint_for_mutable(function)),
			 refuse_at(refuse_place(node))));
}

/* What the server calls to compute an aggregate must be immutable too. */
static void
check_aggregate_functions(const Aggref *aggregate)
{
	HeapTuple	tuple = SearchSysCache1(AGGFNOID, ObjectIdGetDatum(aggregate->aggfnoid));
	Form_pg_aggregate form;
	Oid			functions[4] = {aggregate->aggfnoid};

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for aggregate %u", aggregate->aggfnoid);
	form = (Form_pg_aggregate) GETSTRUCT(tuple);
	functions[1] = form->aggtransfn;
	functions[2] = form->aggfinalfn;
	functions[3] = form->aggcombinefn;
	ReleaseSysCache(tuple);
	for (int i = 0; i < lengthof(functions); i++)
		if (OidIsValid(functions[i]) && func_volatile(functions[i]) != PROVOLATILE_IMMUTABLE)
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a rollup cannot have the aggregate %s",
						format_procedure(aggregate->aggfnoid)),
				 errdetail(
					 "%s is %s: its result may change while the table does not.",
					 i == 0 ? "It" : psprintf("Its function %s", format_procedure(functions[i])),
					 func_volatile(functions[i]) == PROVOLATILE_STABLE ? "stable" : "volatile"),
				 errhint("Use an aggregate of immutable functions, such as array_agg, and "
						 "convert its result "
						 "in queries on the rollup."),
				 refuse_at(refuse_place(aggregate))));
}

/*
 * The server's own aggregates whose result depends on the order of rows. Of others their owner must
 * know.
 */
static bool
depends_on_order(Oid aggregate)
{
	switch (aggregate)
	{
		case F_ARRAY_AGG_ANYNONARRAY:
		case F_ARRAY_AGG_ANYARRAY:
		case F_STRING_AGG_TEXT_TEXT:
		case F_STRING_AGG_BYTEA_BYTEA:
		case F_XMLAGG:
			return true;
		default:
			return gs_is_any_value(aggregate);
	}
}

/* Whether rows that are equal in all of the columns are one row. */
static bool
columns_are_unique(Oid relid, const Bitmapset *columns)
{
	Relation	relation = table_open(relid, AccessShareLock);
	bool		unique = false;
	ListCell   *cell;

	foreach(cell, RelationGetIndexList(relation))
	{
		Relation	index = index_open(lfirst_oid(cell), AccessShareLock);
		Form_pg_index form = index->rd_index;
		bool		covered = form->indisunique && form->indimmediate && form->indisvalid &&
			RelationGetIndexPredicate(index) == NIL;

		for (int i = 0; i < form->indnkeyatts; i++)
		{
			AttrNumber	attnum = form->indkey.values[i];

			covered = covered && attnum > 0 &&
					  TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attnotnull &&
					  bms_is_member(attnum, columns);
		}
		unique = unique || covered;
		index_close(index, AccessShareLock);
	}
	table_close(relation, AccessShareLock);
	return unique;
}

/*
 * Whether the aggregate's ORDER BY, or DISTINCT, leaves its result no choice: rows that it does not
 * order have the same arguments, or there is one such row only.
 */
static bool
order_is_total(const Aggref *aggregate, const Query *query)
{
	List	   *clauses = aggregate->aggdistinct ? aggregate->aggdistinct : aggregate->aggorder;
	Bitmapset  *columns = NULL;
	bool		all_arguments = true;
	ListCell   *cell;

	foreach(cell, clauses)
	{
		Node	   *node = get_sortgroupclause_expr(lfirst(cell), aggregate->args);

		if (IsA(node, Var))
			columns = bms_add_member(columns, ((Var *) node)->varattno);
	}
	/* all rows of a group have the same keys */
	foreach(cell, query->groupClause)
	{
		Node	   *key = get_sortgroupclause_expr(lfirst(cell), query->targetList);

		if (IsA(key, Var))
			columns = bms_add_member(columns, ((Var *) key)->varattno);
	}
	foreach(cell, aggregate->args)
	{
		TargetEntry *argument = lfirst(cell);

		if (argument->resjunk || IsA(argument->expr, Const))
			continue;
		/* an array of equal elements is equal itself */
		all_arguments = all_arguments && argument->ressortgroupref != 0 &&
						get_sortgroupref_clause_noerr(argument->ressortgroupref, clauses) != NULL &&
						(key_is_identical((Node *) argument->expr) ||
						 aggregate->aggfnoid == F_ARRAY_AGG_ANYNONARRAY ||
						 aggregate->aggfnoid == F_ARRAY_AGG_ANYARRAY);
	}
	return all_arguments ||
		   columns_are_unique(
			   rt_fetch(linitial_node(RangeTblRef, query->jointree->fromlist)->rtindex,
						query->rtable)
				   ->relid,
			   columns);
}

static void
check_aggregate(const Aggref *aggregate, const Query *query)
{
	check_aggregate_functions(aggregate);
	if (depends_on_order(aggregate->aggfnoid) && !order_is_total(aggregate, query))
		refuse(
			aggregate,
			psprintf("%s without an order of all its values", get_func_name(aggregate->aggfnoid)),
			"Write ORDER BY in the aggregate, by its arguments or by columns that are unique in "
			"the table, "
			"such as the primary key.");
}

static void
check_column(const Query *query, const Var *var)
{
	RangeTblEntry *entry = rt_fetch(var->varno, query->rtable);

	if (entry->rtekind != RTE_RELATION)
		return;
	if (var->varattno < 0)
		refuse(var,
			   psprintf("the system column \"%s\"", get_rte_attribute_name(entry, var->varattno)),
			   "Use columns of the table.");
	if (var->varattno == 0)
		refuse(var, "a whole row as a value", "Name the columns.");
	if (gs_attribute_is_virtual(entry->relid, var->varattno))
		refuse(var,
			   psprintf("the virtual generated column \"%s\"",
						get_rte_attribute_name(entry, var->varattno)),
			   "Write its expression instead, or make the column STORED.");
}

static bool
check_node_walker(Node *node, Query *query)
{
	if (node == NULL)
		return false;
	if (!IsA(node, Aggref))
		check_function(node, query);
	if (IsA(node, Var))
		check_column(query, (Var *) node);
	else if (IsA(node, Aggref))
		check_aggregate((Aggref *) node, query);
	else if (IsA(node, GroupingFunc))
		refuse(node, "GROUPING()", "Leave it out: a rollup has one grouping.");
	else if (IsA(node, SQLValueFunction))
		refuse(node, FigureColname(node),
			   ((SQLValueFunction *) node)->type != NAMEOID ?
			   HINT_CURRENT_TIME :
			   "Its result may change while the table does not: store the value in a column.");
	else if (contain_mutable_functions(node) &&
			 !expression_tree_walker(node, check_node_walker, query))
		refuse(node, "an expression whose result may change while the table does not",
			   "Use immutable expressions only.");
	return expression_tree_walker(node, check_node_walker, query);
}

static void
check_key(Node *key)
{
	Oid			type = exprType(key);

	if (get_typtype(type) == TYPTYPE_PSEUDO)
		refuse(key, psprintf("a grouping key of type %s", format_type_be(type)),
			   "Group by its columns, or cast it to a composite type.");
	if (!key_has_order(type) && !key_has_hash(type))
		refuse(key, psprintf("a grouping key of type %s", format_type_be(type)),
			   "A key's type needs an order or a hash function.");
}

/*
 * Which key an expression shows is free among equal ones: it must not be able to tell them apart.
 */
typedef struct OutputCheck
{
	List	   *keys;
	bool		top;
} OutputCheck;

static bool
check_output_walker(Node *node, OutputCheck *check)
{
	bool		top = check->top;
	ListCell   *cell;

	if (node == NULL || IsA(node, Aggref))
		return false;
	foreach(cell, check->keys)
	{
		Node	   *key = (Node *) lfirst_node(TargetEntry, cell)->expr;

		if (!equal(key, node) || IsA(key, Const))
			continue;
		if (!top && !key_is_identical(key))
			refuse(node,
				   psprintf("an expression over the grouping key \"%s\"",
							lfirst_node(TargetEntry, cell)->resname ?
								lfirst_node(TargetEntry, cell)->resname :
								"?column?"),
				   "Its type has values that are equal but not the same: add the expression to "
				   "GROUP BY.");
		return false;
	}
	if (IsA(node, Var))
		refuse(node, "a column that is neither grouped nor aggregated",
			   "Add the column to GROUP BY.");
	check->top = false;
	expression_tree_walker(node, check_output_walker, check);
	check->top = top;
	return false;
}

static void
check_keys_and_outputs(const Query *query)
{
	OutputCheck check = {NIL, true};
	Bitmapset  *used = NULL;
	ListCell   *cell;

	foreach(cell, query->groupClause)
	{
		TargetEntry *entry = get_sortgroupclause_tle(lfirst(cell), query->targetList);

		check_key((Node *) entry->expr);
		check.keys = lappend(check.keys, entry);
	}
	if (list_length(check.keys) > INDEX_MAX_KEYS)
		refuse(lfirst_node(TargetEntry, list_nth_cell(check.keys, INDEX_MAX_KEYS))->expr,
			   psprintf("more than %d grouping keys", INDEX_MAX_KEYS),
			   "Group by an array or a composite value of some of them.");
	foreach(cell, query->targetList)
		check_output_walker((Node *) lfirst_node(TargetEntry, cell)->expr, &check);
	check.top = false;
	check_output_walker(query->havingQual, &check);

	pull_varattnos((Node *) query->targetList, 1, &used);
	pull_varattnos(query->havingQual, 1, &used);
	pull_varattnos(query->jointree->quals, 1, &used);
	if (bms_num_members(used) > ROLLUP_MAX_COLUMNS)
		refuse(NULL, psprintf("more than %d columns of its source", ROLLUP_MAX_COLUMNS),
			   "Make several rollups.");
}

/* Where a query's text says what it reads; what comes from a view has no place of its own. */
static int
place_of_from(const SelectStmt *raw)
{
	int			place = refuse_place_raw(raw->fromClause);

	return place >= 0 ? place : refuse_place_raw(raw->targetList);
}

/* Columns are told apart by name in the view, in the definition and in events. */
static void
check_names(const Query *query)
{
	ListCell   *cell;
	ListCell   *before;

	foreach(cell, query->targetList)
	{
		const TargetEntry *column = lfirst(cell);

		if (column->resjunk)
			continue;
		foreach(before, query->targetList)
		{
			const TargetEntry *other = lfirst(before);

			if (other == column)
				break;
			if (!other->resjunk && strcmp(other->resname, column->resname) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("two columns of a rollup have the name \"%s\"", column->resname),
						 errhint("Give each of them a name of its own, with AS."),
						 refuse_at(refuse_place(column->expr))));
		}
	}
}

static void
check(const Query *original, const SelectStmt *raw, const char *text)
{
	RefuseQuery context;
	List	   *views = NIL;
	Query	   *query;

	refuse_begin(&context, text, place_of_from(raw));
	query = flatten_query(original, raw, &views);
	define_check_views(views);
	define_check_source(query);
	check_node_walker((Node *) query->targetList, query);
	check_node_walker(query->jointree->quals, query);
	check_node_walker(query->havingQual, query);
	check_names(query);
	check_keys_and_outputs(query);
	refuse_end(&context);
}

Query *
define_query(const char *text)
{
	RefuseQuery context;
	List	   *parsed;
	RawStmt    *statement;
	SelectStmt *raw;
	Query	   *query;

	refuse_begin_analysis(&context, text);
	parsed = pg_parse_query(text);
	if (list_length(parsed) != 1)
		ereport(ERROR, (errcode(ERRCODE_SYNTAX_ERROR),
						errmsg(parsed == NIL ? "the query of a rollup is empty" :
											   "the query of a rollup must be one statement"),
						errhint("Write one SELECT with GROUP BY.")));
	statement = linitial_node(RawStmt, parsed);
	if (!IsA(statement->stmt, SelectStmt) || ((SelectStmt *) statement->stmt)->intoClause)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the query of a rollup must be a SELECT"),
				 errhint("Write one SELECT with GROUP BY.")));
	/* analysis may leave its marks on what it analyzes */
	raw = copyObject((SelectStmt *) statement->stmt);
	query = parse_analyze_fixedparams(statement, text, NULL, 0, NULL);
	refuse_end(&context);
	check(query, raw, text);
	return query;
}
