/*
 * loop.h: waiting, stopping and the clock
 */
#ifndef GYMSTREAM_CLIENT_LOOP_H
#define GYMSTREAM_CLIENT_LOOP_H

#include "postgres_fe.h"

#include <poll.h>


/* a deadline that never comes */
#define LOOP_NEVER	PG_INT64_MAX

/*
 * Take over signals; to be called once. SIGINT, SIGTERM and SIGHUP stop the program, SIGCHLD
 * and SIGWINCH end a wait. SIGPIPE is ignored: who writes looks at errors.
 */
extern void loop_start(void);

/*
 * In a new process, before it becomes another program: let signals do what they do by default.
 */
extern void loop_leave(void);

/* Whether the program is asked to stop. */
extern bool loop_stopping(void);

/* Ask the program to stop, as a signal does. */
extern void loop_stop(void);

/* After a stop: there is something left to do, which the next signal ends. */
extern void loop_go_on(void);

/*
 * Wait for one of the descriptors, a signal or the deadline, and set revents. A descriptor
 * below zero is passed over. Returns at once when the program is asked to stop.
 */
extern void loop_wait(struct pollfd *fds, int nfds, int64 deadline);

/* Microseconds of a clock that only goes forward. */
extern int64 loop_now(void);

#endif
