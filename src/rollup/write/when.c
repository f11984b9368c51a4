/*
 * when.c: takes the rows that the WHEN conditions of a source's triggers pass, hands them to
 * collect, and says when what was collected is applied. Writes no table, but truncates partials
 * with their source.
 *
 * WHEN runs with the rights of whoever writes the source, so everyone may call collect. It accepts
 * rows from a trigger's WHEN on the rollup's own source only: nowhere else does the system column
 * tableoid come as a Var of INNER_VAR or OUTER_VAR, which stand for OLD and NEW there (in a plan's
 * node above a scan such a Var has a positive column number). The other arguments must be plain
 * columns of OLD and NEW, so that none can be invented. And the call must have been stored, which
 * leaves it no place in a text: with one, it comes from the body of a function of SQL that was put
 * where a WHEN calls that (whole.c refuses functions whose body is stored, and other triggers).
 */
#include "rollup/write/when.h"

#include "access/relation.h"
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

#include "rollup/model/message.h"
#include "rollup/model/source.h"
#include "rollup/partials/protect.h"
#include "rollup/write/collect.h"
#include "rollup/write/condition.h"
#include "rollup/write/flush.h"
#include "rollup/write/pending.h"

/*
 * Calls
 */
static void
call_refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("gymstream_internal.collect can only be called by the triggers of a rollup"),
			 errdetail("It takes rows from the WHEN condition of a trigger on the rollup's source, "
					   "column by column."),
			 errhint("Rollups are made by gymstream.create_rollup.")));
}

bool
when_needs_event(const Rollup *rollup)
{
	return rollup->inherits || SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
}

/* A call by the trigger's own text. */
typedef struct SqlCall
{
	WhenCall	when;			/* without a rollup: there is none of these partials */
	Oid			table;			/* whose trigger it is */
	int		   *old_columns;	/* for each used column, which argument has it */
	int		   *new_columns;
} SqlCall;

static SqlCall *
call_prepare(FunctionCallInfo fcinfo)
{
	FuncExpr   *expression = (FuncExpr *) fcinfo->flinfo->fn_expr;
	Oid			table = PG_GETARG_OID(1);
	const AttrNumber *columns;
	MemoryContext old;
	SqlCall    *call;

	/*
	 * What is prepared lives as long as the call's expression, and the rollup is kept for as long.
	 */
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	call = palloc0(sizeof(SqlCall));
	call->table = table;
	call->when.rollup = rollup_find(PG_GETARG_OID(0));
	if (call->when.rollup)
	{
		rollup_release_with(call->when.rollup, fcinfo->flinfo->fn_mcxt);
		columns = rollup_table_columns(call->when.rollup, table);
		if (columns == NULL || !condition_arguments(call->when.rollup, columns, expression,
													&call->old_columns, &call->new_columns))
			call_refuse();
		call->when.has_old = call->old_columns != NULL;
		call->when.has_new = call->new_columns != NULL;
		call->when.needs_event = when_needs_event(call->when.rollup);
	}
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = call;
	return call;
}

static void
call_check(FunctionCallInfo fcinfo)
{
	FuncExpr   *expression = (FuncExpr *) fcinfo->flinfo->fn_expr;

	if (expression == NULL || !IsA(expression, FuncExpr) || expression->location >= 0 ||
		!condition_is_collect(expression) || list_length(expression->args) != PG_NARGS())
		call_refuse();
}

bool
when_collect(WhenCall *call)
{
	bool		was_dirty;

	if (!call->needs_event)
	{
		collect_change(call->rollup, call->has_old, call->has_new);
		return false;
	}
	/*
	 * One queued event flushes all that is pending. So another is queued only after deltas were
	 * flushed and new ones have come.
	 */
	was_dirty = pending_is_dirty(call->rollup->partials);
	collect_change(call->rollup, call->has_old, call->has_new);
	if (call->event_queued && (was_dirty || !pending_is_dirty(call->rollup->partials)))
		return false;
	call->event_queued = true;
	return true;
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
 * collect(partials regclass, tableoid oid, VARIADIC "any") returns boolean
 *
 * True now and then where no statement trigger may follow: that queues the event whose function
 * flushes. So it is in a subscriber's apply worker, and where a statement on a parent table writes
 * the source.
 *
 * Where a row moves between partitions under a foreign key, the condition of the UPDATE trigger on
 * the partitioned table is evaluated too, with rows that are of no table. The partitions' own
 * triggers have seen them.
 */
PG_FUNCTION_INFO_V1(gs_collect);
Datum
gs_collect(PG_FUNCTION_ARGS)
{
	SqlCall    *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
	{
		call_check(fcinfo);
		if (!OidIsValid(PG_GETARG_OID(1)))
			PG_RETURN_BOOL(false);
		call = call_prepare(fcinfo);
	}
	if (PG_GETARG_OID(1) != call->table)
		call_refuse();
	if (call->when.rollup == NULL)
		PG_RETURN_BOOL(false);
	rollup_refuse_entered(call->when.rollup->partials);
	load_row(call->when.rollup->old_row, fcinfo, call->old_columns);
	load_row(call->when.rollup->new_row, fcinfo, call->new_columns);
	PG_RETURN_BOOL(when_collect(&call->when));
}

/* flush(partials regclass) returns boolean: applies what is pending; always false */
PG_FUNCTION_INFO_V1(gs_flush);
Datum
gs_flush(PG_FUNCTION_ARGS)
{
	flush_rollup(PG_GETARG_OID(0));
	PG_RETURN_BOOL(false);
}

/*
 * TRUNCATE
 */
static void
truncate_refuse(const char *function, Relation table)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("%s can only be called by the triggers of a rollup", function),
			 errdetail("Table \"%s\" is not being truncated.", RelationGetRelationName(table))));
}

