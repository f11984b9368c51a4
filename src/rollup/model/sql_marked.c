/*
 * sql_marked.c: takes the shape of a rollup with aggregates that no sum gives, and gives its view.
 * Runs no statement.
 *
 * The view has two parts: g adds the partials of each group up and says whether it is marked; m
 * computes the aggregates of a marked group from its rows in the source. A one-time filter on
 * g.marked keeps m from being run for other groups.
 *
 *	SELECT g.k, CASE WHEN g.marked THEN m.min ELSE g.min END
 *	FROM (SELECT k, min("min(x) in") AS min, ... AS marked FROM partials GROUP BY k) g
 *		LEFT JOIN LATERAL (SELECT x.min FROM (SELECT min(r.x) AS min FROM (rows of g.k) r) x
 *			WHERE g.marked OFFSET 0) m ON true
 *
 * A row is of the group when each key is equal or both are NULL. Since no index answers that at
 * once, m reads one arm for each set of keys that may be NULL, in which a key is either compared or
 * NULL; only one arm is run for a group.
 */
#include "rollup/model/sql.h"

#include "access/table.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "rollup/model/aggregate.h"
#include "rollup/model/marked.h"

/* of so many keys that may be NULL each combination has an arm of its own */
#define KEYS_WITH_ARMS 3

typedef struct MarkedView
{
	const RollupShape *shape;
	Oid			partials;
	List	   *columns;		/* names of the partials' columns */
	List	   *aggregates;		/* of Aggref, each once */
	/* of g's columns: keys, aggregates, marked; m names the aggregates the same */
	List	   *names;
	Bitmapset  *used;			/* columns of the source that m reads */
	List	   *replacements;	/* what stands for each key and aggregate in the outputs */
} MarkedView;

static bool
is_marked_aggregate(const Aggref *aggregate)
{
	return aggregate_way(aggregate) != AGGREGATE_BY_STATES;
}

static bool
collect_aggregates_walker(Node *node, List **aggregates)
{
	if (node == NULL)
		return false;
	if (!IsA(node, Aggref))
		return expression_tree_walker(node, collect_aggregates_walker, aggregates);
	*aggregates = list_append_unique(*aggregates, node);
	return false;
}

static List *
aggregates_of(const RollupShape *shape)
{
	List	   *aggregates = NIL;

	collect_aggregates_walker((Node *) shape->targets, &aggregates);
	collect_aggregates_walker(shape->having, &aggregates);
	return aggregates;
}

bool
sql_marked_is_possible(const RollupShape *shape)
{
	ListCell   *cell;

	foreach(cell, aggregates_of(shape))
		if (is_marked_aggregate(lfirst(cell)))
			return true;
	return false;
}

/* What g and m call a column, for SQL. */
static const char *
column_name(const MarkedView *view, int column)
{
	return quote_identifier(list_nth(view->names, column));
}

static const char *
marked_name(const MarkedView *view)
{
	return quote_identifier(llast(view->names));
}

/*
 * g: the partials added up
 */
static List *
aggregate_columns(const MarkedView *view, const Aggref *aggregate)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, shape_aggregate(view->shape, aggregate))
		columns = lappend(columns,
						  pstrdup(quote_identifier(list_nth(
							  view->columns, list_length(view->shape->keys) + lfirst_int(cell)))));
	return columns;
}

/*
 * Each condition once: all aggregates that only the source gives share a flag. The values of these
 * are kept by image, and those of several images say nothing of all rows together; minimums and
 * maximums do.
 */
static char *
when_marked(const MarkedView *view)
{
	List	   *conditions = NIL;
	char	   *many = sql_image_is_one_of_many(view->shape, view->columns);
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	/* many is NULL where equal keys are always identical. */
	foreach(cell, view->aggregates)
	{
		Aggref	   *aggregate = lfirst(cell);

		if (!is_marked_aggregate(aggregate))
			continue;
		conditions = list_append_unique(
			conditions,
			makeString(marked_when_text(aggregate, aggregate_columns(view, aggregate))));
		if (many && aggregate_way(aggregate) == AGGREGATE_BY_SOURCE)
			conditions = list_append_unique(conditions, makeString(many));
	}
	foreach(cell, conditions)
		appendStringInfo(&text, "%s%s", foreach_current_index(cell) ? " OR " : "",
						 strVal(lfirst(cell)));
	/* a group of no partials has no value of an aggregate that the source gives */
	return view->shape->keys ? text.data : psprintf("coalesce(%s, true)", text.data);
}

char *
sql_marked_when(const RollupShape *shape, List *columns)
{
	MarkedView	view = {.shape = shape,.columns = columns,.aggregates = aggregates_of(shape)};

	return sql_marked_is_possible(shape) ? when_marked(&view) : pstrdup("false");
}

