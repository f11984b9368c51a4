/*
 * latency.c: how long things take.
 *
 * Takes durations, gives percentiles within 3 %. Never grows.
 */
#include "postgres_fe.h"

#include "latency.h"

#define FINE	5				/* bits kept of a value: 32 buckets to each doubling */

static int
latency_bucket(int64 micros)
{
	int			shift = 0;

	micros = Max(micros, 0);
	while (micros >> shift >= 2 << FINE)
		shift++;
	return Min((shift << FINE) + (int) (micros >> shift), LATENCY_BUCKETS - 1);
}

static int64
of_bucket(int bucket)
{
	int			shift = bucket < 2 << FINE ? 0 : (bucket >> FINE) - 1;

	return (int64) (bucket - (shift << FINE)) << shift;
}

void
latency_add(Latency *latency, int64 micros)
{
	latency->buckets[latency_bucket(micros)]++;
	latency->count++;
}

void
latency_merge(Latency *into, const Latency *from)
{
	for (int i = 0; i < LATENCY_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
	into->count += from->count;
}

int64
latency_at(const Latency *latency, double share)
{
	int64		left = (int64) (latency->count * share);

	for (int i = 0; i < LATENCY_BUCKETS; i++)
	{
		left -= latency->buckets[i];
		if (left < 0)
			return of_bucket(i);
	}
	return 0;
}
