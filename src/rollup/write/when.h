/*
 * when.h: what the WHEN conditions of the triggers on a source call, in SQL, where ready.c has not
 * put something in their place:
 *
 *   collect(partials, tableoid, columns of NEW and OLD...)
 *       in the WHEN of a row trigger
 *   flush(partials)
 *       in the WHEN of a statement trigger
 *   truncated(partials)
 *       in the WHEN of a TRUNCATE trigger
 *   truncating(partials)
 *       in the WHEN of a BEFORE TRUNCATE trigger
 *   flush_pending()
 *       the function of each of these triggers
 */
#ifndef GS_WHEN_H
#define GS_WHEN_H

#include "base/base.h"

#include "rollup/model/rollup.h"

/* A call of collect, for as long as its statement runs. */
typedef struct WhenCall
{
	Rollup	   *rollup;
	bool		has_old;
	bool		has_new;
	bool		needs_event;	/* no statement trigger may follow */
	bool		event_queued;	/* by this call */
} WhenCall;

/*
 * Whether the condition must be true now and then to queue an event: no statement trigger may
 * follow.
 */
extern bool when_needs_event(const Rollup *rollup);

/*
 * Collect the change whose rows have been loaded. The value of the condition: whether to queue the
 * event that flushes. It is queued with the first row, whether that matters to the rollup or not,
 * so that it comes before the application's own.
 */
extern bool when_collect(WhenCall *call);

#endif							/* GS_WHEN_H */
