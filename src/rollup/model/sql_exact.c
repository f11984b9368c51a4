/*
 * sql_exact.c: takes a rollup and gives the query that it equals, as text. The server's own sums of
 * floating point numbers depend on the order of rows: exact ones stand in their place, computed
 * from the same rows.
 */
#include "rollup/model/rollup.h"

#include "access/relation.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "base/owner.h"
#include "rollup/model/aggregate.h"
#include "rollup/model/flatten.h"
#include "rollup/model/hold.h"

/* The inputs of an aggregate's states stand as parameters in its text. */
typedef struct ExactInputs
{
	int			n;
	Expr	  **inputs;
	Oid		   *types;
} ExactInputs;

static char *
input_parameter(ExactInputs *inputs, Expr *input)
{
	/* A state may have no input, or no second one. */
	if (input == NULL)
		return NULL;
	inputs->inputs[inputs->n] = input;
	inputs->types[inputs->n] = exprType((Node *) input);
	return psprintf("$%d", ++inputs->n);
}

static Node *
put_inputs_mutator(Node *node, ExactInputs *inputs)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Param))
		return copyObject((Node *) inputs->inputs[((Param *) node)->paramid - 1]);
	return expression_tree_mutator(node, put_inputs_mutator, inputs);
}

/* The aggregate made of states that are computed from the rows themselves. */
static Node *
exact_aggregate(const Aggref *aggregate)
{
	List	   *states = aggregate_states(aggregate);
	/* No state has more than two inputs. */
	ExactInputs inputs = {0, palloc(2 * list_length(states) * sizeof(Expr *)),
						  palloc(2 * list_length(states) * sizeof(Oid))};
	List	   *texts = NIL;
	ListCell   *cell;
	char	   *sql;
	Query	   *query;

	foreach(cell, states)
	{
		AggregateState *state = lfirst(cell);
		char	   *input = input_parameter(&inputs, state->input);

		texts = lappend(texts, aggregate_state_text(state->kind, input,
													input_parameter(&inputs, state->input2)));
	}
	sql = psprintf("SELECT %s", aggregate_value_text(aggregate, texts, true));
	/*
	 * Parameters give the text its types. The inputs take their place as trees, so that none is
	 * printed and read again.
	 */
	query = parse_analyze_fixedparams(linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)),
									  sql, inputs.types, inputs.n, NULL);
	return put_inputs_mutator((Node *) linitial_node(TargetEntry, query->targetList)->expr,
							  &inputs);
}

static Node *
exact_mutator(Node *node, bool *replaced)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, Aggref) && aggregate_is_float((Aggref *) node))
	{
		*replaced = true;
		return exact_aggregate((Aggref *) node);
	}
	return expression_tree_mutator(node, exact_mutator, replaced);
}

/*
 * rollup_query(rollup regclass) returns text: what the rollup equals; NULL where it is no rollup
 *
 * Where nothing has to be replaced that reads the definition, for which nobody needs a right on the
 * source.
 */
PG_FUNCTION_INFO_V1(gs_rollup_query);
Datum
gs_rollup_query(PG_FUNCTION_ARGS)
{
	RollupHold	hold;
	Relation	definition;
	Query	   *query;
	bool		replaced = false;
	int			nest;
	char	   *text;

	if (!hold_rollup(PG_GETARG_OID(0), &hold))
		PG_RETURN_NULL();
	/*
	 * Under this path names come out qualified, and what the text calls is found. An error puts the
	 * old path back.
	 */
	nest = owner_fix_search_path();
	/* NoLock: it is held */
	definition = relation_open(hold.relations.definition, NoLock);
	query = flatten_view_query(definition);
	query->targetList = (List *) exact_mutator((Node *) query->targetList, &replaced);
	query->havingQual = exact_mutator(query->havingQual, &replaced);
	if (replaced)
		text = pg_get_querydef(query, false);
	else
		text = psprintf(
			"SELECT * FROM %s",
			quote_qualified_identifier(get_namespace_name(RelationGetNamespace(definition)),
									   RelationGetRelationName(definition)));
	relation_close(definition, NoLock);
	hold_release(&hold);
	AtEOXact_GUC(false, nest);
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
