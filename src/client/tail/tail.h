/*
 * tail.h: "gymstream tail": its options, and its ways to hear of events
 */
#ifndef GYMSTREAM_CLIENT_TAIL_H
#define GYMSTREAM_CLIENT_TAIL_H

#include "client/feed/filter.h"

#include "client/feed/stream.h"
#include "client/tail/sink.h"

typedef struct TailOptions
{
	int64		count;			/* events to print before the end; -1: no end */
	StreamOptions stream;		/* no slot: topics */
	SinkOptions sink;
	Filter		filter;
	const char *from;			/* where to begin, as it was given; NULL: not said */
	const char *bookmark;		/* the file that says how far topics were read; NULL: none does */
	Lsn			until;			/* 0: no end */
	bool		until_now;
	bool		create;
	bool		if_not_exists;
	bool		two_phase;
	bool		failover;
	bool		drop;
	bool		progress;
	bool		allow_missing;	/* names of the filter need not be those of tables and columns */
	int64		interval;		/* microseconds between confirmations */
} TailOptions;

/* The command "gymstream tail". Gives the exit status. */
extern int	tail_main(int argc, char **argv);

/*
 * The same of what the topics' logs have, and then of what comes, whose positions a bookmark
 * keeps. Gives the exit status.
 */
extern int	tail_log(const TailOptions *options, const ConnectOptions *connect,
					 const char *const *names, int nnames);

/* Print the events of topics until something ends it. Gives the exit status. */
extern int	tail_topics(const TailOptions *options, const ConnectOptions *connect,
						const char *const *names, int nnames);

/*
 * Make, read or drop a slot, as the options say. Gives the exit status. Changes connect, which
 * must live as long as the call.
 */
extern int	tail_slot(const TailOptions *options, ConnectOptions *connect);

#endif
