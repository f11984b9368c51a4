/*
 * log_write.h: appending events to the logs of topics. For the publisher alone, of which a database
 * has one at a time.
 */
#ifndef GS_LOG_WRITE_H
#define GS_LOG_WRITE_H

#include "base/base.h"

#include "log/log_batch.h"
#include "log/log_segment.h"
#include "topic/topic.h"

/* An event to be stored, or one that is not. */
typedef struct LogEntry
{
	Oid			topic;
	bool		stored;			/* it is to be: the topic kept its events when it happened */
	/* of offset and epoch nothing need be set; the offset is, or it is POSITION_NO_OFFSET */
	LogEvent	event;
} LogEntry;

/*
 * Append the events that are not there yet, in this order. Within a transaction, with a snapshot
 * that sees them all. True where something was written: the transaction is to be committed, and
 * log_written called after that. An error leaves the process unfit to write, so it must end.
 *
 * epoch is the one in use, and reset the position up to which changes of before may be missing
 * where it is a new one. Logs of an earlier epoch are told so first, those without an event too.
 */
extern bool log_write(LogEntry *entries, int n, uint32 epoch, XLogRecPtr reset);
extern void log_written(void);

/* Whether a log is of another epoch, so that log_write has something to do without an entry. */
extern bool log_needs_reset(uint32 epoch);

/*
 * Close, mark and drop segments, as retention wants it, if some time has passed; waits for nobody.
 * Outside of a transaction. Returns after how many milliseconds to call it again.
 */
extern long log_tidy(void);

/* The next call does it whatever time has passed: catalogs have changed. */
extern void log_tidy_soon(void);

/*
 * An event that has no more than an action, as JSON; more is appended, and begins with a comma.
 */
extern char *log_mark_json(Oid relation, const char *action, const char *more);

/*
 * Between log_write.c and log_tidy.c
 */

/* Segments are about so large. */
extern int64 log_segment_bytes(const Topic *topic);

/* For how long a segment is open at most, in microseconds. */
extern int64 log_segment_age(const Topic *topic);

/* A topic's time to keep events, in microseconds. */
extern int64 log_retain_time(const Topic *topic);

/* Close the topic's open segment, if there is one. ended: events that follow are not stored. */
extern void log_close_tail(const Topic *topic, bool ended);

/* What is known of logs is read again. */
extern void log_forget_tails(void);

#endif							/* GS_LOG_WRITE_H */
