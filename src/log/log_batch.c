/*
 * log_batch.c: takes events and gives them as one string of bytes, compressed where that helps, and
 * the other way round. Reads and writes no table.
 *
 * The bytes are of this machine's kind, as all that a server stores. What many events have in
 * common, commits above all, stands next to one another, which LZ4 takes well.
 */
#include "log/log_batch.h"

#include "access/toast_compression.h"
#include "access/toast_internals.h"

#include "utils/memutils.h"

#include "log/log_error.h"

typedef struct PackHead
{
	uint32		count;
	uint32		commits;
} PackHead;

typedef struct PackCommit
{
	XLogRecPtr	lsn;
	TimestampTz time;
} PackCommit;

typedef struct PackEntry
{
	uint32		hash;
	uint32		index;
	uint32		size;
	uint32		key_size;		/* 0: it has no key */
	uint32		commit;
} PackEntry;

/* How the bytes that follow are to be taken. */
typedef enum PackMethod
{
	PACK_PLAIN,
	PACK_LZ4					/* a varlena that LZ4 has compressed */
} PackMethod;

#define PackMethodSize sizeof(uint64)	/* keeps what follows aligned */

void
log_pack_init(LogPack *pack)
{
	pack->first = 0;
	pack->count = 0;
	initStringInfo(&pack->commits);
	initStringInfo(&pack->entries);
	initStringInfo(&pack->bodies);
}

void
log_pack_free(LogPack *pack)
{
	pfree(pack->commits.data);
	pfree(pack->entries.data);
	pfree(pack->bodies.data);
}

Size
log_pack_size(const LogPack *pack)
{
	return (Size) pack->commits.len + pack->entries.len + pack->bodies.len;
}

/* The number of the event's commit among those of the batch. */
static uint32
pack_commit(LogPack *pack, const LogEvent *event)
{
	PackCommit	commit = {event->lsn, event->commit_time};
	int			n = pack->commits.len / sizeof(PackCommit);

	if (n == 0 || memcmp(&((PackCommit *) pack->commits.data)[n - 1], &commit, sizeof(commit)) != 0)
	{
		appendBinaryStringInfo(&pack->commits, (char *) &commit, sizeof(commit));
		n++;
	}
	return n - 1;
}

void
log_pack_add(LogPack *pack, const LogEvent *event)
{
	PackEntry	entry = {event->key_hash, event->index, event->size, event->key_size,
						 pack_commit(pack, event)};

	Assert(pack->count == 0 || event->offset == pack->first + pack->count);
	if (pack->count++ == 0)
		pack->first = event->offset;
	appendBinaryStringInfo(&pack->entries, (char *) &entry, sizeof(entry));
	appendBinaryStringInfo(&pack->bodies, event->body, event->size);
	if (event->key_size > 0)
		appendBinaryStringInfo(&pack->bodies, event->key, event->key_size);
}

static void
append_method(StringInfo stored, PackMethod method)
{
	uint64		word = method;

	appendBinaryStringInfo(stored, (char *) &word, sizeof(word));
}

/* NULL where that does not make it shorter, or the server cannot. */
static struct varlena *
compress(struct varlena *plain)
{
#ifdef USE_LZ4
	struct varlena *compressed = lz4_compress_datum(plain);

	if (compressed != NULL)
		TOAST_COMPRESS_SET_SIZE_AND_COMPRESS_METHOD(compressed, VARSIZE(plain) - VARHDRSZ,
													TOAST_LZ4_COMPRESSION_ID);
	return compressed;
#else
	return NULL;
#endif
}

