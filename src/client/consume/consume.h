/*
 * consume.h: "gymstream consume": a worker of a consumer group
 */
#ifndef GYMSTREAM_CLIENT_CONSUME_H
#define GYMSTREAM_CLIENT_CONSUME_H

#include <unistd.h>

#include "client/base/connect.h"
#include "client/tail/sink.h"
#include "pqexpbuffer.h"

typedef struct ConsumeOptions
{
	const char *group;
	SinkOptions sink;
	int64		jobs;			/* workers */
	int64		batch;			/* the most events a poll; 0: not said */
	int64		timeout;		/* microseconds that a command may take; 0: no limit */
	bool		drain;			/* end when there is nothing to be had */
} ConsumeOptions;

/* What became of events. */
typedef enum Delivery
{
	DELIVERY_ACCEPTED,
	DELIVERY_FAILED,			/* to be tried again; why is in the worker */
	DELIVERY_REJECTED,			/* never to be tried again; likewise */
	DELIVERY_UNKNOWN,			/* stopped, or the transaction is lost: they come again */
} Delivery;

typedef struct Worker
{
	const ConsumeOptions *options;
	Connection	connection;
	Sink		sink;
	pid_t		parent;			/* ends with it; 0: has none */
	char	   *why;			/* an event failed, in a few words; NULL: none did */
	int			signals;		/* that asked it to stop */
	bool		ending;			/* after what is at hand */
	char	   *told;			/* the error of the server that was told last; NULL: it is over */
	bool		lost;			/* it was told that the connection is */
	bool		asking;			/* the server was asked something while a command runs */
	int64		ask_at;			/* when to ask next */
	int64		silence;		/* microseconds between two questions; 0: not known yet */
	bool		failed;			/* for good, which was told */
} Worker;

/* The command "gymstream consume". Gives the exit status. */
extern int	consume_main(int argc, char **argv);

/* consume_worker.c */

/*
 * Work until something ends it. password may be NULL; parent is the process without which it
 * ends, or 0. Gives the exit status.
 */
extern int	consume_work(const ConsumeOptions *options, const ConnectOptions *connect,
						 const char *password, pid_t parent);

/* Notice a signal, and a parent that is gone. To be called after each wait. */
extern void worker_notice(Worker *w);

/* consume_deliver.c */

/*
 * Hand lines to where they go, each with its end, and wait until they are dealt with. Keeps the
 * transaction from being taken for a silent one.
 */
extern Delivery deliver(Worker *w, const char *lines, size_t length);

#endif
