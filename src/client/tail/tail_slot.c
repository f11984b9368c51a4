/*
 * tail_slot.c: "gymstream tail --slot": the events of a replication slot.
 *
 * Takes what the server sends, gives the wanted lines to the sink, and confirms to the server
 * what is safe there: synced to the file, or read from the pipe. A position is confirmed only
 * when a later one has come, because several messages may carry the same one, and a transaction
 * when the next one begins. So after a crash of anything nothing is missing, and only what was
 * not confirmed comes again.
 */
#include "postgres_fe.h"

#include "client/feed/catchup.h"
#include "client/feed/names.h"
#include "client/feed/slot.h"
#include "client/tail/tail.h"

#define ENDING_MOST		INT64CONST(1000000) /* microseconds */
#define RESTART_FIRST	INT64CONST(100000)
#define RESTART_MOST	INT64CONST(5000000)

typedef struct TailSlot
{
	const TailOptions *options;
	Stream		stream;
	Filter		filter;			/* what the server does not do of it */
	Sink		sink;
	Marks		marks;
	Catchup		catchup;
	Lsn			highest;		/* of all messages; the last may not be complete */
	Lsn			commit;			/* of the transaction that the last line is of; 0: not known */
	Lsn			until;			/* 0: no end */
	int64		left;			/* events to print before the end; below zero: no end */
	/* all are printed: wait until then to see where their transaction ends; 0: not yet */
	int64		ending_at;
	int64		confirm_at;		/* not before, but for a server that asks */
	int64		restart_pause;	/* before the command is started again */
	Lsn			restart_lsn;	/* what was confirmed when it was started last */
	bool		more;			/* messages are at hand, and the sink is full */
	bool		reply;			/* the server asks */
	bool		stop;
	bool		odd;			/* a line was no event, and that was told */
	bool		failed;			/* for good, and that was told */
	bool		reading;		/* the stream has run since the connection was made */
} TailSlot;

/* Everything up to here came before what comes next. */
static void
tail_mark(TailSlot *t, Lsn lsn)
{
	marks_set(&t->marks, t->sink.taken, lsn);
	t->stream.resume = t->marks.last;
}

/*
 * A line is no event. With a filter, nobody can tell whether it is wanted: to print it, or to
 * confirm it, would be wrong.
 */
static bool
odd_line(TailSlot *t, const char *line)
{
	t->failed = filter_is_set(&t->options->filter);
	if (t->failed)
		fprintf(stderr,
				"gymstream: a line is no event, so that --table and --key cannot choose: "
				"\"%.60s\"\n"
				"HINT:  Leave out options of the output plugin that change the form of its "
				"lines, or the filters.\n", line);
	else if (!t->odd && t->until)
		fprintf(stderr, "gymstream: passing on lines that are no events of gymstream\n");
	t->odd = true;
	t->stop = t->stop || t->failed;
	return !t->failed;
}

/* Whoever keeps a copy by these events must read the table anew. */
static void
tell_gap(const Event *event)
{
	fprintf(stderr, "gymstream: rows of %s%s%s printed so far may be out of date: %s\n",
			event->schema ? event->schema : "", event->schema ? "." : "", event->table,
			event->said);
}

/*
 * See where a line's transaction was committed: the one before it is complete then. False: it is
 * not wanted. One that does not say it is committed after the position of its message, unless it
 * is the last of its transaction.
 */
static bool
tail_judge(TailSlot *t, const char *line, Lsn position, bool *beyond)
{
	const Filter *filter = &t->filter;
	bool		wanted;
	Event		event;
	Lsn			lsn = position;

	/* Without more knowledge the position of the message decides. */
	*beyond = t->until != 0 && position > t->until;
	if (!event_parse_change(line, &event, !filter_is_set(filter)))
		return odd_line(t, line);

	/*
	 * The line says where its transaction was committed. A later commit than the last line's is
	 * another transaction: all of the one before it has been taken.
	 */
	if (event.lsn && lsn_parse(event.lsn, &lsn))
	{
		*beyond = t->until != 0 && lsn > t->until;
		if (lsn > t->commit && t->commit != 0)
			tail_mark(t, t->commit + 1);
		t->commit = Max(t->commit, lsn);
	}
	wanted = filter_takes(filter, &event);
	if (wanted && event.action == EVENT_OTHER && event.table)
		tell_gap(&event);
	event_free(&event);
	return wanted;
}

