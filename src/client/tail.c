/*
 * tail.c: "gymstream tail": the events of topics as JSON lines.
 *
 * Takes topics, gives each notification's payload as a line on standard output, flushed whenever there are no more at
 * hand. Never reads a table.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "event.h"
#include "listen.h"
#include "tail.h"

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

static bool
tail_set_count(void *context, const char *value)
{
	return options_number(value, 1, PG_INT64_MAX, &((Tail *) context)->left);
}

static const CommandOption tail_options[] = {
	{'n', "count", "COUNT", "stop after that many events", tail_set_count},
	{0},
};

static const Command tail_command = {
	.name = "gymstream tail",
	.arguments = "TOPIC...",
	.about = "Prints each event of tables and rollups as a line of JSON, as it happens.\n"
	"Each needs a topic:\n"
	"  SELECT gymstream.create_topic('booking', notify => 'row');",
	.options = tail_options,
};

int
tail_main(int argc, char **argv)
{
	ConnectOptions options = {0};
	Tail		tail = {.listener.calls = &tail_calls,.left = -1};
	struct pollfd output = {.fd = STDOUT_FILENO};
	int			first = options_parse(&tail_command, argc, argv, &options, &tail);
	bool		done;

	if (first >= argc)
		options_usage_error(&tail_command, "no topic is given");
	tail.listener.context = &tail;
	loop_start();
	done = listener_start(&tail.listener, &options, (const char *const *) argv + first, argc - first);

	/* an error of stdout is that its reader is gone */
	while (done && fflush(stdout) == 0 && listener_step(&tail.listener, &output, 1, LOOP_NEVER) && !output.revents)
		listener_tell(&tail.listener);
	listener_stop(&tail.listener);
	return done || loop_stopping() ? 0 : 1;
}
