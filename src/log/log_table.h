/*
 * log_table.h: a segment's own table.
 */
#ifndef GS_LOG_TABLE_H
#define GS_LOG_TABLE_H

#include "base/base.h"

#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "log/log_segment.h"

/* attribute numbers */
#define LOG_FIRST 1				/* offset of the batch's first event */
#define LOG_PART 2				/* of the batch's bytes, from 0 */
#define LOG_COUNT 3				/* of events */
#define LOG_EPOCH 4				/* position of the last event, in three parts */
#define LOG_LSN 5
#define LOG_INDEX 6
#define LOG_NEWEST 7			/* newest commit time of all events up to the last one */
#define LOG_SIZE 8				/* of all parts */
#define LOG_BODY 9				/* bytes of this part */
#define LOG_NATTS 9

typedef struct LogTable
{
	Relation	relation;
	Relation	index;			/* on first offset and part, to read through */
	List	   *indexes;		/* all that a row is to be in: two while one is built anew */
} LogTable;

/* Make a table for a topic's segment of that number. */
extern Oid	log_table_create(Oid topic, int number);

/* False where it is gone. An error where no index of it can be read. */
extern bool log_table_open(LogTable *table, const LogSegment *segment, LOCKMODE lock);
extern void log_table_close(LogTable *table, LOCKMODE lock);

/* False where somebody has a lock on it: it stays. True where it is gone already, too. */
extern bool log_table_drop(const LogSegment *segment);

/* Of table and index, on disk; 0 where it is gone. */
extern int64 log_table_size(const LogSegment *segment);

#endif							/* GS_LOG_TABLE_H */
