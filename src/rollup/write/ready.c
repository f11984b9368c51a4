/*
 * ready.c: takes the result relations of a statement that starts, and gives the executor the WHEN
 * conditions of rollups' triggers ready-made.
 *
 * The executor reads a condition from its text anew in each statement, at the first row: for a
 * statement of one row that is more work than all that a rollup does. Here it is read once in a
 * backend, checked to be what create_rollup writes, and put in its place when a statement starts,
 * as an expression that takes the columns from the rows and calls no SQL function. What is not
 * known here, or not in that form, or not under ExecutorStart (COPY, a partition that a row is
 * routed to, the statement for which the library is loaded), goes the long way with the same
 * outcome: see when.c.
 */
#include "rollup/write/ready.h"

#include "catalog/pg_class.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/invalidation.h"
#include "rollup/write/condition.h"
#include "rollup/write/flush.h"
#include "rollup/write/pending.h"
#include "rollup/write/late.h"
#include "rollup/write/trigger.h"
#include "rollup/write/when.h"

/* One trigger of a table. */
typedef struct ReadyTrigger
{
	int			index;			/* among the table's triggers */
	Oid			trigger;
	Oid			partials;
	int16		events;			/* TRIGGER_TYPE_... */
	bool		flushes;		/* a call of flush; false: of collect */
	bool		has_old;
	bool		has_new;
} ReadyTrigger;

typedef struct ReadyTable
{
	Oid			table;			/* hash key */
	int			ntriggers;
	ReadyTrigger *triggers;
} ReadyTable;

static HTAB *ready_tables = NULL;
static uint64 invalidation_count = 0;
static ExecutorStart_hook_type next_start = NULL;

/*
 * Reading a condition
 */
static bool
read_condition(Oid table, const Trigger *trigger, ReadyTrigger *ready)
{
	FuncExpr   *call = condition_of(trigger);
	const AttrNumber *columns;
	Rollup	   *rollup;
	int		   *old_columns,
			   *new_columns;
	bool		understood;

	if (call == NULL || !OidIsValid(condition_partials(call)))
		return false;
	ready->trigger = trigger->tgoid;
	ready->events = trigger->tgtype;
	ready->partials = condition_partials(call);
	ready->flushes = trigger_condition_calls(call, "flush");
	if (ready->flushes)
		return true;
	if (!trigger_condition_calls(call, "collect"))
		return false;
	/*
	 * The rollup may be NULL: a dump may have brought the trigger alone. It is needed only to check
	 * the arguments, and is released at once.
	 */
	rollup = rollup_find(ready->partials);
	if (rollup == NULL)
		return false;
	columns = rollup_table_columns(rollup, table);
	understood = columns && condition_arguments(rollup, columns, call, &old_columns, &new_columns);
	if (understood)
	{
		ready->has_old = old_columns != NULL;
		ready->has_new = new_columns != NULL;
	}
	rollup_release(rollup);
	return understood;
}

/* Only a trigger with a function of ours can be a rollup's. */
static bool
is_ours(const Trigger *trigger)
{
	return trigger->tgqual &&
		   (trigger->tgtype & (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE)) &&
		   catalog_is_schema(get_func_namespace(trigger->tgfoid));
}

static int
read_triggers(Oid table, const TriggerDesc *description, ReadyTrigger *triggers)
{
	/* Reading a text allocates much. All of it goes here, since what is found has no pointers. */
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "gymstream conditions", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	int			n = 0;

	for (int i = 0; i < description->numtriggers; i++)
		if (is_ours(&description->triggers[i]) &&
			read_condition(table, &description->triggers[i], &triggers[n]))
			triggers[n++].index = i;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return n;
}

