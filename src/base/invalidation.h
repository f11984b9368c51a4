/*
 * invalidation.h: which relations the server's relation cache has to look up anew.
 */
#ifndef GS_INVALIDATION_H
#define GS_INVALIDATION_H

#include "base/base.h"

#include "utils/hsearch.h"
#include "utils/inval.h"

/*
 * From now on call it for each relation that is invalidated, or with InvalidOid for all of them.
 * It is called as the server calls its own callbacks: it may run no query and raise no error.
 */
extern void invalidation_watch(RelcacheCallbackFunction callback);

/*
 * In such a call: forget the relation's entry of a cache whose keys are OIDs, or all of them where
 * it is InvalidOid. forget may remove the entry. The cache is NULL as long as there is none.
 */
extern void invalidation_forget(HTAB *cache, Oid relation, void (*forget) (void *entry));

#endif							/* GS_INVALIDATION_H */
