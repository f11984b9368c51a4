/*
 * message.c: takes a rollup's delta and gives a transactional WAL message, and back. Reads no
 * catalog. A message carries a seal, so that what its bytes say can be trusted.
 */
#include "rollup/model/message.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "replication/slot.h"

#include "base/seal.h"

/* what precedes the tuple's bytes; MAXALIGNed within the buffer that is logged */
typedef struct MessageHeader
{
	uint64		seal;			/* of all that follows */
	uint32		version;
	Oid			rollup;
	Oid			partials;
	int32		nkeys;
	uint32		tuple_len;
	uint32		row_type;
	uint32		nstates;		/* so many bytes follow those of the tuple */
	TransactionId subxid;		/* the (sub)transaction that wrote it */
} MessageHeader;

#define MESSAGE_VERSION 4

/*
 * Whether a logical slot of this database, other than our own workers', uses the output plugin.
 * Reads without a lock: a slot's names stand before it reserves the WAL that it will decode, and a
 * false yes costs a message that nobody reads.
 */
static bool
slot_wants(void)
{
	static char own[NAMEDATALEN] = "";

	/* A backend never changes its database, so the name is made once. */
	if (own[0] == '\0')
		snprintf(own, sizeof(own), GS_SLOT_NAME, MyDatabaseId);
	for (int i = 0; i < max_replication_slots; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		if (slot->in_use && slot->data.database == MyDatabaseId &&
			strcmp(NameStr(slot->data.plugin), "gymstream") == 0 &&
			strcmp(NameStr(slot->data.name), own) != 0)
			return true;
	}
	return false;
}

bool
message_is_wanted(bool has_topic)
{
	return XLogLogicalInfoActive() && (has_topic || slot_wants());
}

void
message_write(Oid rollup, Oid partials, int nkeys, TupleDesc desc, HeapTuple delta,
			  const uint8 *kinds)
{
	int			nstates = desc->natts - nkeys;
	MessageHeader header = {0,
							MESSAGE_VERSION,
							rollup,
							partials,
							nkeys,
							delta->t_len,
							seal_row_type(desc),
							nstates,
							GetCurrentTransactionId()};
	Size		size = sizeof(header) + delta->t_len + nstates;
	char	   *content = palloc(size);

	memcpy(content, &header, sizeof(header));
	memcpy(content + sizeof(header), delta->t_data, delta->t_len);
	memcpy(content + sizeof(header) + delta->t_len, kinds, nstates);
	/*
	 * The seal is over the bytes as they are logged, and for the transaction under which they are
	 * decoded.
	 */
	header.seal = seal_make(content, size, GetTopTransactionId());
	memcpy(content, &header.seal, sizeof(header.seal));
	gs_log_message(GS_MESSAGE_PREFIX, content, size);
	pfree(content);
}

/* Whether the header is that of a message of ours with so many bytes. */
static bool
is_ours(const MessageHeader *header, const char *content, Size size, TransactionId xid)
{
	/*
	 * Without the seal the fields may be anybody's. The lengths must agree, so that message_take
	 * reads within the bytes.
	 */
	return header->seal == seal_make(content, size, xid) && header->version == MESSAGE_VERSION &&
		   header->tuple_len >= SizeofHeapTupleHeader &&
		   header->tuple_len + header->nstates == size - sizeof(*header);
}

void
message_take(const char *content, RollupMessage *message)
{
	MessageHeader header;
	HeapTuple	tuple;

	memcpy(&header, content, sizeof(header));
	/* The tuple is copied, since its place in the message need not be aligned. */
	tuple = palloc(HEAPTUPLESIZE + header.tuple_len);
	tuple->t_len = header.tuple_len;
	tuple->t_data = (HeapTupleHeader) ((char *) tuple + HEAPTUPLESIZE);
	memcpy(tuple->t_data, content + sizeof(header), header.tuple_len);
	ItemPointerSetInvalid(&tuple->t_self);
	tuple->t_tableOid = header.partials;

	message->rollup = header.rollup;
	message->subxid = header.subxid;
	message->partials = header.partials;
	message->nkeys = header.nkeys;
	message->row_type = header.row_type;
	message->tuple = tuple;
	message->nstates = header.nstates;
	/* This points into content, which must stay as long as the message is used. */
	message->kinds = (const uint8 *) content + sizeof(header) + header.tuple_len;
}

bool
message_read(const char *content, Size size, TransactionId xid, RollupMessage *message)
{
	MessageHeader header;

	if (size < sizeof(header))
		return false;
	memcpy(&header, content, sizeof(header));
	if (!is_ours(&header, content, size, xid))
		return false;
	message_take(content, message);
	return true;
}

/* What happened to the rollup stands where a delta has the number of its keys. */
void
message_write_note(Oid rollup, Oid partials, RollupNote note)
{
	MessageHeader header = {0, MESSAGE_VERSION,			 rollup, partials, note, 0, 0,
							0, GetCurrentTransactionId()};

	header.seal = seal_make((const char *) &header, sizeof(header), GetTopTransactionId());
	gs_log_message(GS_MESSAGE_PREFIX, (const char *) &header, sizeof(header));
}

/* It has no tuple. */
bool
message_read_note(const char *content, Size size, TransactionId xid, RollupMessage *message,
				  RollupNote *note)
{
	MessageHeader header;

	if (size != sizeof(header))
		return false;
	memcpy(&header, content, sizeof(header));
	if (header.version != MESSAGE_VERSION || header.tuple_len != 0 ||
		header.seal != seal_make(content, size, xid))
		return false;
	memset(message, 0, sizeof(*message));
	message->rollup = header.rollup;
	message->subxid = header.subxid;
	message->partials = header.partials;
	*note = (RollupNote) header.nkeys;
	return true;
}

bool
message_fits(const RollupMessage *message, TupleDesc desc)
{
	/* The partials may have been altered since. A value stored elsewhere may be gone by now. */
	return message->row_type == seal_row_type(desc) &&
		   HeapTupleHeaderGetNatts(message->tuple->t_data) == desc->natts &&
		   message->nkeys + message->nstates == desc->natts &&
		   !HeapTupleHasExternal(message->tuple);
}