static char *
groups_text(const MarkedView *view)
{
	int			nkeys = list_length(view->shape->keys);
	StringInfoData keys;
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&keys);
	initStringInfo(&sql);
	for (int i = 0; i < nkeys; i++)
		appendStringInfo(&keys, "%s%s", i ? ", " : "",
						 quote_identifier(list_nth(view->columns, i)));
	appendStringInfo(&sql, "SELECT %s%s", keys.data, nkeys ? ", " : "");
	foreach(cell, view->aggregates)
		appendStringInfo(
			&sql, "%s AS %s, ",
			aggregate_text(lfirst(cell), aggregate_columns(view, lfirst(cell)), nkeys > 0),
			column_name(view, nkeys + foreach_current_index(cell)));
	appendStringInfo(&sql, "%s AS %s FROM %s", when_marked(view), marked_name(view),
					 sql_image_partials(view->partials, view->shape, view->columns, true));
	/*
	 * Partials can be left of a group whose rows are gone, and HAVING leaves it out. Without keys
	 * there is one group in any case.
	 */
	if (nkeys > 0)
		appendStringInfo(
			&sql, " GROUP BY %s HAVING %s", keys.data,
			sql_name_group_test(quote_identifier(list_nth(view->columns, nkeys))));
	return sql.data;
}

/*
 * m: the rows of a group
 */
static Expr *
key_at(const RollupShape *shape, int i)
{
	return list_nth_node(TargetEntry, shape->keys, i)->expr;
}

static char *
key_text(const RollupShape *shape, int i)
{
	return sql_name_expression((Node *) key_at(shape, i), shape->source);
}

/*
 * What is declared NOT NULL now may be altered: its NULLs have an arm, but with those of other such
 * keys.
 */
static bool
key_is_declared(const RollupShape *shape, int i)
{
	Var		   *var = (Var *) key_at(shape, i);
	HeapTuple	tuple;
	bool		result;

	/* An expression may be NULL whatever its columns are. */
	if (!IsA(var, Var))
		return false;
	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(shape->source), Int16GetDatum(var->varattno));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for column %d of the source", var->varattno);
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}

static char *
key_equals(const MarkedView *view, int i)
{
	return psprintf(
		"(%s) %s g.%s", key_text(view->shape, i),
		marked_operator_text(
			lookup_type_cache(exprType((Node *) key_at(view->shape, i)), TYPECACHE_EQ_OPR)->eq_opr),
		column_name(view, i));
}

/* IS NULL would be true of a composite value with NULLs in it. */
static char *
key_is_null(const MarkedView *view, int i)
{
	return psprintf("(%s) IS NOT DISTINCT FROM NULL", key_text(view->shape, i));
}

static char *
group_key_is_null(const MarkedView *view, int i)
{
	return psprintf("g.%s IS NOT DISTINCT FROM NULL", column_name(view, i));
}

/* SELECT the used columns of those rows for which the condition holds. */
static char *
arm_text(const MarkedView *view, const char *condition)
{
	const RollupShape *shape = view->shape;
	StringInfoData sql;
	int			column = -1;
	const char *separator = "";

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	/* The set has no negative numbers, so that attributes are moved up in it. */
	while ((column = bms_next_member(view->used, column)) >= 0)
	{
		appendStringInfo(&sql, "%s%s", separator,
						 quote_identifier(get_attname(
							 shape->source, column + FirstLowInvalidHeapAttributeNumber, false)));
		separator = ", ";
	}
	/* An aggregate such as one over constants reads no column, and the list must not be empty. */
	appendStringInfo(&sql, "%s FROM %s s%s%s", view->used ? "" : "NULL AS \"nothing\"",
					 sql_name_source(shape), *condition ? " WHERE " : "", condition);
	if (shape->filter)
		appendStringInfo(&sql, "%s(%s)", *condition ? " AND " : " WHERE ",
						 sql_name_expression(shape->filter, shape->source));
	return sql.data;
}

/* The condition of the arm in which of the keys with arms those in the set are NULL. */
static char *
arm_condition(const MarkedView *view, const List *with_arms, int null_set)
{
	const char *and = "";
	StringInfoData text;

	initStringInfo(&text);
	/* An equality is never true of NULL, so that no row is in two arms. */
	for (int i = 0; i < list_length(view->shape->keys); i++)
	{
		int			place = 0;

		while (place < list_length(with_arms) && list_nth_int(with_arms, place) != i)
			place++;
		/*
		 * The group's own key must be NULL as well. That reads no row, so that the arms of other
		 * groups are not run.
		 */
		if (place < list_length(with_arms) && (null_set & (1 << place)))
			appendStringInfo(&text, "%s%s AND %s", and, key_is_null(view, i),
							 group_key_is_null(view, i));
		else
			appendStringInfo(&text, "%s%s", and, key_equals(view, i));
		and = " AND ";
	}
	return text.data;
}

