/*
 * gym.h: what the board knows of the gyms
 */
#ifndef GYMSTREAM_DEMO_GYM_H
#define GYMSTREAM_DEMO_GYM_H

#include "client/feed/payload.h"

#include "client/feed/listen.h"

#define GYM_DAYS	14			/* of classes, from today */

typedef struct Gym
{
	char	   *name;
	int64		target;			/* cents, as all money here */
	int64		revenue;
	int64		sold;
	double		days[GYM_DAYS]; /* revenue by the day of the class */
} Gym;

typedef struct GymClass
{
	char	   *title;
	char	   *starts;			/* "Mon 07:15" */
	int			gym;
	int			capacity;
	int			attendance;
	int64		changed;		/* on loop_now's clock; 0: never */
} GymClass;

/* The chain of gyms, in memory; ids count from 1 without gaps. */
typedef struct Chain
{
	Gym		   *gyms;
	int			ngyms;
	GymClass   *classes;
	int			nclasses;
	GymClass  **fullest;		/* all of them, in order once chain_sort was called */
	int64		first_day;		/* days since 1970 */
	int64		members;
} Chain;

/*
 * Read the tables that do not change here: gyms, classes, members. False: it failed, and error
 * says why, as listener_read does. What was read lives as long as the program.
 */
extern bool chain_read(Chain *chain, Listener *listener, PQExpBuffer error);

/*
 * Read the rollups as they are; a group that has no row is at zero. False: it failed, as in
 * chain_read, and all figures stay as they were.
 */
extern bool chain_read_rollups(Chain *chain, Listener *listener, PQExpBuffer error);

/*
 * Whether what was kept by events alone is what the rollups hold now. False also where they
 * could not be read; error says why.
 */
extern bool chain_same_as_rollups(const Chain *chain, Listener *listener, PQExpBuffer error);

/* Take in an event of the rollup class_attendance; now is loop_now's. */
extern void chain_attendance(Chain *chain, const Event *event, int64 now);

/* Take in an event of the rollup gym_day_revenue. */
extern void chain_day_revenue(Chain *chain, const Event *event);

/* Take in an event of the rollup gym_sales. */
extern void chain_sales(Chain *chain, const Event *event);

/* Bring chain->fullest into order. Costs little where it is nearly so. */
extern void chain_sort(Chain *chain);

#endif
