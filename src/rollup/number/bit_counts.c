/*
 * bit_counts.c: the SQL type bit_counts, the numbers of integers that have each bit set, from which
 * values can be taken away again.
 *
 * Takes integers and gives their bit_or and, with how many they are, their bit_and. A group of n
 * integers takes about log2(n) + 2 words of as many bytes as the widest of them needs. Never
 * depends on the order of values.
 *
 * Text form, itself a JSON array: [3,0,1]. Three have bit 0 set, none bit 1, one bit 2 and each one
 * above.
 */
#include "rollup/number/bit_counts.h"

#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "rollup/number/number_text.h"

#define BITS 64					/* of each plane, and of each count */

/*
 * In memory
 */
static BitDelta *
delta_grow(BitDelta *delta, MemoryContext keep)
{
	/*
	 * A new delta has room for six planes, a full one gets twice its room. It stays in the context
	 * where it began.
	 */
	int			room = delta ? 2 * delta->room : 6;
	Size		size = offsetof(BitDelta, planes) + room * sizeof(int64);

	if (delta == NULL)
	{
		delta = MemoryContextAlloc(keep, size);
		delta->nplanes = 0;
	}
	else
		delta = repalloc(delta, size);
	delta->room = room;
	return delta;
}

/* Make the last plane twice there: so no count leaves the range when one is added or taken away. */
static BitDelta *
delta_reach(BitDelta *delta, MemoryContext keep)
{
	/*
	 * Counts that need one plane less have a digit to spare. One addition uses it up at most, so
	 * the last plane still is the sign.
	 */
	while (delta == NULL || delta->nplanes < 2 ||
		   delta->planes[delta->nplanes - 1] != delta->planes[delta->nplanes - 2])
	{
		if (delta == NULL || delta->nplanes == delta->room)
			delta = delta_grow(delta, keep);
		delta->planes[delta->nplanes] = delta->nplanes ? delta->planes[delta->nplanes - 1] : 0;
		delta->nplanes++;
	}
	return delta;
}

BitDelta *
bit_delta_add(BitDelta *delta, int64 value, int sign, MemoryContext keep)
{
	int64		carry = value;

	if (value == 0)
		return delta;
	delta = delta_reach(delta, keep);
	/*
	 * Each count is a column of digits across the planes. The carry has the bits of those columns
	 * whose addition goes on; taking away borrows where the digit was zero.
	 */
	for (int i = 0; i < delta->nplanes && carry != 0; i++)
	{
		int64		plane = delta->planes[i];

		delta->planes[i] = plane ^ carry;
		carry &= sign > 0 ? plane : ~plane;
	}
	return delta;
}

bool
bit_delta_is_zero(const BitDelta *delta)
{
	for (int i = 0; delta && i < delta->nplanes; i++)
		if (delta->planes[i] != 0)
			return false;
	return true;
}

/*
 * As a value
 */
typedef struct Stored
{
	int			width;
	int			nplanes;
	const char *planes;
} Stored;

static int64
stored_plane(const Stored *counts, int n)
{
	/*
	 * Planes above the last one repeat its sign. Of zero there is no plane, and the address is not
	 * used.
	 */
	const char *bytes = counts->planes + Min(n, counts->nplanes - 1) * counts->width;
	int64		plane = 0;
	int32		four;
	int16		two;

	if (counts->nplanes == 0)
		return 0;
	/*
	 * Planes stand at any address, so that wider ones are copied. The sign of a narrow one fills
	 * the bits above.
	 */
	switch (counts->width)
	{
		case 1:
			return (int8) *bytes;
		case 2:
			memcpy(&two, bytes, 2);
			return two;
		case 4:
			memcpy(&four, bytes, 4);
			return four;
		default:
			memcpy(&plane, bytes, 8);
			return plane;
	}
}

static void
store_plane(char *bytes, int width, int64 plane)
{
	int32		four = (int32) plane;
	int16		two = (int16) plane;

	switch (width)
	{
		case 1:
			*bytes = (char) plane;
			break;
		case 2:
			memcpy(bytes, &two, 2);
			break;
		case 4:
			memcpy(bytes, &four, 4);
			break;
		default:
			memcpy(bytes, &plane, 8);
	}
}

static bool
plane_fits(int64 plane, int width)
{
	/* The width's own sign bit and all bits above it must be the same. */
	return width == 8 || (plane >> (8 * width - 1)) == (plane < 0 ? -1 : 0);
}