/*
 * The condition of the arm for groups in which a key without arms is NULL; NULL: all keys have
 * arms.
 */
static char *
rest_condition(const MarkedView *view, const List *with_arms)
{
	StringInfoData any;
	StringInfoData text;

	initStringInfo(&any);
	initStringInfo(&text);
	for (int i = 0; i < list_length(view->shape->keys); i++)
	{
		if (!list_member_int(with_arms, i))
			appendStringInfo(&any, "%s%s", any.len ? " OR " : "", group_key_is_null(view, i));
		/*
		 * Keys with arms may be NULL here as well. A single key is NULL by the first condition, and
		 * needs no choice.
		 */
		if (list_length(view->shape->keys) == 1)
			appendStringInfo(&text, " AND %s", key_is_null(view, i));
		else
			appendStringInfo(&text, " AND (%s OR (%s AND %s))", key_equals(view, i),
							 key_is_null(view, i), group_key_is_null(view, i));
	}
	return any.len ? psprintf("(%s)%s", any.data, text.data) : NULL;
}

static char *
rows_text(const MarkedView *view)
{
	List	   *with_arms = NIL;
	StringInfoData sql;
	char	   *rest;

	/*
	 * Each key with arms doubles their number, so that only the first few that may be NULL have
	 * them.
	 */
	for (int i = 0; i < list_length(view->shape->keys); i++)
		if (!key_is_declared(view->shape, i) && list_length(with_arms) < KEYS_WITH_ARMS)
			with_arms = lappend_int(with_arms, i);
	initStringInfo(&sql);
	for (int null_set = 0; null_set < 1 << list_length(with_arms); null_set++)
		appendStringInfo(&sql, "%s%s", null_set ? " UNION ALL " : "",
						 arm_text(view, arm_condition(view, with_arms, null_set)));
	rest = rest_condition(view, with_arms);
	if (rest)
		appendStringInfo(&sql, " UNION ALL %s", arm_text(view, rest));
	return sql.data;
}

/*
 * The whole, parsed: first with NULL for each aggregate of m, then with the aggregate itself
 */
static Query *
parse_query(const char *sql)
{
	return parse_analyze_fixedparams(linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)),
									 sql, NULL, 0, NULL);
}

static char *
skeleton_text(const MarkedView *view)
{
	int			nkeys = list_length(view->shape->keys);
	StringInfoData outputs;
	StringInfoData computed;
	ListCell   *cell;

	initStringInfo(&outputs);
	initStringInfo(&computed);
	for (int i = 0; i < nkeys; i++)
		appendStringInfo(&outputs, "%sg.%s", i ? ", " : "", column_name(view, i));
	foreach(cell, view->aggregates)
	{
		Aggref	   *aggregate = lfirst(cell);
		const char *name = column_name(view, nkeys + foreach_current_index(cell));

		if (outputs.len)
			appendStringInfoString(&outputs, ", ");
		if (!is_marked_aggregate(aggregate))
		{
			appendStringInfo(&outputs, "g.%s", name);
			continue;
		}
		appendStringInfo(&outputs, "CASE WHEN g.%s THEN m.%s ELSE g.%s END", marked_name(view),
						 name, name);
		/*
		 * The NULL has the aggregate's type, so that the queries around it stay right when it is
		 * replaced.
		 */
		appendStringInfo(&computed, "%sNULL::%s AS %s", computed.len ? ", " : "",
						 format_type_with_typemod(aggregate->aggtype, -1), name);
	}
	/* OFFSET 0 keeps the planner from pulling the subquery up, and its filter from being spread. */
	return psprintf(
		"SELECT %s FROM (%s) g LEFT JOIN LATERAL (SELECT x.* FROM (SELECT %s FROM (%s) r) x "
		"WHERE g.%s OFFSET 0) m ON true",
		outputs.data, groups_text(view), computed.data, rows_text(view), marked_name(view));
}

/* An aggregate's expressions over m's rows. */
static Node *
over_rows_mutator(Node *node, const MarkedView *view)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Var))
	{
		Var		   *var = copyObject((Var *) node);

		var->varno = var->varnosyn = 1;
		/*
		 * The arms list the used columns in ascending order: a column's place there is its rank in
		 * the set.
		 */
		var->varattno =
			bms_member_index(view->used, var->varattno - FirstLowInvalidHeapAttributeNumber) + 1;
		var->varattnosyn = var->varattno;
		return (Node *) var;
	}
	return expression_tree_mutator(node, over_rows_mutator, (void *) view);
}

