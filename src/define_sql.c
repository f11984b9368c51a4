/*
 * define_sql.c: takes the shape of a rollup and gives the SQL statements that make its objects. Runs none of them.
 *
 * They are to run with search_path = pg_catalog, under which the names of everything else come out qualified.
 */
#include "define.h"

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

#include "aggregate.h"
#include "key.h"
#include "marked.h"
#include "source.h"

char *
define_qualified(const DefineName *name)
{
	return quote_qualified_identifier(get_namespace_name(name->schema), name->name);
}

char *
define_relation_name(Oid relid)
{
	DefineName	name = {get_rel_namespace(relid), get_rel_name(relid)};

	return define_qualified(&name);
}

/* An expression over one table, its columns unqualified. */
char *
define_expression_text(Node *expression, Oid relid)
{
	return deparse_expression(expression, deparse_context_for(get_rel_name(relid), relid), false, false);
}

char *
define_source_text(const RollupShape *shape)
{
	char	   *name = define_relation_name(shape->source);

	/* the rows of a partitioned table are those of its partitions */
	return source_is_partitioned(shape->source) ? name : psprintf("ONLY %s", name);
}

/*
 * Names of the partials' columns: keys as in the view, states by what they hold
 */
char *
define_cut_name(char *name)
{
	if (strlen(name) >= NAMEDATALEN)
		name[pg_mbcliplen(name, strlen(name), NAMEDATALEN - 1)] = '\0';
	return name;
}

static bool
name_is_taken(List *names, const char *name)
{
	ListCell   *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0)
			return true;
	return false;
}

List *
define_add_name(List *names, const char *wanted)
{
	char	   *name = define_cut_name(pstrdup(wanted));

	for (int i = 2; name_is_taken(names, name); i++)
	{
		char	   *suffix = psprintf(" %d", i);
		char	   *stem = pstrdup(wanted);

		if (strlen(stem) + strlen(suffix) >= NAMEDATALEN)
			stem[pg_mbcliplen(stem, strlen(stem), NAMEDATALEN - 1 - strlen(suffix))] = '\0';
		name = psprintf("%s%s", stem, suffix);
	}
	return lappend(names, name);
}

/* What computes the state from the source's rows. */
static const char *
state_text(const RollupShape *shape, const ShapeState *state)
{
	switch (state->kind)
	{
		case STATE_MIN_IN:
		case STATE_MAX_IN:
		case STATE_VALUE:
			return define_expression_text((Node *) state->aggregate, shape->source);
		case STATE_MIN_OUT:
		case STATE_MAX_OUT:
			return psprintf("NULL::%s", format_type_with_typemod(state->aggregate->aggtype, -1));
		case STATE_CHANGED:
			return "false";
		default:
			return aggregate_state_text(state->kind,
										state->input ? define_expression_text((Node *) state->input, shape->source) : NULL,
										state->input2 ? define_expression_text((Node *) state->input2, shape->source) : NULL);
	}
}

/* What a state reads, without the CASE that FILTER, or a second argument, has made. */
static char *
input_name(const RollupShape *shape, const Aggref *aggregate, Expr *input)
{
	if (aggregate == NULL || aggregate->args == NIL)
		return "*";
	if (aggregate->aggfilter || list_length(aggregate->args) > 1)
		input = linitial_node(CaseWhen, castNode(CaseExpr, input)->args)->result;
	return define_expression_text((Node *) input, shape->source);
}

static char *
marked_state_name(const RollupShape *shape, const ShapeState *state)
{
	char	   *aggregate = define_expression_text((Node *) state->aggregate, shape->source);

	switch (state->kind)
	{
		case STATE_CHANGED:
			return "changed";
		case STATE_VALUE:
			return aggregate;
		default:
			return psprintf("%s %s", aggregate,
							state->kind == STATE_MIN_IN || state->kind == STATE_MAX_IN ? "in" : "out");
	}
}