/* Until it is invalidated. */
static void
remember_triggers(Oid oid, const ReadyTrigger *triggers, int ntriggers)
{
	/* The copy is allocated before the entry is made: without memory the table stays as it was. */
	ReadyTrigger *copy = MemoryContextAlloc(CacheMemoryContext, ntriggers * sizeof(ReadyTrigger));
	ReadyTable *table;
	bool		found;

	if (ready_tables == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(Oid), .entrysize = sizeof(ReadyTable)};

		ready_tables = hash_create("gymstream sources", 64, &info, HASH_ELEM | HASH_BLOBS);
	}
	memcpy(copy, triggers, ntriggers * sizeof(ReadyTrigger));
	table = hash_search(ready_tables, &oid, HASH_ENTER, &found);
	if (found)					/* by a statement that a function in the query has run */
		pfree(table->triggers);
	table->ntriggers = ntriggers;
	table->triggers = copy;
}

/*
 * How many triggers with conditions of ours the table has: a copy, since what is remembered may be
 * invalidated any time.
 */
static int
find_triggers(Relation relation, const TriggerDesc *description, ReadyTrigger **triggers)
{
	Oid			oid = RelationGetRelid(relation);
	uint64		before = invalidation_count;
	ReadyTable *table = ready_tables ? hash_search(ready_tables, &oid, HASH_FIND, NULL) : NULL;
	int			n;

	/* The caller owns the copy, in the memory of the statement. */
	if (table)
	{
		*triggers = palloc(table->ntriggers * sizeof(ReadyTrigger));
		memcpy(*triggers, table->triggers, table->ntriggers * sizeof(ReadyTrigger));
		return table->ntriggers;
	}
	*triggers = palloc0(description->numtriggers * sizeof(ReadyTrigger));
	n = read_triggers(oid, description, *triggers);
	/*
	 * Reading looks into catalogs, and so takes in invalidations. What was read before one of them
	 * may be out of date already.
	 */
	if (before == invalidation_count)
		remember_triggers(oid, *triggers, n);
	return n;
}

static void
forget_table(void *entry)
{
	ReadyTable *table = entry;

	pfree(table->triggers);
	(void) hash_search(ready_tables, &table->table, HASH_REMOVE, NULL);
}

static void
invalidate_table(Datum arg, Oid relid)
{
	/* This may be called in the middle of find_triggers. The count tells it. */
	invalidation_count++;
	invalidation_forget(ready_tables, relid, forget_table);
}

/*
 * The expressions
 */
typedef struct ReadyCall
{
	WhenCall	when;
	const AttrNumber *columns;	/* where the table has those that are used */
	AttrNumber	last;			/* the greatest of them */
} ReadyCall;

static void
load_row(TupleTableSlot *row, TupleTableSlot *from, const ReadyCall *call)
{
	ExecClearTuple(row);
	if (call->last > 0)
		slot_getsomeattrs(from, call->last);
	for (int i = 0; i < call->when.rollup->ncolumns; i++)
	{
		/*
		 * The value stays in the executor's slot, which holds the row as long as its condition is
		 * evaluated.
		 */
		row->tts_values[i] = from->tts_values[call->columns[i] - 1];
		row->tts_isnull[i] = from->tts_isnull[call->columns[i] - 1];
	}
	ExecStoreVirtualTuple(row);
}

static Datum
evaluate_collect(ExprState *state, ExprContext *econtext, bool *isnull)
{
	ReadyCall  *call = state->evalfunc_private;

	/* All triggers of a rollup share its row slots. So they are filled only if nobody is in. */
	rollup_refuse_entered(call->when.rollup->partials);
	if (call->when.has_old)
		load_row(call->when.rollup->old_row, econtext->ecxt_innertuple, call);
	if (call->when.has_new)
		load_row(call->when.rollup->new_row, econtext->ecxt_outertuple, call);
	*isnull = false;
	return BoolGetDatum(when_collect(&call->when));
}

/* On a partitioned table, which has no rows of its own: see gs_collect. */
static Datum
evaluate_nothing(ExprState *state, ExprContext *econtext, bool *isnull)
{
	*isnull = false;
	return BoolGetDatum(false);
}

