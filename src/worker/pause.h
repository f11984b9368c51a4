/*
 * pause.h: rollups whose functions took too long in a worker, which leaves them alone for a while.
 */
#ifndef GS_PAUSE_H
#define GS_PAUSE_H

#include "base/base.h"

#include "base/shared.h"

/*
 * Pause a relation that has taken its time since then, and then failed with this error: the longer,
 * the longer that was, and the oftener.
 */
extern void pause_begin(SharedDatabase *place, PauseKind kind, Oid relation, TimestampTz since,
						int sqlerrcode);

/* Whether it is paused; the error on account of which is given where it is wanted. */
extern bool pause_is_on(SharedDatabase *place, PauseKind kind, Oid relation, int *sqlerrcode);

/* It has done well: its next pause is a short one. */
extern void pause_forget(SharedDatabase *place, PauseKind kind, Oid relation);

#endif							/* GS_PAUSE_H */
