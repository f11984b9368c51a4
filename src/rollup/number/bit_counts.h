/*
 * bit_counts.h: by bit, how many of some integers have it set.
 */
#ifndef GS_BIT_COUNTS_H
#define GS_BIT_COUNTS_H

#include "base/base.h"

/*
 * In memory. Plane n has of each bit's count the binary digit n; the last one, which stands for all
 * further ones too, its sign. So one value is added to all counts at once. Its bits above those of
 * its type are as its sign bit.
 */
typedef struct BitDelta
{
	int			nplanes;
	int			room;
	int64		planes[FLEXIBLE_ARRAY_MEMBER];
} BitDelta;

/*
 * As stored: a width in bytes, and the planes in this width, no more than are needed. Of none,
 * nothing.
 */
typedef struct varlena BitCounts;

/*
 * NULL stands for zero. Add a value, or take it away where sign is -1; the result is allocated in
 * keep, and replaces delta.
 */
extern BitDelta *bit_delta_add(BitDelta *delta, int64 value, int sign, MemoryContext keep);
extern bool bit_delta_is_zero(const BitDelta *delta);

/*
 * These allocate their result in CurrentMemoryContext. Of a sum that does not fit there is none:
 * NULL.
 */
extern BitCounts *bit_delta_counts(const BitDelta *delta);
extern BitCounts *bit_counts_plus(const BitCounts *a, const BitCounts *b);
extern bool bit_counts_is_zero(const BitCounts *counts);

#endif							/* GS_BIT_COUNTS_H */
