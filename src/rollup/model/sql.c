/*
 * sql.c: takes the shape of a rollup and gives the SQL statements that make its objects. Runs none
 * of them.
 *
 * They are to run with search_path = pg_catalog, under which the names of everything else come out
 * qualified.
 */
#include "rollup/model/sql.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/typcache.h"

#include "rollup/model/aggregate.h"
#include "rollup/model/key.h"
#include "rollup/model/marked.h"

/* What computes the state from the source's rows. */
static const char *
state_text(const RollupShape *shape, const ShapeState *state)
{
	switch (state->kind)
	{
		case STATE_MIN_IN:
		case STATE_MAX_IN:
		case STATE_VALUE:
			return sql_name_expression((Node *) state->aggregate, shape->source);
		case STATE_MIN_OUT:
		case STATE_MAX_OUT:
			/* What is computed from the rows has lost none. */
			return psprintf("NULL::%s", format_type_with_typemod(state->aggregate->aggtype, -1));
		case STATE_CHANGED:
			return "false";
		default:
			return aggregate_state_text(
				state->kind,
				state->input ? sql_name_expression((Node *) state->input, shape->source) : NULL,
				state->input2 ? sql_name_expression((Node *) state->input2, shape->source) : NULL);
	}
}

/* With what a column is declared. */
static const char *
state_column_type(const ShapeState *state)
{
	const Aggref *aggregate = state->aggregate;
	Oid			collation;

	switch (state->kind)
	{
		case STATE_CHANGED:
			return "boolean NOT NULL";
		case STATE_MIN_IN:
		case STATE_MIN_OUT:
		case STATE_MAX_IN:
		case STATE_MAX_OUT:
		case STATE_VALUE:
			break;
		default:
			return psprintf("%s NOT NULL", state_type_name(state->kind));
	}
	/*
	 * A watermark is compared as the aggregate compares its inputs. A value is what the aggregate
	 * gives.
	 */
	collation = state->kind == STATE_VALUE ? aggregate->aggcollid : aggregate->inputcollid;
	return psprintf("%s%s%s", format_type_with_typemod(aggregate->aggtype, -1),
					OidIsValid(collation) ? " COLLATE " : "",
					OidIsValid(collation) ? generate_collation_name(collation) : "");
}

/*
 * Statements
 */
char *
sql_definition(const QualifiedName *definition, Query *query)
{
	return psprintf("CREATE VIEW %s AS %s", name_qualified(definition),
					pg_get_querydef(query, false));
}

char *
sql_partials(const QualifiedName *partials, const RollupShape *shape)
{
	List	   *names = sql_name_columns(shape);
	int			column = 0;
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", name_qualified(partials));
	foreach(cell, shape->keys)
	{
		Node	   *key = (Node *) lfirst_node(TargetEntry, cell)->expr;

		appendStringInfo(&sql, "%s%s %s", column ? ", " : "",
						 quote_identifier(list_nth(names, column)),
						 format_type_with_typemod(exprType(key), exprTypmod(key)));
		if (OidIsValid(exprCollation(key)))
			appendStringInfo(&sql, " COLLATE %s", generate_collation_name(exprCollation(key)));
		column++;
	}
	foreach(cell, shape->states)
	{
		appendStringInfo(&sql, "%s%s %s", column ? ", " : "",
						 quote_identifier(list_nth(names, column)),
						 state_column_type(lfirst(cell)));
		column++;
	}
	/* room for HOT updates; and vacuum must never lock writers out to give pages back */
	appendStringInfoString(&sql, ") USING heap WITH (fillfactor = 50, vacuum_truncate = off)");
	return sql.data;
}

static char *
key_columns(const RollupShape *shape, const List *names)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < list_length(shape->keys); i++)
		appendStringInfo(&list, "%s%s", i ? ", " : "", quote_identifier(list_nth(names, i)));
	return list.data;
}

/* What a btree on these keys takes at most; -1: there is no such btree, or no bound. */
static int
btree_size(Node *key)
{
	/* A type without a bound may have values that no index page takes. */
	int size = key_has_order(exprType(key)) ? key_max_size(exprType(key), exprTypmod(key)) : -1;

	return size < 0 ? -1 : MAXALIGN(size);
}

/* The keys that a btree has place for, however long their values. As numbers from 0. */
static List *
btree_keys(const RollupShape *shape)
{
	List	   *keys = NIL;
	int			total = 0;
	ListCell   *cell;

	/* An index entry has a limit, and all keys in it share that. */
	foreach(cell, shape->keys)
	{
		int			size = btree_size((Node *) lfirst_node(TargetEntry, cell)->expr);

		/* A later key may have place where an earlier one has none. */
		if (size < 0 || total + size > KEY_INDEX_SIZE)
			continue;
		total += size;
		keys = lappend_int(keys, foreach_current_index(cell));
	}
	return keys;
}

