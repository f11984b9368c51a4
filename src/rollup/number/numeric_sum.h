/*
 * numeric_sum.h: the exact, invertible sum of numerics.
 */
#ifndef GS_NUMERIC_SUM_H
#define GS_NUMERIC_SUM_H

#include "base/base.h"

#include "utils/numeric.h"

/*
 * How many values of one display scale are in the sum. Negative scales are the values that are not
 * finite; and what the sum of the finite ones has beyond a numeric's range, as a number of
 * NUMERIC_SUM_UNITs: positive with a sum that is not negative.
 */
typedef struct ScaleCount
{
	int64		count;
	int32		scale;
	int32		padding;
} ScaleCount;

#define SCALE_NAN (-1)
#define SCALE_PLUS_INFINITY (-2)
#define SCALE_MINUS_INFINITY (-3)
#define SCALE_EXCESS (-4)

#define NUMERIC_SUM_MAX_SCALE 16383	/* of a numeric */

/*
 * Varlena. A numeric follows the scales: the sum of the finite values, less the excess. It is
 * always less than one unit, so that two of them add up to a numeric again.
 */
typedef struct NumericSum
{
	int32		vl_len_;
	int32		nscales;
	ScaleCount	scales[FLEXIBLE_ARRAY_MEMBER];	/* ordered by scale, no count is zero */
} NumericSum;

/* A stored sum, or one given to a function of SQL: error if it has bytes that no sum has. */
extern NumericSum *numeric_sum_datum(Datum value);

/*
 * All of these allocate their result in CurrentMemoryContext. NULL from numeric_sum_plus: a count
 * does not fit. Any sum of numerics does: one that is no numeric any more is an error when it is
 * read.
 */
extern NumericSum *numeric_sum_of(Numeric value, int sign);
extern NumericSum *numeric_sum_plus(const NumericSum *a, const NumericSum *b);
extern bool numeric_sum_is_zero(const NumericSum *sum);

#endif							/* GS_NUMERIC_SUM_H */
