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
	const char *tables;			/* value of add-tables where the slot's plugin is gymstream; NULL: all tables */
	bool		filtered;		/* lines are chosen by what is in them, so they must be events of gymstream */
	Lsn			from;			/* 0: from where the slot was confirmed */
} StreamOptions;

typedef struct StreamMessage
{
	Lsn			lsn;			/* of the change; of a keepalive: all before was sent */
	char	   *text;			/* one or more lines, until the next message is read; NULL: a keepalive */
	size_t		length;
	bool		reply;			/* the server wants an answer now */
} StreamMessage;

typedef struct Stream
{
	Connection	connection;
	const StreamOptions *options;
	bool		running;		/* the server sends */
	bool		by_table;		/* only of the tables of the options */
	bool		again;			/* it has run before */
	bool		failed;			/* for good; why is in the connection's trouble */
	bool		told;			/* that the connection is lost */
	char	   *copy;			/* libpq's memory of the message read last */
	Lsn			confirmed;		/* what we confirmed, or found confirmed */
	Lsn			resume;			/* up to here all was given out: from where to go on after a lost connection */
	Lsn			end;			/* where the server's log ended when we connected */
	int64		reply_most;		/* microseconds that the server may go without hearing from us */
	int64		replied_at;
} Stream;

extern bool stream_open(Stream *s, const ConnectOptions *connect, const StreamOptions *options);
extern void stream_begin(Stream *s);
extern void stream_step(Stream *s);
extern bool stream_next(Stream *s, StreamMessage *message);
extern void stream_confirm(Stream *s, Lsn lsn);
extern void stream_rewind(Stream *s, const char *why);
extern void stream_tell(Stream *s);
extern void stream_finish(Stream *s);
extern void stream_close(Stream *s);
extern void stream_quote(PQExpBuffer sql, const char *text, char quote);

#endif