void
log_pack_end(LogPack *pack, StringInfo stored)
{
	PackHead	head = {pack->count, pack->commits.len / sizeof(PackCommit)};
	Size		size = sizeof(head) + log_pack_size(pack);
	struct varlena *plain = palloc(VARHDRSZ + size);
	struct varlena *compressed;
	char	   *to = VARDATA(plain);

	SET_VARSIZE(plain, VARHDRSZ + size);
	memcpy(to, &head, sizeof(head));
	to += sizeof(head);
	memcpy(to, pack->commits.data, pack->commits.len);
	to += pack->commits.len;
	memcpy(to, pack->entries.data, pack->entries.len);
	to += pack->entries.len;
	memcpy(to, pack->bodies.data, pack->bodies.len);

	compressed = compress(plain);
	initStringInfo(stored);
	append_method(stored, compressed ? PACK_LZ4 : PACK_PLAIN);
	if (compressed)
		appendBinaryStringInfo(stored, (char *) compressed, VARSIZE(compressed));
	else
		appendBinaryStringInfo(stored, VARDATA(plain), size);
	pfree(plain);
	if (compressed)
		pfree(compressed);
	pack->count = 0;
	resetStringInfo(&pack->commits);
	resetStringInfo(&pack->entries);
	resetStringInfo(&pack->bodies);
}

/* ---- reading: what does not fit says that the bytes were damaged ---- */

static char *
uncompress(int64 first, const char *stored, Size size, Size *length)
{
	uint64		method;
	struct varlena *plain;

	if (size < PackMethodSize)
		log_refuse_damage(first);
	memcpy(&method, stored, sizeof(method));
	stored += PackMethodSize;
	size -= PackMethodSize;
	if (method == PACK_PLAIN)
	{
		*length = size;
		return memcpy(palloc(size), stored, size);
	}
	if (method != PACK_LZ4 || size < VARHDRSZ_COMPRESSED || VARSIZE(stored) != size ||
		!AllocSizeIsValid(VARDATA_COMPRESSED_GET_EXTSIZE(stored) + VARHDRSZ))
		log_refuse_damage(first);
	plain = lz4_decompress_datum((const struct varlena *) stored);
	*length = VARSIZE(plain) - VARHDRSZ;
	return VARDATA(plain);
}

void
log_unpack(LogUnpacked *batch, int64 first, uint32 epoch, const char *stored, Size size)
{
	Size		length;
	const PackHead *head;
	const PackEntry *entries;

	batch->bytes = uncompress(first, stored, size, &length);
	batch->first = first;
	batch->epoch = epoch;
	batch->next = 0;
	head = (const PackHead *) batch->bytes;
	if (length < sizeof(PackHead) ||
		(length - sizeof(PackHead)) / sizeof(PackEntry) < head->count ||
		(length - sizeof(PackHead) - head->count * sizeof(PackEntry)) / sizeof(PackCommit) <
			head->commits)
		log_refuse_damage(first);
	batch->count = head->count;
	entries = (const PackEntry *) (batch->bytes + sizeof(PackHead) +
								   head->commits * sizeof(PackCommit));
	batch->position = (const char *) (entries + head->count) - batch->bytes;

	/* Everything is checked here, so that nothing need be while events are taken. */
	length -= batch->position;
	for (int i = 0; i < batch->count; i++)
	{
		Size		both = (Size) entries[i].size + entries[i].key_size;

		if (both > length || entries[i].commit >= head->commits)
			log_refuse_damage(first);
		length -= both;
	}
}

bool
log_unpack_next(LogUnpacked *batch, LogEvent *event)
{
	const PackHead *head = (const PackHead *) batch->bytes;
	const PackCommit *commits = (const PackCommit *) (head + 1);
	const PackEntry *entry = (const PackEntry *) (commits + head->commits) + batch->next;

	if (batch->next >= batch->count)
		return false;
	event->offset = batch->first + batch->next;
	event->epoch = batch->epoch;
	event->lsn = commits[entry->commit].lsn;
	event->commit_time = commits[entry->commit].time;
	event->index = entry->index;
	event->key_hash = entry->hash;
	event->body = batch->bytes + batch->position;
	event->size = entry->size;
	event->key = entry->key_size > 0 ? event->body + entry->size : NULL;
	event->key_size = entry->key_size;
	batch->position += (Size) entry->size + entry->key_size;
	batch->next++;
	return true;
}