/* What the state's column is called: as the aggregate is written. */
static char *
state_name(const RollupShape *shape, const ShapeState *state)
{
	const Aggref *aggregate = state->aggregate;
	char	   *input;
	char	   *name;

	if (!STATE_IS_SUM(state->kind))
		return marked_state_name(shape, state);
	input = input_name(shape, aggregate, state->input);

	switch (state->kind)
	{
		case STATE_COUNT:
			name = psprintf("count(%s)", input);
			break;
		case STATE_SUM_PRODUCT:
			name = psprintf("sum(%s * %s)", input, input_name(shape, aggregate, state->input2));
			break;
		case STATE_SUM_MONTHS:
			name = psprintf("months(%s)", input);
			break;
		case STATE_SUM_DAYS:
			name = psprintf("days(%s)", input);
			break;
		case STATE_SUM_MICROSECONDS:
			name = psprintf("microseconds(%s)", input);
			break;
		case STATE_BITS:
			name = psprintf("bits(%s)", input);
			break;
		case STATE_XOR:
			name = psprintf("bit_xor(%s)", input);
			break;
		default:
			name = psprintf("sum(%s)", input);
	}
	if (aggregate && aggregate->aggfilter)
		name = psprintf("%s filter %s", name, define_expression_text((Node *) aggregate->aggfilter, shape->source));
	return name;
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
	collation = state->kind == STATE_VALUE ? aggregate->aggcollid : aggregate->inputcollid;
	return psprintf("%s%s%s", format_type_with_typemod(aggregate->aggtype, -1), OidIsValid(collation) ? " COLLATE " : "",
					OidIsValid(collation) ? generate_collation_name(collation) : "");
}

List *
define_partials_columns(const RollupShape *shape)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, shape->keys)
	{
		TargetEntry *key = lfirst(cell);

		names = define_add_name(names, key->resname && !key->resjunk ? key->resname :
						 define_expression_text((Node *) key->expr, shape->source));
	}
	foreach(cell, shape->states)
		names = define_add_name(names, state_name(shape, lfirst(cell)));
	return names;
}

/*
 * Statements
 */
char *
define_sql_definition(const DefineName *definition, Query *query)
{
	return psprintf("CREATE VIEW %s AS %s", define_qualified(definition), pg_get_querydef(query, false));
}

char *
define_sql_partials(const DefineName *partials, const RollupShape *shape)
{
	List	   *names = define_partials_columns(shape);
	int			column = 0;
	StringInfoData sql;
	ListCell   *cell;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", define_qualified(partials));
	foreach(cell, shape->keys)
	{
		Node	   *key = (Node *) lfirst_node(TargetEntry, cell)->expr;

		appendStringInfo(&sql, "%s%s %s", column ? ", " : "", quote_identifier(list_nth(names, column)),
						 format_type_with_typemod(exprType(key), exprTypmod(key)));
		if (OidIsValid(exprCollation(key)))
			appendStringInfo(&sql, " COLLATE %s", generate_collation_name(exprCollation(key)));
		column++;
	}
	foreach(cell, shape->states)
	{
		appendStringInfo(&sql, "%s%s %s", column ? ", " : "", quote_identifier(list_nth(names, column)),
						 state_column_type(lfirst(cell)));
		column++;
	}
	/* room for HOT updates; and vacuum must never lock writers out to give pages back */
	appendStringInfoString(&sql, ") USING heap WITH (fillfactor = 50, vacuum_truncate = off)");
	return sql.data;
}

static char *
key_columns(const RollupShape *shape)
{
	List	   *names = define_partials_columns(shape);
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
	int			size = key_has_order(exprType(key)) ? key_max_size(exprType(key), exprTypmod(key)) : -1;

	return size < 0 ? -1 : MAXALIGN(size);
}

