/*
 * log_segment.h: the segments of topics: rows of the table segment.
 */
#ifndef GS_LOG_SEGMENT_H
#define GS_LOG_SEGMENT_H

#include "base/base.h"

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

#include "topic/position.h"
#include "topic/topic.h"

typedef struct LogSegment
{
	Oid			topic;			/* the relation */
	TimestampTz created;		/* when this topic of it was created */
	int32		number;			/* grows within the relation */
	Oid			table;			/* InvalidOid: it has gone, and the row says what comes next */
	Position	before;			/* of the event before its first one */
	TimestampTz opened;
	TimestampTz closed;			/* 0: open, and the three that follow are of the event before */
	Position	last;
	TimestampTz newest;			/* commit time of any event up to the last one */
	int64		bytes;
	bool		ended;			/* events after it were not stored */
	bool		dropping;
} LogSegment;

/*
 * The segments of a topic, as it is now whatever the snapshot in force, in their order; or of all
 * topics, also of those that are gone, with NULL.
 */
extern List *log_segments(const Topic *topic);

/* Each waits for nobody. No logical decoding sees them. */
extern void log_segment_insert(const LogSegment *segment);
extern void log_segment_update(const LogSegment *segment);
extern void log_segment_delete(const LogSegment *segment);

/* The largest epoch that was ever in use; 0: none. */
extern uint32 log_last_epoch(void);

#endif							/* GS_LOG_SEGMENT_H */
