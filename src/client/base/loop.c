/*
 * loop.c: waiting, stopping and the clock.
 *
 * Takes signals and file descriptors, gives a wait that ends when something happened or a
 * deadline came. Never polls: the signals are blocked except while it waits, so none is missed
 * between a look and a wait.
 */
#include "postgres_fe.h"

#include <signal.h>
#include <time.h>

#include "client/base/loop.h"

static volatile sig_atomic_t stopping = false;
static sigset_t open_mask;		/* the signals let in while waiting */

static void
on_signal(int signo)
{
	/* SIGWINCH only ends the wait: what was there before, ncurses' handler, is not replaced */
	if (signo != SIGWINCH && signo != SIGCHLD)
		stopping = true;
}

void
loop_start(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGWINCH};
	struct sigaction action = {.sa_handler = on_signal};
	sigset_t	blocked;

	sigemptyset(&action.sa_mask);
	sigemptyset(&blocked);
	for (int i = 0; i < lengthof(signals); i++)
	{
		if (signals[i] != SIGWINCH)
			sigaction(signals[i], &action, NULL);
		sigaddset(&blocked, signals[i]);
	}
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &blocked, &open_mask);
	for (int i = 0; i < lengthof(signals); i++)
		sigdelset(&open_mask, signals[i]);
}

void
loop_leave(void)
{
	sigset_t	none;

	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

bool
loop_stopping(void)
{
	return stopping;
}

void
loop_stop(void)
{
	stopping = true;
}

void
loop_go_on(void)
{
	stopping = false;
}

int64
loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
loop_wait(struct pollfd *fds, int nfds, int64 deadline)
{
	struct timespec timeout = {0};
	int64		left = deadline == LOOP_NEVER ? 0 : Max(deadline - loop_now(), 0);

	if (stopping)
		return;
	timeout.tv_sec = left / 1000000;
	timeout.tv_nsec = left % 1000000 * 1000;
	if (ppoll(fds, nfds, deadline == LOOP_NEVER ? NULL : &timeout, &open_mask) < 0)
	{
		for (int i = 0; i < nfds; i++)
			fds[i].revents = 0;
	}
}