/* The keys that a btree has place for, however long their values. As numbers from 0. */
static List *
btree_keys(const RollupShape *shape)
{
	List	   *keys = NIL;
	int			total = 0;
	ListCell   *cell;

	foreach(cell, shape->keys)
	{
		int			size = btree_size((Node *) lfirst_node(TargetEntry, cell)->expr);

		if (size < 0 || total + size > KEY_INDEX_SIZE)
			continue;
		total += size;
		keys = lappend_int(keys, foreach_current_index(cell));
	}
	return keys;
}

/* What readers have for a key that no btree has place for: a hash index, and as that has no nulls, a btree of those. */
static List *
lone_indexes(const char *table, const char *column, Oid type)
{
	List	   *sql = NIL;

	if (key_has_hash(type))
		sql = lappend(sql, psprintf("CREATE INDEX ON %s USING hash (%s)", table, column));
	/* a row of nulls IS NULL too, but has its place among the others */
	if (key_has_order(type) && !type_is_rowtype(type))
		sql = lappend(sql, psprintf("CREATE INDEX ON %s (%s) WHERE %s IS NULL", table, column, column));
	return sql;
}

/*
 * One btree on the keys serves writers and readers. Where it has no place for all of them, writers find partials by a
 * hash of the keys, and readers by a btree on those it has place for, and by each of the others.
 */
List *
define_sql_indexes(const DefineName *partials, const RollupShape *shape)
{
	char	   *table = define_qualified(partials);
	List	   *names = define_partials_columns(shape);
	List	   *btree = btree_keys(shape);
	List	   *sql = NIL;
	StringInfoData columns;
	ListCell   *cell;

	initStringInfo(&columns);
	foreach(cell, btree)
		appendStringInfo(&columns, "%s%s", columns.len ? ", " : "", quote_identifier(list_nth(names, lfirst_int(cell))));
	if (btree != NIL)
		sql = lappend(sql, psprintf("CREATE INDEX ON %s (%s)", table, columns.data));
	if (list_length(btree) == list_length(shape->keys))
		return sql;
	foreach(cell, shape->keys)
		if (!list_member_int(btree, foreach_current_index(cell)))
			sql = list_concat(sql, lone_indexes(table, quote_identifier(list_nth(names, foreach_current_index(cell))),
												exprType((Node *) lfirst_node(TargetEntry, cell)->expr)));
	return lcons(psprintf("CREATE INDEX ON %s (" GS_SCHEMA ".key_hash(%s))", table, key_columns(shape)), sql);
}

/* SELECT the partials' rows from those rows of the source for which the condition holds. */
static char *
select_text(const RollupShape *shape, const char *condition)
{
	StringInfoData sql;
	ListCell   *cell;
	bool		first = true;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	foreach(cell, shape->keys)
	{
		appendStringInfo(&sql, "%s%s", first ? "" : ", ",
						 define_expression_text((Node *) lfirst_node(TargetEntry, cell)->expr, shape->source));
		first = false;
	}
	foreach(cell, shape->states)
	{
		appendStringInfo(&sql, "%s%s", first ? "" : ", ", state_text(shape, lfirst(cell)));
		first = false;
	}
	appendStringInfo(&sql, " FROM %s WHERE %s", define_source_text(shape), condition);
	if (shape->filter)
		appendStringInfo(&sql, " AND (%s)", define_expression_text(shape->filter, shape->source));
	for (int i = 0; i < list_length(shape->keys); i++)
		appendStringInfo(&sql, "%s%d", i ? ", " : " GROUP BY ", i + 1);
	/* without keys there is a row even of no rows: its states are zero, it is no partial */
	appendStringInfoString(&sql, " HAVING count(*) > 0");
	return sql.data;
}

char *
define_sql_fill(Oid partials, const RollupShape *shape)
{
	return psprintf("INSERT INTO %s %s", define_relation_name(partials), select_text(shape, GS_SCHEMA ".progress()"));
}

