/*
 * json.c: takes text in the database's encoding and gives a JSON string, and lines of JSON made of several. Knows no types.
 */
#include "json.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_conversion.h"
#include "catalog/pg_namespace.h"
#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"

/* what cannot be copied as it is */
#define IN_STRING 1				/* within a JSON string */
#define IN_RAW 2				/* on a line of JSON */

#define ESCAPED_LEN 6			/* of the longest escape */
#define DENSE_BYTES 256

/* Sixteen bytes at a time; a comparison gives all ones for each byte where it holds. */
typedef unsigned char Block __attribute__((vector_size(16)));

/* Which byte is the first that is not zero; as many as there are: none is. */
static inline int
first_set(Block mask)
{
	uint64		halves[2];

	memcpy(halves, &mask, sizeof(halves));
#ifdef WORDS_BIGENDIAN
	if (halves[0])
		return (63 - pg_leftmost_one_pos64(halves[0])) / 8;
	return halves[1] ? 8 + (63 - pg_leftmost_one_pos64(halves[1])) / 8 : sizeof(Block);
#else
	if (halves[0])
		return pg_rightmost_one_pos64(halves[0]) / 8;
	return halves[1] ? 8 + pg_rightmost_one_pos64(halves[1]) / 8 : sizeof(Block);
#endif
}

