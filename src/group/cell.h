/*
 * cell.h: what all backends know of a partition, in shared memory. It is lost with the server, and
 * may be lost before, where partitions are too many. Nothing wrong follows from that.
 */
#ifndef GS_CELL_H
#define GS_CELL_H

#include "base/base.h"

#include "access/xlogdefs.h"
#include "datatype/timestamp.h"

/* of Cell.due */
#define CELL_UNKNOWN INT64CONST(0)
#define CELL_NEVER PG_INT64_MAX

typedef struct CellKey
{
	Oid			database;
	int32		group;
	Oid			topic;
	int32		partition;
	TimestampTz created;		/* the topic: made again, it has other events */
} CellKey;

typedef struct Cell
{
	CellKey		key;			/* all zero: free */
	int32		generation;		/* of the group, to which the rest belongs */

	/* the last delivery: failed, if the claim is free and the newest bookmark's serial is this */
	int64		serial;			/* -1: none */
	int64		offset;			/* of its first event */
	XLogRecPtr	lsn;			/* and where that was committed */
	int64		upto;			/* the offset after its last one */
	bool		alone;			/* that was all that its transaction was given */
	bool		parked;			/* it had been parked before */

	int64		suspect_to;		/* events before this come one at a time */
	int64		frontier;		/* no event that is not acked lies before this */
	TimestampTz due;			/* when a parked event is to be tried again */
	bool		full;			/* so many wait that it takes none before one is due */
	uint32		dues;			/* counts what others have said of that */
	TimestampTz stored;			/* when a bookmark was written for the frontier's sake */
	uint64		used;			/* for eviction */
} Cell;

/* A copy of the partition's cell, which is fresh where there is none or it is of an older time. */
extern Cell cell_read(const CellKey *key, int32 generation);

/* Its frontier; 0: nothing is known, as on a standby, or where the library is not preloaded. */
extern int64 cell_frontier(const CellKey *key, int32 generation);

/* Write what the claim's holder knows. Of what others have set meanwhile, due stays theirs. */
extern void cell_write(const Cell *cell);

/* The delivery under that serial has been acked, up to the offset before next. */
extern void cell_ack(const CellKey *key, int32 generation, int64 serial, int64 next);

/* The delivery under that serial was not all that its transaction was given. */
extern void cell_not_alone(const CellKey *key, int32 generation, int64 serial);

/*
 * Of a partition that somebody else may hold: between from and to there is none of its events. Used
 * only where from is not behind what is known.
 */
extern void cell_raise_frontier(const CellKey *key, int32 generation, int64 from, int64 to);

/* A parked event of it may be due now, or at that time. */
extern void cell_set_due(const CellKey *key, TimestampTz due);

/* All cells of this database whose delivery was alone: at most count, and how many they are. */
extern int	cell_list_alone(Cell *cells, int count);

/*
 * Whether a settler may be started for this database now: none runs, nor was started lately without
 * a word since. And that it has ended.
 */
extern bool cell_may_settle(void);
extern void cell_settled(void);

/* Forget all of a group. */
extern void cell_forget(int32 group);

/* An error where the library was not loaded when the server started. */
extern void cell_check(void);

extern void cell_init(void);

#endif							/* GS_CELL_H */
