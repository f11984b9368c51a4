/*
 * state.h: the values that a partial's state columns hold, and how they add up.
 */
#ifndef GS_STATE_H
#define GS_STATE_H

#include "gymstream.h"

#include "access/tupdesc.h"
#include "common/int128.h"

#include "numeric_sum.h"

/* What a state column counts or sums. */
typedef enum StateKind
{
	STATE_COUNT,				/* int8: rows, or rows whose input is not NULL */
	STATE_SUM_SMALL,			/* int8: sum of int2 or int4 */
	STATE_SUM_BIG,				/* numeric: sum of int8 */
	STATE_SUM_NUMERIC			/* gymstream.numeric_sum: sum of numeric */
} StateKind;

/* A delta in memory, while rows are collected. */
typedef union StateDelta
{
	int128		sum;			/* all kinds but STATE_SUM_NUMERIC */
	NumericSum *numeric;		/* NULL stands for zero */
} StateDelta;

/*
 * Add sign times the input, or the product of the inputs, to the delta; an integer input comes as int8. Works in
 * CurrentMemoryContext, where it leaves garbage; what the delta keeps is allocated in keep.
 */
extern void state_collect(StateKind kind, StateDelta *delta, Datum input, Datum input2, int sign, MemoryContext keep);

extern bool state_delta_is_zero(StateKind kind, const StateDelta *delta);

/* The delta as a value of the state column's type. False if it does not fit. */
extern bool state_delta_datum(StateKind kind, const StateDelta *delta, Datum *value);

/* a + b, both values of the state column's type, neither NULL. False if it does not fit: the caller keeps them apart. */
extern bool state_add(Oid type, Datum a, Datum b, Datum *sum);

extern bool state_is_zero(Oid type, Datum value);

#endif							/* GS_STATE_H */
