/*
 * float_sum.c: takes floating point numbers and gives their sum without rounding, from which values
 * can be taken away again. A sum is one long whole number in fixed point: it covers every product
 * of two double precision numbers, with room for as many as can ever be stored. Only the limbs
 * between the lowest and the highest that are not zero are kept. Never depends on the order of
 * values.
 */
#include "rollup/number/float_sum.h"

#include <math.h>

#include "common/int.h"
#include "fmgr.h"
#include "port/pg_bitutils.h"
#include "utils/float.h"
#include "utils/memutils.h"

/* what the lowest bit of limb 0 stands for is 2^-FLOAT_BIAS */
#define FLOAT_BIAS 2208
StaticAssertDecl(FLOAT_BIAS >= -FLOAT_LOWEST_POWER, "room for the lowest power");

/* the limb that has the sign of the greatest sum, and the bits that such a one may have there */
#define TOP_LIMB ((FLOAT_BIAS + FLOAT_HIGHEST_POWER) / 32)
#define TOP_BITS ((FLOAT_BIAS + FLOAT_HIGHEST_POWER) % 32)

/* additions of less than 2^32 each that leave a limb of 64 bits, sign included, far from its end */
#define CARRY_AFTER ((int64) 1 << 29)

/*
 * In memory
 */

/* Room for the limbs from low to the one before high, and for a carry above. */
static FloatDelta *
delta_reach(FloatDelta *delta, int low, int high, MemoryContext keep)
{
	FloatDelta *grown;

	if (delta && low >= delta->low && high < delta->low + delta->nlimbs)
		return delta;
	/* A delta of special values has no limbs, and its low says nothing. */
	if (delta && delta->nlimbs > 0)
	{
		low = Min(low, delta->low);
		high = Max(high + 1, delta->low + delta->nlimbs);
	}
	else
	{
		low--;
		high += 2;
	}
	/*
	 * The old delta is freed here, and the caller takes the one that is returned. New limbs are
	 * zero.
	 */
	grown =
		MemoryContextAllocZero(keep, offsetof(FloatDelta, limbs) + (high - low) * sizeof(int64));
	if (delta)
	{
		memcpy(grown, delta, offsetof(FloatDelta, limbs));
		memcpy(grown->limbs + (delta->low - low) * (delta->nlimbs > 0), delta->limbs,
			   delta->nlimbs * sizeof(int64));
		pfree(delta);
	}
	grown->low = low;
	grown->nlimbs = high - low;
	return grown;
}

/*
 * Leave in each limb but the last its 32 bits. The last one has room for the carries of 2^61
 * additions.
 */
static void
delta_carry(FloatDelta *delta)
{
	/* The shift rounds down: what stays is never negative, and the carry may be. */
	for (int i = 0; i + 1 < delta->nlimbs; i++)
	{
		int64		carry = delta->limbs[i] >> 32;

		delta->limbs[i] &= PG_UINT32_MAX;
		delta->limbs[i + 1] += carry;
	}
	delta->additions = 0;
}

/* Add sign * bits * 2^exponent. */
static FloatDelta *
delta_add_bits(FloatDelta *delta, ExactBits bits, int exponent, int sign, MemoryContext keep)
{
	/* No exponent is below FLOAT_LOWEST_POWER, so the sum with the bias is not negative. */
	int			low = (exponent + FLOAT_BIAS) / 32,
				shift = (exponent + FLOAT_BIAS) % 32,
				high = low + 1;
	uint32		first = (uint32) (bits << shift);
	int64	   *limb;

	bits >>= 32 - shift;
	/*
	 * The first limb has taken 32 - shift bits, and each further limb takes 32. Thus low and high
	 * are known before anything is added.
	 */
	for (ExactBits rest = bits; rest != 0; rest >>= 32)
		high++;
	delta = delta_reach(delta, low, high, keep);
	limb = &delta->limbs[low - delta->low];
	*limb += sign * (int64) first;
	for (; bits != 0; bits >>= 32)
		*++limb += sign * (int64) (uint32) bits;
	/* Carries wait in the limbs, for fewer additions than could overflow one. */
	if (++delta->additions >= CARRY_AFTER)
		delta_carry(delta);
	return delta;
}