static void
tail_lines(TailSlot *t, char *text, size_t length, Lsn position)
{
	char	   *end = text + length;
	bool		beyond;
	bool		wanted;

	for (char *next; text < end && t->sink.state == SINK_FINE; text = next)
	{
		next = memchr(text, '\n', end - text);
		next = next ? next : end;
		*next = '\0';			/* after a message libpq has put one anyway */
		wanted = tail_judge(t, text, position, &beyond);
		if (t->failed)
			return;
		if (beyond)
		{
			/*
			 * where lines do not say it, its transaction's commit may begin before the end: then
			 * it comes again
			 */
			if (t->commit > t->until)
				tail_mark(t, t->until + 1);
			t->stop = true;
			return;
		}
		if (wanted)
			sink_take(&t->sink, text, next - text);
		next++;

		/* enough: whether the transaction ends here is seen by what comes next, for a while */
		if (wanted && t->left > 0 && --t->left == 0)
		{
			t->ending_at = loop_now() + ENDING_MOST;
			t->stop = next < end;
			return;
		}
	}
}

static void
tail_take(TailSlot *t, StreamMessage *message)
{
	/* A keepalive: all transactions committed before its position have been sent. */
	if (message->text == NULL)
	{
		tail_mark(t, message->lsn);
		t->reply = t->reply || message->reply;
		/* one that was asked for may come while the server is still within the last transaction */
		t->stop = t->stop || (t->ending_at != 0 && message->lsn >= t->highest) ||
			(t->until != 0 && message->lsn >= t->until);
		t->highest = Max(t->highest, message->lsn);
		return;
	}

	/* Positions grow: what bore the one before it is complete. */
	if (message->lsn > t->highest)
	{
		tail_mark(t, t->highest);
		t->highest = message->lsn;
	}
	if (t->ending_at != 0)
		t->stop = true;
	else
		tail_lines(t, message->text, message->length, message->lsn);
}

/*
 * Make safe what was written, and confirm it: once in a while, and at once when the server asks.
 */
static void
tail_confirm(TailSlot *t)
{
	sink_settle(&t->sink);
	stream_confirm(&t->stream, marks_done(&t->marks, t->sink.done, t->stream.confirmed));
	t->confirm_at = loop_now() + t->options->interval;
	t->reply = false;
}

static int64
confirm_deadline(const TailSlot *t)
{
	int64		reply = t->stream.replied_at + t->stream.reply_most;

	if (!t->stream.running)
		return LOOP_NEVER;
	return t->marks.count > 0 || t->catchup.active ? Min(reply, t->confirm_at) : reply;
}

static int64
tail_deadline(const TailSlot *t)
{
	int64		deadline = Min(confirm_deadline(t),
							   connection_deadline(&t->stream.connection));

	deadline = Min(deadline, Min(sink_deadline(&t->sink), catchup_deadline(&t->catchup)));
	return t->ending_at != 0 ? Min(deadline, t->ending_at) : deadline;
}

/* The stream has begun, or begun again. */
static void
tail_begun(TailSlot *t)
{
	t->reading = true;
	t->filter = t->options->filter;
	if (t->stream.by_table)
		t->filter.ntables = 0;
	if (t->options->until_now && t->until == 0)
		t->until = t->stream.end;
	catchup_begin(&t->catchup, t->options->progress, Max(t->stream.confirmed, t->stream.resume),
				  t->stream.end);
	if (t->sink.fd >= 0)
		return;
	t->restart_lsn = t->stream.confirmed;
	if (!sink_open(&t->sink, &t->options->sink))
		t->stop = true;
}

/*
 * The command has ended: read again what it has not read, and start it then. The pause grows
 * while it gets nowhere.
 */
static void
tail_restart(TailSlot *t)
{
	char	   *fate;

	/* Confirm what it has read before its pipe is closed: after that nobody can tell. */
	tail_confirm(t);
	sink_close(&t->sink);
	t->sink.state = SINK_FINE;
	fate = sink_command_fate(&t->sink);

	/* All positions begin anew, from what is confirmed; what was at hand comes again. */
	marks_clear(&t->marks);
	t->highest = t->commit = t->stream.resume = 0;
	t->more = false;
	stream_rewind(&t->stream, fate);

	/* a command that got something done is started again soon */
	t->restart_pause = t->stream.confirmed > t->restart_lsn ? RESTART_FIRST :
		Min(t->restart_pause * 2, RESTART_MOST);
	t->stream.connection.retry_at = Max(t->stream.connection.retry_at,
										loop_now() + t->restart_pause);
	free(fate);
}

