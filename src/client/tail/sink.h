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

extern bool sink_open(Sink *sink, const SinkOptions *options);
extern void sink_take(Sink *sink, const char *line, size_t length);
extern bool sink_full(const Sink *sink);
extern void sink_write(Sink *sink);
extern void sink_settle(Sink *sink);
extern struct pollfd sink_poll(const Sink *sink);
extern int64 sink_deadline(const Sink *sink);
extern void sink_close(Sink *sink);
extern void sink_break(Sink *sink, const char *what, const char *name);

/* sink_file.c */
extern bool sink_file_open(Sink *sink);
extern void sink_file_take(Sink *sink, size_t length);
extern void sink_file_turn(Sink *sink);
extern int64 sink_file_deadline(const Sink *sink);
extern void sink_file_sync(Sink *sink, const char *name);

/* sink_command.c */
extern bool sink_command_start(Sink *sink);
extern void sink_command_look(Sink *sink);
extern void sink_command_finish(Sink *sink);
extern char *sink_command_fate(const Sink *sink);

#endif
