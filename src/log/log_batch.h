/*
 * log_batch.h: many events as one record batch.
 *
 * Packed, a batch is a head, its commits, its entries, and then for each entry its event and its
 * key. Compressed or not, it is cut into parts, each of which is a row of a segment.
 */
#ifndef GS_LOG_BATCH_H
#define GS_LOG_BATCH_H

#include "base/base.h"

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

/* A batch is written once its events have this size. */
#define LOG_BATCH_BYTES (32 * 1024)

/* So that two rows fill a page. */
#define LOG_PART_BYTES 3992

/* An event as it is stored. */
typedef struct LogEvent
{
	int64		offset;			/* dense in the topic, from 1 */
	uint32		epoch;
	XLogRecPtr	lsn;			/* of the commit */
	uint32		index;			/* in the transaction */
	TimestampTz commit_time;
	uint32		key_hash;		/* stable over servers and versions */
	const char *body;			/* the event's JSON; not terminated; good until the next call */
	Size		size;
	const char *key;			/* JSON object of the key, or NULL; not terminated; likewise */
	Size		key_size;
} LogEvent;

/* A batch that is being made. */
typedef struct LogPack
{
	int64		first;			/* offset */
	int			count;
	StringInfoData commits;
	StringInfoData entries;
	StringInfoData bodies;
} LogPack;

/* In CurrentMemoryContext. */
extern void log_pack_init(LogPack *pack);

/* The events come in the order of their offsets, without a gap. */
extern void log_pack_add(LogPack *pack, const LogEvent *event);
extern Size log_pack_size(const LogPack *pack);

/* What is to be stored, and an empty batch again. */
extern void log_pack_end(LogPack *pack, StringInfo stored);
extern void log_pack_free(LogPack *pack);

/* A batch that is read. */
typedef struct LogUnpacked
{
	char	   *bytes;			/* all of it */
	int64		first;
	uint32		epoch;
	int			count;
	int			next;			/* entry */
	Size		position;		/* of its event, in the bytes */
} LogUnpacked;

/* Takes what log_pack_end gave. Allocates in CurrentMemoryContext. */
extern void log_unpack(LogUnpacked *batch, int64 first, uint32 epoch, const char *stored,
					   Size size);

/* False at the end. */
extern bool log_unpack_next(LogUnpacked *batch, LogEvent *event);

#endif							/* GS_LOG_BATCH_H */