FloatDelta *
float_delta_add_special(FloatDelta *delta, FloatSpecial special, int sign, MemoryContext keep)
{
	/* A delta of special values only has no limbs. */
	if (delta == NULL)
		delta = MemoryContextAllocZero(keep, offsetof(FloatDelta, limbs));
	delta->specials[special] += sign;
	return delta;
}

static FloatDelta *
delta_add_not_finite(FloatDelta *delta, double value, int sign, MemoryContext keep)
{
	FloatSpecial special = isnan(value) ? FLOAT_NAN :
						   value > 0	? FLOAT_PLUS_INFINITY :
										  FLOAT_MINUS_INFINITY;

	return float_delta_add_special(delta, special, sign, keep);
}

/*
 * A finite number as sign * mantissa * 2^exponent; the mantissa is odd, so that whole numbers need
 * no limbs below 1.
 */
static uint64
take_apart(double value, int *exponent, int *sign)
{
	uint64		bits,
				mantissa;
	int			zeros;

	memcpy(&bits, &value, sizeof(bits));
	mantissa = bits & ((UINT64CONST(1) << 52) - 1);
	*exponent = (int) (bits >> 52) & 0x7FF;
	/* Denormals have no leading bit, and the exponent of the smallest normal number. */
	if (*exponent != 0)
		mantissa |= UINT64CONST(1) << 52;
	else
		*exponent = 1;
	/* The bias of a double is 1023, and 52 bits of the mantissa are behind the point. */
	*exponent -= 1075;
	if (bits >> 63)
		*sign = -*sign;
	if (mantissa != 0)
	{
		zeros = pg_rightmost_one_pos64(mantissa);
		mantissa >>= zeros;
		*exponent += zeros;
	}
	return mantissa;
}

FloatDelta *
float_delta_add(FloatDelta *delta, double value, int sign, MemoryContext keep)
{
	int			exponent;
	uint64		mantissa;

	/* NaN and infinities have no place in a sum, and are counted. */
	if (unlikely(!isfinite(value)))
		return delta_add_not_finite(delta, value, sign, keep);
	mantissa = take_apart(value, &exponent, &sign);
	return mantissa == 0 ? delta : delta_add_bits(delta, mantissa, exponent, sign, keep);
}

FloatDelta *
float_delta_add_product(FloatDelta *delta, double a, double b, int sign, MemoryContext keep)
{
	int			exponent_a,
				exponent_b;
	uint64		mantissa_a,
				mantissa_b;

	/* A factor that is not finite makes the product NaN or infinite. */
	if (unlikely(!isfinite(a) || !isfinite(b)))
		return delta_add_not_finite(delta, a * b, sign, keep);
	mantissa_a = take_apart(a, &exponent_a, &sign);
	mantissa_b = take_apart(b, &exponent_b, &sign);
	if (mantissa_a == 0 || mantissa_b == 0)
		return delta;
	/* Two mantissas of 53 bits make a product of at most 106, without rounding. */
	return delta_add_bits(delta, (ExactBits) mantissa_a * mantissa_b, exponent_a + exponent_b, sign,
						  keep);
}

FloatDelta *
float_delta_add_integer(FloatDelta *delta, int64 value, int exponent, int sign, MemoryContext keep)
{
	if (value == 0)
		return delta;
	/* The magnitude has no sign, so that the least int64 has one as well. */
	return delta_add_bits(delta, value < 0 ? -(uint64) value : (uint64) value, exponent,
						  value < 0 ? -sign : sign, keep);
}

bool
float_delta_is_zero(FloatDelta *delta)
{
	if (delta == NULL)
		return true;
	for (int i = 0; i < FLOAT_SPECIALS; i++)
		if (delta->specials[i] != 0)
			return false;
	/* Before the carries, limbs of opposite signs may stand for zero. */
	delta_carry(delta);
	for (int i = 0; i < delta->nlimbs; i++)
		if (delta->limbs[i] != 0)
			return false;
	return true;
}

/*
 * As a value
 */
static const uint32 *
sum_limbs(const FloatSum *sum)
{
	/* The counts of special values stand before the limbs, with two words each. */
	return sum->words + 2 * sum->counts;
}

