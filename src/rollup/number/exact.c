/*
 * exact.c: arithmetic without rounding on whole numbers times powers of two; and their quotients
 * and roots, rounded once, as floating point numbers. Takes numbers and gives numbers; knows no sum
 * and no SQL.
 */
#include "rollup/number/exact.h"

#include <float.h>
#include <math.h>

#include "port/pg_bitutils.h"

Exact
exact_make(bool negative, int exponent, int nlimbs, uint32 *limbs)
{
	Exact		result = {negative, exponent, nlimbs, limbs};

	/*
	 * Zero has no limbs, and the last limb of other numbers is not zero. Nothing is copied or
	 * freed: the result points into the caller's array.
	 */
	while (result.nlimbs > 0 && result.limbs[result.nlimbs - 1] == 0)
		result.nlimbs--;
	while (result.nlimbs > 0 && result.limbs[0] == 0)
	{
		result.limbs++;
		result.nlimbs--;
		result.exponent += 32;
	}
	return result;
}

Exact
exact_integer(int64 value)
{
	/*
	 * The magnitude is negated without a sign, since the least int64 has no positive counterpart.
	 */
	uint64		magnitude = value < 0 ? -(uint64) value : (uint64) value;
	uint32	   *limbs = palloc(2 * sizeof(uint32));

	limbs[0] = (uint32) magnitude;
	limbs[1] = (uint32) (magnitude >> 32);
	return exact_make(value < 0, 0, 2, limbs);
}

static int
exact_bits(Exact a)
{
	/* The last limb is not zero, so its leftmost bit is the number's first. */
	return a.nlimbs == 0 ? 0 :
						   32 * (a.nlimbs - 1) + pg_leftmost_one_pos32(a.limbs[a.nlimbs - 1]) + 1;
}

/* The limbs moved up by some bits, with at least so many limbs. */
static uint32 *
shifted_limbs(Exact a, int bits, int nlimbs)
{
	uint32	   *limbs = palloc0(Max(nlimbs, a.nlimbs + bits / 32 + 1) * sizeof(uint32));

	/*
	 * A shift spreads each limb over two. The array has a limb more than the number's, so that both
	 * have a place.
	 */
	for (int i = 0; i < a.nlimbs; i++)
	{
		uint64		part = (uint64) a.limbs[i] << (bits % 32);

		limbs[i + bits / 32] |= (uint32) part;
		limbs[i + bits / 32 + 1] |= (uint32) (part >> 32);
	}
	return limbs;
}

static int
compare_limbs(const uint32 *a, const uint32 *b, int n)
{
	/* The highest limb that differs decides. */
	while (n-- > 0)
		if (a[n] != b[n])
			return a[n] < b[n] ? -1 : 1;
	return 0;
}

/* a -= b, of which a is not the smaller one */
static void
subtract_limbs(uint32 *a, const uint32 *b, int n)
{
	int64		borrow = 0;

	/* The borrow is 0 or -1 between limbs: the shift of a negative number keeps the sign. */
	for (int i = 0; i < n; i++)
	{
		borrow += (int64) a[i] - b[i];
		a[i] = (uint32) borrow;
		borrow >>= 32;
	}
}

Exact
exact_plus(Exact a, Exact b)
{
	int			exponent = Min(a.exponent, b.exponent);
	int			n;
	uint32	   *x,
			   *y;
	uint64		carry = 0;

	/* A sum with zero is the other number, and shares its limbs. */
	if (a.nlimbs == 0 || b.nlimbs == 0)
		return a.nlimbs == 0 ? b : a;
	/*
	 * Both are brought to the lower exponent. There is one limb more than the longer one needs, for
	 * the last carry.
	 */
	n = (Max(a.exponent - exponent + exact_bits(a), b.exponent - exponent + exact_bits(b)) + 31) /
			32 +
		1;
	x = shifted_limbs(a, a.exponent - exponent, n);
	y = shifted_limbs(b, b.exponent - exponent, n);
	/*
	 * Of opposite signs, the smaller magnitude is taken from the larger, and the larger one's sign
	 * stays.
	 */
	if (a.negative != b.negative)
	{
		if (compare_limbs(x, y, n) < 0)
		{
			subtract_limbs(y, x, n);
			return exact_make(b.negative, exponent, n, y);
		}
		subtract_limbs(x, y, n);
		return exact_make(a.negative, exponent, n, x);
	}
	for (int i = 0; i < n; i++)
	{
		carry += (uint64) x[i] + y[i];
		x[i] = (uint32) carry;
		carry >>= 32;
	}
	return exact_make(a.negative, exponent, n, x);
}

