/*
 * depend.h: what the server says depends on a relation.
 */
#ifndef GS_DEPEND_H
#define GS_DEPEND_H

#include "base/base.h"

#include "nodes/pg_list.h"

/*
 * The OIDs of the objects of a catalog that depend on the relation, or on a column of it. One that
 * does so twice stands there twice. In CurrentMemoryContext.
 */
extern List *depend_on_relation(Oid relation, Oid catalog);

#endif							/* GS_DEPEND_H */
