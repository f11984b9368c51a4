/*
 * fill.h: the partials of a rollup, computed from its source.
 */
#ifndef GS_FILL_H
#define GS_FILL_H

#include "base/base.h"

#include "base/catalog.h"
#include "rollup/model/shape.h"

/*
 * Write a partial for each group that the source has now into partials that have none. The caller
 * has locked the source against writers. Functions of the query run as the rollup's owner; the
 * source is read with the rights of the reader, who is the owner too, but for who restores a dump,
 * which gives the owner his rights later.
 */
extern void fill_partials(const RollupRelations *relations, const RollupShape *shape, Oid reader);

#endif							/* GS_FILL_H */
