/*
 * row_message.c: takes a row that no table keeps and gives a transactional message in the log, and
 * back. Reads no catalog. The message carries a seal, so that what its bytes say can be trusted.
 */
#include "topic/row_message.h"

#include "access/htup_details.h"
#include "access/xact.h"

#include "base/seal.h"

/* what precedes the row's bytes */
typedef struct RowHeader
{
	uint64		seal;			/* of all that follows */
	uint32		version;
	Oid			relation;
	uint32		row_type;
	uint32		row_len;
	TransactionId subxid;
	uint32		unused;			/* so that no byte is left undefined */
} RowHeader;

/* Messages of rollups have small numbers in this place. */
#define ROW_VERSION 0x726f7701

void
row_message_write(Oid relation, TupleDesc desc, HeapTuple row)
{
	RowHeader header = {0,		   ROW_VERSION, relation, seal_row_type(desc),
						row->t_len, GetCurrentTransactionId()};
	Size		size = sizeof(header) + row->t_len;
	char	   *content = palloc(size);

	memcpy(content, &header, sizeof(header));
	memcpy(content + sizeof(header), row->t_data, row->t_len);
	/* The seal is for the transaction under which the message is decoded. */
	header.seal = seal_make(content, size, GetTopTransactionId());
	memcpy(content, &header.seal, sizeof(header.seal));
	gs_log_message(GS_MESSAGE_PREFIX, content, size);
	pfree(content);
}

bool
row_message_read(const char *content, Size size, TransactionId xid, RowMessage *message)
{
	RowHeader	header;
	HeapTuple	row;

	if (size < sizeof(header))
		return false;
	memcpy(&header, content, sizeof(header));
	if (header.version != ROW_VERSION || header.row_len < SizeofHeapTupleHeader ||
		header.row_len != size - sizeof(header) || header.seal != seal_make(content, size, xid))
		return false;
	/* The row is copied, since its place in the message need not be aligned. */
	row = palloc(HEAPTUPLESIZE + header.row_len);
	row->t_len = header.row_len;
	row->t_data = (HeapTupleHeader) ((char *) row + HEAPTUPLESIZE);
	memcpy(row->t_data, content + sizeof(header), header.row_len);
	ItemPointerSetInvalid(&row->t_self);
	row->t_tableOid = header.relation;
	*message = (RowMessage) {header.relation, header.subxid, header.row_type, row};
	return true;
}

bool
row_message_fits(const RowMessage *message, TupleDesc desc)
{
	return message->row_type == seal_row_type(desc) &&
		HeapTupleHeaderGetNatts(message->row->t_data) <= desc->natts &&
		!HeapTupleHasExternal(message->row);
}