/*
 * What readers have for a key that no btree has place for: a hash index, and as that has no nulls,
 * a btree of those.
 */
static List *
lone_indexes(const char *table, const char *column, Oid type)
{
	List	   *sql = NIL;

	if (key_has_hash(type))
		sql = lappend(sql, psprintf("CREATE INDEX ON %s USING hash (%s)", table, column));
	/* a row of nulls IS NULL too, but has its place among the others */
	if (key_has_order(type) && !type_is_rowtype(type))
		sql = lappend(sql,
					  psprintf("CREATE INDEX ON %s (%s) WHERE %s IS NULL", table, column, column));
	return sql;
}

/*
 * One btree on the keys serves writers and readers. Where it has no place for all of them, writers
 * find partials by a hash of the keys, and readers by a btree on those it has place for, and by
 * each of the others.
 */
List *
sql_indexes(const QualifiedName *partials, const RollupShape *shape)
{
	char	   *table = name_qualified(partials);
	List	   *names = sql_name_columns(shape);
	List	   *btree = btree_keys(shape);
	List	   *sql = NIL;
	StringInfoData columns;
	ListCell   *cell;

	initStringInfo(&columns);
	foreach(cell, btree)
		appendStringInfo(&columns, "%s%s", columns.len ? ", " : "",
						 quote_identifier(list_nth(names, lfirst_int(cell))));
	if (btree != NIL)
		sql = lappend(sql, psprintf("CREATE INDEX ON %s (%s)", table, columns.data));
	/* All keys are in the btree, and writers find partials by it as well. */
	if (list_length(btree) == list_length(shape->keys))
		return sql;
	foreach(cell, shape->keys)
		if (!list_member_int(btree, foreach_current_index(cell)))
			sql = list_concat(
				sql,
				lone_indexes(table, quote_identifier(list_nth(names, foreach_current_index(cell))),
							 exprType((Node *) lfirst_node(TargetEntry, cell)->expr)));
	return lcons(psprintf("CREATE INDEX ON %s (%s(%s))", table, catalog_own("key_hash"),
						  key_columns(shape, names)),
				 sql);
}

/* SELECT the partials' rows from those rows of the source for which the condition holds. */
static char *
select_text(const RollupShape *shape, const char *condition)
{
	char	   *image = sql_image_of_source(shape);
	StringInfoData sql;
	ListCell   *cell;
	bool		first = true;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach(cell, shape->keys)
	{
		appendStringInfo(
			&sql, "%s%s", first ? "" : ", ",
			sql_name_expression((Node *) lfirst_node(TargetEntry, cell)->expr, shape->source));
		first = false;
	}
	foreach(cell, shape->states)
	{
		appendStringInfo(&sql, "%s%s", first ? "" : ", ", state_text(shape, lfirst(cell)));
		first = false;
	}
	appendStringInfo(&sql, " FROM %s WHERE %s", sql_name_source(shape), condition);
	if (shape->filter)
		appendStringInfo(&sql, " AND (%s)", sql_name_expression(shape->filter, shape->source));
	/*
	 * Keys are grouped by their numbers in the list. The image keeps equal keys apart that are not
	 * identical.
	 */
	for (int i = 0; i < list_length(shape->keys); i++)
		appendStringInfo(&sql, "%s%d", i ? ", " : " GROUP BY ", i + 1);
	if (image)
		appendStringInfo(&sql, ", %s", image);
	/* without keys there is a row even of no rows: its states are zero, it is no partial */
	appendStringInfoString(&sql, " HAVING count(*) > 0");
	return sql.data;
}

char *
sql_select(const RollupShape *shape)
{
	return select_text(shape, psprintf("%s()", catalog_own("progress")));
}

char *
sql_group(const RollupShape *shape, const bool *isnull)
{
	/* Parameters are numbered over the keys that are not NULL. */
	StringInfoData condition;
	int			parameter = 0;
	ListCell   *cell;

	initStringInfo(&condition);
	appendStringInfoString(&condition, "true");
	foreach(cell, shape->keys)
	{
		Node	   *key = (Node *) lfirst_node(TargetEntry, cell)->expr;
		char	   *text = sql_name_expression(key, shape->source);

		/* IS NULL would be true of a composite value with NULLs in it */
		if (isnull[foreach_current_index(cell)])
			appendStringInfo(&condition, " AND (%s) IS NOT DISTINCT FROM NULL", text);
		else
			appendStringInfo(
				&condition, " AND (%s) %s $%d", text,
				marked_operator_text(lookup_type_cache(exprType(key), TYPECACHE_EQ_OPR)->eq_opr),
				++parameter);
	}
	appendStringInfoString(&condition, sql_image_condition(shape, isnull));
	return select_text(shape, condition.data);
}

