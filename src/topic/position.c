/*
 * position.c: the SQL type gymstream.position. Takes text and gives positions, and the other way
 * round; compares them and takes them apart. Reads nothing of the database.
 *
 * As text a position has three numbers, hexadecimal, of a fixed width, with a fourth one where the
 * offset is known: epoch/LSN/index[/offset]. So texts sort as positions do, by their bytes and in
 * the collations of languages alike.
 */
#include "topic/position.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

#define DatumGetPosition(datum) ((Position *) DatumGetPointer(datum))
#define PG_GETARG_POSITION(n) DatumGetPosition(PG_GETARG_DATUM(n))

PG_FUNCTION_INFO_V1(gs_position_in);
PG_FUNCTION_INFO_V1(gs_position_out);
PG_FUNCTION_INFO_V1(gs_position_recv);
PG_FUNCTION_INFO_V1(gs_position_send);
PG_FUNCTION_INFO_V1(gs_position_epoch);
PG_FUNCTION_INFO_V1(gs_position_lsn);
PG_FUNCTION_INFO_V1(gs_position_index);
PG_FUNCTION_INFO_V1(gs_position_offset);
PG_FUNCTION_INFO_V1(gs_position_eq);
PG_FUNCTION_INFO_V1(gs_position_ne);
PG_FUNCTION_INFO_V1(gs_position_lt);
PG_FUNCTION_INFO_V1(gs_position_le);
PG_FUNCTION_INFO_V1(gs_position_gt);
PG_FUNCTION_INFO_V1(gs_position_ge);
PG_FUNCTION_INFO_V1(gs_position_cmp);
PG_FUNCTION_INFO_V1(gs_position_hash);
PG_FUNCTION_INFO_V1(gs_position_hash_extended);

/* ---- text ---- */

/* Eight digits. Every event's position is printed, so this is done without snprintf. */
static char *
put_hex(char *to, uint32 value)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		*to++ = "0123456789ABCDEF"[(value >> shift) & 15];
	return to;
}

static char *
put_hex64(char *to, uint64 value)
{
	return put_hex(put_hex(to, value >> 32), (uint32) value);
}

void
position_print(const Position *position, char *text)
{
	text = put_hex(text, position->epoch);
	*text++ = '/';
	text = put_hex64(text, position->lsn);
	*text++ = '/';
	text = put_hex(text, position->index);
	if (position->offset != POSITION_NO_OFFSET)
	{
		*text++ = '/';
		text = put_hex64(text, position->offset);
	}
	*text = '\0';
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Read one number of 1 to width digits, and leave the text behind it. False: there is none. */
static bool
read_number(const char **text, int width, uint64 *number)
{
	const char *start = *text;

	for (*number = 0; **text && hex_digit(**text) >= 0; (*text)++)
		*number = (*number << 4) | hex_digit(**text);
	return *text > start && *text - start <= width;
}

/* The same with a slash in front of it. */
static bool
read_next(const char **text, int width, uint64 *number)
{
	if (**text != '/')
		return false;
	(*text)++;
	return read_number(text, width, number);
}

static bool
read_position(const char *text, Position *position)
{
	uint64		epoch,
				lsn,
				index,
				offset;

	if (!read_number(&text, 8, &epoch) || !read_next(&text, 16, &lsn) ||
		!read_next(&text, 8, &index))
		return false;
	position->epoch = (uint32) epoch;
	position->lsn = lsn;
	position->index = (uint32) index;
	position->offset = POSITION_NO_OFFSET;
	if (*text == '\0')
		return true;
	if (!read_next(&text, 16, &offset) || offset > PG_INT64_MAX || *text != '\0')
		return false;
	position->offset = (int64) offset;
	return true;
}

/* position_in(cstring) returns position */
Datum
gs_position_in(PG_FUNCTION_ARGS)
{
	char	   *text = PG_GETARG_CSTRING(0);
	Position   *position = palloc(sizeof(Position));

	if (!read_position(text, position))
		gs_ereturn(fcinfo->context, (Datum) 0,
				   (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("invalid input syntax for type %s: \"%s\"", "gymstream.position", text),
					errhint("Write epoch, commit LSN and index as hexadecimal numbers, as in "
							"00000001/00000000019A4C88/00000002.")));
	PG_RETURN_POINTER(position);
}

/* position_out(position) returns cstring */
Datum
gs_position_out(PG_FUNCTION_ARGS)
{
	char	   *text = palloc(POSITION_TEXT_SIZE);

	position_print(PG_GETARG_POSITION(0), text);
	PG_RETURN_CSTRING(text);
}

/* ---- binary: epoch, index, LSN, offset ---- */

/* position_recv(internal) returns position; the caller sees to it that all bytes were read */
Datum
gs_position_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buffer = (StringInfo) PG_GETARG_POINTER(0);
	Position   *position = palloc(sizeof(Position));

	position->epoch = pq_getmsgint(buffer, 4);
	position->index = pq_getmsgint(buffer, 4);
	position->lsn = pq_getmsgint64(buffer);
	position->offset = pq_getmsgint64(buffer);
	if (position->offset < POSITION_NO_OFFSET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid offset in external \"%s\" value", "gymstream.position"),
				 errhint("Send -1 where the position has no offset.")));
	PG_RETURN_POINTER(position);
}

