/*
 * stream.h: reading a logical replication slot
 */
#ifndef GYMSTREAM_CLIENT_STREAM_H
#define GYMSTREAM_CLIENT_STREAM_H

#include "client/base/connect.h"

#include "pqexpbuffer.h"

#include "client/feed/marks.h"

typedef struct PluginOption
{
	const char *name;
	const char *value;
} PluginOption;

typedef struct StreamOptions
{
	const char *slot;
	PluginOption *plugin;
	int			nplugin;
	/* value of add-tables where the slot's plugin is gymstream; NULL: all tables */
	const char *tables;
	/* a plugin that is gymstream is asked to tell of DDL */
	bool		schema_changes;
	/* lines are chosen by what is in them, so they must be events of gymstream */
	bool		filtered;
	Lsn			from;			/* 0: from where the slot was confirmed */
} StreamOptions;

typedef struct StreamMessage
{
	Lsn			lsn;			/* of the change; of a keepalive: all before was sent */
	/* one or more lines, until the next message is read; NULL: a keepalive */
	char	   *text;
	size_t		length;
	bool		reply;			/* the server wants an answer now */
} StreamMessage;

typedef struct Stream
{
	Connection	connection;
	const StreamOptions *options;
	bool		running;		/* the server sends */
	bool		ours;			/* the slot's plugin is gymstream */
	bool		by_table;		/* only of the tables of the options */
	bool		again;			/* it has run before */
	bool		failed;			/* for good; why is in the connection's trouble */
	bool		told;			/* that the connection is lost */
	bool		failure_told;	/* why it has failed */
	char	   *copy;			/* libpq's memory of the message read last */
	Lsn			confirmed;		/* what we confirmed, or found confirmed */
	/* up to here all was given out: from where to go on after a lost connection */
	Lsn			resume;
	Lsn			end;			/* where the server's log ended when we connected */
	int64		reply_most;		/* microseconds that the server may go without hearing from us */
	int64		replied_at;
} Stream;

/*
 * Connect for the first time. s is zero; options and connect must live as long as the stream.
 * False: it failed, which is told on stderr. stream_close frees in both cases.
 */
extern bool stream_open(Stream *s, const ConnectOptions *connect, const StreamOptions *options);

/*
 * The connection is new: have the server send. After it the stream is running, is to be tried
 * again, or has failed for good.
 */
extern void stream_begin(Stream *s);

/* Go on with what the connection waits for, and take in what has come; does not wait. */
extern void stream_step(Stream *s);

/*
 * The next message that has come. Its text lives until the next call. False: there is none at
 * hand.
 */
extern bool stream_next(Stream *s, StreamMessage *message);

/*
 * Tell the server that all up to lsn is done with: it may forget that, and never sends it
 * again. Asks it how far it is.
 */
extern void stream_confirm(Stream *s, Lsn lsn);

/* What was given out and not confirmed is wanted again: connect anew. why is told. */
extern void stream_rewind(Stream *s, const char *why);

/*
 * Say on stderr, once, that the connection is lost, that it is back, or why the stream has
 * failed.
 */
extern void stream_tell(Stream *s);

/*
 * End the stream in good order, so that the server has taken what was confirmed, and lets go of
 * the slot. Drops what the server still sends. Waits a few seconds at most.
 */
extern void stream_finish(Stream *s);

/* Close the connection and free all that the stream has. */
extern void stream_close(Stream *s);

/*
 * Append a text within quotes as the replication protocol has it, which knows no backslashes.
 */
extern void stream_quote(PQExpBuffer sql, const char *text, char quote);

#endif
