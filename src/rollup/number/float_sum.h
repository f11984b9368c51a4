/*
 * float_sum.h: the exact, invertible sum of floating point numbers, of products of two of them, and
 * of whole numbers.
 */
#ifndef GS_FLOAT_SUM_H
#define GS_FLOAT_SUM_H

#include "base/base.h"

#include "rollup/number/exact.h"

/* The values that are not finite are counted. */
typedef enum FloatSpecial
{
	FLOAT_NAN,
	FLOAT_PLUS_INFINITY,
	FLOAT_MINUS_INFINITY
} FloatSpecial;

#define FLOAT_SPECIALS (FLOAT_MINUS_INFINITY + 1)

/*
 * What a sum may be made of: multiples of two to the lowest power, below two to the highest. All
 * that rows can add up to is far within: 2^63 products of two numbers need 2^-2148 to 2^2111.
 */
#define FLOAT_LOWEST_POWER (-2200)
#define FLOAT_HIGHEST_POWER 2200

/*
 * Varlena. The sum of the finite values is a whole number of 2^(32 * low - bias), the lowest limb
 * first, in two's complement, without a limb more than it needs: none for zero. Equal sums are the
 * same to the last bit.
 */
typedef struct FloatSum
{
	int32		vl_len_;
	int16		low;
	/* words[] begins with the int64 counts of what is not finite: FLOAT_SPECIALS, or 0 */
	int16		counts;
	uint32		words[FLEXIBLE_ARRAY_MEMBER];
} FloatSum;

/* The same in memory, for many additions: limbs have room for carries, which are put off. */
typedef struct FloatDelta
{
	int64		specials[FLOAT_SPECIALS];
	int32		low;			/* of limbs[0] */
	int32		nlimbs;
	int64		additions;		/* since the last carry */
	int64		limbs[FLEXIBLE_ARRAY_MEMBER];
} FloatDelta;

/*
 * Add sign times a value, a product, or an integer * 2^exponent. The delta, which may be NULL, is
 * returned, moved where it had to grow; it lives in keep.
 */
extern FloatDelta *float_delta_add(FloatDelta *delta, double value, int sign, MemoryContext keep);
extern FloatDelta *float_delta_add_product(FloatDelta *delta, double a, double b, int sign,
										   MemoryContext keep);
extern FloatDelta *float_delta_add_integer(FloatDelta *delta, int64 value, int exponent, int sign,
										   MemoryContext keep);
extern FloatDelta *float_delta_add_special(FloatDelta *delta, FloatSpecial special, int sign,
										   MemoryContext keep);

/* Both may be NULL, for zero. The carries of the delta are made up for. */
extern bool float_delta_is_zero(FloatDelta *delta);
extern FloatSum *float_delta_sum(FloatDelta *delta);

/* A stored sum, or one given to a function of SQL: error if it has bytes that no sum has. */
extern FloatSum *float_sum_datum(Datum value);

/* NULL: the sum, or a count, does not fit. float_sum_with gives an error instead. */
extern FloatSum *float_sum_plus(const FloatSum *a, const FloatSum *b);
extern FloatSum *float_sum_with(const FloatSum *a, const FloatSum *b);

/*
 * Whether its absolute value is less than 2^FLOAT_HIGHEST_POWER, or the least that has this many
 * bits.
 */
extern bool float_sum_fits(const FloatSum *sum);

extern bool float_sum_is_zero(const FloatSum *sum);

/* The sum of the finite values, and how many others there are. */
extern Exact float_sum_exact(const FloatSum *sum);
extern int64 float_sum_special(const FloatSum *sum, FloatSpecial special);
extern bool float_sum_is_finite(const FloatSum *sum);

/* What sum() gives. */
extern double float_sum_total(const FloatSum *sum);

#endif							/* GS_FLOAT_SUM_H */
