/*
 * collect.c: takes the old and the new row of a source, reduced to the columns that a rollup uses, and gives pending
 * deltas of groups. Writes no table.
 */
#include "collect.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "pending.h"

static Datum
row_value(Rollup *rollup, const RollupValue *value, TupleTableSlot *row, bool *isnull)
{
	if (value->column < 0)
		return ExecEvalExpr(value->expression, rollup->econtext, isnull);
	*isnull = row->tts_isnull[value->column];
	return row->tts_values[value->column];
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

/* Add the row to its group, or take it away. All values come first: what computes them may flush the group. */
static void
collect_row(Rollup *rollup, TupleTableSlot *row, int sign)
{
	Datum		keys[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	Datum	   *inputs = palloc(rollup->ninputs * sizeof(Datum));
	bool	   *input_isnull = palloc(rollup->ninputs * sizeof(bool));
	PendingRollup *pending;
	PendingGroup *group;

	rollup->econtext->ecxt_scantuple = row;
	if (rollup->filter && !ExecQual(rollup->filter, rollup->econtext))
		return;
	for (int i = 0; i < rollup->nkeys; i++)
		keys[i] = row_value(rollup, &rollup->keys[i].value, row, &isnull[i]);
	for (int i = 0; i < rollup->ninputs; i++)
		inputs[i] = row_value(rollup, &rollup->inputs[i], row, &input_isnull[i]);
	pending = pending_rollup(rollup);
	group = pending_group(pending, keys, isnull);
	for (int i = 0; i < rollup->nstates; i++)
	{
		RollupState *state = &rollup->states[i];
		Datum		input = (Datum) 0,
					input2 = (Datum) 0;

		if ((state->input >= 0 && input_isnull[state->input]) || (state->input2 >= 0 && input_isnull[state->input2]))
			continue;
		if (state->input >= 0 && state->kind != STATE_COUNT)
			input = widen_input(&rollup->inputs[state->input], inputs[state->input]);
		if (state->input2 >= 0)
			input2 = widen_input(&rollup->inputs[state->input2], inputs[state->input2]);
		state_collect(state->kind, &group->deltas[i], input, input2, sign, pending->context);
	}
}

static void
collect_rows(Rollup *rollup, bool had_old, bool has_new)
{
	MemoryContext old;

	ResetExprContext(rollup->econtext);
	old = MemoryContextSwitchTo(rollup->econtext->ecxt_per_tuple_memory);
	if (had_old)
		collect_row(rollup, rollup->old_row, -1);
	if (has_new)
		collect_row(rollup, rollup->new_row, 1);
	MemoryContextSwitchTo(old);
}

/* The same where the query calls functions that are not the server's own: as the owner, with a fixed search_path. */
static void
collect_rows_as_owner(Rollup *rollup, bool had_old, bool has_new)
{
	Oid			user;
	int			context;
	int			nest = NewGUCNestLevel();

	if (rollup->evaluating)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("a function in the query of a rollup cannot write the source of the rollup")));
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(rollup->owner, context | SECURITY_RESTRICTED_OPERATION);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION);
	rollup->evaluating = true;
	PG_TRY();
	{
		collect_rows(rollup, had_old, has_new);
	}
	PG_FINALLY();
	{
		rollup->evaluating = false;
	}
	PG_END_TRY();
	AtEOXact_GUC(false, nest);
	SetUserIdAndSecContext(user, context);
}

/* Whether an UPDATE left all that the rollup reads as it was, to the last bit. */
static bool
rows_identical(Rollup *rollup)
{
	TupleDesc	desc = rollup->old_row->tts_tupleDescriptor;

	for (int i = 0; i < rollup->ncolumns; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (rollup->old_row->tts_isnull[i] != rollup->new_row->tts_isnull[i])
			return false;
		if (!rollup->old_row->tts_isnull[i] &&
			!datumIsEqual(rollup->old_row->tts_values[i], rollup->new_row->tts_values[i], column->attbyval, column->attlen))
			return false;
	}
	return true;
}

void
collect_change(Rollup *rollup, bool had_old, bool has_new)
{
	if (had_old && has_new && rows_identical(rollup))
		return;
	if (rollup->calls_functions)
		collect_rows_as_owner(rollup, had_old, has_new);
	else
		collect_rows(rollup, had_old, has_new);
}
