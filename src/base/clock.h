/*
 * clock.h: times ahead, by a clock that may be set.
 */
#ifndef GS_CLOCK_H
#define GS_CLOCK_H

#include "base/base.h"

#include "datatype/timestamp.h"

/*
 * Whether a time is still to come that was set at most longest_ms ahead. One that is further away
 * is not: the clock was set back since, and nobody is to wait for what it said before.
 */
extern bool clock_is_ahead(TimestampTz time, int64 longest_ms);

/* Milliseconds until then, from 0 to longest_ms, whatever the clock says. */
extern int64 clock_ms_until(TimestampTz time, int64 longest_ms);

#endif							/* GS_CLOCK_H */
