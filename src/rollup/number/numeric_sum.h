/*
 * numeric_sum.h: the exact, invertible sum of numerics.
 */
#ifndef GS_NUMERIC_SUM_H
#define GS_NUMERIC_SUM_H

#include "base/base.h"

#include "utils/numeric.h"

/* How many values of one display scale are in the sum. Negative scales are the values that are not finite. */
typedef struct ScaleCount
{
	int64		count;
	int32		scale;
	int32		padding;
} ScaleCount;

#define SCALE_NAN (-1)
#define SCALE_PLUS_INFINITY (-2)
#define SCALE_MINUS_INFINITY (-3)

/* Varlena. The numeric with the sum of the finite values follows the scales. */
typedef struct NumericSum
{
	int32		vl_len_;
	int32		nscales;
	ScaleCount	scales[FLEXIBLE_ARRAY_MEMBER];	/* ordered by scale, no count is zero */
} NumericSum;

/* All of these allocate their result in CurrentMemoryContext. */
extern NumericSum *numeric_sum_of(Numeric value, int sign);
extern NumericSum *numeric_sum_plus(const NumericSum *a, const NumericSum *b);
extern bool numeric_sum_is_zero(const NumericSum *sum);

#endif							/* GS_NUMERIC_SUM_H */