/*
 * truncating(partials regclass) returns boolean: says which rollup a BEFORE TRUNCATE trigger is of;
 * always true
 */
PG_FUNCTION_INFO_V1(gs_truncating);
Datum
gs_truncating(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}

/*
 * Before a table of a partitioned source is truncated: the rows of a partition are taken out of the
 * rollup. If it is the source itself, the partials will be truncated after it, and where it is the
 * first, its partitions need not be read.
 */
static void
before_truncate(const TriggerData *trigger)
{
	Relation	table = trigger->tg_relation;
	FuncExpr   *call = condition_of(trigger->tg_trigger);
	Rollup	   *rollup;

	if (call == NULL || !OidIsValid(condition_partials(call)) ||
		!TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
		truncate_refuse("gymstream_internal.flush_pending before a statement", table);
	rollup_refuse_entered(condition_partials(call));
	rollup = rollup_find(condition_partials(call));
	/*
	 * The rollup may be NULL: its row in the catalog may not be restored yet. TRUNCATE then has
	 * nothing to take out.
	 */
	if (rollup == NULL)
		return;
	rollup_release_with(rollup, CurrentMemoryContext);
	if (RelationGetRelid(table) == rollup->source)
		pending_rollup(rollup)->truncating = true;
	else if (rollup_table_columns(rollup, RelationGetRelid(table)) == NULL)
		truncate_refuse("gymstream_internal.flush_pending before a statement", table);
	else if (table->rd_rel->relkind == RELKIND_RELATION && !pending_rollup(rollup)->truncating)
		collect_table(rollup, table, false);
}

/*
 * Whether the source is being truncated, with all its partitions: nobody else can see locks of ours
 * that exclude all others together with tables that have not a single block. A call from elsewhere
 * has no locks yet: nothing is opened without one.
 */
static bool
is_truncated(Oid source)
{
	bool		truncated = true;
	ListCell   *cell;

	foreach(cell, source_tables(source, AccessShareLock))
	{
		Relation	table = relation_open(lfirst_oid(cell), NoLock);

		/* NoLock: the caller has the source open, and source_tables has locked its partitions. */
		truncated = truncated && CheckRelationLockedByMe(table, AccessExclusiveLock, false) &&
					(table->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ||
					 RelationGetNumberOfBlocks(table) == 0);
		relation_close(table, NoLock);
	}
	return truncated;
}

static void
truncate_partials(void *relation)
{
	Relation	partials = relation;
	Oid			relid = RelationGetRelid(partials);

	/* not logged for decoding, as nothing of theirs is: a message tells of it */
	gs_truncate(list_make1(partials), list_make1_oid(relid), NIL);
}

/*
 * truncated(partials regclass) returns boolean: truncates the partials after their source; always
 * false
 *
 * Everyone may call it, so it looks for itself whether the source is being truncated.
 */
PG_FUNCTION_INFO_V1(gs_truncated);
Datum
gs_truncated(PG_FUNCTION_ARGS)
{
	Rollup	   *rollup = rollup_find(PG_GETARG_OID(0));
	Relation	source;
	Relation	partials;

	if (rollup == NULL)
		PG_RETURN_BOOL(false);
	source = table_open(rollup->source, AccessShareLock);
	rollup_release_with(rollup, CurrentMemoryContext);
	if (!is_truncated(rollup->source))
		truncate_refuse("gymstream_internal.truncated", source);
	/*
	 * What was collected before is of rows that are gone. The lock keeps all readers and writers
	 * out until we end, as the lock on the source does.
	 */
	pending_forget(rollup->partials);
	partials = table_open(rollup->partials, AccessExclusiveLock);
	CheckTableNotInUse(partials, "TRUNCATE");
	protect_write(rollup->partials, truncate_partials, partials);
	if (message_is_wanted(rollup->has_topic))
		message_write_note(rollup->rollup, rollup->partials, ROLLUP_TRUNCATED);
	table_close(partials, NoLock);
	table_close(source, NoLock);
	PG_RETURN_BOOL(false);
}

/* flush_pending(): the function of a rollup's triggers */
PG_FUNCTION_INFO_V1(gs_flush_pending);
Datum
gs_flush_pending(PG_FUNCTION_ARGS)
{
	TriggerData *trigger;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger",
						"gymstream_internal.flush_pending")));
	trigger = (TriggerData *) fcinfo->context;
	if (TRIGGER_FIRED_BEFORE(trigger->tg_event) && TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		before_truncate(trigger);
	else
		flush_all();
	return PointerGetDatum(NULL);
}
