/*
 * condition.c: takes the WHEN condition of a trigger and tells what it calls: which partials it is
 * about, and which columns of OLD and NEW it passes. Knows how create_rollup writes such a
 * condition, and refuses to read any other.
 */
#include "rollup/write/condition.h"

#include "access/sysattr.h"
#include "rewrite/prs2lock.h"
#include "rewrite/rewriteManip.h"

Node *
condition_read(const Trigger *trigger)
{
	Node	   *condition = trigger->tgqual ? stringToNode(trigger->tgqual) : NULL;

	/* The executor evaluates a condition with OLD as the inner row and NEW as the outer one. */
	ChangeVarNodes(condition, PRS2_OLD_VARNO, INNER_VAR, 0);
	ChangeVarNodes(condition, PRS2_NEW_VARNO, OUTER_VAR, 0);
	return condition;
}

FuncExpr *
condition_of(const Trigger *trigger)
{
	Node	   *condition = condition_read(trigger);

	return condition && IsA(condition, FuncExpr) ? (FuncExpr *) condition : NULL;
}

Oid
condition_partials(const FuncExpr *call)
{
	const Const *partials = call->args != NIL && !call->funcvariadic ? linitial(call->args) : NULL;

	return partials && IsA(partials, Const) && !partials->constisnull ?
			   DatumGetObjectId(partials->constvalue) :
			   InvalidOid;
}

/* The argument as a column of OLD or NEW; NULL: it is anything else. */
static const Var *
call_var(const FuncExpr *call, int arg)
{
	const Var  *var = list_nth(call->args, arg);

	return IsA(var, Var) && (var->varno == INNER_VAR || var->varno == OUTER_VAR) ? var : NULL;
}

/*
 * Where each used column of OLD or NEW is among the arguments. NULL where the call has none of that
 * side.
 */
static bool
call_columns(const Rollup *rollup, const AttrNumber *columns, const FuncExpr *call, int side,
			 int **arguments)
{
	/*
	 * A rollup that uses no column passes tableoid alone. So tableoid, too, tells which side there
	 * is.
	 */
	bool		present = call_var(call, 1)->varno == side;

	*arguments = palloc(sizeof(int) * (rollup->ncolumns + 1));
	for (int i = 0; i < rollup->ncolumns; i++)
		(*arguments)[i] = -1;
	for (int arg = 2; arg < list_length(call->args); arg++)
	{
		const Var  *var = call_var(call, arg);

		if (var->varno != side)
			continue;
		present = true;
		for (int i = 0; i < rollup->ncolumns; i++)
			if (columns[i] == var->varattno)
				(*arguments)[i] = arg;
	}
	for (int i = 0; present && i < rollup->ncolumns; i++)
		if ((*arguments)[i] < 0)
			return false;
	if (!present)
		*arguments = NULL;
	return true;
}

bool
condition_is_collect(const FuncExpr *call)
{
	if (list_length(call->args) < 2 || !OidIsValid(condition_partials(call)))
		return false;
	for (int arg = 1; arg < list_length(call->args); arg++)
	{
		const Var  *var = call_var(call, arg);

		if (var == NULL ||
			(arg == 1 ? var->varattno != TableOidAttributeNumber : var->varattno <= 0))
			return false;
	}
	return true;
}

bool
condition_arguments(const Rollup *rollup, const AttrNumber *columns, const FuncExpr *call,
			   int **old_columns, int **new_columns)
{
	return condition_is_collect(call) &&
		   call_columns(rollup, columns, call, INNER_VAR, old_columns) &&
		   call_columns(rollup, columns, call, OUTER_VAR, new_columns);
}
