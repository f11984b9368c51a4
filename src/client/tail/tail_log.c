/*
 * tail_log.c: "gymstream tail TOPIC... --from": the log of topics, and what comes after it.
 *
 * Takes events, gives each as a line to the sink, and keeps in the bookmark how far the sink is
 * safe: synced to the file, or read from the pipe. So after a crash of anything nothing is
 * missing, and only what was not in the bookmark yet comes again. What the log no longer has is
 * told on standard error, and in a line of its own.
 */
#include "postgres_fe.h"

#include "client/base/report.h"
#include "client/feed/bookmark.h"
#include "client/feed/reader.h"
#include "client/tail/tail.h"

#define RESTART_FIRST	INT64CONST(100000)
#define RESTART_MOST	INT64CONST(5000000)
#define MARKS_MOST		10000

/* A topic's position whose event is among the first so many bytes of the output. */
typedef struct LogMark
{
	int64		bytes;
	int			topic;
	char		position[64];
} LogMark;

typedef struct TailLog
{
	const TailOptions *options;
	Reader		reader;
	Sink		sink;
	Bookmark	bookmark;		/* also without a file: what is safe */
	PQExpBufferData line;
	LogMark    *marks;
	int			nmarks;
	int64		left;			/* events to print before the end; below zero: no end */
	int64		confirm_at;
	int64		restart_pause;
	bool		changed;		/* the bookmark's file is older */
	bool		advanced;		/* since the command was started */
	bool		more;
	bool		stop;
	bool		failed;
} TailLog;

/* ---- what is safe ---- */

static void
mark(TailLog *t, int topic, const char *position)
{
	LogMark    *last = t->nmarks > 0 ? &t->marks[t->nmarks - 1] : NULL;

	/* of neighbours of one topic the later one says it all, where there are many */
	if (last == NULL || last->topic != topic || t->nmarks < MARKS_MOST)
	{
		if (t->nmarks % 256 == 0)
			t->marks = pg_realloc(t->marks, sizeof(LogMark) * (t->nmarks + 256));
		last = &t->marks[t->nmarks++];
	}
	last->bytes = t->sink.taken;
	last->topic = topic;
	strlcpy(last->position, position, sizeof(last->position));
}

/* Make safe what was written, and keep how far that is. */
static void
confirm(TailLog *t)
{
	int			done = 0;

	sink_settle(&t->sink);
	for (; done < t->nmarks && t->marks[done].bytes <= t->sink.done; done++)
	{
		const ReaderTopic *topic = &t->reader.topics[t->marks[done].topic];

		bookmark_set(&t->bookmark, t->marks[done].position, topic->relation, topic->name);
		t->changed = t->advanced = true;
	}
	t->nmarks -= done;
	memmove(t->marks, t->marks + done, sizeof(LogMark) * t->nmarks);
	if (t->changed && t->bookmark.file && !bookmark_write(&t->bookmark))
		t->failed = t->stop = true;
	t->changed = false;
	t->confirm_at = loop_now() + t->options->interval;
}

/* ---- events ---- */

/* False: it is no wanted one. */
static bool
is_wanted(TailLog *t)
{
	bool		wanted = true;
	Event		event;

	if (t->options->filter.nkeys == 0)
		return true;
	if (event_parse(t->line.data, &event))
	{
		wanted = filter_judge(&t->options->filter, &event) != FILTER_NO;
		event_free(&event);
	}
	return wanted;
}

/* {"topic":...,"position":...,"key":..., and the event's own members */
static void
make_line(TailLog *t, const ReaderEvent *event)
{
	resetPQExpBuffer(&t->line);
	appendPQExpBufferStr(&t->line, "{\"topic\":");
	report_json(&t->line, t->reader.topics[event->topic].name);
	appendPQExpBuffer(&t->line, ",\"position\":\"%s\"", event->position);
	/* a rollup's event has its key itself */
	if (event->key && strcmp(event->action, "rollup") != 0)
		appendPQExpBuffer(&t->line, ",\"key\":%s", event->key);
	if (event->size > 2)
		appendPQExpBufferChar(&t->line, ',');
	appendBinaryPQExpBuffer(&t->line, event->body + 1, event->size - 1);
}

static bool
take_event(void *context, const ReaderEvent *event)
{
	TailLog    *t = context;

	if (t->stop || t->sink.state != SINK_FINE || sink_full(&t->sink))
		return false;
	make_line(t, event);
	if (is_wanted(t))
	{
		sink_take(&t->sink, t->line.data, t->line.len);
		if (t->left > 0 && --t->left == 0)
			t->stop = true;
	}
	if (strcmp(event->action, "reset") == 0)
		fprintf(stderr, "gymstream: changes of %s may be missing before position %s: its log was "
				"begun anew\n", t->reader.topics[event->topic].name, event->position);
	mark(t, event->topic, event->position);
	return true;
}

static void
tell_gone(void *context, int topic, const char *after, const char *why)
{
	TailLog    *t = context;
	const char *name = t->reader.topics[topic].name;

	fprintf(stderr, "gymstream: changes of %s are missing after position %s: %s\n", name, after,
			why);
	resetPQExpBuffer(&t->line);
	appendPQExpBufferStr(&t->line, "{\"topic\":");
	report_json(&t->line, name);
	appendPQExpBuffer(&t->line, ",\"position\":\"%s\",\"action\":\"missed\",\"reason\":", after);
	report_json(&t->line, why);
	appendPQExpBufferChar(&t->line, '}');
	if (t->sink.state == SINK_FINE)
		sink_take(&t->sink, t->line.data, t->line.len);
}