/*
 * Arguments that are the same for all rows of the group: they are made of keys. m's aggregates are
 * two queries below g.
 */
static Node *
over_group_mutator(Node *node, const MarkedView *view)
{
	if (node == NULL)
		return NULL;
	for (int i = 0; i < list_length(view->shape->keys); i++)
	{
		Node	   *key = (Node *) key_at(view->shape, i);

		if (equal(node, key))
			return (Node *) makeVar(1, i + 1, exprType(key), exprTypmod(key), exprCollation(key),
									2);
	}
	return expression_tree_mutator(node, over_group_mutator, (void *) view);
}

static Aggref *
aggregate_over_rows(const MarkedView *view, const Aggref *original)
{
	Aggref	   *aggregate = copyObject((Aggref *) original);

	/* Direct arguments belong to the group, and all others to its rows. */
	aggregate->aggdirectargs = (List *) over_group_mutator((Node *) aggregate->aggdirectargs, view);
	aggregate->args = (List *) over_rows_mutator((Node *) aggregate->args, view);
	aggregate->aggfilter = (Expr *) over_rows_mutator((Node *) aggregate->aggfilter, view);
	return aggregate;
}

static void
put_aggregates(const MarkedView *view, Query *skeleton)
{
	/*
	 * The skeleton has g as its first entry and m as its second. m's first entry is x, which
	 * computes.
	 */
	Query	   *marked = rt_fetch(2, skeleton->rtable)->subquery;
	Query	   *computed = rt_fetch(1, marked->rtable)->subquery;
	ListCell   *target = list_head(computed->targetList);
	ListCell   *cell;

	computed->hasAggs = true;
	foreach(cell, view->aggregates)
	{
		if (!is_marked_aggregate(lfirst(cell)))
			continue;
		lfirst_node(TargetEntry, target)->expr = (Expr *) aggregate_over_rows(view, lfirst(cell));
		target = lnext(computed->targetList, target);
	}
}

/* An output of the rollup's query over the view's parts. */
static Node *
over_parts_mutator(Node *node, const MarkedView *view)
{
	int			nkeys = list_length(view->shape->keys);

	if (node == NULL)
		return NULL;
	/* A key may be any expression, so that whole ones are looked for before their parts. */
	for (int i = 0; i < nkeys; i++)
		if (equal(node, key_at(view->shape, i)))
			return copyObject(list_nth(view->replacements, i));
	if (IsA(node, Aggref))
		for (int i = 0; i < list_length(view->aggregates); i++)
			if (equal(node, list_nth(view->aggregates, i)))
				return copyObject(list_nth(view->replacements, nkeys + i));
	return expression_tree_mutator(node, over_parts_mutator, (void *) view);
}

static void
name_columns(MarkedView *view)
{
	ListCell   *cell;

	for (int i = 0; i < list_length(view->shape->keys); i++)
		view->names = lappend(view->names, list_nth(view->columns, i));
	foreach(cell, view->aggregates)
	{
		Aggref	   *aggregate = lfirst(cell);

		view->names =
			sql_name_add(view->names, sql_name_expression((Node *) aggregate, view->shape->source));
		/* Direct arguments are made of keys, which g has, so m need not read them. */
		if (is_marked_aggregate(aggregate))
		{
			pull_varattnos((Node *) aggregate->args, 1, &view->used);
			pull_varattnos((Node *) aggregate->aggfilter, 1, &view->used);
		}
	}
	view->names = sql_name_add(view->names, "marked");
}

char *
sql_marked_view(Oid partials, const RollupShape *shape)
{
	MarkedView	view = {shape, partials, sql_name_of_partials(partials), aggregates_of(shape)};
	Query	   *query;
	List	   *targets = NIL;
	ListCell   *cell;

	name_columns(&view);
	query = parse_query(skeleton_text(&view));
	put_aggregates(&view, query);
	/*
	 * The skeleton's outputs are keys and aggregates in their order. The rollup's outputs are made
	 * of them and take their place.
	 */
	foreach(cell, query->targetList)
		view.replacements = lappend(view.replacements, lfirst_node(TargetEntry, cell)->expr);
	foreach(cell, shape->targets)
	{
		TargetEntry *target = lfirst(cell);

		targets = lappend(targets,
						  makeTargetEntry((Expr *) over_parts_mutator((Node *) target->expr, &view),
										  foreach_current_index(cell) + 1, target->resname, false));
	}
	query->targetList = targets;
	/* Groups are rows here, so that HAVING becomes WHERE. */
	query->jointree->quals = over_parts_mutator(shape->having, &view);
	return pg_get_querydef(query, false);
}
