/*
 * listen.h: hearing what happens on topics
 */
#ifndef GYMSTREAM_CLIENT_LISTEN_H
#define GYMSTREAM_CLIENT_LISTEN_H

#include "client/base/connect.h"

#include "pqexpbuffer.h"

#include "client/base/loop.h"

typedef struct Topic
{
	const char *given;			/* its relation as the user wrote it */
	char	   *name;			/* the same, qualified and quoted */
	char	   *channel;
	bool		is_rollup;
	bool		rows;			/* its notifications carry the rows */
} Topic;

/* What a program does with what is heard. */
typedef struct ListenCalls
{
	/* Connected, and listening already: read the state. False: something in the database is wrong; *error says what. */
	bool		(*ready) (void *context, bool again, PQExpBuffer error);
	void		(*heard) (void *context, int topic, const char *payload);
} ListenCalls;

typedef struct Listener
{
	Connection	connection;
	const ListenCalls *calls;
	void	   *context;
	Topic	   *topics;
	int			ntopics;
	int64		heard;			/* notifications */
	bool		told;			/* that the connection is lost */
} Listener;

extern bool listener_start(Listener *l, const ConnectOptions *options, const char *const *names, int nnames);
extern bool listener_step(Listener *l, struct pollfd *others, int nothers, int64 deadline);
extern bool listener_fine(const Listener *l);
extern void listener_tell(Listener *l);
extern char *listener_trouble(const Listener *l);
extern PGresult *listener_read(Listener *l, const char *sql, PQExpBuffer error);
extern void listener_stop(Listener *l);

#endif
