/*
 * json.c: takes text in the database's encoding and gives a JSON string, and lines of JSON made of
 * several. Knows no types.
 */
#include "decode/json.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_conversion.h"
#include "catalog/pg_namespace.h"
#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"
#include "utils/memutils.h"

#include "decode/buffer.h"

/* what cannot be copied as it is */
#define IN_STRING 1				/* within a JSON string */
#define IN_RAW 2				/* on a line of JSON */

#define ESCAPED_LEN 6			/* of the longest escape */
#define PIECE_BYTES 512

JsonLimit	json_limit = {PG_INT32_MAX, PG_INT32_MAX};

void
json_refuse_length(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("event would be longer than %d bytes", json_limit.size)));
}

/* Sixteen bytes at a time; a comparison gives all ones for each byte where it holds. */
typedef unsigned char Sixteen __attribute__((vector_size(16)));
typedef signed char SixteenSigned __attribute__((vector_size(16)));

/* A bit for each byte, the first one's lowest: its highest bit. */
static inline uint32
high_bits(Sixteen block)
{
#ifdef __SSE2__
	return __builtin_ia32_pmovmskb128((char __attribute__((vector_size(16)))) block);
#else
	uint64		halves[2];
	uint32		bits = 0;

	memcpy(halves, &block, sizeof(halves));
	for (int i = 0; i < lengthof(halves); i++)
	{
#ifdef WORDS_BIGENDIAN
		halves[i] = pg_bswap64(halves[i]);
#endif
		/* the product has the eight bits, each from its byte, in its highest byte */
		bits |=
			((halves[i] >> 7 & UINT64CONST(0x0101010101010101)) * UINT64CONST(0x0102040810204080) >>
			 56)
			<< 8 * i;
	}
	return bits;
#endif
}

static inline bool
is_special(unsigned char c, int mode)
{
	return mode == IN_RAW ? c == '\n' || c == '\r' : c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
}

/*
 * A bit for each special byte, and with beyond for each byte beyond ASCII: as signed numbers these
 * are below zero. Within a string a null byte is special too: so the padding behind the end must be
 * masked out.
 */
static pg_attribute_always_inline uint32
special_bits(Sixteen block, int mode, bool beyond)
{
	Sixteen		found = beyond ? block : (Sixteen) {0};

	if (mode == IN_RAW)
		return high_bits(found | (Sixteen) (block == '\n') | (Sixteen) (block == '\r'));
	found = beyond ? (Sixteen) ((SixteenSigned) block < 0x20) : (Sixteen) (block < 0x20);
	return high_bits(found | (Sixteen) (block == '"') | (Sixteen) (block == '\\') |
					 (Sixteen) (block == 0x7f));
}

/*
 * A block of fewer bytes than it has room for, one at least, with zeros behind them. Two copies of
 * fixed length that overlap are cheaper than the call that a copy of any length is.
 */