static inline bool
is_special(unsigned char c, int mode, bool high)
{
	if (IS_HIGHBIT_SET(c))
		return high;
	return mode == IN_RAW ? c == '\n' || c == '\r' : c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

static inline Block
special_bytes(Block block, int mode, bool high)
{
	Block		special;

	if (mode == IN_RAW)
		special = (Block) (block == '\n') | (Block) (block == '\r');
	else
		special = (Block) (block < 0x20) | (Block) (block == '"') | (Block) (block == '\\') | (Block) (block == 0x7f);
	return high ? special | (block & 0x80) : special;
}

/* How many bytes from the start can be copied; those beyond ASCII are special where high. */
static inline Size
plain_length(const char *bytes, Size len, int mode, bool high)
{
	const char *p = bytes;
	const char *end = p + len;

	while (end - p >= sizeof(Block))
	{
		Block		block;
		int			plain;

		memcpy(&block, p, sizeof(block));
		plain = first_set(special_bytes(block, mode, high));
		p += plain;
		if (plain < sizeof(Block))
			return p - bytes;
	}
	while (p < end && !is_special(*p, mode, high))
		p++;
	return p - bytes;
}

/* uXXXX, at a place with enough room; returns its end */
static inline char *
put_unit(char *to, uint32 unit)
{
	static const char hex[] = "0123456789abcdef";

	*to++ = 'u';
	*to++ = hex[unit >> 12];
	*to++ = hex[(unit >> 8) & 15];
	*to++ = hex[(unit >> 4) & 15];
	*to++ = hex[unit & 15];
	return to;
}

static void
append_code_point(StringInfo out, pg_wchar code)
{
	char		text[2 * ESCAPED_LEN];
	char	   *to = text;

	*to++ = '\\';
	if (code >= 0x10000)
	{
		to = put_unit(to, 0xd800 + ((code - 0x10000) >> 10));
		*to++ = '\\';
		to = put_unit(to, 0xdc00 + ((code - 0x10000) & 0x3ff));
	}
	else
		to = put_unit(to, code);
	appendBinaryStringInfo(out, text, to - text);
}

/* The conversion to UTF-8 that comes with the server; InvalidOid where no catalog can be read. */
static Oid
conversion_to_utf8(void)
{
	static Oid	conversion = InvalidOid;

	if (!OidIsValid(conversion) && IsTransactionState())
		conversion = FindDefaultConversion(PG_CATALOG_NAMESPACE, GetDatabaseEncoding(), PG_UTF8);
	return IsTransactionState() ? conversion : InvalidOid;
}

/* Append the character beyond ASCII at bytes, escaped unless this database is UTF-8. Returns its length in bytes. */
static int
append_character(StringInfo out, const char *bytes, int len)
{
	int			encoding = GetDatabaseEncoding() == PG_SQL_ASCII ? PG_UTF8 : GetDatabaseEncoding();
	int			taken = pg_encoding_verifymbchar(encoding, bytes, len);
	unsigned char utf8[64] = "";
	unsigned char *c;

	if (taken > 0 && GetDatabaseEncoding() == PG_UTF8)
		appendBinaryStringInfo(out, bytes, taken);
	else if (taken > 0 && encoding == PG_UTF8)
		append_code_point(out, utf8_to_unicode((const unsigned char *) bytes));
	else if (taken > 0 && OidIsValid(conversion_to_utf8()) &&
			 pg_do_encoding_conversion_buf(conversion_to_utf8(), encoding, PG_UTF8, (unsigned char *) bytes, taken,
										   utf8, sizeof(utf8), true) == taken)
	{
		for (c = utf8; *c != '\0'; c += pg_utf_mblen(c))
			append_code_point(out, utf8_to_unicode(c));
	}
	else
		append_code_point(out, 0xfffd);
	return Max(taken, 1);
}

/* What stands for a byte of ASCII, in a string and on a line; the room for it is copied whole. */
typedef struct Replacement
{
	char		text[8];
	uint8		len;			/* 1: the byte itself, or what is as good; 0: it is beyond ASCII */
} Replacement;

static void
replacement_init(Replacement *to, unsigned char c, int mode)
{
	static const char letters[] = {
		['\b'] = 'b',['\t'] = 't',['\n'] = 'n',['\f'] = 'f',['\r'] = 'r',['"'] = '"',['\\'] = '\\',
	};

	to->len = 1;
	to->text[0] = c;
	if (!is_special(c, mode, true))
		return;
	if (mode == IN_RAW)
	{
		to->text[0] = ' ';
		return;
	}
	to->text[0] = '\\';
	if (c < sizeof(letters) && letters[c] != '\0')
	{
		to->text[1] = letters[c];
		to->len = 2;
	}
	else
		to->len = put_unit(to->text + 1, c) - to->text;
}

/* Those of all bytes, made when they are needed first. */
static const Replacement *
replacements(int mode)
{
	static Replacement tables[2][256];
	static bool ready[2];
	Replacement *table = tables[mode == IN_RAW];

	if (!ready[mode == IN_RAW])
	{
		for (int c = 0; c < 128; c++)
			replacement_init(&table[c], c, mode);
		ready[mode == IN_RAW] = true;
	}
	return table;
}

/*
 * Append a piece of what may have many special bytes, or less where one is beyond ASCII and not known to be valid. Blocks are
 * copied whole, and what is special in them is then overwritten. Returns where it stopped.
 */
static const char *
append_dense(StringInfo out, const char *p, const char *end, const char *valid, int mode)
{
	const Replacement *table = replacements(mode);
	const char *piece = Min(end, p + DENSE_BYTES);
	char	   *to;

	enlargeStringInfo(out, (DENSE_BYTES + sizeof(Block)) * ESCAPED_LEN + sizeof(Block));
	to = out->data + out->len;
	while (p < piece)
	{
		const Replacement *with;

		if (end - p >= sizeof(Block))
		{
			Block		block;
			int			plain;

			memcpy(&block, p, sizeof(block));
			memcpy(to, &block, sizeof(block));
			plain = first_set(special_bytes(block, mode, p + sizeof(Block) > valid));
			p += plain;
			to += plain;
			if (plain == sizeof(Block))
				continue;
		}
		with = &table[(unsigned char) *p];
		if (with->len > 0)
		{
			memcpy(to, with->text, sizeof(with->text));
			to += with->len;
		}
		else if (p < valid)
			*to++ = *p;
		else
			break;
		p++;
	}
	out->len = to - out->data;
	out->data[out->len] = '\0';
	return p;
}

/* Append bytes of which some need a change: the first of them stands at bytes. */
static void
append_special(StringInfo out, const char *bytes, int len, int mode)
{
	const char *end = bytes + len;
	const char *p = bytes;
	const char *valid = bytes;	/* up to here all is valid UTF-8, in a UTF-8 database */

	while (p < end)
	{
		Size		plain;

		p = append_dense(out, p, end, valid, mode);
		if (p < end && IS_HIGHBIT_SET(*p) && valid <= p)
		{
			if (GetDatabaseEncoding() == PG_UTF8)
				valid = p + pg_encoding_verifymbstr(PG_UTF8, p, end - p);
			if (valid <= p)
				p += append_character(out, p, end - p);
		}
		plain = p < valid ? plain_length(p, valid - p, mode, false) : plain_length(p, end - p, mode, true);
		appendBinaryStringInfo(out, p, plain);
		p += plain;
	}
}

void
json_append_string(StringInfo out, const char *bytes, int len)
{
	Size		plain = plain_length(bytes, len, IN_STRING, true);

	enlargeStringInfo(out, len + 2);
	out->data[out->len++] = '"';
	memcpy(out->data + out->len, bytes, plain);
	out->len += plain;
	if (plain < len)
		append_special(out, bytes + plain, len - plain, IN_STRING);
	appendStringInfoChar(out, '"');
}

void
json_append_raw(StringInfo out, const char *bytes, int len)
{
	Size		plain = plain_length(bytes, len, IN_RAW, true);

	appendBinaryStringInfo(out, bytes, plain);
	if (plain < len)
		append_special(out, bytes + plain, len - plain, IN_RAW);
}
