/*
 * sink.h: where lines go: standard output, a file, or a command
 */
#ifndef GYMSTREAM_CLIENT_SINK_H
#define GYMSTREAM_CLIENT_SINK_H

#include "client/base/loop.h"

typedef struct SinkOptions
{
	const char *file;			/* NULL: not to a file */
	const char *command;		/* NULL: not to a command */
	bool		restart;		/* start the command again when it has ended */
	bool		bound;			/* the command does not outlive us, where that can be seen to */
	int64		rotate_bytes;	/* a new file after so many; 0: no matter how many */
	int64		rotate_seconds; /* a new file at each multiple of this, by UTC; 0: never */
} SinkOptions;

typedef enum SinkState
{
	SINK_FINE,
	SINK_ENDED,					/* its reader takes no more */
	SINK_BROKEN,				/* what is wrong was told on stderr */
} SinkState;

typedef struct Sink
{
	const SinkOptions *options;
	SinkState	state;
	int			fd;				/* -1: none is open */
	bool		regular;		/* a file: fsync makes it safe */
	bool		pipe;			/* how much its reader has read can be seen */
	char	   *buffer;
	size_t		start;			/* of what is not written yet */
	size_t		end;
	size_t		size;
	int64		taken;			/* bytes that ever came in, */
	int64		written;		/* of these, handed to the system, */
	int64		done;			/* of these, safe on disk or read */
	int64		file_bytes;		/* size of the file being written */
	int64		file_period;	/* which multiple of rotate_seconds it belongs to */
	pid_t		pid;			/* of the command; 0: it does not run */
	int			status;			/* with which the command ended */
} Sink;

/*
 * Open it, or after it has ended open it anew, with nothing in it. options must live as long as
 * the sink. False: it failed, which is told on stderr.
 */
extern bool sink_open(Sink *sink, const SinkOptions *options);

/*
 * Take a line, without its end, which stays the caller's. Writes where enough has come
 * together.
 */
extern void sink_take(Sink *sink, const char *line, size_t length);

/* Whether so much is unwritten that no more should be taken. */
extern bool sink_full(const Sink *sink);

/*
 * Write what can be written without waiting, to a file everything. Begin a new file where its
 * time has come.
 */
extern void sink_write(Sink *sink);

/* See how much is safe, and make a file safe: sink->done. Notices that the reader is gone. */
extern void sink_settle(Sink *sink);

/* What to wait for: its reader is ready, or gone. */
extern struct pollfd sink_poll(const Sink *sink);

/*
 * Write and settle until everything taken is done; for ten seconds at most, and not after a signal.
 * between, unless it is NULL, is called now and then meanwhile.
 */
extern void sink_drain(Sink *sink, void (*between) (void *context), void *context);

/*
 * When sink_write wants to be called even if nothing happens. The sink need not be open, but
 * its options must be set.
 */
extern int64 sink_deadline(const Sink *sink);

/*
 * Let go of it, with the status of a command in sink->status, whose end is waited for. What was
 * not written is lost.
 */
extern void sink_close(Sink *sink);

/*
 * Say on stderr that something could not be done ("write to") with a name, and why by errno.
 * The sink is broken then.
 */
extern void sink_break(Sink *sink, const char *what, const char *name);

/* sink_file.c */

/*
 * Open the file, cut off a half line at its end, and make its name safe. False: it failed,
 * which is told.
 */
extern bool sink_file_open(Sink *sink);

/*
 * Before a line of so many bytes is taken: begin a new file where it would make this one too
 * large.
 */
extern void sink_file_take(Sink *sink, size_t length);

/*
 * Begin a new file where the time for it has come. Does nothing while there is something to be
 * written.
 */
extern void sink_file_turn(Sink *sink);

/* When that time comes. */
extern int64 sink_file_deadline(const Sink *sink);

/* Make safe what was written. name is for what is told where it fails. */
extern void sink_file_sync(Sink *sink, const char *name);

/* sink_command.c */

/* Start the command, with a pipe to it that never blocks. False: it failed, which is told. */
extern bool sink_command_start(Sink *sink);

/* See whether the command has ended; then sink->pid is 0 and sink->status is set. */
extern void sink_command_look(Sink *sink);

/*
 * The command's input is closed: wait until it has ended. A first signal to us ends it, a
 * second one at once.
 */
extern void sink_command_finish(Sink *sink);

/* How the command ended, in words, to be freed. */
extern char *sink_command_fate(const Sink *sink);

#endif
