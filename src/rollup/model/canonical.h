/*
 * canonical.h: one image for all values of a key that are equal.
 */
#ifndef GS_CANONICAL_H
#define GS_CANONICAL_H

#include "base/base.h"

#include "access/tupdesc.h"
#include "nodes/bitmapset.h"

/*
 * Which of the first nkeys columns have equal values that may differ. Fields of composite types
 * come and go, so these are always among them. Allocates in CurrentMemoryContext, as the next one
 * does.
 */
extern Bitmapset *canonical_find(TupleDesc desc, int nkeys);

/*
 * Put canonical values in the place of the values of the keys that were found. Returns those whose
 * values have none, or are too long for it: they stay as they are, and equal ones may differ.
 */
extern Bitmapset *canonical_keys(const Bitmapset *found, TupleDesc desc, Datum *values,
								 const bool *nulls);

#endif							/* GS_CANONICAL_H */
