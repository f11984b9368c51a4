/*
 * fill.c: takes a rollup without partials and gives it those that its source's rows come to. Reads
 * the source by one query, and writes partials through the heap, as writers do: no statement of SQL
 * writes them, so that their guard needs no exception of which a function in the query could make
 * use.
 */
#include "rollup/define/fill.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/owner.h"
#include "rollup/define/progress.h"
#include "rollup/model/sql.h"
#include "rollup/partials/partials.h"

/* What takes the query's rows. */
typedef struct FillReceiver
{
	DestReceiver receiver;
	Partials	partials;
	MemoryContext row;			/* emptied after each */
} FillReceiver;

/* Partials are written as the query gives them: their columns must be declared as it is. */
static void
fill_begin(DestReceiver *self, int operation, TupleDesc desc)
{
	Relation	partials = ((FillReceiver *) self)->partials.relation;

	if (desc->natts != RelationGetNumberOfAttributes(partials))
		elog(ERROR, "a rollup is filled with %d columns, and has %d", desc->natts,
			 RelationGetNumberOfAttributes(partials));
	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->atttypid !=
			TupleDescAttr(RelationGetDescr(partials), i)->atttypid)
			elog(ERROR,
				 "column %d of a rollup's partials has another type than what it is filled with",
				 i + 1);
}

static bool
fill_receive(TupleTableSlot *slot, DestReceiver *self)
{
	FillReceiver *fill = (FillReceiver *) self;
	TupleTableSlot *out = ExecClearTuple(fill->partials.out);
	MemoryContext old;

	slot_getallattrs(slot);
	memcpy(out->tts_values, slot->tts_values, out->tts_tupleDescriptor->natts * sizeof(Datum));
	memcpy(out->tts_isnull, slot->tts_isnull, out->tts_tupleDescriptor->natts * sizeof(bool));
	ExecStoreVirtualTuple(out);
	old = MemoryContextSwitchTo(fill->row);
	partials_insert(&fill->partials);
	MemoryContextSwitchTo(old);
	MemoryContextReset(fill->row);
	return true;
}

static void
fill_end(DestReceiver *self)
{
}

static Query *
analyze_query(const char *sql)
{
	return parse_analyze_fixedparams(linitial_node(RawStmt, pg_parse_query(sql)), sql, NULL, 0,
									 NULL);
}

static void
run_query(Query *analyzed, const char *sql, Oid reader, DestReceiver *receiver)
{
	PlannedStmt *plan;
	QueryDesc  *query;

	PushActiveSnapshot(GetTransactionSnapshot());
	plan = gs_plan_query(analyzed, sql);
	gs_read_as(plan, reader);
	query =
		CreateQueryDesc(plan, sql, GetActiveSnapshot(), InvalidSnapshot, receiver, NULL, NULL, 0);
	ExecutorStart(query, 0);
	gs_executor_run(query);
	ExecutorFinish(query);
	ExecutorEnd(query);
	FreeQueryDesc(query);
	PopActiveSnapshot();
}

/* As the owner. */
static void
fill_rows(Rollup *rollup, Query *query, const char *sql, Oid reader)
{
	FillReceiver fill = {.receiver = {fill_receive, fill_begin, fill_end, fill_end, DestNone}};

	CommandCounterIncrement();
	partials_open(&fill.partials, rollup);
	fill.row =
		AllocSetContextCreate(CurrentMemoryContext, "gymstream fill", ALLOCSET_DEFAULT_SIZES);
	/*
	 * what a function in the query writes into the source would be counted neither here nor by the
	 * triggers
	 */
	rollup_enter(rollup);
	run_query(query, sql, reader, &fill.receiver);
	MemoryContextDelete(fill.row);
	partials_close(&fill.partials);
	CommandCounterIncrement();
	rollup_leave(rollup);
}

void
fill_partials(const RollupRelations *relations, const RollupShape *shape, Oid reader)
{
	Rollup	   *rollup = rollup_acquire(relations->partials);
	char	   *sql = sql_select(shape);
	Query	   *query;
	OwnerCaller caller;

	rollup_release_with(rollup, CurrentMemoryContext);
	progress_begin(relations->rollup, shape->source);
	/* by the reader, who may look into the schema */
	owner_enter(&caller, reader);
	query = analyze_query(sql);
	owner_leave(&caller);
	owner_enter(&caller, rollup->owner);
	fill_rows(rollup, query, sql, reader);
	owner_leave(&caller);
	progress_end();
}
