/*
 * exact.h: whole numbers of any size times powers of two, and quotients and roots of them as
 * floating point numbers.
 */
#ifndef GS_EXACT_H
#define GS_EXACT_H

#include "base/base.h"

#include "common/int128.h"

typedef unsigned __int128 ExactBits;

/* limbs * 2^exponent, the lowest limb first */
typedef struct Exact
{
	bool		negative;
	int			exponent;
	int			nlimbs;			/* none for zero; the last one is not zero */
	uint32	   *limbs;
} Exact;

/*
 * All of these allocate in CurrentMemoryContext. The limbs of arguments stay the caller's, and are
 * not changed.
 */
extern Exact exact_make(bool negative, int exponent, int nlimbs, uint32 *limbs);
extern Exact exact_integer(int64 value);
extern Exact exact_plus(Exact a, Exact b);
extern Exact exact_minus(Exact a, Exact b);
extern Exact exact_times(Exact a, Exact b);

static inline bool
exact_is_zero(Exact a)
{
	return a.nlimbs == 0;
}

/*
 * a / b, or the square root of a / b with the sign of a, rounded once, to the nearest and to even.
 * b must not be zero. Infinity where it is too big for the type.
 */
extern double exact_quotient(Exact a, Exact b);
extern double exact_root(Exact a, Exact b);
extern float exact_real(Exact a);

/* False if it is not a whole number, or does not fit. */
extern bool exact_to_integer(Exact a, int64 *value);

#endif							/* GS_EXACT_H */
