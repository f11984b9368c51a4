/*
 * clock.c: takes a time and says whether, and how long, it is to be waited for. The server's times
 * are those of the day, which somebody may set while we wait.
 */
#include "base/clock.h"

#include "utils/timestamp.h"

bool
clock_is_ahead(TimestampTz time, int64 longest_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	return time > now && time <= TimestampTzPlusMilliseconds(now, longest_ms);
}

int64
clock_ms_until(TimestampTz time, int64 longest_ms)
{
	return Min(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), time), longest_ms);
}
