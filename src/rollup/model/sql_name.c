/*
 * sql_name.c: takes the shape of a rollup and gives what its columns and expressions are called in
 * statements: keys as in the view, states by what they hold. The same shape always has the same
 * names.
 */
#include "rollup/model/sql.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "base/catalog.h"
#include "base/name.h"
#include "rollup/model/source.h"

/* An expression over one table, its columns unqualified. */
char *
sql_name_expression(Node *expression, Oid relid)
{
	return deparse_expression(expression, deparse_context_for(get_rel_name(relid), relid), false,
							  false);
}

char *
sql_name_source(const RollupShape *shape)
{
	char	   *name = name_of_relation(shape->source);

	/* the rows of a partitioned table are those of its partitions */
	return source_is_partitioned(shape->source) ? name : psprintf("ONLY %s", name);
}

List *
sql_name_of_partials(Oid partials)
{
	List	   *names = NIL;

	char	   *name;

	for (AttrNumber column = 1; (name = get_attname(partials, column, true)) != NULL; column++)
		names = lappend(names, name);
	return names;
}

char *
sql_name_partials(Oid partials)
{
	char	   *name = name_of_relation(partials);

	/* Until the extension is upgraded there is no such function. */
	if (!catalog_has_function("readable"))
		return name;
	return psprintf("%s WHERE %s(%s::regclass)", name, catalog_own("readable"),
					quote_literal_cstr(name));
}

char *
sql_name_group_test(const char *count)
{
	const char *more = ">";

	/* Until the extension is upgraded there is no such operator. */
	if (catalog_has_function("group_selectivity"))
		more = psprintf("OPERATOR(%s)", catalog_own("?>"));
	return psprintf("%s(%s) %s 0", catalog_own("total"), count, more);
}

/*
 * Names of the partials' columns: keys as in the view, states by what they hold
 */
char *
sql_name_cut(char *name)
{
	/* The server cuts names like this, never within a character. */
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
sql_name_add(List *names, const char *wanted)
{
	/* Names that are cut may be the same, so that they are compared after the cut. */
	char	   *name = sql_name_cut(pstrdup(wanted));

	for (int i = 2; name_is_taken(names, name); i++)
	{
		char	   *suffix = psprintf(" %d", i);
		char	   *stem = pstrdup(wanted);

		/* The number must stay, so that the name before it is cut. */
		if (strlen(stem) + strlen(suffix) >= NAMEDATALEN)
			stem[pg_mbcliplen(stem, strlen(stem), NAMEDATALEN - 1 - strlen(suffix))] = '\0';
		name = psprintf("%s%s", stem, suffix);
	}
	return lappend(names, name);
}

/* What a state reads, without the CASE that FILTER, or a second argument, has made. */
static char *
input_name(const RollupShape *shape, const Aggref *aggregate, Expr *input)
{
	/* Rows are counted without an input, as count(*) does. */
	if (aggregate == NULL || aggregate->args == NIL)
		return "*";
	if (aggregate->aggfilter || list_length(aggregate->args) > 1)
		input = linitial_node(CaseWhen, castNode(CaseExpr, input)->args)->result;
	return sql_name_expression((Node *) input, shape->source);
}

static char *
marked_state_name(const RollupShape *shape, const ShapeState *state)
{
	char	   *aggregate = sql_name_expression((Node *) state->aggregate, shape->source);

	switch (state->kind)
	{
		case STATE_CHANGED:
			return "changed";
		case STATE_VALUE:
			return aggregate;
		default:
			return psprintf("%s %s", aggregate,
							state->kind == STATE_MIN_IN || state->kind == STATE_MAX_IN ? "in" :
																						 "out");
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
	/*
	 * States that differ in FILTER only have different names. aggregate is NULL for the number of
	 * rows.
	 */
	if (aggregate && aggregate->aggfilter)
		name = psprintf("%s filter %s", name,
						sql_name_expression((Node *) aggregate->aggfilter, shape->source));
	return name;
}

List *
sql_name_columns(const RollupShape *shape)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, shape->keys)
	{
		TargetEntry *key = lfirst(cell);

		names = sql_name_add(names, key->resname && !key->resjunk ? key->resname :
						 sql_name_expression((Node *) key->expr, shape->source));
	}
	foreach(cell, shape->states)
		names = sql_name_add(names, state_name(shape, lfirst(cell)));
	return names;
}
