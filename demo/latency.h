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

/* Take in one duration. */
extern void latency_add(Latency *latency, int64 micros);

/* Take in all durations of another one. */
extern void latency_merge(Latency *into, const Latency *from);

/* The duration that this share (0 to 1) of all does not exceed; 0 without any. */
extern int64 latency_at(const Latency *latency, double share);

#endif
