/*
 * loop.h: waiting, stopping and the clock
 */
#ifndef GYMSTREAM_CLIENT_LOOP_H
#define GYMSTREAM_CLIENT_LOOP_H

#include "postgres_fe.h"

#include <poll.h>


/* a deadline that never comes */
#define LOOP_NEVER	PG_INT64_MAX

extern void loop_start(void);
extern void loop_leave(void);
extern bool loop_stopping(void);
extern void loop_stop(void);
extern void loop_go_on(void);
extern void loop_wait(struct pollfd *fds, int nfds, int64 deadline);
extern int64 loop_now(void);

#endif
