/*
 * buffer.h: appends to a StringInfo without a call where there is room, which is nearly always.
 *
 * An event is made of many pieces of few bytes. A call of the server's function for each one would
 * cost more than the bytes do. Other than that function these put no zero byte behind the text: who
 * reads it as a C string appends one.
 */
#ifndef GS_BUFFER_H
#define GS_BUFFER_H

#include "base/base.h"

#include "lib/stringinfo.h"

/* Make room for as many bytes, and for a zero byte behind them. */
static inline void
buffer_need(StringInfo out, int bytes)
{
	if (unlikely(out->maxlen - out->len <= bytes))
		enlargeStringInfo(out, bytes);
}

/* Where the length is a constant, the copy is an instruction or two. */
static inline void
buffer_append(StringInfo out, const char *bytes, int len)
{
	buffer_need(out, len);
	memcpy(out->data + out->len, bytes, len);
	out->len += len;
}

#define buffer_append_literal(out, text) buffer_append(out, "" text "", sizeof(text) - 1)

static inline void
buffer_append_char(StringInfo out, char c)
{
	buffer_need(out, 1);
	out->data[out->len++] = c;
}

/* What buffer_append_blocks copies at a time. */
#define BUFFER_BLOCK 16

/* As many bytes as whole blocks have that hold a text of this length. */
#define BUFFER_BLOCKS_LEN(len) TYPEALIGN(BUFFER_BLOCK, len)

/*
 * Append a short text, block by block: there must be as many bytes to read as BUFFER_BLOCKS_LEN
 * says, and room for as many. What is copied behind the text's end does not count.
 */
static inline void
buffer_append_blocks(StringInfo out, const char *text, int len)
{
	char	   *to = out->data + out->len;

	for (int i = 0; i < len; i += BUFFER_BLOCK)
		memcpy(to + i, text + i, BUFFER_BLOCK);
	out->len += len;
}

#endif							/* GS_BUFFER_H */
