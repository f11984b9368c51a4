/*
 * collect.c: takes the old and the new row of a source, reduced to the columns that a rollup uses,
 * and gives pending deltas of groups. Writes no table.
 */
#include "rollup/write/collect.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "base/owner.h"
#include "rollup/write/flush.h"
#include "rollup/write/pending.h"

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
		case FLOAT4OID:
			return Float8GetDatum(DatumGetFloat4(input));
		default:
			return input;
	}
}

/* Not an UPDATE within a group: each state depends on it, also one that reads no column. */
#define ALL_COLUMNS PG_UINT64_MAX
StaticAssertDecl(ROLLUP_MAX_COLUMNS < 64, "a bit for each column");

static bool
state_depends_on(const RollupState *state, uint64 columns)
{
	return columns == ALL_COLUMNS || (state->reads & columns) != 0;
}

/*
 * Add the row to its group, or take it away: in the states that depend on the columns. All values
 * come first: what computes them may clear the pending groups of other subtransactions. True if the
 * rollup's pending deltas have outgrown what they may take.
 */
static bool
collect_row(Rollup *rollup, TupleTableSlot *row, int sign, uint64 columns)
{
	Datum		keys[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	Datum	   *inputs = palloc(rollup->ninputs * sizeof(Datum));
	bool	   *input_isnull = palloc(rollup->ninputs * sizeof(bool));
	PendingRollup *pending;
	PendingGroup *group;

	/*
	 * The row is borrowed: the slot belongs to the rollup, and nothing points into it after this.
	 */
	rollup->econtext->ecxt_scantuple = row;
	if (rollup->filter && !ExecQual(rollup->filter, rollup->econtext))
		return false;
	for (int i = 0; i < rollup->nkeys; i++)
		keys[i] = row_value(rollup, &rollup->keys[i].value, row, &isnull[i]);
	for (int i = 0; i < rollup->ninputs; i++)
		inputs[i] = row_value(rollup, &rollup->inputs[i], row, &input_isnull[i]);
	/*
	 * No expression of the query is evaluated from here on. So the group stays valid, though keys
	 * are still compared.
	 */
	pending = pending_rollup(rollup);
	group = pending_group(pending, keys, isnull);
	for (int i = 0; i < rollup->nstates; i++)
	{
		RollupState *state = &rollup->states[i];
		Datum		input = (Datum) 0,
					input2 = (Datum) 0;

		if (!state_depends_on(state, columns))
			continue;
		if ((state->input >= 0 && input_isnull[state->input]) ||
			(state->input2 >= 0 && input_isnull[state->input2]))
			continue;
		/*
		 * Inputs are in memory that goes with the row. What a delta keeps is copied into the
		 * pending context.
		 */
		if (!STATE_IS_SUM(state->kind))
		{
			input = state->input >= 0 ? inputs[state->input] : (Datum) 0;
			marked_collect(state->kind, state->order, &group->deltas[i], input, sign,
						   pending->context);
			continue;
		}
		if (state->input >= 0 && state->kind != STATE_COUNT)
			input = widen_input(&rollup->inputs[state->input], inputs[state->input]);
		if (state->input2 >= 0)
			input2 = widen_input(&rollup->inputs[state->input2], inputs[state->input2]);
		state_collect(state->kind, &group->deltas[i], input, input2, sign, pending->context);
	}
	return pending_is_large(pending);
}

static bool
collect_rows(Rollup *rollup, bool had_old, bool has_new, uint64 columns)
{
	bool		large = false;
	MemoryContext old;

	/* The memory of the last row is freed here, not after it: an error may have come between. */
	ResetExprContext(rollup->econtext);
	old = MemoryContextSwitchTo(rollup->econtext->ecxt_per_tuple_memory);
	/* The old row goes out before the new one comes in. Nothing is flushed between the two. */
	if (had_old)
		large = collect_row(rollup, rollup->old_row, -1, columns);
	if (has_new)
		large = collect_row(rollup, rollup->new_row, 1, columns) || large;
	MemoryContextSwitchTo(old);
	return large;
}

/*
 * The same where the query calls functions that are not the server's own: as the owner, with a
 * fixed search_path.
 */
static bool
collect_rows_as_owner(Rollup *rollup, bool had_old, bool has_new, uint64 columns)
{
	OwnerCaller caller;
	bool		large;

	owner_enter(&caller, rollup->owner);
	large = collect_rows(rollup, had_old, has_new, columns);
	owner_leave(&caller);
	return large;
}

/*
 * Whether the values are the same to the last bit. What is stored elsewhere or compressed is not
 * looked into.
 */
static bool
is_identical(Datum a, Datum b, Form_pg_attribute column)
{
	if (column->attbyval || column->attlen != -1)
		return datumIsEqual(a, b, column->attbyval, column->attlen);
	return VARSIZE_ANY(DatumGetPointer(a)) == VARSIZE_ANY(DatumGetPointer(b)) &&
		memcmp(DatumGetPointer(a), DatumGetPointer(b), VARSIZE_ANY(DatumGetPointer(a))) == 0;
}

/*
 * Which of the used columns an UPDATE has changed, as bits; all of them if the row may be of
 * another group now.
 */
static uint64
changed_columns(Rollup *rollup)
{
	TupleTableSlot *old = rollup->old_row,
			   *new = rollup->new_row;
	uint64		changed = 0;

	for (int i = 0; i < rollup->ncolumns; i++)
		if (old->tts_isnull[i] != new->tts_isnull[i] ||
			(!old->tts_isnull[i] && !is_identical(old->tts_values[i], new->tts_values[i],
												  TupleDescAttr(old->tts_tupleDescriptor, i))))
			changed |= UINT64CONST(1) << i;
	return changed & rollup->group_reads ? ALL_COLUMNS : changed;
}

/*
 * Once in a subtransaction: until it ends, its lock on the source keeps away who would delete that.
 */
static void
note_uncounted(const Rollup *rollup)
{
	static Oid	noted = InvalidOid;
	static TransactionId noted_by = InvalidTransactionId;

	if (noted == rollup->partials && noted_by == GetCurrentTransactionIdIfAny() &&
		TransactionIdIsValid(noted_by))
		return;
	catalog_uncounted_insert(rollup->partials);
	noted = rollup->partials;
	noted_by = GetCurrentTransactionIdIfAny();
}

void
collect_change(Rollup *rollup, bool had_old, bool has_new)
{
	uint64		columns = had_old && has_new ? changed_columns(rollup) : ALL_COLUMNS;
	bool		large;

	if (columns == 0)
		return;
	if (rollup->stopped)
	{
		note_uncounted(rollup);
		return;
	}
	/* Merging compares keys. So it comes before the rollup is entered. */
	pending_merge();
	rollup_enter(rollup);
	if (rollup->calls_functions)
		large = collect_rows_as_owner(rollup, had_old, has_new, columns);
	else
		large = collect_rows(rollup, had_old, has_new, columns);
	rollup_leave(rollup);
	/* Both rows are in by now. So a flush applies whole changes. */
	if (large)
		flush_rollup(rollup->partials);
}
