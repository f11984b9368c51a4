/*
 * latency.h: how long things take
 */
#ifndef GYMSTREAM_DEMO_LATENCY_H
#define GYMSTREAM_DEMO_LATENCY_H

#include "postgres_fe.h"

/* Up to 64 us each value its own, then 32 buckets to each doubling; the last ones are hours. */
#define LATENCY_BUCKETS 1024

typedef struct Latency
{
	int64		count;
	int64		buckets[LATENCY_BUCKETS];
} Latency;

extern void latency_add(Latency *latency, int64 micros);
extern void latency_merge(Latency *into, const Latency *from);
extern int64 latency_at(const Latency *latency, double share);

#endif
