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
static uint64 work;

void
debezium_begin_value(void)
{
	work = 0;
}

static void
check_work(Size digits)
{
	CHECK_FOR_INTERRUPTS();
	work += (digits / CHUNK_DIGITS) * (digits / CHUNK_DIGITS);
	if (work > MAX_WORK)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("decimal numbers are too long to be shown as bytes"),
				 errhint("Set the option \"decimal.handling.mode\" to \"string\".")));
}

/* limbs = limbs * factor + add; returns the new number of limbs */
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
	limbs = palloc0((digits / CHUNK_DIGITS + 3) * sizeof(uint32));
	n = read_limbs(number, limbs) + 1;	/* one more for the sign */
	len = n * sizeof(uint32);
	bytes = palloc(len);

	for (int i = 0; i < n && negative; i++)
	{
		carry += (uint32) ~limbs[i];
		limbs[i] = (uint32) carry;
		carry >>= 32;
	}
	for (int i = 0; i < len; i++)
		bytes[len - 1 - i] = limbs[i / sizeof(uint32)] >> (i % sizeof(uint32) * 8);
	while (skip < len - 1 && ((bytes[skip] == 0 && !(bytes[skip + 1] & 0x80)) ||
							  (bytes[skip] == 0xff && (bytes[skip + 1] & 0x80))))
		skip++;
	debezium_append_bytes(out, bytes + skip, len - skip);
	pfree(limbs);
	pfree(bytes);
}