static int
sum_nlimbs(const FloatSum *sum)
{
	return (VARSIZE(sum) - offsetof(FloatSum, words)) / sizeof(uint32) - 2 * sum->counts;
}

/*
 * Of limbs after a carry: what the last one has above 32 bits becomes further limbs, and what is
 * not needed goes.
 */
static FloatSum *
sum_make(const int64 *specials, int low, int n, const int64 *limbs)
{
	uint32	   *words = palloc((n + 2) * sizeof(uint32));
	int			first = 0,
				counts = 0;
	Size		size;
	FloatSum   *sum;

	/* The last limb's upper half and a limb of signs complete the two's complement. */
	for (int i = 0; i < n; i++)
		words[i] = (uint32) limbs[i];
	words[n] = n > 0 ? (uint32) (limbs[n - 1] >> 32) : 0;
	words[n + 1] = n > 0 && limbs[n - 1] < 0 ? PG_UINT32_MAX : 0;
	n += 2;
	/* the top limb tells the sign: it can go where the one below tells the same */
	while (n > 1 && words[n - 1] == ((int32) words[n - 2] < 0 ? PG_UINT32_MAX : 0))
		n--;
	/* Zero has no limbs and a low of 0: equal sums have equal bytes. */
	if (n == 1 && words[0] == 0)
		n = low = 0;
	/* Zeros at the lower end go into low. The top limb stays, since it tells the sign. */
	while (first < n - 1 && words[first] == 0)
		first++;
	/* All counts are stored as soon as one of them is not zero. */
	for (int i = 0; i < FLOAT_SPECIALS; i++)
		if (specials[i] != 0)
			counts = FLOAT_SPECIALS;

	size = offsetof(FloatSum, words) + (2 * counts + n - first) * sizeof(uint32);
	sum = palloc(size);
	SET_VARSIZE(sum, size);
	sum->low = low + first;
	sum->counts = counts;
	memcpy(sum->words, specials, counts * sizeof(int64));
	memcpy(sum->words + 2 * counts, words + first, (n - first) * sizeof(uint32));
	pfree(words);
	return sum;
}

FloatSum *
float_delta_sum(FloatDelta *delta)
{
	static const int64 none[FLOAT_SPECIALS];

	if (delta == NULL)
		return sum_make(none, 0, 0, NULL);
	delta_carry(delta);
	return sum_make(delta->specials, delta->low, delta->nlimbs, delta->limbs);
}

/* False if a count does not fit. */
static bool
add_sum(FloatDelta *delta, const FloatSum *sum)
{
	const uint32 *limbs = sum_limbs(sum);
	int			n = sum_nlimbs(sum);

	for (int i = 0; i < FLOAT_SPECIALS; i++)
		if (pg_add_s64_overflow(delta->specials[i], float_sum_special(sum, i), &delta->specials[i]))
			return false;
	/* Only the top limb has a sign. The caller's delta has a place for all of the sum's limbs. */
	for (int i = 0; i < n; i++)
		delta->limbs[sum->low - delta->low + i] +=
			i == n - 1 ? (int64) (int32) limbs[i] : (int64) limbs[i];
	return true;
}

FloatSum *
float_sum_plus(const FloatSum *a, const FloatSum *b)
{
	int			na = sum_nlimbs(a),
				nb = sum_nlimbs(b),
				low = na == 0 ? b->low : nb == 0 ? a->low : Min(a->low, b->low),
				high = Max(na ? a->low + na : 0, nb ? b->low + nb : 0);
	FloatDelta *delta =
		palloc0(offsetof(FloatDelta, limbs) + (Max(high - low, 0) + 1) * sizeof(int64));
	FloatSum   *sum;

	/* Each limb gets two addends of 32 bits, so that no carry is due in between. */
	delta->low = low;
	delta->nlimbs = Max(high - low, 0);
	/* What does not fit leaves the delta to the caller's context. */
	if (!add_sum(delta, a) || !add_sum(delta, b))
		return NULL;
	sum = float_delta_sum(delta);
	pfree(delta);
	return float_sum_fits(sum) ? sum : NULL;
}

FloatSum *
float_sum_with(const FloatSum *a, const FloatSum *b)
{
	FloatSum   *sum = float_sum_plus(a, b);

	if (sum == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("value out of range in a sum of %s", "gymstream_internal.float_sum")));
	return sum;
}