Exact
exact_minus(Exact a, Exact b)
{
	b.negative = !b.negative;
	return exact_plus(a, b);
}

Exact
exact_times(Exact a, Exact b)
{
	int			n = a.nlimbs + b.nlimbs;
	uint32	   *limbs = palloc0((n + 1) * sizeof(uint32));

	/*
	 * This multiplies as by hand. A product of two limbs, a limb and a carry together are below
	 * 2^64.
	 */
	for (int i = 0; i < a.nlimbs; i++)
	{
		uint64		carry = 0;

		for (int j = 0; j < b.nlimbs; j++)
		{
			carry += (uint64) a.limbs[i] * b.limbs[j] + limbs[i + j];
			limbs[i + j] = (uint32) carry;
			carry >>= 32;
		}
		limbs[i + b.nlimbs] = (uint32) carry;
	}
	return exact_make(a.negative != b.negative, a.exponent + b.exponent, n, limbs);
}

/*
 * Rounding. A value is bits * 2^exponent, and a little more where it is inexact.
 */
typedef struct Rounded
{
	ExactBits	bits;
	int			exponent;
	bool		inexact;
} Rounded;

/* The first so many bits of a / b, neither of them zero; the first bit may be zero. */
static Rounded
divide_bits(Exact a, Exact b, int nbits)
{
	/*
	 * Both are shifted to the same number of bits, so that the quotient is less than two and more
	 * than a half.
	 */
	int			more = exact_bits(b) - exact_bits(a);
	int			n = Max(a.nlimbs, b.nlimbs) + 2;
	uint32	   *x = shifted_limbs(a, Max(more, 0), n);
	uint32	   *y = shifted_limbs(b, Max(-more, 0), n);
	Rounded		result = {0, a.exponent - b.exponent - more - (nbits - 1), false};

	/*
	 * In each step x is less than 2 * y, since it is doubled only once it is less than y. n leaves
	 * room for the doubling.
	 */
	for (int i = 0; i < nbits; i++)
	{
		uint32		carry = 0;

		result.bits <<= 1;
		if (compare_limbs(x, y, n) >= 0)
		{
			subtract_limbs(x, y, n);
			result.bits |= 1;
		}
		for (int j = 0; j < n; j++)
		{
			uint32		high = x[j] >> 31;

			x[j] = x[j] << 1 | carry;
			carry = high;
		}
	}
	/* A remainder says that the true quotient is a little more than these bits. */
	for (int i = 0; i < n; i++)
		if (x[i] != 0)
			result.inexact = true;
	return result;
}

/* The square root of a value with an even exponent. */
static Rounded
take_root(Rounded value)
{
	Rounded		root = {0, value.exponent / 2, value.inexact};

	/*
	 * Each bit from the highest down is set if the square stays within the value. The root has at
	 * most 64 bits, so that its square fits.
	 */
	for (ExactBits bit = (ExactBits) 1 << 63; bit != 0; bit >>= 1)
	{
		ExactBits	next = root.bits | bit;

		if (next * next <= value.bits)
			root.bits = next;
	}
	/* A value that was inexact has an inexact root, even if these bits are a square. */
	if (root.bits * root.bits != value.bits)
		root.inexact = true;
	return root;
}

