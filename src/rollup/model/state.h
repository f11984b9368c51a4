/*
 * state.h: the values that a partial's state columns hold, and how they add up.
 */
#ifndef GS_STATE_H
#define GS_STATE_H

#include "base/base.h"

#include "access/tupdesc.h"
#include "common/int128.h"

#include "rollup/number/bit_counts.h"
#include "rollup/number/float_sum.h"
#include "rollup/number/numeric_sum.h"

/* What a state column counts or sums. */
typedef enum StateKind
{
	STATE_COUNT,				/* int8: rows, or rows whose input is not NULL */
	STATE_SUM_SMALL,			/* int8: sum of int2 or int4 */
	STATE_SUM_BIG,				/* numeric: sum of int8 */
	STATE_SUM_NUMERIC,			/* numeric_sum: sum of numeric */
	STATE_SUM_FLOAT,			/* float_sum: sum of float4 or float8 */
	STATE_SUM_PRODUCT,			/* float_sum: sum of products of two of them */
	STATE_SUM_MONTHS,			/* int8: of intervals */
	STATE_SUM_DAYS,				/* int8 */
	STATE_SUM_MICROSECONDS,		/* float_sum: also counts the infinite intervals */
	STATE_SUM_MONEY,			/* numeric: sum of money, in its smallest unit */
	STATE_BITS,					/* bit_counts: by bit, how many integers have it set */
	STATE_XOR,					/* int8: which bits are set in an odd number of them */

	/* what marked.c is about: no sums, and NULL where there is none */
	STATE_MIN_IN,				/* type of the input: the least that came in */
	STATE_MIN_OUT,				/* the least that went out */
	STATE_MAX_IN,
	STATE_MAX_OUT,
	STATE_CHANGED,				/* bool: rows have changed since the values were computed */
	STATE_VALUE					/* type of the aggregate: its value, in one partial of the group */
} StateKind;

/* A delta in memory, while rows are collected. */
typedef union StateDelta
{
	int128		sum;			/* where the column is int8 or numeric */
	NumericSum *numeric;		/* NULL stands for zero */
	FloatDelta *exact;			/* the same */
	BitDelta   *bits;			/* the same */
	struct
	{
		Datum		value;
		bool		known;
	}			extreme;
	bool		changed;
} StateDelta;

#define STATE_IS_SUM(kind) ((kind) < STATE_MIN_IN)

/*
 * Of sums only. Add sign times the input, or the product of the inputs, to the delta; integers come
 * as int8, floats as float8. Works in CurrentMemoryContext, where it leaves garbage; what the delta
 * keeps is allocated in keep.
 */
extern void state_collect(StateKind kind, StateDelta *delta, Datum input, Datum input2, int sign,
						  MemoryContext keep);

/* Make it zero, and free what it kept. */
extern void state_delta_clear(StateKind kind, StateDelta *delta);

extern bool state_delta_is_zero(StateKind kind, const StateDelta *delta);

/* The delta as a value of the state column's type. False if it does not fit. */
extern bool state_delta_datum(StateKind kind, const StateDelta *delta, NullableDatum *value);

/*
 * Of sums only. a + b, both values of the state column's type, neither NULL. False if it does not
 * fit: the caller keeps them apart.
 */
extern bool state_add(StateKind kind, Datum a, Datum b, Datum *sum);

/* Whether the column's value may be forgotten. */
extern bool state_is_zero(StateKind kind, NullableDatum value);

/* The type of the state's column, as SQL names it. */
extern const char *state_type_name(StateKind kind);

#endif							/* GS_STATE_H */
