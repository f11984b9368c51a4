/*
 * limit.h: a limit to the time that an owner's functions may take in a worker.
 */
#ifndef GS_LIMIT_H
#define GS_LIMIT_H

#include "base/base.h"

#include "base/shared.h"

/*
 * From here to limit_end what runs is cancelled after so many milliseconds. What goes on
 * nevertheless, since it catches the cancel, ends this process a second later; then the relation is
 * paused in the place. Not nested.
 */
extern void limit_begin(int ms, SharedDatabase *place, PauseKind kind, Oid relation);

/* Also after an error. True if the time was over. */
extern bool limit_end(void);

#endif							/* GS_LIMIT_H */