/* position_send(position) returns bytea */
Datum
gs_position_send(PG_FUNCTION_ARGS)
{
	Position   *position = PG_GETARG_POSITION(0);
	StringInfoData buffer;

	pq_begintypsend(&buffer);
	pq_sendint32(&buffer, position->epoch);
	pq_sendint32(&buffer, position->index);
	pq_sendint64(&buffer, position->lsn);
	pq_sendint64(&buffer, position->offset);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buffer));
}

/* ---- parts ---- */

/* position_epoch(position) returns bigint */
Datum
gs_position_epoch(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(PG_GETARG_POSITION(0)->epoch);
}

/* position_lsn(position) returns pg_lsn */
Datum
gs_position_lsn(PG_FUNCTION_ARGS)
{
	PG_RETURN_LSN(PG_GETARG_POSITION(0)->lsn);
}

/* position_index(position) returns bigint */
Datum
gs_position_index(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64(PG_GETARG_POSITION(0)->index);
}

/* position_offset(position) returns bigint: NULL where it is not said */
Datum
gs_position_offset(PG_FUNCTION_ARGS)
{
	Position   *position = PG_GETARG_POSITION(0);

	if (position->offset == POSITION_NO_OFFSET)
		PG_RETURN_NULL();
	PG_RETURN_INT64(position->offset);
}

/* ---- order ---- */

int
position_compare(const Position *a, const Position *b)
{
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	if (a->lsn != b->lsn)
		return a->lsn < b->lsn ? -1 : 1;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return 0;
}

static int
compare_arguments(FunctionCallInfo fcinfo)
{
	return position_compare(PG_GETARG_POSITION(0), PG_GETARG_POSITION(1));
}

Datum
gs_position_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) == 0);
}

Datum
gs_position_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) != 0);
}

Datum
gs_position_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) < 0);
}

Datum
gs_position_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) <= 0);
}

Datum
gs_position_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) > 0);
}

Datum
gs_position_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_arguments(fcinfo) >= 0);
}

/* position_cmp(position, position) returns integer */
Datum
gs_position_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_arguments(fcinfo));
}

/* What is compared stands in front, without a gap. */
#define COMPARED_SIZE offsetof(Position, offset)

/* position_hash(position) returns integer */
Datum
gs_position_hash(PG_FUNCTION_ARGS)
{
	return hash_any((unsigned char *) PG_GETARG_POSITION(0), COMPARED_SIZE);
}

/* position_hash_extended(position, bigint) returns bigint */
Datum
gs_position_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_any_extended((unsigned char *) PG_GETARG_POSITION(0), COMPARED_SIZE,
							 PG_GETARG_INT64(1));
}