bool
float_sum_fits(const FloatSum *sum)
{
	int			n = sum_nlimbs(sum);
	int			top = sum->low + n - 1;
	int32		sign;

	if (n == 0 || top < TOP_LIMB)
		return true;
	/* From TOP_BITS on, all bits of the top limb must be its sign. */
	sign = (int32) sum_limbs(sum)[n - 1] >> TOP_BITS;
	return top == TOP_LIMB && (sign == 0 || sign == -1);
}

/* Whether it is what sum_make could have made. */
static bool
is_sound(const FloatSum *sum)
{
	Size		size = VARSIZE(sum);
	const uint32 *limbs;
	int			n;
	int64		counts[FLOAT_SPECIALS] = {0};

	/* The sizes come first, since the rest is read by them. */
	if (size < offsetof(FloatSum, words) ||
		(size - offsetof(FloatSum, words)) % sizeof(uint32) != 0 ||
		(sum->counts != 0 && sum->counts != FLOAT_SPECIALS))
		return false;
	/* Counts that need more words than there are make the number of limbs negative. */
	n = sum_nlimbs(sum);
	if (n < 0 || n > TOP_LIMB + 1 || sum->low < 0 || !float_sum_fits(sum))
		return false;
	/* Counts that are all zero are never stored. */
	if (sum->counts != 0 && memcmp(counts, sum->words, sizeof(counts)) == 0)
		return false;
	/* The sizes are right from here on, so that limbs may be read. */
	limbs = sum_limbs(sum);
	if (n == 0)
		return sum->low == 0;
	/* nothing below the lowest power, which no text may name */
	if (sum->low == 0 && (limbs[0] & ((1U << (FLOAT_BIAS + FLOAT_LOWEST_POWER)) - 1)) != 0)
		return false;
	/* no limb more than it needs at either end */
	return limbs[0] != 0 &&
		(n == 1 || limbs[n - 1] != ((int32) limbs[n - 2] < 0 ? PG_UINT32_MAX : 0));
}

FloatSum *
float_sum_datum(Datum value)
{
	FloatSum   *sum = (FloatSum *) PG_DETOAST_DATUM(value);

	if (!is_sound(sum))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid bytes in a value of type %s", "gymstream_internal.float_sum")));
	return sum;
}

bool
float_sum_is_zero(const FloatSum *sum)
{
	return sum->counts == 0 && sum_nlimbs(sum) == 0;
}

int64
float_sum_special(const FloatSum *sum, FloatSpecial special)
{
	int64		count = 0;

	/* Counts are copied, since words are aligned for 32 bits only. */
	if (sum->counts > 0)
		memcpy(&count, sum->words + 2 * special, sizeof(count));
	return count;
}

bool
float_sum_is_finite(const FloatSum *sum)
{
	return sum->counts == 0;
}

Exact
float_sum_exact(const FloatSum *sum)
{
	int			n = sum_nlimbs(sum);
	uint32	   *limbs = palloc((n + 1) * sizeof(uint32));
	bool		negative = n > 0 && (int32) sum_limbs(sum)[n - 1] < 0;
	uint64		carry = 1;

	memcpy(limbs, sum_limbs(sum), n * sizeof(uint32));
	/* The magnitude of a negative number is its complement and one more. */
	for (int i = 0; negative && i < n; i++)
	{
		carry += (uint32) ~limbs[i];
		limbs[i] = (uint32) carry;
		carry >>= 32;
	}
	return exact_make(negative, 32 * sum->low - FLOAT_BIAS, n, limbs);
}

double
float_sum_total(const FloatSum *sum)
{
	bool		plus = float_sum_special(sum, FLOAT_PLUS_INFINITY) != 0,
				minus = float_sum_special(sum, FLOAT_MINUS_INFINITY) != 0;

	/* As in the server's sum(), both infinities together are NaN. */
	if (float_sum_special(sum, FLOAT_NAN) != 0 || (plus && minus))
		return get_float8_nan();
	if (plus || minus)
		return plus ? get_float8_infinity() : -get_float8_infinity();
	return exact_quotient(float_sum_exact(sum), exact_integer(1));
}
