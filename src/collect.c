/*
 * collect.c: takes the old and new rows of a source, as the WHEN conditions of its triggers pass them, and gives pending
 * deltas; and says when those are to be applied. Writes no table.
 *
 * WHEN runs with the rights of whoever writes the source, so everyone may call gymstream.collect. It accepts rows from a
 * trigger's WHEN on the rollup's own source only: nowhere else does the system column tableoid come as a Var of
 * INNER_VAR or OUTER_VAR, which stand for OLD and NEW there (in a plan's node above a scan such a Var has a positive
 * column number). The other arguments must be plain columns of OLD and NEW, so that none can be invented.
 */
#include "collect.h"

#include "access/table.h"
#include "access/sysattr.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/primnodes.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "pending.h"

/* What is known of one call in a trigger's WHEN, for as long as its statement runs. */
typedef struct CollectCall
{
	Rollup	   *rollup;
	int		   *old_columns;	/* for each used column, which argument has it; NULL: there is no old row */
	int		   *new_columns;
	bool		needs_event;	/* no statement trigger may follow */
} CollectCall;

/*
 * Preparing a call
 */
static void
call_refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("gymstream.collect can only be called by the triggers of a rollup"),
			 errdetail("It takes rows from the WHEN condition of a trigger on the rollup's source, column by column."),
			 errhint("Rollups are made by gymstream.create_rollup.")));
}

static Var *
call_var(FuncExpr *call, int arg)
{
	Var		   *var = (Var *) list_nth(call->args, arg);

	if (!IsA(var, Var) || (var->varno != INNER_VAR && var->varno != OUTER_VAR))
		call_refuse();
	return var;
}

/* Where each used column is among the arguments; NULL if the call has none of that side. */
static int *
call_columns(const Rollup *rollup, FuncExpr *call, int side)
{
	int		   *columns = palloc(sizeof(int) * (rollup->ncolumns + 1));
	bool		present = call_var(call, 1)->varno == side;

	for (int i = 0; i < rollup->ncolumns; i++)
		columns[i] = -1;
	for (int arg = 2; arg < list_length(call->args); arg++)
	{
		Var		   *var = call_var(call, arg);

		if (var->varattno <= 0)
			call_refuse();
		if (var->varno != side)
			continue;
		present = true;
		for (int i = 0; i < rollup->ncolumns; i++)
			if (rollup->columns[i] == var->varattno)
				columns[i] = arg;
	}
	if (!present)
		return NULL;
	for (int i = 0; i < rollup->ncolumns; i++)
		if (columns[i] < 0)
			call_refuse();
	return columns;
}

static CollectCall *
call_prepare(FunctionCallInfo fcinfo)
{
	FuncExpr   *expression = (FuncExpr *) fcinfo->flinfo->fn_expr;
	MemoryContext old;
	CollectCall *call;

	if (expression == NULL || !IsA(expression, FuncExpr) || expression->funcvariadic ||
		list_length(expression->args) < 2 || list_length(expression->args) != PG_NARGS() ||
		!IsA(linitial(expression->args), Const) || PG_ARGISNULL(0) ||
		call_var(expression, 1)->varattno != TableOidAttributeNumber)
		call_refuse();

	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	call = palloc0(sizeof(CollectCall));
	call->rollup = rollup_acquire(PG_GETARG_OID(0));
	rollup_release_with(call->rollup, fcinfo->flinfo->fn_mcxt);
	call->old_columns = call_columns(call->rollup, expression, INNER_VAR);
	call->new_columns = call_columns(call->rollup, expression, OUTER_VAR);
	call->needs_event = call->rollup->inherits || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

/*
 * One row
 */
static Datum
row_value(Rollup *rollup, const RollupValue *value, bool *isnull)
{
	if (value->column < 0)
		return ExecEvalExpr(value->expression, rollup->econtext, isnull);
	*isnull = rollup->row->tts_isnull[value->column];
	return rollup->row->tts_values[value->column];
}

static Datum
widen_input(const RollupValue *value, Datum input)
{
	switch (value->type)
	{
		case INT2OID:
			return Int64GetDatum(DatumGetInt16(input));
		case INT4OID:
			return Int64GetDatum(DatumGetInt32(input));
		default:
			return input;
	}
}

static void
row_load(Rollup *rollup, FunctionCallInfo fcinfo, const int *columns)
{
	TupleTableSlot *row = ExecClearTuple(rollup->row);

	for (int i = 0; i < rollup->ncolumns; i++)
	{
		row->tts_values[i] = PG_GETARG_DATUM(columns[i]);
		row->tts_isnull[i] = PG_ARGISNULL(columns[i]);
	}
	ExecStoreVirtualTuple(row);
	rollup->econtext->ecxt_scantuple = row;
}

/* Add the loaded row to its group, or take it away. All values come first: what computes them may flush the group. */
static void
row_collect(Rollup *rollup, PendingRollup *pending, int sign)
{
	Datum		keys[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	Datum	   *inputs = palloc(rollup->ninputs * sizeof(Datum));
	bool	   *input_isnull = palloc(rollup->ninputs * sizeof(bool));
	PendingGroup *group;

	if (rollup->filter && !ExecQual(rollup->filter, rollup->econtext))
		return;
	for (int i = 0; i < rollup->nkeys; i++)
		keys[i] = row_value(rollup, &rollup->keys[i].value, &isnull[i]);
	for (int i = 0; i < rollup->ninputs; i++)
		inputs[i] = row_value(rollup, &rollup->inputs[i], &input_isnull[i]);
	group = pending_group(pending, keys, isnull);
	for (int i = 0; i < rollup->nstates; i++)
	{
		RollupState *state = &rollup->states[i];
		Datum		input = (Datum) 0;

		if (state->input >= 0 && input_isnull[state->input])
			continue;
		if (state->input >= 0 && state->kind != STATE_COUNT)
			input = widen_input(&rollup->inputs[state->input], inputs[state->input]);
		state_collect(state->kind, &group->deltas[i], input, sign, pending->context);
	}
}

static void
collect_row(CollectCall *call, FunctionCallInfo fcinfo, const int *columns, PendingRollup *pending, int sign)
{
	Rollup	   *rollup = call->rollup;
	MemoryContext old;

	ResetExprContext(rollup->econtext);
	old = MemoryContextSwitchTo(rollup->econtext->ecxt_per_tuple_memory);
	row_load(rollup, fcinfo, columns);
	row_collect(rollup, pending, sign);
	MemoryContextSwitchTo(old);
}

/* The same where the query calls functions that are not the server's own: as the owner, with a fixed search_path. */
static void
collect_row_as_owner(CollectCall *call, FunctionCallInfo fcinfo, const int *columns, PendingRollup *pending, int sign)
{
	Oid			user;
	int			context;
	int			nest = NewGUCNestLevel();

	if (call->rollup->evaluating)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("a function in the query of a rollup cannot write the source of the rollup")));
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(call->rollup->owner, context | SECURITY_RESTRICTED_OPERATION);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	call->rollup->evaluating = true;
	PG_TRY();
	{
		collect_row(call, fcinfo, columns, pending, sign);
	}
	PG_FINALLY();
	{
		call->rollup->evaluating = false;
	}
	PG_END_TRY();
	AtEOXact_GUC(false, nest);
	SetUserIdAndSecContext(user, context);
}

