/*
 * bookmark.h: how far a group's partitions are.
 */
#ifndef GS_BOOKMARK_H
#define GS_BOOKMARK_H

#include "base/base.h"

#include "datatype/timestamp.h"
#include "utils/snapshot.h"

#include "group/group.h"

typedef struct Bookmark
{
	int64		serial;			/* grows with each that is written of a partition; 0: none yet */
	int64		next;			/* the offset with which it goes on */
	TimestampTz created;		/* of the topic that the offset is of */
} Bookmark;

/*
 * The newest one, as it is committed now: right for who has claimed the partition. Of serial 0
 * where there is none. Says whether the snapshot sees it.
 */
extern Bookmark bookmark_newest(const ConsumerGroup *group, Oid topic, int partition,
								Snapshot snapshot,
								bool *seen);

/* The newest one that the snapshot sees, for who only looks, beside what else it sees. */
extern Bookmark bookmark_seen(const ConsumerGroup *group, Oid topic, int partition,
							  Snapshot snapshot);

/*
 * Write the next one of a partition that is claimed, and delete those that are old. The serial is
 * that of the newest one plus 1.
 */
extern void bookmark_write(int32 group, Oid topic, int partition, const Bookmark *bookmark);

#endif							/* GS_BOOKMARK_H */