/*
 * Whether they are as make_counts writes them: no plane more than is needed, and none of them
 * wider.
 */
static bool
is_sound(const Stored *counts)
{
	int			n = counts->nplanes;
	bool		wide = counts->width == 1;

	if (n < 1 || n > BITS ||
		stored_plane(counts, n - 1) == (n > 1 ? stored_plane(counts, n - 2) : 0))
		return false;
	/* Some plane must need the whole width, unless the width is a single byte. */
	for (int i = 0; i < n && !wide; i++)
		wide = !plane_fits(stored_plane(counts, i), counts->width / 2);
	return wide;
}

/*
 * Error for bytes that no counts have: what follows relies on the width and the number of planes.
 */
static Stored
read_counts(const BitCounts *counts)
{
	Size		size = VARSIZE_ANY_EXHDR(counts);
	Stored		result = {0};

	if (size == 0)
		return result;
	result.width = *VARDATA_ANY(counts);
	result.planes = VARDATA_ANY(counts) + 1;
	/* Bytes of an unknown width or of an odd length leave no planes. That is_sound refuses. */
	if ((result.width == 1 || result.width == 2 || result.width == 4 || result.width == 8) &&
		(size - 1) % result.width == 0 && (size - 1) / result.width <= BITS)
		result.nplanes = (size - 1) / result.width;
	if (!is_sound(&result))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("invalid bytes in a value of type %s", "gymstream_internal.bit_counts")));
	return result;
}

/* NULL if there are too many planes. */
static BitCounts *
make_counts(const int64 *planes, int nplanes)
{
	int			width = 1;
	Size		size;
	BitCounts  *counts;

	/*
	 * A last plane like the one below says nothing: readers take the sign from the one that stays.
	 */
	while (nplanes > 0 && planes[nplanes - 1] == (nplanes > 1 ? planes[nplanes - 2] : 0))
		nplanes--;
	if (nplanes > BITS)
		return NULL;
	for (int i = 0; i < nplanes; i++)
		while (!plane_fits(planes[i], width))
			width *= 2;
	/* Of zero nothing is stored, not even the width. So equal counts have equal bytes. */
	size = VARHDRSZ + (nplanes > 0 ? 1 + nplanes * width : 0);
	counts = palloc(size);
	SET_VARSIZE(counts, size);
	if (nplanes > 0)
		*VARDATA(counts) = width;
	for (int i = 0; i < nplanes; i++)
		store_plane(VARDATA(counts) + 1 + i * width, width, planes[i]);
	return counts;
}

BitCounts *
bit_delta_counts(const BitDelta *delta)
{
	return delta ? make_counts(delta->planes, delta->nplanes) : make_counts(NULL, 0);
}

BitCounts *
bit_counts_plus(const BitCounts *a, const BitCounts *b)
{
	Stored		one = read_counts(a),
				other = read_counts(b);
	/*
	 * A sum needs at most one plane more than the longer addend. stored_plane gives the sign where
	 * an addend has fewer.
	 */
	int64		planes[BITS + 1];
	int			nplanes = Max(one.nplanes, other.nplanes) + 1;
	int64		carry = 0;

	/* This adds all 64 counts at once, digit by digit: the majority of three bits is the carry. */
	for (int i = 0; i < nplanes; i++)
	{
		int64		x = stored_plane(&one, i),
					y = stored_plane(&other, i);

		planes[i] = x ^ y ^ carry;
		carry = (x & y) | (carry & (x ^ y));
	}
	return make_counts(planes, nplanes);
}

bool
bit_counts_is_zero(const BitCounts *counts)
{
	return VARSIZE_ANY_EXHDR(counts) == 0;
}

/*
 * SQL
 */
static BitCounts *
counts_arg(FunctionCallInfo fcinfo, int n)
{
	return (BitCounts *) PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(n));
}

static Datum
sum_of(const BitCounts *a, const BitCounts *b)
{
	BitCounts  *sum = bit_counts_plus(a, b);

	if (sum == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("bigint out of range in a sum of %s", "gymstream_internal.bit_counts")));
	PG_RETURN_POINTER(sum);
}

/* bit_counts_add(bit_counts, bit_counts) returns bit_counts */
PG_FUNCTION_INFO_V1(gs_bit_counts_add);
Datum
gs_bit_counts_add(PG_FUNCTION_ARGS)
{
	return sum_of(counts_arg(fcinfo, 0), counts_arg(fcinfo, 1));
}

