/*
 * invalidation.h: which relations the server's relation cache has to look up anew.
 */
#ifndef GS_INVALIDATION_H
#define GS_INVALIDATION_H

#include "base/base.h"

#include "utils/inval.h"

/*
 * From now on call it for each relation that is invalidated, or with InvalidOid for all of them.
 * It is called as the server calls its own callbacks: it may run no query and raise no error.
 */
extern void invalidation_watch(RelcacheCallbackFunction callback);

#endif							/* GS_INVALIDATION_H */
