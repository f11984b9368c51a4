/*
 * when.c: takes the rows that the WHEN conditions of a source's triggers pass, hands them to collect, and says when what
 * was collected is applied. Writes no table, but truncates partials with their source.
 *
 * WHEN runs with the rights of whoever writes the source, so everyone may call gymstream.collect. It accepts rows from a
 * trigger's WHEN on the rollup's own source only: nowhere else does the system column tableoid come as a Var of
 * INNER_VAR or OUTER_VAR, which stand for OLD and NEW there (in a plan's node above a scan such a Var has a positive
 * column number). The other arguments must be plain columns of OLD and NEW, so that none can be invented. And the call
 * must have been stored, which leaves it no place in a text: else it comes from the body of a function of SQL that was
 * put where a WHEN calls that (whole.c refuses functions whose body is stored, and other triggers).
 */
#include "when.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/catalog.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "collect.h"
#include "pending.h"
#include "protect.h"

/*
 * Calls
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

/* The argument as a column of OLD or NEW; NULL: it is anything else. */
static const Var *
call_var(const FuncExpr *call, int arg)
{
	const Var  *var = list_nth(call->args, arg);

	return IsA(var, Var) && (var->varno == INNER_VAR || var->varno == OUTER_VAR) ? var : NULL;
}

/* Where each used column of OLD or NEW is among the arguments. NULL where the call has none of that side. */
static bool
call_columns(const Rollup *rollup, const FuncExpr *call, int side, int **columns)
{
	bool		present = call_var(call, 1)->varno == side;

	*columns = palloc(sizeof(int) * (rollup->ncolumns + 1));
	for (int i = 0; i < rollup->ncolumns; i++)
		(*columns)[i] = -1;
	for (int arg = 2; arg < list_length(call->args); arg++)
	{
		const Var  *var = call_var(call, arg);

		if (var->varno != side)
			continue;
		present = true;
		for (int i = 0; i < rollup->ncolumns; i++)
			if (rollup->columns[i] == var->varattno)
				(*columns)[i] = arg;
	}
	for (int i = 0; present && i < rollup->ncolumns; i++)
		if ((*columns)[i] < 0)
			return false;
	if (!present)
		*columns = NULL;
	return true;
}

bool
when_arguments(const Rollup *rollup, const FuncExpr *call, int **old_columns, int **new_columns)
{
	for (int arg = 1; arg < list_length(call->args); arg++)
	{
		const Var  *var = call_var(call, arg);

		if (var == NULL || (arg == 1 ? var->varattno != TableOidAttributeNumber : var->varattno <= 0))
			return false;
	}
	return call_columns(rollup, call, INNER_VAR, old_columns) && call_columns(rollup, call, OUTER_VAR, new_columns);
}

bool
when_needs_event(const Rollup *rollup)
{
	return rollup->inherits || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
}

/* A call by the trigger's own text. */
typedef struct SqlCall
{
	WhenCall	when;
	int		   *old_columns;	/* for each used column, which argument has it */
	int		   *new_columns;
} SqlCall;

static SqlCall *
call_prepare(FunctionCallInfo fcinfo)
{
	FuncExpr   *expression = (FuncExpr *) fcinfo->flinfo->fn_expr;
	MemoryContext old;
	SqlCall    *call;

	if (expression == NULL || !IsA(expression, FuncExpr) || expression->funcvariadic || expression->location >= 0 ||
		list_length(expression->args) < 2 || list_length(expression->args) != PG_NARGS() ||
		!IsA(linitial(expression->args), Const) || PG_ARGISNULL(0))
		call_refuse();

	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	call = palloc0(sizeof(SqlCall));
	call->when.rollup = rollup_acquire(PG_GETARG_OID(0));
	rollup_release_with(call->when.rollup, fcinfo->flinfo->fn_mcxt);
	if (!when_arguments(call->when.rollup, expression, &call->old_columns, &call->new_columns))
		call_refuse();
	call->when.has_old = call->old_columns != NULL;
	call->when.has_new = call->new_columns != NULL;
	call->when.needs_event = when_needs_event(call->when.rollup);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

bool
when_collect(const WhenCall *call)
{
	bool		was_dirty = call->needs_event && pending_is_dirty(call->rollup->partials);

	collect_change(call->rollup, call->has_old, call->has_new);
	return call->needs_event && !was_dirty && pending_is_dirty(call->rollup->partials);
}

/*
 * The SQL functions
 */
static void
load_row(TupleTableSlot *row, FunctionCallInfo fcinfo, const int *columns)
{
	if (columns == NULL)
		return;
	ExecClearTuple(row);
	for (int i = 0; i < row->tts_tupleDescriptor->natts; i++)
	{
		row->tts_values[i] = PG_GETARG_DATUM(columns[i]);
		row->tts_isnull[i] = PG_ARGISNULL(columns[i]);
	}
	ExecStoreVirtualTuple(row);
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
	SqlCall    *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
		call = call_prepare(fcinfo);
	if (PG_GETARG_OID(1) != call->when.rollup->source)
		call_refuse();
	load_row(call->when.rollup->old_row, fcinfo, call->old_columns);
	load_row(call->when.rollup->new_row, fcinfo, call->new_columns);
	PG_RETURN_BOOL(when_collect(&call->when));
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

static void
truncate_partials(void *relation)
{
	Relation	partials = relation;
	Oid			relid = RelationGetRelid(partials);

	gs_truncate(list_make1(partials), list_make1_oid(relid),
				RelationIsLogicallyLogged(partials) ? list_make1_oid(relid) : NIL);
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
	protect_write(rollup->partials, truncate_partials, partials);
	table_close(partials, NoLock);
	table_close(source, NoLock);
	PG_RETURN_BOOL(false);
}