/* ---- the command that reads ---- */

/* It has ended: it gets again what it has not read. The pause grows while it gets nowhere. */
static void
restart_command(TailLog *t)
{
	char	   *fate;

	confirm(t);					/* what it has read, before its pipe is closed */
	sink_close(&t->sink);
	fate = sink_command_fate(&t->sink);
	fprintf(stderr, "gymstream: %s; starting it again\n", fate);
	free(fate);
	t->nmarks = 0;
	for (int i = 0; i < t->reader.ntopics; i++)
	{
		const ReaderTopic *topic = &t->reader.topics[i];
		const BookmarkLine *line = bookmark_find(&t->bookmark, topic->relation, topic->name);

		reader_rewind(&t->reader, i, line && *line->position != '-' ? line->position : NULL);
	}
	t->restart_pause = t->advanced ? RESTART_FIRST : Min(t->restart_pause * 2, RESTART_MOST);
	t->advanced = false;
	loop_wait(NULL, 0, loop_now() + t->restart_pause);
	if (!loop_stopping() && !sink_open(&t->sink, &t->options->sink))
		t->failed = t->stop = true;
}

/* ---- the loop ---- */

static int64
next_deadline(const TailLog *t)
{
	int64		deadline = Min(reader_deadline(&t->reader), sink_deadline(&t->sink));

	return t->nmarks > 0 || t->changed ? Min(deadline, t->confirm_at) : deadline;
}

static void
step(TailLog *t)
{
	struct pollfd fds[] = {reader_poll(&t->reader), sink_poll(&t->sink)};
	bool		full = sink_full(&t->sink);

	/* While the sink is full nothing is read: the log waits, not our memory. */
	if (full)
		fds[0].fd = -1;
	loop_wait(fds, lengthof(fds), t->more && !full ? 0 : next_deadline(t));
	if (loop_stopping())
		return;
	if (!sink_full(&t->sink))
		t->more = reader_step(&t->reader);
	sink_write(&t->sink);
	if (t->options->sink.command)
		sink_command_look(&t->sink);
	if (fds[1].revents & (POLLERR | POLLHUP))
		sink_settle(&t->sink);
	if (loop_now() >= t->confirm_at)
		confirm(t);
	if (t->sink.state == SINK_ENDED && t->options->sink.restart && !t->stop)
		restart_command(t);
	if (t->options->until_now && reader_caught_up(&t->reader))
		t->stop = true;
}

/* Let the reader have what is written. Waits for a slow one only so long. */
static void
finish(TailLog *t)
{
	loop_go_on();				/* a second signal ends the waiting */
	sink_drain(&t->sink, NULL, NULL);
	confirm(t);
	loop_go_on();
	sink_close(&t->sink);
}

/* Set out from the bookmark, and from "--from" where it has no line; then it has them all. */
static bool
begin(TailLog *t, const char *const *names, int nnames, const ConnectOptions *connect)
{
	Reader	   *r = &t->reader;

	if ((t->bookmark.file && !bookmark_read(&t->bookmark)) ||
		!reader_start(r, connect, names, nnames))
		return false;
	for (int i = 0; i < nnames; i++)
	{
		const BookmarkLine *line = bookmark_find(&t->bookmark, r->topics[i].relation,
												 r->topics[i].name);

		if (line)
			reader_rewind(r, i, *line->position == '-' ? NULL : line->position);
	}
	if (!reader_begin(r))
		return false;
	for (int i = 0; i < nnames; i++)
		bookmark_set(&t->bookmark, r->topics[i].position ? r->topics[i].position : "-",
					 r->topics[i].relation, r->topics[i].name);
	if (t->bookmark.file && !bookmark_write(&t->bookmark))
		return false;
	return sink_open(&t->sink, &t->options->sink);
}

static int
exit_status(const TailLog *t)
{
	char	   *fate;

	if (t->failed || t->sink.state == SINK_BROKEN)
		return 1;
	if (t->options->sink.command == NULL || t->sink.status == 0)
		return 0;
	fate = sink_command_fate(&t->sink);
	fprintf(stderr, "gymstream: %s\n", fate);
	free(fate);
	return 1;
}

int
tail_log(const TailOptions *options, const ConnectOptions *connect, const char *const *names,
		 int nnames)
{
	static const ReaderCalls calls = {take_event, tell_gone};
	TailLog		t = {.options = options,.left = options->count,.restart_pause = RESTART_FIRST,
	.more = true,.sink.fd = -1,.sink.options = &options->sink,.bookmark.file = options->bookmark,
	.reader.calls = &calls,.reader.from = options->from ? options->from : READER_LATEST};
	int			status = 1;

	t.reader.context = &t;
	initPQExpBuffer(&t.line);
	if (begin(&t, names, nnames, connect))
	{
		while (!t.stop && !loop_stopping() && t.sink.state == SINK_FINE)
			step(&t);
		finish(&t);
		status = exit_status(&t);
	}
	else if (loop_stopping())
		status = 0;
	reader_stop(&t.reader);
	bookmark_clear(&t.bookmark);
	termPQExpBuffer(&t.line);
	free(t.marks);
	free(t.sink.buffer);
	return status;
}