static inline Sixteen
part_of_block(const char *from, int len)
{
	char		padded[sizeof(Sixteen)] = {0};
	Sixteen		block;

	if (len >= 8)
	{
		memcpy(padded, from, 8);
		memcpy(padded + len - 8, from + len - 8, 8);
	}
	else if (len >= 4)
	{
		memcpy(padded, from, 4);
		memcpy(padded + len - 4, from + len - 4, 4);
	}
	else
	{
		padded[0] = from[0];
		padded[len / 2] = from[len / 2];
		padded[len - 1] = from[len - 1];
	}
	memcpy(&block, padded, sizeof(block));
	return block;
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

/* The conversion to UTF-8 that comes with the server. */
static FmgrInfo utf8_conversion = {.fn_oid = InvalidOid};

/*
 * Only a conversion in pg_catalog is taken: one that a user made would run with the rights of
 * decoding. Reads catalogs, hence only inside a transaction. What is found is kept as long as the
 * backend lives.
 */
void
json_conversion_init(void)
{
	Oid			function;

	if (OidIsValid(utf8_conversion.fn_oid) || GetDatabaseEncoding() == PG_UTF8)
		return;
	function = FindDefaultConversion(PG_CATALOG_NAMESPACE, GetDatabaseEncoding(), PG_UTF8);
	if (OidIsValid(function))
		fmgr_info_cxt(function, &utf8_conversion, TopMemoryContext);
}

/*
 * A character; false: there is none in UTF-8. The conversion is told to raise no error: it stops at
 * what it cannot convert, and returns how many bytes it has taken. It ends its result with a zero
 * byte. One character needs far less than the caller's 64 bytes.
 */
static bool
convert_to_utf8(const char *bytes, int len, int encoding, unsigned char *utf8)
{
	if (IsTransactionState())
		json_conversion_init();
	return OidIsValid(utf8_conversion.fn_oid) &&
		   DatumGetInt32(FunctionCall6(&utf8_conversion, Int32GetDatum(encoding),
									   Int32GetDatum(PG_UTF8), CStringGetDatum(bytes),
									   CStringGetDatum((char *) utf8), Int32GetDatum(len),
									   BoolGetDatum(true))) == len;
}

/*
 * Append the character beyond ASCII at bytes, escaped unless this database is UTF-8. Returns its
 * length in bytes.
 */
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
	else if (taken > 0 && convert_to_utf8(bytes, taken, encoding, utf8))
	{
		for (c = utf8; *c != '\0'; c += pg_utf_mblen(c))
			append_code_point(out, utf8_to_unicode(c));
	}
	else
		append_code_point(out, 0xfffd);
	return Max(taken, 1);
}

/* What stands for a byte, in a string or on a line; it is copied whole. */
typedef struct Replacement
{
	char		text[7];
	uint8		more;			/* how much longer than the byte it is */
} Replacement;

static void
replacement_init(Replacement *to, unsigned char c, int mode)
{
	static const char letters[] = {
		['\b'] = 'b',['\t'] = 't',['\n'] = 'n',['\f'] = 'f',['\r'] = 'r',['"'] = '"',['\\'] = '\\',
	};

	to->more = 0;
	to->text[0] = c;
	if (!is_special(c, mode))
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
		to->more = 1;
	}
	else
		to->more = put_unit(to->text + 1, c) - to->text - 1;
}

/* Those of all bytes, made when they are needed first. */
static const Replacement *
replacement_table(int mode)
{
	static Replacement tables[2][256];
	static bool ready[2];
	Replacement *table = tables[mode == IN_RAW];

	if (!ready[mode == IN_RAW])
	{
		for (int c = 0; c < lengthof(tables[0]); c++)
			replacement_init(&table[c], c, mode);
		ready[mode == IN_RAW] = true;
	}
	return table;
}

/*
 * Put each special byte's replacement over it, and what follows it behind that. Two blocks are read
 * from p on. Returns the place for what has no bit: so many bytes further on as have been added.
 */
static pg_attribute_always_inline char *
replace_special(char *to, const char *p, uint32 special, const Replacement *table)
{
	for (; special != 0; special &= special - 1)
	{
		uint32		i = pg_rightmost_one_pos32(special);
		const Replacement *with = &table[(unsigned char) p[i]];

		/*
		 * The whole replacement is copied, since a copy of fixed length is one instruction. What it
		 * has too much is overwritten by what follows the byte: a block, whose end lies in the
		 * second one.
		 */
		memcpy(to + i, with, sizeof(*with));
		to += with->more;
		memcpy(to + i + 1, p + i + 1, sizeof(Sixteen));
	}
	return to;
}

/* The same near the end of all bytes, where a second block cannot be read. */
static pg_noinline char *
replace_at_end(char *to, const char *p, int len, uint32 special, const Replacement *table)
{
	char		padded[2 * sizeof(Sixteen)] = {0};

	memcpy(padded, p, len);
	return replace_special(to, padded, special, table);
}

