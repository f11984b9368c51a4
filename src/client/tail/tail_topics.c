/*
 * tail_topics.c: "gymstream tail TOPIC...": the events of topics as JSON lines.
 *
 * Takes topics, gives each notification's payload as a line on standard output, flushed whenever
 * there are no more at hand. Never reads a table.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "client/feed/listen.h"
#include "client/tail/tail.h"

typedef struct Tail
{
	Listener	listener;
	const Filter *filter;
	bool		unknown;		/* told that a notification does not say what is asked for */
	int64		left;			/* events to print before the end */
} Tail;

static bool
tail_ready(void *context, bool again, PQExpBuffer error)
{
	return true;
}

/* Whoever keeps a copy by these events must read the relation anew. */
static void
tell_gap(const Tail *tail, int topic, const char *why)
{
	fprintf(stderr, "gymstream: changes of %s may be missing: %s\n",
			tail->listener.topics[topic].name, why);
}

static void
tail_heard(void *context, int topic, const char *payload)
{
	Tail	   *tail = context;
	Event		event;
	FilterVerdict verdict;

	if (tail->left == 0)
		return;
	if (!event_parse(payload, &event))
	{
		fprintf(stderr,
				"gymstream: passed over a notification on the channel of %s that is no event\n",
				tail->listener.topics[topic].name);
		return;
	}
	/* where there is a channel for the key, the server has chosen */
	verdict = tail->listener.topics[topic].key_channel ? FILTER_YES :
		filter_judge(tail->filter, &event);
	if (verdict == FILTER_UNKNOWN && !tail->unknown)
		fprintf(stderr,
				"gymstream: notifications of %s do not always say the values of \"--key\": these "
				"are shown too\n", tail->listener.topics[topic].name);
	tail->unknown |= verdict == FILTER_UNKNOWN;
	if (verdict != FILTER_NO)
		printf("%s\n", payload);
	if (event.action == EVENT_OTHER)
		tell_gap(tail, topic, event.said);
	event_free(&event);
	if (verdict != FILTER_NO && --tail->left == 0)
		loop_stop();
}

static void
tail_missed(void *context, int topic, const char *why)
{
	tell_gap(context, topic, why);
}

static const ListenCalls tail_calls = {tail_ready, tail_heard, tail_missed};

int
tail_topics(const TailOptions *options, const ConnectOptions *connect, const char *const *names,
			int nnames)
{
	Tail		tail = {.listener.calls = &tail_calls,.left = options->count,
	.filter = &options->filter};
	struct pollfd output = {.fd = STDOUT_FILENO};
	bool		done;

	tail.listener.context = &tail;
	tail.listener.key = filter_json(&options->filter);
	done = listener_start(&tail.listener, connect, names, nnames);

	/* an error of stdout is that its reader is gone */
	while (done && fflush(stdout) == 0 && listener_step(&tail.listener, &output, 1, LOOP_NEVER) &&
		   !output.revents)
		listener_tell(&tail.listener);
	listener_stop(&tail.listener);
	return done || loop_stopping() ? 0 : 1;
}
