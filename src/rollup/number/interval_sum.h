/*
 * interval_sum.h: what a sum of intervals is made of: the sums of their fields.
 */
#ifndef GS_INTERVAL_SUM_H
#define GS_INTERVAL_SUM_H

#include "base/base.h"

#include "datatype/timestamp.h"

#include "rollup/number/float_sum.h"

/* The months, otherwise the days, of an interval; 0 for an infinite one. */
extern int32 interval_sum_field(const Interval *interval, bool months);

/*
 * The delta with sign times the interval's microseconds. An interval that is not finite, as later
 * versions of PostgreSQL have it, is counted in their place. Allocates in keep.
 */
extern FloatDelta *interval_sum_microseconds(FloatDelta *delta, const Interval *interval, int sign,
											 MemoryContext keep);

#endif							/* GS_INTERVAL_SUM_H */
