/*
 * json_strict.c: takes bytes that are JSON to PostgreSQL and says whether they are that to every
 * parser. RFC 8259 lets parsers set limits, and they do: to the size of numbers, to the nesting, to
 * what an escape may stand for.
 */
#include "decode/json.h"

/* an exponent beyond is taken for this one */
#define MANY_DIGITS 100000000

/* ---- a quick look, sixteen bytes at a time ---- */

typedef unsigned char Sixteen __attribute__((vector_size(16)));

/* Whether all bits of a comparison's result are zero. */
static inline bool
is_none(Sixteen block)
{
	uint64		halves[2];

	memcpy(halves, &block, sizeof(halves));
	return (halves[0] | halves[1]) == 0;
}

static inline Sixteen
is_digit(Sixteen block)
{
	return (Sixteen) ((Sixteen) (block - '0') < 10);
}

/*
 * Whether a quick look finds nothing that may be too much: no escape, few brackets, no exponent, no
 * long run of digits. Other bytes than those it looks for may be anything, text within strings
 * included: so true is certain, false is not.
 */
static bool
is_plain(const char *bytes, int len)
{
	const char *end = bytes + len;
	int			brackets = 0;
	int			digits = 0;

	for (const char *p = bytes; p < end; p += sizeof(Sixteen))
	{
		Sixteen		block = {0};
		Sixteen		before = {0};
		Sixteen		opening;

		/*
		 * nothing is read behind the end: a last block is padded with zeros, which are no digit, no
		 * bracket and no escape
		 */
		if (end - p >= sizeof(Sixteen))
			memcpy(&block, p, sizeof(Sixteen));
		else
			memcpy(&block, p, end - p);
		/* each byte's predecessor */
		if (p > bytes && end - p >= sizeof(Sixteen))
			memcpy(&before, p - 1, sizeof(Sixteen));
		else
		{
			((unsigned char *) &before)[0] = p > bytes ? p[-1] : 0;
			memcpy((char *) &before + 1, p, Min(end - p, sizeof(Sixteen)) - 1);
		}

		/* an upper case letter and a lower case one differ by 0x20 */
		if (!is_none((Sixteen) (block == '\\') |
					 ((Sixteen) ((block | 0x20) == 'e') & is_digit(before))))
			return false;
		opening = (Sixteen) ((block | 0x20) == '{');
		if (!is_none(opening))
		{
			for (int i = 0; i < sizeof(Sixteen); i++)
				brackets += opening[i] & 1;
			if (brackets > JSON_MAX_DEPTH)
				return false;
		}
		/* a run of as many digits has all but its ends in whole blocks */
		digits = is_none(~is_digit(block)) ? digits + sizeof(Sixteen) : 0;
		if (digits > JSON_MAX_DIGITS - 2 * sizeof(Sixteen))
			return false;
	}
	return true;
}

/* ---- an exact one ---- */

/*
 * The code unit that four hexadecimal digits stand for. The bytes were accepted as JSON by the
 * server: they are hexadecimal digits.
 */
static int
read_unit(const char *p)
{
	int			unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit * 16 + (p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return unit;
}

#define IS_HIGH_SURROGATE(unit) (((unit) & 0xfc00) == 0xd800)
#define IS_LOW_SURROGATE(unit) (((unit) & 0xfc00) == 0xdc00)

/* The end of the string that begins at p; NULL where it has half of a surrogate pair, or none. */
static const char *
pass_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
	{
		int			unit;

		if (*p != '\\')
			continue;
		p++;
		if (p >= end || *p != 'u')
			continue;
		if (end - p < 5)
			return NULL;
		unit = read_unit(p + 1);
		p += 4;
		if (IS_LOW_SURROGATE(unit))
			return NULL;
		if (!IS_HIGH_SURROGATE(unit))
			continue;
		if (end - p < 7 || p[1] != '\\' || p[2] != 'u' || !IS_LOW_SURROGATE(read_unit(p + 3)))
			return NULL;
		p += 6;
	}
	return p < end ? p + 1 : NULL;
}

static const char *
pass_digits(const char *p, const char *end)
{
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/*
 * The end of the number whose first digit is at p; NULL where it may be greater than what a double
 * holds. All digits before the point count, whatever they are: a number near the bound may be
 * refused without need. It is shown as text then, and nothing is lost.
 */
static const char *
pass_number(const char *p, const char *end)
{
	const char *first = p;
	int			exponent = 0;
	int			magnitude;		/* the number is less than ten to the power of that */
	bool		negative = false;

	p = pass_digits(p, end);
	magnitude = p - first;
	if (p < end && *p == '.')
		p = pass_digits(p + 1, end);
	if (p < end && (*p | 0x20) == 'e')
	{
		p++;
		if (p < end && (*p == '-' || *p == '+'))
			negative = *p++ == '-';
		for (; p < end && *p >= '0' && *p <= '9'; p++)
			exponent = Min(exponent * 10 + (*p - '0'), MANY_DIGITS);
	}
	magnitude += negative ? -exponent : exponent;
	return magnitude > JSON_MAX_DIGITS ? NULL : p;
}

/*
 * A quick look settles nearly all values. Only where it is in doubt are the bytes taken apart. A
 * sign or a letter needs no look: it is passed over like a space.
 */
bool
json_is_strict(const char *bytes, int len)
{
	const char *end = bytes + len;
	const char *p = bytes;
	int			depth = 0;

	if (is_plain(bytes, len))
		return true;
	while (p != NULL && p < end)
	{
		if (*p == '"')
			p = pass_string(p, end);
		else if (*p >= '0' && *p <= '9')
			p = pass_number(p, end);
		else
		{
			if (*p == '{' || *p == '[')
				depth++;
			else if (*p == '}' || *p == ']')
				depth--;
			if (depth > JSON_MAX_DEPTH)
				return false;
			p++;
		}
	}
	return p != NULL;
}