static Datum
evaluate_flush(ExprState *state, ExprContext *econtext, bool *isnull)
{
	flush_rollup(((ReadyTrigger *) state->evalfunc_private)->partials);
	*isnull = false;
	return BoolGetDatum(false);
}

static ReadyCall *
make_call(const ReadyTrigger *ready, Oid table)
{
	ReadyCall  *call = palloc0(sizeof(ReadyCall));
	Rollup	   *rollup = rollup_find(ready->partials);

	if (rollup == NULL)
		return NULL;
	/* The statement keeps the rollup until its memory goes, also by an error. */
	rollup_release_with(rollup, CurrentMemoryContext);
	call->when.rollup = rollup;
	call->when.has_old = ready->has_old;
	call->when.has_new = ready->has_new;
	call->when.needs_event = when_needs_event(rollup);
	call->columns = rollup_table_columns(rollup, table);
	if (call->columns == NULL)
		return NULL;
	for (int i = 0; i < rollup->ncolumns; i++)
		call->last = Max(call->last, call->columns[i]);
	return call;
}

/* NULL: the trigger's text will say what is wrong. */
static ExprState *
make_expression(ReadyTrigger *ready, Relation relation)
{
	ExprState  *state = makeNode(ExprState);

	state->flags = EEO_FLAG_IS_QUAL;
	if (ready->flushes)
	{
		state->evalfunc = evaluate_flush;
		state->evalfunc_private = ready;
		return state;
	}
	state->evalfunc = relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? evaluate_nothing :
																			   evaluate_collect;
	state->evalfunc_private = make_call(ready, RelationGetRelid(relation));
	return state->evalfunc_private ? state : NULL;
}

/*
 * The hook
 */
static void
make_ready(EState *estate, ResultRelInfo *relation, int16 events)
{
	MemoryContext old;
	ReadyTrigger *triggers;
	int			ntriggers;

	if (relation->ri_TrigDesc == NULL || relation->ri_TrigWhenExprs == NULL)
		return;
	/*
	 * Expressions live as long as the statement. Where one is NULL, the executor reads the
	 * trigger's text.
	 */
	old = MemoryContextSwitchTo(estate->es_query_cxt);
	ntriggers = find_triggers(relation->ri_RelationDesc, relation->ri_TrigDesc, &triggers);
	for (int i = 0; i < ntriggers; i++)
	{
		ReadyTrigger *ready = &triggers[i];

		/*
		 * The executor has its own copy of the triggers. A trigger is matched by OID, since the two
		 * copies need not be of one moment.
		 */
		if ((ready->events & events) && ready->index < relation->ri_TrigDesc->numtriggers &&
			relation->ri_TrigDesc->triggers[ready->index].tgoid == ready->trigger)
			relation->ri_TrigWhenExprs[ready->index] =
				make_expression(ready, relation->ri_RelationDesc);
	}
	MemoryContextSwitchTo(old);
}

/*
 * What the statement can do. A condition that is not made ready for it would be read where it is
 * needed.
 */
static int16
statement_events(const PlannedStmt *statement)
{
	const ModifyTable *plan = (const ModifyTable *) statement->planTree;

	if (!statement->hasModifyingCTE && IsA(plan, ModifyTable) &&
		plan->onConflictAction != ONCONFLICT_UPDATE)
		switch (plan->operation)
		{
			case CMD_INSERT:
				return TRIGGER_TYPE_INSERT;
			case CMD_UPDATE:
				return TRIGGER_TYPE_UPDATE;
			case CMD_DELETE:
				return TRIGGER_TYPE_DELETE;
			default:
				break;
		}
	return TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE;
}

static void
ready_start(QueryDesc *query, int flags)
{
	ListCell   *cell;

	if (next_start)
		next_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (flags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	/* The result relations are open and locked from here on. */
	late_check(query->estate);
	foreach(cell, query->estate->es_opened_result_relations)
		make_ready(query->estate, lfirst(cell), statement_events(query->plannedstmt));
}

void
ready_init(void)
{
	invalidation_watch(invalidate_table);
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = ready_start;
}
