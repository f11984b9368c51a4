/*
 * log_scan.h: the events of a topic's log, in the order of their offsets, and where to begin.
 *
 * A scan holds a lock on one segment at a time and gives it back; it sees what the snapshot sees.
 * Checks no privilege: log_check_reader does.
 */
#ifndef GS_LOG_SCAN_H
#define GS_LOG_SCAN_H

#include "base/base.h"

#include "utils/snapshot.h"

#include "log/log_batch.h"
#include "topic/position.h"

typedef struct LogScan LogScan;

/*
 * Begins at the first event whose offset is from or more; an error where events from there on are
 * not kept. The snapshot stays registered until the end. Allocates in CurrentMemoryContext.
 */
extern LogScan *log_scan_begin(Oid topic, int64 from, Snapshot snapshot);

/* False at the end. What the event points to is good until the next call. */
extern bool log_scan_next(LogScan *scan, LogEvent *event);
extern void log_scan_end(LogScan *scan);

/*
 * First offset that is kept, and the offset that the next event will get, under the snapshot.
 * False: nothing was ever stored.
 */
extern bool log_range(Oid topic, Snapshot snapshot, int64 *first, int64 *next);

/* The last event's position, or that of the one before the first, where nothing is kept. */
extern Position log_last(Oid topic, Snapshot snapshot);

/* The position of the event before this offset, which is kept or the first one that is. */
extern Position log_position_before(Oid topic, int64 offset, Snapshot snapshot);

/* Offset of the first event that was committed at this time or later; the next one, if none. */
extern int64 log_offset_at(Oid topic, TimestampTz at, Snapshot snapshot);

/*
 * Offset of the first event after the position. Errors: another epoch, another log, past
 * retention.
 */
extern int64 log_offset_after(Oid topic, const Position *position, Snapshot snapshot);

#endif							/* GS_LOG_SCAN_H */
