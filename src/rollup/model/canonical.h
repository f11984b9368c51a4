/*
 * canonical.h: one image for all values of a key that are equal.
 */
#ifndef GS_CANONICAL_H
#define GS_CANONICAL_H

#include "base/base.h"

#include "access/tupdesc.h"

/*
 * Put canonical values in the place of the first nkeys values of a row with these columns. Values
 * of types that have none stay as they are. Allocates in CurrentMemoryContext.
 */
extern void canonical_keys(TupleDesc desc, int nkeys, Datum *values, const bool *nulls);

#endif							/* GS_CANONICAL_H */
