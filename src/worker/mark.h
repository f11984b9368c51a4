/*
 * mark.h: where in the log a worker is at work, so that what kills it again and again is known to
 * the next one.
 */
#ifndef GS_MARK_H
#define GS_MARK_H

#include "base/base.h"

#include "access/xlogdefs.h"

/* Where an event stands, or what is to stand for one. */
typedef struct MarkPoint
{
	XLogRecPtr	lsn;
	uint32		index;
} MarkPoint;

/* An end for what is not known to end. */
#define MARK_LAST_INDEX PG_UINT32_MAX

/* After so many deaths at one event it is left out. */
#define MARK_EVENT_DEATHS 3

/* After so many deaths that are no event's, what they are of is given up. */
#define MARK_RANGE_DEATHS 5

/* First of all: open the mark of this worker, and see what the one before has died of. */
extern void mark_open(const char *worker);

/*
 * From here on, until the next mark, a death is one between these two, both included. Costs a write
 * of a few bytes.
 */
extern void mark_set(MarkPoint first, MarkPoint last);

/* Nothing that may kill is done. Costs nothing where no mark is set. */
extern void mark_clear(void);

/* In a signal handler: the worker is told to end, which is no death. */
extern void mark_asked_to_end(void);

/*
 * In a PG_CATCH block, before the worker ends: nor is an error that has to do with the state of the
 * server.
 */
extern void mark_take_error(void);

/*
 * Whether a worker has died at the point, or near it: then it is worth while to set marks for
 * single points.
 */
extern bool mark_is_near(MarkPoint point);

/* Whether workers have died at just this point, and often: some of these points are remembered. */
extern bool mark_is_deadly(MarkPoint point);

/* Where the worker before has died; no LSN: it has not. */
extern MarkPoint mark_last(void);

/* Whether workers have died often, and at no single point. */
extern bool mark_is_hopeless(void);

/* Forget all of that: the worker has found a way round. */
extern void mark_forget(void);

#endif							/* GS_MARK_H */
