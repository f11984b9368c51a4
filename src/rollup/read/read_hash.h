/*
 * read_hash.h: the writers' index of partials, for readers.
 */
#ifndef GS_READ_HASH_H
#define GS_READ_HASH_H

#include "base/base.h"

#include "nodes/pathnodes.h"

/* Adds paths by the hash of all keys, if the relation has an index on it and all keys are given. */
extern void read_hash_add(PlannerInfo *root, RelOptInfo *rel);

#endif							/* GS_READ_HASH_H */