/* To so many bits, the last of them not below 2^lowest; to the nearest, and to even. */
static double
round_to(Rounded value, int precision, int lowest)
{
	int			nbits = 0;
	int			unit,
				cut;
	ExactBits	kept,
				rest,
				half;

	while (nbits < 128 && value.bits >> nbits != 0)
		nbits++;
	/* Close to zero the lowest power decides: the result has fewer bits there, as a denormal. */
	unit = Max(value.exponent + nbits - precision, lowest);
	cut = unit - value.exponent;
	/*
	 * Values come with at most 66 bits, so that such a one is less than half a unit. They come with
	 * more bits than the precision, so that something is always cut.
	 */
	if (cut > 127)
		return 0;
	Assert(cut > 0);
	kept = value.bits >> cut;
	rest = value.bits & (((ExactBits) 1 << cut) - 1);
	half = (ExactBits) 1 << (cut - 1);
	/*
	 * A tie goes to the even neighbour. It is no tie if the value is a little more than its bits.
	 */
	if (rest > half || (rest == half && (value.inexact || (kept & 1))))
		kept++;
	/*
	 * kept is at most 2^precision, so that the conversion is exact. ldexp gives infinity where the
	 * exponent is too high.
	 */
	return ldexp((double) (uint64) kept, unit);
}

double
exact_quotient(Exact a, Exact b)
{
	double		result;

	if (a.nlimbs == 0)
		return 0;
	/* These are the bits of a double, one that may be zero, and more to round by. */
	result = round_to(divide_bits(a, b, 66), DBL_MANT_DIG, DBL_MIN_EXP - DBL_MANT_DIG);
	return a.negative != b.negative ? -result : result;
}

double
exact_root(Exact a, Exact b)
{
	Rounded		value;
	double		result;

	if (a.nlimbs == 0)
		return 0;
	/*
	 * Half of the bits are left in the root: enough to round by. One bit more makes an odd exponent
	 * even.
	 */
	value = divide_bits(a, b, 125);
	if (value.exponent % 2 != 0)
		value = divide_bits(a, b, 126);
	result = round_to(take_root(value), DBL_MANT_DIG, DBL_MIN_EXP - DBL_MANT_DIG);
	return a.negative != b.negative ? -result : result;
}

float
exact_real(Exact a)
{
	double		result;

	if (a.nlimbs == 0)
		return 0;
	/*
	 * The value is rounded once, to what a real can hold: the double and the cast do not round
	 * again.
	 */
	result =
		round_to(divide_bits(a, exact_integer(1), 66), FLT_MANT_DIG, FLT_MIN_EXP - FLT_MANT_DIG);
	if (result > FLT_MAX)
		result = INFINITY;
	return (float) (a.negative ? -result : result);
}

bool
exact_to_integer(Exact a, int64 *value)
{
	uint64		magnitude = 0;

	*value = 0;
	if (a.nlimbs == 0)
		return true;
	/*
	 * The lowest limb is not zero, so its rightmost bit is the number's last. A whole number has
	 * none below 1; from here on a negative exponent is above -32.
	 */
	if (a.exponent < 0 && pg_rightmost_one_pos32(a.limbs[0]) < -a.exponent)
		return false;
	/* Within 64 bits no shift below loses any. */
	if (exact_bits(a) + a.exponent > 64)
		return false;
	for (int i = a.nlimbs - 1; i >= 0; i--)
	{
		int			shift = 32 * i + a.exponent;

		magnitude |= shift < 0 ? (uint64) a.limbs[i] >> -shift : (uint64) a.limbs[i] << shift;
	}
	/* The magnitude 2^63 is an int64 with a minus only. */
	*value = a.negative ? (int64) -magnitude : (int64) magnitude;
	return a.negative ? magnitude <= (uint64) 1 << 63 : magnitude < (uint64) 1 << 63;
}
