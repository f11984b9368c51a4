/*
 * debezium.h: values as Debezium's connector for PostgreSQL shows them, with the schemas that say
 * what they are.
 */
#ifndef GS_DEBEZIUM_H
#define GS_DEBEZIUM_H

#include "base/base.h"

#include "decode/event.h"

/* of a numeric's type modifier, which is given */
#define DEBEZIUM_SCALE(typmod) ((int) (((((typmod) - VARHDRSZ) & 0x7ff) ^ 1024) - 1024))
#define DEBEZIUM_PRECISION(typmod) ((int) ((((typmod) - VARHDRSZ) >> 16) & 0xffff))

typedef enum DebeziumDecimal
{
	DEBEZIUM_PRECISE,			/* bytes of the unscaled number */
	DEBEZIUM_STRING,
	DEBEZIUM_DOUBLE
} DebeziumDecimal;

typedef enum DebeziumKind
{
	DEBEZIUM_PLAIN,				/* as the other format shows it */
	DEBEZIUM_FLOAT,				/* a number that shows that it is none of the whole ones */
	DEBEZIUM_TEXT,				/* the type's text output, as a string */
	DEBEZIUM_OID,
	DEBEZIUM_DECIMAL,			/* a numeric of a fixed scale */
	DEBEZIUM_VARIABLE_DECIMAL,
	DEBEZIUM_DECIMAL_STRING,
	DEBEZIUM_DECIMAL_DOUBLE,
	DEBEZIUM_MONEY,
	DEBEZIUM_MONEY_STRING,
	DEBEZIUM_MONEY_DOUBLE,
	DEBEZIUM_DATE,
	DEBEZIUM_TIME,
	DEBEZIUM_TIME_MS,
	DEBEZIUM_TIMETZ,
	DEBEZIUM_TIMESTAMP,
	DEBEZIUM_TIMESTAMP_MS,
	DEBEZIUM_TIMESTAMPTZ,
	DEBEZIUM_INTERVAL,
	DEBEZIUM_BYTES,
	DEBEZIUM_BIT,				/* a single one */
	DEBEZIUM_BITS,
	DEBEZIUM_POINT,
	DEBEZIUM_HSTORE,
	DEBEZIUM_ARRAY
} DebeziumKind;

/* A column, or an array's element, prepared once for many values. */
typedef struct DebeziumColumn
{
	DebeziumKind kind;
	JsonColumn	json;
	Oid			type;			/* the base type of a domain */
	int32		typmod;
	struct DebeziumColumn *element; /* of an array */
	int16		element_len;
	bool		element_byval;
	char		element_align;
} DebeziumColumn;

/* Allocates in context what the column needs. */
extern void debezium_column_init(DebeziumColumn *column, Form_pg_attribute attribute,
								 DebeziumDecimal decimal, MemoryContext context);

/* Whether an error in its values leaves nothing behind but memory; see event_gaps.c. */
extern bool debezium_is_contained(const DebeziumColumn *column);

/* A row's next value begins: what may be spent on one may be spent again. */
extern void debezium_begin_value(void);

/* Append a value that is not NULL, or an element of one. Leaves garbage in CurrentMemoryContext. */
extern void debezium_append_value(StringInfo out, DebeziumColumn *column, Datum value);

/*
 * Append what stands for a value that stayed in the TOAST table: null where the type leaves no room
 * for it.
 */
extern void debezium_append_unavailable(StringInfo out, const DebeziumColumn *column);

/* Whether this function prints the type: those of extensions have no fixed OID. */
extern bool debezium_is_printed_by(Oid type, const char *function);

/*
 * Append the schema of a column: {"type":...,"optional":...,"field":"name"}; without a field where
 * name is NULL.
 */
extern void debezium_append_schema(StringInfo out, const DebeziumColumn *column, const char *name,
								   bool optional);

/* Append bytes in base64 as a string. */
extern void debezium_append_bytes(StringInfo out, const void *bytes, int len);

/*
 * Append the bytes of a decimal number without its point, as a Java BigInteger gives them, in
 * base64.
 */
extern void debezium_append_unscaled(StringInfo out, const char *number);

#endif							/* GS_DEBEZIUM_H */