char *
define_sql_group(const RollupShape *shape, const bool *isnull)
{
	StringInfoData condition;
	int			parameter = 0;
	ListCell   *cell;

	initStringInfo(&condition);
	appendStringInfoString(&condition, "true");
	foreach(cell, shape->keys)
	{
		Node	   *key = (Node *) lfirst_node(TargetEntry, cell)->expr;
		char	   *text = define_expression_text(key, shape->source);

		/* IS NULL would be true of a composite value with NULLs in it */
		if (isnull[foreach_current_index(cell)])
			appendStringInfo(&condition, " AND (%s) IS NOT DISTINCT FROM NULL", text);
		else
			appendStringInfo(&condition, " AND (%s) %s $%d", text,
							 marked_operator_text(lookup_type_cache(exprType(key), TYPECACHE_EQ_OPR)->eq_opr), ++parameter);
	}
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
	return pstrdup(quote_identifier(list_nth(build->names, list_length(build->shape->keys) + state)));
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
	char	   *sql = psprintf("SELECT %s FROM %s", text, define_relation_name(build->partials));
	Query	   *query = parse_analyze_fixedparams(linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)),
												  sql, NULL, 0, NULL);

	return (Node *) linitial_node(TargetEntry, query->targetList)->expr;
}

static Node *
over_partials_mutator(Node *node, ViewBuild *build)
{
	ListCell   *cell;

	if (node == NULL)
		return NULL;
	foreach(cell, build->shape->keys)
	{
		Node	   *key = (Node *) lfirst_node(TargetEntry, cell)->expr;

		if (equal(node, key))
			return (Node *) makeVar(1, foreach_current_index(cell) + 1, exprType(key), exprTypmod(key),
									exprCollation(key), 0);
	}
	if (IsA(node, Aggref))
	{
		Aggref	   *aggregate = (Aggref *) node;

		return parse_over_partials(build, aggregate_text(aggregate, aggregate_columns(build, aggregate),
														 build->shape->keys != NIL));
	}
	return expression_tree_mutator(node, over_partials_mutator, build);
}

char *
define_sql_view(const DefineName *view, Oid partials, const RollupShape *shape)
{
	ViewBuild	build = {shape, partials, define_partials_columns(shape)};
	StringInfoData sql;
	ListCell   *cell;
	const char *having = " HAVING ";

	if (define_is_marked(shape))
		return define_sql_marked_view(view, partials, shape);
	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE VIEW %s AS SELECT ", define_qualified(view));
	foreach(cell, shape->targets)
	{
		TargetEntry *target = lfirst(cell);
		Node	   *output = over_partials_mutator((Node *) target->expr, &build);

		appendStringInfo(&sql, "%s%s AS %s", foreach_current_index(cell) ? ", " : "",
						 define_expression_text(output, partials), quote_identifier(target->resname));
	}
	appendStringInfo(&sql, " FROM %s", define_relation_name(partials));
	if (shape->keys != NIL)
	{
		appendStringInfo(&sql, " GROUP BY %s HAVING " GS_SCHEMA ".total(%s) > 0", key_columns(shape), state_column(&build, 0));
		having = " AND ";
	}
	if (shape->having)
		appendStringInfo(&sql, "%s(%s)", having, define_expression_text(over_partials_mutator(shape->having, &build), partials));
	return sql.data;
}

/* Say in the catalogs what the companions are for. */
List *
define_sql_comments(const RollupRelations *relations, const RollupShape *shape)
{
	char	   *rollup = define_relation_name(relations->rollup);

	return list_make3(psprintf("COMMENT ON VIEW %s IS %s", rollup,
							   quote_literal_cstr(psprintf("rollup of %s", define_relation_name(shape->source)))),
					  psprintf("COMMENT ON VIEW %s IS %s", define_relation_name(relations->definition),
							   quote_literal_cstr(psprintf("what the rollup %s equals", rollup))),
					  psprintf("COMMENT ON TABLE %s IS %s", define_relation_name(relations->partials),
							   quote_literal_cstr(psprintf("what the rollup %s is made of; read the rollup", rollup))));
}
