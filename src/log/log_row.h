/*
 * log_row.h: rows of segments, and the segments of a topic as a reader sees them.
 */
#ifndef GS_LOG_ROW_H
#define GS_LOG_ROW_H

#include "base/base.h"

#include "access/genam.h"
#include "utils/snapshot.h"

#include "log/log_segment.h"
#include "log/log_table.h"
#include "topic/topic.h"

/* A part of a record batch. Each part says the same of the batch as a whole. */
typedef struct LogRow
{
	int64		first;			/* offset */
	int			part;
	int			count;
	uint32		epoch;
	Position	last;			/* of the batch's last event */
	TimestampTz newest;
	int			size;			/* of all parts */
	const char *body;			/* of this one; good until the next row is read */
	int			length;
} LogRow;

/* The row with the largest first offset that is not above this one. False: there is none. */
extern bool log_row_find(LogTable *table, Snapshot snapshot, int64 offset, LogRow *row);

/* Rows from this first offset on; systable_endscan_ordered ends it. */
extern SysScanDesc log_rows_begin(LogTable *table, Snapshot snapshot, int64 first);
extern bool log_rows_next(SysScanDesc rows, LogRow *row);

/* A topic's log, for one who reads it. */
typedef struct LogView
{
	Topic		topic;
	List	   *segments;		/* those that are kept, and the newest one in any case */
	Snapshot	snapshot;
} LogView;

/* An error where there is no such topic. */
extern void log_view_init(LogView *view, Oid topic, Snapshot snapshot);

/* Look at the segments again. */
extern void log_view_renew(LogView *view);

/* The first offset that is kept; of a log without events, the next one. There is a segment. */
extern int64 log_view_first(const LogView *view);

/* The number of the segment that has this offset, or will get it; -1: there is no segment. */
extern int	log_view_find(const LogView *view, int64 offset);

GS_NORETURN extern void log_refuse_past(const LogView *view);

#endif							/* GS_LOG_ROW_H */