/*
 * Append a block that has found bits, of so many bytes; it is in its place already. Returns how
 * many it has taken: it ends before the first byte beyond ASCII where beyond says so, since the
 * caller looks at that one.
 */
static pg_attribute_always_inline int
append_found(char **to, const char *p, const char *end, int len, uint32 found, uint32 beyond,
			 const Replacement *table)
{
	if (beyond != 0)
	{
		len = pg_rightmost_one_pos32(beyond);
		found &= (1 << len) - 1;
	}
	*to = (end - p >= 2 * sizeof(Sixteen) ? replace_special(*to, p, found, table) :
		   replace_at_end(*to, p, end - p, found, table)) +
		len;
	return len;
}

/*
 * Append a piece, or less where a byte beyond ASCII comes and ascii says that it must not. Blocks
 * are copied whole, and most have nothing special. Returns where it stopped.
 */
static pg_attribute_always_inline const char *
append_piece(StringInfo out, const char *p, const char *end, int mode, bool ascii)
{
	const Replacement *table = replacement_table(mode);
	int			part = Min(end - p, PIECE_BYTES) % sizeof(Sixteen);
	const char *last = Min(end, p + PIECE_BYTES) - part;
	int			len = sizeof(Sixteen);
	char	   *to;
	Sixteen		block;
	uint32		found;

	/*
	 * Each byte becomes six at most, and the last copy writes one block more than it needs. So
	 * nothing below has to look for room.
	 */
	buffer_need(out, (last - p + 2 * sizeof(Sixteen)) * ESCAPED_LEN + sizeof(Sixteen));
	to = out->data + out->len;
	while (p < last && len == sizeof(Sixteen))
	{
		memcpy(&block, p, sizeof(Sixteen));
		memcpy(to, &block, sizeof(Sixteen));
		found = special_bits(block, mode, ascii);
		if (found == 0)
			to += sizeof(Sixteen);
		else
			len = append_found(&to, p, end, sizeof(Sixteen), found, ascii ? high_bits(block) : 0,
							   table);
		p += len;
	}
	if (part > 0 && len == sizeof(Sixteen))
	{
		block = part_of_block(p, part);
		memcpy(to, &block, sizeof(Sixteen));
		/* the zeros behind the part are no bytes of it */
		found = special_bits(block, mode, ascii) & ((1 << part) - 1);
		if (found == 0)
			to += part;
		else
			part = append_found(&to, p, end, part, found, ascii ? high_bits(block) : 0, table);
		p += part;
	}
	out->len = to - out->data;
	out->data[out->len] = '\0';
	return p;
}

/*
 * In a UTF-8 database a run of valid text is verified once, and then copied without a look at its
 * bytes beyond ASCII. What is not valid goes character by character. The room is checked once a
 * piece: a text that is too long is noticed at most one piece late.
 */
static pg_attribute_always_inline void
append_bytes(StringInfo out, const char *bytes, int len, int mode)
{
	const char *end = bytes + len;
	const char *p = bytes;
	const char *valid = bytes;	/* up to here all is valid UTF-8, in a UTF-8 database */

	while (p < end)
	{
		json_check_room(out, 0);
		p = p < valid ? append_piece(out, p, valid, mode, false) :
			append_piece(out, p, end, mode, true);
		if (p < end && p >= valid && IS_HIGHBIT_SET(*p))
		{
			if (GetDatabaseEncoding() == PG_UTF8)
				valid = p + pg_encoding_verifymbstr(PG_UTF8, p, end - p);
			if (valid <= p)
				p += append_character(out, p, end - p);
		}
	}
}

void
json_append_string(StringInfo out, const char *bytes, int len)
{
	buffer_append_char(out, '"');
	append_bytes(out, bytes, len, IN_STRING);
	buffer_append_char(out, '"');
}

void
json_append_raw(StringInfo out, const char *bytes, int len)
{
	append_bytes(out, bytes, len, IN_RAW);
}