/*
 * The view: the query's outputs, with each aggregate made from the partials' states
 */
typedef struct ViewBuild
{
	const RollupShape *shape;
	Oid			partials;
	List	   *names;			/* of the partials' columns */
} ViewBuild;

/* A state's column. */
static char *
state_column(ViewBuild *build, int state)
{
	return pstrdup(
		quote_identifier(list_nth(build->names, list_length(build->shape->keys) + state)));
}

/* The columns of an aggregate's states. */
static List *
aggregate_columns(ViewBuild *build, const Aggref *aggregate)
{
	List	   *columns = NIL;
	ListCell   *cell;

	foreach(cell, shape_aggregate(build->shape, aggregate))
		columns = lappend(columns, state_column(build, lfirst_int(cell)));
	return columns;
}

static Node *
parse_over_partials(ViewBuild *build, const char *text)
{
	/* The partials are entry 1 of this query, as of the view: so the tree fits there. */
	char	   *sql = psprintf("SELECT %s FROM %s", text, name_of_relation(build->partials));
	Query *query = parse_analyze_fixedparams(
		linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)), sql, NULL, 0, NULL);

	return (Node *) linitial_node(TargetEntry, query->targetList)->expr;
}

static Node *
over_partials_mutator(Node *node, ViewBuild *build)
{
	ListCell   *cell;

	if (node == NULL)
		return NULL;
	/* A key may be any expression, so that whole ones are looked for before their parts. */
	foreach(cell, build->shape->keys)
	{
		Node	   *key = (Node *) lfirst_node(TargetEntry, cell)->expr;

		if (equal(node, key))
			return (Node *) makeVar(1, foreach_current_index(cell) + 1, exprType(key),
									exprTypmod(key), exprCollation(key), 0);
	}
	if (IsA(node, Aggref))
	{
		Aggref	   *aggregate = (Aggref *) node;

		return parse_over_partials(build,
								   aggregate_text(aggregate, aggregate_columns(build, aggregate),
												  build->shape->keys != NIL));
	}
	return expression_tree_mutator(node, over_partials_mutator, build);
}

char *
sql_view(Oid partials, const RollupShape *shape)
{
	ViewBuild	build = {shape, partials, sql_name_of_partials(partials)};
	StringInfoData sql;
	ListCell   *cell;
	const char *having = " HAVING ";

	if (sql_marked_is_possible(shape))
		return sql_marked_view(partials, shape);
	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach(cell, shape->targets)
	{
		TargetEntry *target = lfirst(cell);
		Node	   *output = over_partials_mutator((Node *) target->expr, &build);

		appendStringInfo(&sql, "%s%s AS %s", foreach_current_index(cell) ? ", " : "",
						 sql_name_expression(output, partials), quote_identifier(target->resname));
	}
	appendStringInfo(&sql, " FROM %s", sql_image_partials(partials, shape, build.names, true));
	/*
	 * Partials can be left of a group whose rows are gone. The first state has the number of rows.
	 */
	if (shape->keys != NIL)
	{
		appendStringInfo(&sql, " GROUP BY %s HAVING %s", key_columns(shape, build.names),
						 sql_name_group_test(state_column(&build, 0)));
		having = " AND ";
	}
	if (shape->having)
		appendStringInfo(
			&sql, "%s(%s)", having,
			sql_name_expression(over_partials_mutator(shape->having, &build), partials));
	return sql.data;
}

/* Say in the catalogs what the companions are for. */
List *
sql_comments(const RollupRelations *relations, const RollupShape *shape)
{
	char	   *rollup = name_of_relation(relations->rollup);

	return list_make3(
		psprintf("COMMENT ON VIEW %s IS %s", rollup,
				 quote_literal_cstr(psprintf("rollup of %s", name_of_relation(shape->source)))),
		psprintf("COMMENT ON VIEW %s IS %s", name_of_relation(relations->definition),
				 quote_literal_cstr(psprintf("what the rollup %s equals", rollup))),
		psprintf("COMMENT ON TABLE %s IS %s", name_of_relation(relations->partials),
				 quote_literal_cstr(
					 psprintf("what the rollup %s is made of; read the rollup", rollup))));
}
