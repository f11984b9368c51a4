/*
 * debezium_number.c: takes a decimal number's text and gives the bytes of the whole number that its
 * digits make: two's complement, most significant first, no longer than it must be, in base64. Of
 * any length.
 */
#include "decode/debezium.h"

#include "common/base64.h"
#include "miscadmin.h"

#define CHUNK_DIGITS 9
#define CHUNK 1000000000

/* so many multiplications are about a second */
#define MAX_WORK UINT64CONST(1000000000)

/*
 * The length is checked before the buffer is made larger: pg_b64_enc_len counts in int. The encoder
 * writes no zero byte.
 */
void
debezium_append_bytes(StringInfo out, const void *bytes, int len)
{
	int			room;

	json_check_room(out, (uint64) len * 4 / 3);
	room = pg_b64_enc_len(len);
	appendStringInfoChar(out, '"');
	enlargeStringInfo(out, room + 2);
	out->len += pg_b64_encode(bytes, len, out->data + out->len, room + 1);
	appendStringInfoChar(out, '"');
}

/*
 * The work grows with the square of the digits, and an array may have many numbers of 130,000. Who
 * waits for the event gives up after a while, and would meet it again.
 */
static uint64 work_spent;

void
debezium_begin_value(void)
{
	work_spent = 0;
}

/* A cancel is heeded here, since a long number is one loop without any other place for it. */
static void
check_work(Size digits)
{
	CHECK_FOR_INTERRUPTS();
	work_spent += (digits / CHUNK_DIGITS) * (digits / CHUNK_DIGITS);
	if (work_spent > MAX_WORK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("decimal numbers are too long to be shown as bytes"),
				 errhint("Set the option \"decimal.handling.mode\" to \"string\".")));
}

/*
 * limbs = limbs * factor + add; returns the new number of limbs. The carry never overflows: a limb
 * times a factor, and a carry, are below two to the power of 64. The caller has room for one limb
 * more.
 */
static int
multiply_add(uint32 *limbs, int n, uint32 factor, uint32 add)
{
	uint64		carry = add;

	for (int i = 0; i < n; i++)
	{
		carry += (uint64) limbs[i] * factor;
		limbs[i] = (uint32) carry;
		carry >>= 32;
	}
	if (carry > 0)
		limbs[n++] = (uint32) carry;
	return n;
}

/*
 * The whole number in the text's digits, least significant limb first; the sign and the point are
 * passed over.
 */
static int
read_limbs(const char *number, uint32 *limbs)
{
	uint32		chunk = 0;
	uint32		factor = 1;
	int			n = 0;

	for (; *number != '\0'; number++)
	{
		if (*number < '0' || *number > '9')
			continue;
		chunk = chunk * 10 + (*number - '0');
		factor *= 10;
		if (factor == CHUNK)
		{
			n = multiply_add(limbs, n, factor, chunk);
			chunk = 0;
			factor = 1;
		}
	}
	return factor > 1 ? multiply_add(limbs, n, factor, chunk) : n;
}

void
debezium_append_unscaled(StringInfo out, const char *number)
{
	bool		negative = *number == '-';
	Size		digits = strlen(number);
	uint32	   *limbs;
	unsigned char *bytes;
	int			n;
	int			len;
	int			skip = 0;
	uint64		carry = 1;

	check_work(digits);

	/*
	 * Nine digits are less than a limb, so that each chunk adds one limb at most. There is one more
	 * for the digits that are left, and one for the sign. Both arrays are freed at the end: an
	 * array may have many numbers.
	 */
	limbs = palloc0((digits / CHUNK_DIGITS + 3) * sizeof(uint32));
	n = read_limbs(number, limbs) + 1;	/* one more for the sign */
	len = n * sizeof(uint32);
	bytes = palloc(len);

	/*
	 * Two's complement of a negative number: all bits the other way, and one added. The limb above
	 * the number is zero, and becomes the sign.
	 */
	for (int i = 0; i < n && negative; i++)
	{
		carry += (uint32) ~limbs[i];
		limbs[i] = (uint32) carry;
		carry >>= 32;
	}
	for (int i = 0; i < len; i++)
		bytes[len - 1 - i] = limbs[i / sizeof(uint32)] >> (i % sizeof(uint32) * 8);

	/*
	 * As BigInteger does, leading bytes that only repeat the sign are left out. One byte is always
	 * kept.
	 */
	while (skip < len - 1 && ((bytes[skip] == 0 && !(bytes[skip + 1] & 0x80)) ||
							  (bytes[skip] == 0xff && (bytes[skip + 1] & 0x80))))
		skip++;
	debezium_append_bytes(out, bytes + skip, len - skip);
	pfree(limbs);
	pfree(bytes);
}
