/*
 * tail_topics.c: "gymstream tail TOPIC...": the events of topics as JSON lines.
 *
 * Takes topics, gives each notification's payload as a line on standard output, flushed whenever there are no more at
 * hand. Never reads a table.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "client/feed/listen.h"
#include "client/tail/tail.h"

typedef struct Tail
{
	Listener	listener;
	int64		left;			/* events to print before the end */
} Tail;

static bool
tail_ready(void *context, bool again, PQExpBuffer error)
{
	return true;
}

static void
tail_heard(void *context, int topic, const char *payload)
{
	Tail	   *tail = context;
	Event		event;

	if (tail->left == 0)
		return;
	if (!event_parse(payload, &event))
	{
		fprintf(stderr, "gymstream: passed over a notification on the channel of %s that is no event\n",
				tail->listener.topics[topic].name);
		return;
	}
	event_free(&event);
	printf("%s\n", payload);
	if (--tail->left == 0)
		loop_stop();
}

static const ListenCalls tail_calls = {tail_ready, tail_heard};

int
tail_topics(const TailOptions *options, const ConnectOptions *connect, const char *const *names, int nnames)
{
	Tail		tail = {.listener.calls = &tail_calls,.left = options->count};
	struct pollfd output = {.fd = STDOUT_FILENO};
	bool		done;

	tail.listener.context = &tail;
	done = listener_start(&tail.listener, connect, names, nnames);

	/* an error of stdout is that its reader is gone */
	while (done && fflush(stdout) == 0 && listener_step(&tail.listener, &output, 1, LOOP_NEVER) && !output.revents)
		listener_tell(&tail.listener);
	listener_stop(&tail.listener);
	return done || loop_stopping() ? 0 : 1;
}
