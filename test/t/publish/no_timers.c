/*
 * no_timers.c: loaded before a server's own libraries, it takes its timers away: what would wait for half a second or
 * longer waits until it is woken. So a server in which something happens only because a timer has run out stands still.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/epoll.h>

#define SHORT_MS 500

typedef int (*Wait) (int, struct epoll_event *, int, int);

int
epoll_wait(int set, struct epoll_event *events, int count, int timeout_ms)
{
	Wait		wait = (Wait) dlsym(RTLD_NEXT, "epoll_wait");

	return wait(set, events, count, timeout_ms >= SHORT_MS ? -1 : timeout_ms);
}