/* Wait once, and do what there is to do. */
static void
tail_step(TailSlot *t)
{
	Connection *c = &t->stream.connection;
	StreamMessage message;
	struct pollfd fds[] = {
		{.fd = t->more ? -1 : connection_socket(c),.events = c->poll_for},
		sink_poll(&t->sink),
	};

	/* While the sink is full nothing is taken from the server: its log waits, not our memory. */
	loop_wait(fds, 2, t->more && !sink_full(&t->sink) ? 0 : tail_deadline(t));
	if (loop_stopping())
		return;

	/* The stream: come up, gone, or going on. */
	if (!t->more)
		stream_step(&t->stream);
	if (!t->stream.running)
		t->reading = false;
	else if (!t->reading)
		tail_begun(t);
	stream_tell(&t->stream);
	if (t->sink.fd < 0)
		return;

	/* Messages into the sink, until it is full or there are no more at hand. */
	while (!t->stop && t->sink.state == SINK_FINE && !(t->more = sink_full(&t->sink)) &&
		   stream_next(&t->stream, &message))
		tail_take(t, &message);

	/* The sink into the world. Its reader may have ended, which a wait on the pipe shows. */
	sink_write(&t->sink);
	if (t->options->sink.command)
		sink_command_look(&t->sink);
	if (fds[1].revents & (POLLERR | POLLHUP))
		sink_settle(&t->sink);

	/* Then what to say: how far it is, to the user and to the server. */
	catchup_show(&t->catchup, t->highest);
	if (t->reply || loop_now() >= confirm_deadline(t))
		tail_confirm(t);
	if (t->sink.state == SINK_ENDED && t->options->sink.restart && !t->stop)
		tail_restart(t);
	t->stop = t->stop || (t->ending_at != 0 && loop_now() >= t->ending_at);
}

/* The server must hear of us while a slow reader is waited for. */
static void
confirm_in_time(void *context)
{
	TailSlot   *t = context;

	if (loop_now() >= t->stream.replied_at + t->stream.reply_most)
		tail_confirm(t);
}

/*
 * Let the reader have what is written, confirm it, and end the stream. Waits for a slow reader
 * only so long.
 */
static void
tail_finish(TailSlot *t)
{
	loop_go_on();				/* a second signal ends the waiting */
	sink_drain(&t->sink, confirm_in_time, t);

	/* The command is waited for last: it may take long, and the server need not wait with us. */
	tail_confirm(t);
	stream_finish(&t->stream);
	loop_go_on();
	sink_close(&t->sink);
}

/* How it went, as an exit status. What is wrong with a command was not told yet. */
static int
tail_status(const TailSlot *t)
{
	char	   *fate;

	if (t->failed || t->stream.failed || t->sink.state == SINK_BROKEN)
		return 1;
	if (t->options->sink.command == NULL || t->sink.status == 0)
		return 0;
	fate = sink_command_fate(&t->sink);
	fprintf(stderr, "gymstream: %s\n", fate);
	free(fate);
	return 1;
}

/* The slot is there: read it until something ends it. */
static int
tail_run(TailSlot *t)
{
	stream_begin(&t->stream);
	if (t->stream.running)
	{
		tail_begun(t);
		t->more = true;			/* libpq may have taken in the first messages already */
	}
	else if (!loop_stopping())
		stream_tell(&t->stream);
	while (!t->stop && !t->stream.failed && !loop_stopping() && t->sink.state == SINK_FINE)
		tail_step(t);
	if (t->stream.failed)
		stream_tell(&t->stream);	/* it may have failed while messages were taken */
	catchup_end(&t->catchup);
	if (t->sink.fd >= 0)
		tail_finish(t);
	return tail_status(t);
}

int
tail_slot(const TailOptions *options, ConnectOptions *connect)
{
	TailSlot	t = {.options = options,.until = options->until,.left =
					 options->count,.restart_pause = RESTART_FIRST};
	Connection *connection = &t.stream.connection;
	int			status = 1;

	connect->replication = true;
	t.sink.fd = -1;
	/* asked before the sink is open: the stream may begin late */
	t.sink.options = &options->sink;
	if (stream_open(&t.stream, connect, &options->stream))
	{
		if (options->drop)
			status = slot_drop(connection, options->stream.slot) ? 0 : 1;
		else if ((options->allow_missing || names_exist(connection, &options->filter)) &&
				 (!options->create ||
				  slot_create(connection, options->stream.slot, options->two_phase,
							  options->failover,
							  options->if_not_exists)))
			status = tail_run(&t);
	}
	stream_close(&t.stream);
	free(t.marks.marks);
	free(t.sink.buffer);
	return loop_stopping() ? 0 : status;
}