/* bit_counts_accumulate(bit_counts, bigint) returns bit_counts: a null value is ignored */
PG_FUNCTION_INFO_V1(gs_bit_counts_accumulate);
Datum
gs_bit_counts_accumulate(PG_FUNCTION_ARGS)
{
	/* The function is not strict, so that a null value leaves the counts as they are. */
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return sum_of(counts_arg(fcinfo, 0), bit_delta_counts(bit_delta_add(NULL, PG_GETARG_INT64(1), 1,
																		CurrentMemoryContext)));
}

/* bit_counts_or(bit_counts) returns bigint: the bits that are set in any value */
PG_FUNCTION_INFO_V1(gs_bit_counts_or);
Datum
gs_bit_counts_or(PG_FUNCTION_ARGS)
{
	Stored		counts = read_counts(counts_arg(fcinfo, 0));
	int64		any = 0;

	/* A count is zero only where all of its digits are. */
	for (int i = 0; i < counts.nplanes; i++)
		any |= stored_plane(&counts, i);
	PG_RETURN_INT64(any);
}

/* bit_counts_and(bit_counts, n bigint) returns bigint: the bits that are set in n values */
PG_FUNCTION_INFO_V1(gs_bit_counts_and);
Datum
gs_bit_counts_and(PG_FUNCTION_ARGS)
{
	Stored		counts = read_counts(counts_arg(fcinfo, 0));
	int64		n = PG_GETARG_INT64(1);
	int64		all = ~INT64CONST(0);

	/* A bit is set in all n values where its count is n, in each digit. */
	for (int i = 0; i < BITS; i++)
		all &= (n >> i) & 1 ? stored_plane(&counts, i) : ~stored_plane(&counts, i);
	PG_RETURN_INT64(all);
}

PG_FUNCTION_INFO_V1(gs_bit_counts_out);
Datum
gs_bit_counts_out(PG_FUNCTION_ARGS)
{
	Stored		counts = read_counts(counts_arg(fcinfo, 0));
	int64		by_bit[BITS] = {0};
	int			shown = BITS;
	StringInfoData out;

	/* Planes have one digit of all counts, and readers want all digits of one count. */
	for (int i = 0; i < BITS; i++)
	{
		int64		plane = stored_plane(&counts, i);

		for (int bit = 0; bit < BITS; bit++)
			by_bit[bit] |= (int64) (((uint64) plane >> bit & 1) << i);
	}
	/*
	 * The last count that is written stands for all higher bits, so that equal counts at the end
	 * are written once.
	 */
	while (shown > 0 && by_bit[shown - 1] == (shown > 1 ? by_bit[shown - 2] : 0))
		shown--;
	initStringInfo(&out);
	appendStringInfoChar(&out, '[');
	for (int bit = 0; bit < shown; bit++)
		appendStringInfo(&out, "%s" INT64_FORMAT, bit ? "," : "", by_bit[bit]);
	appendStringInfoChar(&out, ']');
	PG_RETURN_CSTRING(out.data);
}

/* The counts of all bits; false where the text is not of that form. */
static bool
parse_counts(const char *text, int64 *by_bit)
{
	int			n = 0;

	if (!number_skip(&text, "["))
		return false;
	while (*text != ']')
	{
		if (n == BITS || (n > 0 && !number_skip(&text, ",")) || !number_integer(&text, &by_bit[n]))
			return false;
		n++;
	}
	/* The last count stands for all higher bits. */
	for (int bit = n; bit < BITS; bit++)
		by_bit[bit] = n ? by_bit[n - 1] : 0;
	/* The text is at the closing bracket, and nothing may follow. */
	return text[1] == '\0';
}

PG_FUNCTION_INFO_V1(gs_bit_counts_in);
Datum
gs_bit_counts_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	int64		by_bit[BITS];
	int64		planes[BITS] = {0};

	if (!parse_counts(text, by_bit))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", "gymstream_internal.bit_counts",
						text),
				 errhint("It looks like [3,0,1].")));
	/* Counts of 64 bits have at most 64 planes, so make_counts does not give NULL. */
	for (int i = 0; i < BITS; i++)
		for (int bit = 0; bit < BITS; bit++)
			planes[i] |= (int64) (((uint64) by_bit[bit] >> i & 1) << bit);
	PG_RETURN_POINTER(make_counts(planes, BITS));
}
