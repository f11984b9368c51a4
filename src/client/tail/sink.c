/*
 * sink.c: where lines go: standard output, a file, or a command.
 *
 * Takes lines, gives them on without waiting for a slow reader, and says how many of their bytes
 * are safe: on disk, or read by who is at the other end of the pipe. Never tells the server
 * anything.
 */
#include "postgres_fe.h"

#include <errno.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/tail/sink.h"

#define SINK_WRITE	(64 * 1024)	/* a file is written when so much has come together */
#define SINK_MOST	(1024 * 1024)	/* no more is taken while the reader does not read */
#define DRAIN_MOST	INT64CONST(10000000)	/* microseconds */
#define DRAIN_PAUSE	INT64CONST(10000)

void
sink_break(Sink *sink, const char *what, const char *name)
{
	fprintf(stderr, "gymstream: could not %s \"%s\": %s\n", what, name, strerror(errno));
	sink->state = SINK_BROKEN;
}

static const char *
sink_name(const Sink *sink)
{
	return sink->options->file ? sink->options->file : sink->options->command ?
		sink->options->command : "standard output";
}

/* What kind of thing the descriptor is. */
static void
sink_look(Sink *sink)
{
	struct stat info;

	if (fstat(sink->fd, &info) != 0)
		return;
	sink->regular = S_ISREG(info.st_mode);
	sink->pipe = S_ISFIFO(info.st_mode);
}

bool
sink_open(Sink *sink, const SinkOptions *options)
{
	sink->options = options;
	sink->state = SINK_FINE;
	sink->start = sink->end = 0;
	sink->written = sink->done = sink->taken = 0;
	if (options->file && !sink_file_open(sink))
		return false;
	if (options->command && !sink_command_start(sink))
		return false;
	if (!options->file && !options->command)
		sink->fd = STDOUT_FILENO;
	sink_look(sink);
	return true;
}

void
sink_take(Sink *sink, const char *line, size_t length)
{
	if (sink->options->file)
		sink_file_take(sink, length + 1);
	if (sink->state != SINK_FINE)
		return;

	/* Make room: first what was written is moved out, then the buffer grows. */
	if (sink->end + length + 1 > sink->size)
	{
		if (sink->start > 0)
			memmove(sink->buffer, sink->buffer + sink->start, sink->end - sink->start);
		sink->end -= sink->start;
		sink->start = 0;
		if (sink->end + length + 1 > sink->size)
		{
			sink->size = Max(sink->size * 2, sink->end + length + 1);
			sink->buffer = pg_realloc(sink->buffer, sink->size);
		}
	}

	memcpy(sink->buffer + sink->end, line, length);
	sink->buffer[sink->end + length] = '\n';
	sink->end += length + 1;
	sink->taken += length + 1;
	sink->file_bytes += length + 1;
	if (sink->regular && sink->end - sink->start >= SINK_WRITE)
		sink_write(sink);
}

bool
sink_full(const Sink *sink)
{
	return sink->end - sink->start >= SINK_MOST;
}

/*
 * How much may be written now without waiting. Of a pipe that is ready at least PIPE_BUF bytes
 * are free.
 */
static size_t
sink_room(const Sink *sink)
{
	struct pollfd ready = {.fd = sink->fd,.events = POLLOUT};
	size_t		length = sink->end - sink->start;

	if (sink->regular || sink->options->command)
		return length;
	return poll(&ready, 1, 0) > 0 ? Min(length, PIPE_BUF) : 0;
}

void
sink_write(Sink *sink)
{
	size_t		room;

	while (sink->state == SINK_FINE && sink->fd >= 0 && (room = sink_room(sink)) > 0)
	{
		ssize_t		done = write(sink->fd, sink->buffer + sink->start, room);

		if (done >= 0)
		{
			sink->start += done;
			sink->written += done;
		}
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			break;
		else if (errno == EPIPE)
			sink->state = SINK_ENDED;
		else if (errno != EINTR)
			sink_break(sink, "write to", sink_name(sink));
	}
	if (sink->start == sink->end)
		sink->start = sink->end = 0;
	if (sink->options->file && sink->state == SINK_FINE)
		sink_file_turn(sink);
}

void
sink_settle(Sink *sink)
{
	struct pollfd ready = {.fd = sink->fd};
	int			unread = 0;

	if (sink->fd < 0 || sink->state == SINK_BROKEN)
		return;
	/* A file is safe when it is synced. */
	if (sink->regular && sink->done < sink->written)
		sink_file_sync(sink, sink_name(sink));
	if (sink->options->command)
		sink_command_look(sink);

	/* A pipe tells an error when its other end is closed, and how much is still in it. */
	if (!sink->regular && poll(&ready, 1, 0) > 0 && sink->state == SINK_FINE)
		sink->state = SINK_ENDED;
	if (sink->pipe && ioctl(sink->fd, FIONREAD, &unread) != 0)
		unread = 0;
	if (sink->state != SINK_BROKEN)
		sink->done = sink->written - unread;
}

struct pollfd
sink_poll(const Sink *sink)
{
	return (struct pollfd) {.fd = sink->regular ? -1 : sink->fd,.events = sink->end > sink->start ?
							POLLOUT : 0};
}

void
sink_drain(Sink *sink, void (*between) (void *context), void *context)
{
	int64		deadline = loop_now() + DRAIN_MOST;

	while (sink->state == SINK_FINE && sink->done < sink->taken && loop_now() < deadline &&
		   !loop_stopping())
	{
		struct pollfd fd = sink_poll(sink);

		loop_wait(&fd, 1, loop_now() + DRAIN_PAUSE);
		sink_write(sink);
		sink_settle(sink);
		if (between)
			between(context);
	}
}

int64
sink_deadline(const Sink *sink)
{
	return sink->options->file ? sink_file_deadline(sink) : LOOP_NEVER;
}

void
sink_close(Sink *sink)
{
	if (sink->fd >= 0 && sink->fd != STDOUT_FILENO)
		close(sink->fd);
	sink->fd = -1;
	if (sink->pid != 0)
		sink_command_finish(sink);
}
