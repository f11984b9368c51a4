/*
 * aggregate_input.c: takes what an aggregate reads and gives the expressions that its states read
 * instead: with FILTER, a second argument, a square or another type taken in. Knows no aggregate by
 * name.
 */
#include "rollup/model/aggregate.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"

/* CASE WHEN condition THEN input END */
static Expr *
input_where(Expr *condition, Expr *input)
{
	CaseWhen   *when = makeNode(CaseWhen);
	CaseExpr   *filtered = makeNode(CaseExpr);

	when->expr = condition;
	when->result = input;
	when->location = -1;
	filtered->casetype = exprType((Node *) input);
	filtered->casecollid = exprCollation((Node *) input);
	filtered->args = list_make1(when);
	/*
	 * The type, its modifier and the collation are those of the input, so that the CASE can stand
	 * in its place.
	 */
	filtered->defresult = (Expr *) makeNullConst(filtered->casetype, exprTypmod((Node *) input),
												 filtered->casecollid);
	filtered->location = -1;
	return (Expr *) filtered;
}

/* The input as FILTER lets the aggregate read it. */
Expr *
aggregate_filtered_input(const Aggref *aggregate, Expr *input)
{
	if (aggregate->aggfilter == NULL)
		return input;
	/* count(*) with FILTER has no input, so that true stands for one. */
	return input_where(aggregate->aggfilter, input ? input : (Expr *) makeBoolConst(true, false));
}

/* One of two arguments, NULL where FILTER does not let the row through or the other one is NULL. */
Expr *
aggregate_paired_input(const Aggref *aggregate, Expr *input, Expr *other)
{
	NullTest   *present = makeNode(NullTest);
	Expr	   *condition = (Expr *) present;

	present->arg = other;
	present->nulltesttype = IS_NOT_NULL;
	present->location = -1;
	/* FILTER and the other argument both decide whether a row counts. */
	if (aggregate->aggfilter)
		condition = makeBoolExpr(AND_EXPR, list_make2(aggregate->aggfilter, present), -1);
	return input_where(condition, input);
}

/* What is true where the input is, and NULL otherwise: nullif(input, false) */
Expr *
aggregate_true_only(Expr *input)
{
	NullIfExpr *result = makeNode(NullIfExpr);

	result->opno = BooleanEqualOperator;
	result->opfuncid = F_BOOLEQ;
	result->opresulttype = BOOLOID;
	result->args = list_make2(input, makeBoolConst(false, false));
	result->location = -1;
	return (Expr *) result;
}

static Expr *
cast_to(Expr *input, Oid type, Oid function)
{
	return (Expr *) makeFuncExpr(function, type, list_make1(input), InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CAST);
}

/* input * input, in a type in which it always fits */
Expr *
aggregate_squared_input(Expr *input)
{
	/*
	 * The headers have no names for the operators: 686 is the product of bigints, 1760 of numerics.
	 */
	static const Oid operators[] = {INT8OID, 686, F_INT8MUL, NUMERICOID, 1760, F_NUMERIC_MUL};
	Oid			type = exprType((Node *) input);
	const Oid  *multiply = &operators[type == INT2OID || type == INT4OID ? 0 : 3];
	OpExpr	   *square;

	if (type == INT2OID || type == INT4OID)
		input = cast_to(input, INT8OID, type == INT2OID ? F_INT8_INT2 : F_INT8_INT4);
	else if (type == INT8OID)
		input = cast_to(input, NUMERICOID, F_NUMERIC_INT8);
	square = (OpExpr *) make_opclause(multiply[1], multiply[0], false, input, input, InvalidOid,
									  InvalidOid);
	square->opfuncid = multiply[2];
	return (Expr *) square;
}
