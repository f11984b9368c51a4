/*
 * row_message.h: an event of a topic of no table as a transactional message in the log: a row that
 * no table keeps.
 */
#ifndef GS_ROW_MESSAGE_H
#define GS_ROW_MESSAGE_H

#include "base/base.h"

#include "access/htup.h"
#include "access/tupdesc.h"

typedef struct RowMessage
{
	Oid			relation;		/* the topic's table, of whose row type the row is */
	TransactionId subxid;		/* the (sub)transaction that wrote it */
	uint32		row_type;		/* hash of the row type */
	HeapTuple	row;			/* palloc'd, aligned */
} RowMessage;

/* Log the row in the current transaction. It has no value that is stored elsewhere. */
extern void row_message_write(Oid relation, TupleDesc desc, HeapTuple row);

/* False when the bytes are no message of ours that the top-level transaction xid wrote. */
extern bool row_message_read(const char *content, Size size, TransactionId xid,
							 RowMessage *message);

/* Whether the row can be read with this row type: the table may have been altered since. */
extern bool row_message_fits(const RowMessage *message, TupleDesc desc);

#endif							/* GS_ROW_MESSAGE_H */
