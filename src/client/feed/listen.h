/*
 * listen.h: hearing what happens on topics
 *
 * A listener is one connection that listens on the channels of some topics. It gives a program
 * only notifications that the server's publisher has sent, and tells it whenever something may
 * have been missed. The program reads the tables that it shows by listener_read, on the same
 * connection, after it listens.
 */
#ifndef GYMSTREAM_CLIENT_LISTEN_H
#define GYMSTREAM_CLIENT_LISTEN_H

#include "client/base/loop.h"
#include "client/feed/listener.h"

/*
 * Connect, listen and read for the first time. calls and context must be set, key may be, the
 * rest zero; names live as long as the listener. False: it failed, which is told on stderr, or a
 * signal ended it. listener_stop frees in both cases.
 */
extern bool listener_start(Listener *l, const ConnectOptions *options, const char *const *names,
						   int nnames);

/*
 * Wait once, for the connection, the other descriptors or the deadline, and do what there is to
 * do: give out what was heard, ask how the server is, connect again. Sets revents of the others.
 * False: the program is asked to stop.
 */
extern bool listener_step(Listener *l, struct pollfd *others, int nothers, int64 deadline);

/* Whether it is connected, so that listener_read can be called. */
extern bool listener_connected(const Listener *l);

/*
 * Why not all is heard, in a few words, perhaps with a hint on a second line, to be freed; NULL:
 * all is well.
 */
extern char *listener_trouble(const Listener *l);

/* Say on stderr what listener_trouble says, once, and when it is over. */
extern void listener_tell(Listener *l);

/*
 * The rows of a query, to be cleared; it may give out what was heard meanwhile. NULL: it failed;
 * error says why, or nothing where the connection is gone or a signal came.
 */
extern PGresult *listener_read(Listener *l, const char *sql, PQExpBuffer error);

/* Close the connection and free all that the listener has. */
extern void listener_stop(Listener *l);

#endif