/*
 * gymstream.collect(partials regclass, tableoid oid, VARIADIC "any") returns boolean
 *
 * True, where no statement trigger may follow, for the first row of a pending period: that queues the one event whose
 * function flushes. So it is in a subscriber's apply worker, and where a statement on a parent table writes the source.
 */
PG_FUNCTION_INFO_V1(gs_collect);
Datum
gs_collect(PG_FUNCTION_ARGS)
{
	CollectCall *call = fcinfo->flinfo->fn_extra;
	void		(*collect) (CollectCall *, FunctionCallInfo, const int *, PendingRollup *, int);
	PendingRollup *pending;
	bool		was_pending;

	if (call == NULL)
		call = call_prepare(fcinfo);
	if (PG_GETARG_OID(1) != call->rollup->source)
		call_refuse();

	collect = call->rollup->calls_functions ? collect_row_as_owner : collect_row;
	pending = pending_rollup(call->rollup);
	was_pending = pending->dirty != NULL;
	if (call->old_columns)
		collect(call, fcinfo, call->old_columns, pending, -1);
	if (call->new_columns)
		collect(call, fcinfo, call->new_columns, pending, 1);
	PG_RETURN_BOOL(call->needs_event && !was_pending && pending->dirty != NULL);
}

/* gymstream.flush(partials regclass) returns boolean: applies what is pending; always false */
PG_FUNCTION_INFO_V1(gs_flush);
Datum
gs_flush(PG_FUNCTION_ARGS)
{
	pending_flush(PG_GETARG_OID(0));
	PG_RETURN_BOOL(false);
}

/* gymstream.flush_pending(): the function of a rollup's triggers */
PG_FUNCTION_INFO_V1(gs_flush_pending);
Datum
gs_flush_pending(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger", "gymstream.flush_pending")));
	pending_flush_all();
	return PointerGetDatum(NULL);
}

/*
 * gymstream.truncated(partials regclass) returns boolean: truncates the partials after their source; always false
 *
 * Everyone may call it, so it looks for itself whether the source is being truncated: nobody else can see a lock of ours
 * that excludes all others together with a source that has not a single block.
 */
PG_FUNCTION_INFO_V1(gs_truncated);
Datum
gs_truncated(PG_FUNCTION_ARGS)
{
	Rollup	   *rollup = rollup_acquire(PG_GETARG_OID(0));
	Relation	source = table_open(rollup->source, AccessShareLock);
	Relation	partials;

	rollup_release_with(rollup, CurrentMemoryContext);
	if (!CheckRelationLockedByMe(source, AccessExclusiveLock, false) || RelationGetNumberOfBlocks(source) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("gymstream.truncated can only be called by the triggers of a rollup"),
				 errdetail("Table \"%s\" is not being truncated.", RelationGetRelationName(source))));
	pending_forget(rollup->partials);
	partials = table_open(rollup->partials, AccessExclusiveLock);
	CheckTableNotInUse(partials, "TRUNCATE");
	gs_truncate(list_make1(partials), list_make1_oid(rollup->partials),
				RelationIsLogicallyLogged(partials) ? list_make1_oid(rollup->partials) : NIL);
	table_close(partials, NoLock);
	table_close(source, NoLock);
	PG_RETURN_BOOL(false);
}
