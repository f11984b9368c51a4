/*
 * unpinned.h: waiting without a snapshot, which would hold back VACUUM in the whole cluster.
 */
#ifndef GS_UNPINNED_H
#define GS_UNPINNED_H

#include "base/base.h"

/*
 * In a procedure, before it waits: give up the statement's snapshot, or raise an error where the
 * caller holds one that cannot be given up. procedure is its SQL name.
 */
extern void unpinned_begin(const char *procedure);

#endif							/* GS_UNPINNED_H */
