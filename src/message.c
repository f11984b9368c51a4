/*
 * message.c: takes a rollup's delta and gives a transactional WAL message, and back. Reads no catalog.
 */
#include "message.h"

#include "access/htup_details.h"

/* what precedes the tuple's bytes; MAXALIGNed within the buffer that is logged */
typedef struct MessageHeader
{
	uint32		version;
	Oid			rollup;
	Oid			partials;
	int32		nkeys;
	uint32		tuple_len;
} MessageHeader;

#define MESSAGE_VERSION 1

void
message_write(Oid rollup, Oid partials, int nkeys, HeapTuple delta)
{
	MessageHeader header = {MESSAGE_VERSION, rollup, partials, nkeys, delta->t_len};
	Size		size = sizeof(header) + delta->t_len;
	char	   *content = palloc(size);

	memcpy(content, &header, sizeof(header));
	memcpy(content + sizeof(header), delta->t_data, delta->t_len);
	gs_log_message(GS_MESSAGE_PREFIX, content, size);
	pfree(content);
}

bool
message_read(const char *content, Size size, RollupMessage *message)
{
	MessageHeader header;
	HeapTuple	tuple;

	if (size < sizeof(header))
		return false;
	memcpy(&header, content, sizeof(header));
	if (header.version != MESSAGE_VERSION || header.tuple_len < SizeofHeapTupleHeader ||
		header.tuple_len != size - sizeof(header))
		return false;

	tuple = palloc(HEAPTUPLESIZE + header.tuple_len);
	tuple->t_len = header.tuple_len;
	tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	memcpy(tuple->t_data, content + sizeof(header), header.tuple_len);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = header.partials;

	message->rollup = header.rollup;
	message->partials = header.partials;
	message->nkeys = header.nkeys;
	message->tuple = tuple;
	return true;
}
