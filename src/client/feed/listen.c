/*
 * listen.c: hearing what happens on topics.
 *
 * Takes the names of relations, finds their channels, listens, and gives each notification of the
 * publisher to the program. After a lost connection it does all of it again and tells the program
 * to read afresh: what was published in between was not heard. On one connection it has at most
 * one question on its way: who the publisher is, when something came in (sender.c), or every few
 * seconds whether all is well (health.c).
 */
#include "postgres_fe.h"

#include "client/feed/listen.h"
#include "client/feed/listen_parts.h"

#define MAX_OTHERS	4
#define ANSWER_MOST	INT64CONST(5000000) /* microseconds until no answer is trouble */
#define TELL_PAUSE	INT64CONST(10000000)	/* between two words about forged notifications */

/* Values as the events of a topic write them, whatever the role's own settings are. */
static const char session_query[] =
"SELECT pg_catalog.pg_backend_pid(), pg_catalog.set_config('DateStyle', 'ISO', false),"
" pg_catalog.set_config('IntervalStyle', 'postgres', false), pg_catalog.set_config('TimeZone', "
"'UTC', false),"
" pg_catalog.set_config('extra_float_digits', '1', false), pg_catalog.set_config('bytea_output', "
"'hex', false)";

/*
 * Whether the extension is there, and whether it is new enough: it has the columns that are read.
 */
static const char extension_query[] =
"SELECT pg_catalog.to_regclass('gymstream.status') IS NOT NULL,"
" pg_catalog.to_regclass('gymstream.topics') IS NOT NULL AND EXISTS"
" (SELECT FROM pg_catalog.pg_attribute WHERE attname OPERATOR(pg_catalog.=) 'publisher_since'"
"  AND attrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('gymstream.status'))";

void
listener_keep(char **text, const char *other)
{
	char	   *copy = other ? pg_strdup(other) : NULL;

	free(*text);
	*text = copy;
}

void
listener_missed_all(Listener *l, const char *why)
{
	for (int i = 0; i < l->ntopics; i++)
		l->calls->missed(l->context, i, why);
}

/*
 * Queries
 */

PGresult *
listener_query(Listener *l, const char *sql, int nparams, const char *const *params,
			   PQExpBuffer error)
{
	PGresult   *result = connection_query(&l->connection, sql, nparams, params);
	const char *why;

	if (result == NULL || PQresultStatus(result) == PGRES_TUPLES_OK ||
		PQresultStatus(result) == PGRES_COMMAND_OK)
		return result;
	why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	appendPQExpBufferStr(error, why ? why : PQresultErrorMessage(result));
	PQclear(result);
	return NULL;
}

/* If the answer to the question on its way is complete, take it. */
static void
take_answer(Listener *l)
{
	PGconn	   *pg = l->connection.pg;
	PGresult   *result;
	PGresult   *next;

	if (l->asked == ASKED_NOTHING || PQisBusy(pg))
		return;
	result = PQgetResult(pg);
	/* what is left is the end of the answer, already on its way */
	while ((next = PQgetResult(pg)) != NULL)
		PQclear(next);
	if (PQstatus(pg) == CONNECTION_OK)
		health_answered(l, result);
	PQclear(result);
}

PGresult *
listener_read(Listener *l, const char *sql, PQExpBuffer error)
{
	Connection *c = &l->connection;

	/* a question that is on its way comes first */
	while (listener_connected(l) && l->asked != ASKED_NOTHING)
	{
		connection_wait(c);
		if (loop_stopping() || !PQconsumeInput(c->pg))
			return NULL;
		take_answer(l);
	}
	return listener_connected(l) ? listener_query(l, sql, 0, NULL, error) : NULL;
}

/*
 * Connecting
 */

/*
 * False: the database does not have the extension, or one that is too old; error says what to do.
 */
static bool
has_extension(Listener *l, PQExpBuffer error)
{
	PGresult   *result = listener_query(l, extension_query, 0, NULL, error);
	bool		has = result && *PQgetvalue(result, 0, 0) == 't';
	bool		fits = has && *PQgetvalue(result, 0, 1) == 't';

	if (result && !has)
		appendPQExpBuffer(error, "database \"%s\" does not have the extension gymstream\n"
						  "HINT:  CREATE EXTENSION gymstream;", PQdb(l->connection.pg));
	else if (result && !fits)
		appendPQExpBuffer(error, "the extension gymstream of database \"%s\" is older than this"
						  " program\nHINT:  ALTER EXTENSION gymstream UPDATE;",
						  PQdb(l->connection.pg));
	PQclear(result);
	return fits;
}

/*
 * The connection is new: listen first and read then, so that nothing falls between the two.
 * Failures as in listener_read.
 */
static bool
begin_session(Listener *l, bool again, PQExpBuffer error)
{
	PGresult   *result;

	/* What belonged to the last connection is of no use here. */
	l->joined = false;
	sender_forget(l);
	health_forget(l);
	result = listener_query(l, session_query, 0, NULL, error);
	if (result == NULL)
		return false;
	listener_keep(&l->session, PQgetvalue(result, 0, 0));
	PQclear(result);

	/* The order matters: the status is read before LISTEN, and the tables after it. */
	if (!pooler_check(l, error) || !has_extension(l, error) || !sender_prepare(l, error) ||
		!health_begin(l, error))
		return false;

	/* at the start a name that is wrong ends the program; later the topic may come back */
	for (int i = 0; i < l->ntopics && !again; i++)
	{
		if (l->topics[i].trouble)
		{
			appendPQExpBufferStr(error, l->topics[i].trouble);
			return false;
		}
	}
	l->joined = l->calls->ready(l->context, again, error);
	return l->joined;
}

bool
listener_start(Listener *l, const ConnectOptions *options, const char *const *names, int nnames)
{
	PQExpBufferData error;
	bool		done;

	l->topics = pg_malloc0(sizeof(Topic) * nnames);
	l->ntopics = nnames;
	for (int i = 0; i < nnames; i++)
		l->topics[i].given = names[i];
	if (!connection_open(&l->connection, options))
		return false;

	initPQExpBuffer(&error);
	done = begin_session(l, false, &error);
	if (!done && !loop_stopping())
		fprintf(stderr, "gymstream: %s\n",
				error.len > 0 ? error.data : PQerrorMessage(l->connection.pg));
	termPQExpBuffer(&error);
	return done;
}

/* A new connection after a lost one; what is wrong with it makes it lost again. */
static void
resume_session(Listener *l)
{
	PQExpBufferData error;

	initPQExpBuffer(&error);
	if (begin_session(l, true, &error))
		connection_settled(&l->connection);
	else if (!loop_stopping() && listener_connected(l))
		connection_lost(&l->connection, error.len > 0 ? error.data : NULL);
	termPQExpBuffer(&error);
}

/*
 * The loop
 */

/* Ask what there is to ask, if nothing is on its way. */
static void
ask_next(Listener *l)
{
	if (!listener_connected(l) || l->asked != ASKED_NOTHING)
		return;
	if (loop_now() >= l->look_at)
		health_ask(l);
	else if (l->nqueue > 0)
		sender_ask(l);
}

/* When it wants to be called even if nothing happens. */
static int64
next_deadline(const Listener *l)
{
	int64		deadline = connection_deadline(&l->connection);

	if (!listener_connected(l))
		return deadline;
	if (l->asked == ASKED_NOTHING)
		return Min(deadline, l->look_at);
	/* once that is over it is shown, and nothing new comes of waiting */
	if (loop_now() >= l->asked_at + ANSWER_MOST)
		return deadline;
	return Min(deadline, l->asked_at + ANSWER_MOST);
}

bool
listener_step(Listener *l, struct pollfd *others, int nothers, int64 deadline)
{
	Connection *c = &l->connection;
	struct pollfd fds[MAX_OTHERS + 1];

	Assert(nothers <= MAX_OTHERS);
	if (listener_connected(l))
		sender_collect(l);		/* a query of the program may have taken some in */
	ask_next(l);

	/* Wait, once. */
	fds[0] = (struct pollfd) {.fd = connection_socket(c),.events = c->poll_for};
	for (int i = 0; i < nothers; i++)
		fds[i + 1] = others[i];
	loop_wait(fds, nothers + 1, Min(deadline, next_deadline(l)));
	for (int i = 0; i < nothers; i++)
		others[i].revents = fds[i + 1].revents;
	if (loop_stopping())
		return false;

	/* Take what has come: a connection, notifications, an answer. */
	if (connection_step(c))
		resume_session(l);
	if (listener_connected(l))
	{
		bool		alive = PQconsumeInput(c->pg) && PQstatus(c->pg) == CONNECTION_OK;

		/*
		 * an answer that is complete proves what came before it, also on a connection that has
		 * ended since
		 */
		take_answer(l);
		if (listener_connected(l) && !(alive && PQstatus(c->pg) == CONNECTION_OK))
			connection_lost(c, NULL);
	}
	if (listener_connected(l))
		sender_collect(l);
	ask_next(l);
	return !loop_stopping();
}

/*
 * How it is
 */

bool
listener_connected(const Listener *l)
{
	return l->connection.state == CONNECTION_UP;
}

char *
listener_trouble(const Listener *l)
{
	const Connection *c = &l->connection;
	int64		wait = c->retry_at - loop_now();

	if (c->state == CONNECTION_WAITING && wait > 0)
		return psprintf("connection lost, trying again in %.1f s: %s", wait / 1000000.0,
						c->trouble);
	if (!listener_connected(l) || !l->joined)
		return psprintf("connection lost, trying again: %s", c->trouble);
	if (l->asked != ASKED_NOTHING && loop_now() >= l->asked_at + ANSWER_MOST)
		return pg_strdup("the server does not answer");
	if (l->trouble)
		return pg_strdup(l->trouble);
	for (int i = 0; i < l->ntopics; i++)
	{
		if (l->topics[i].trouble)
			return pg_strdup(l->topics[i].trouble);
	}
	return NULL;
}

/* Say how many notifications others have sent since that was said last. */
static void
tell_forged(Listener *l)
{
	int64		more = l->forged - l->told_forged;

	if (more > 0)
		fprintf(stderr,
				"gymstream: passed over %lld notification%s that the publisher has not sent\n",
				(long long) more, more == 1 ? "" : "s");
	l->told_forged = l->forged;
	l->tell_forged_at = loop_now() + TELL_PAUSE;
}

void
listener_tell(Listener *l)
{
	bool		connected = listener_connected(l) && l->joined;
	char	   *trouble = connected ? listener_trouble(l) : pg_strdup("connection lost");
	bool		was_lost = l->told && strcmp(l->told, "connection lost") == 0;

	if (loop_now() >= l->tell_forged_at && l->forged > l->told_forged)
		tell_forged(l);

	/* workers that are about to be ready are no trouble, but not well either */
	if ((trouble && l->told && strcmp(trouble, l->told) == 0) ||
		(trouble == NULL && (l->told == NULL || !l->was_ready)))
	{
		free(trouble);
		return;
	}
	if (was_lost && connected)
		fprintf(stderr,
				"gymstream: connected again; what was published in between was not heard\n");
	else if (trouble == NULL)
		fprintf(stderr, "gymstream: all is well again\n");
	if (!connected)
		fprintf(stderr, "gymstream: connection lost, trying again: %s\n", l->connection.trouble);
	else if (trouble)
		fprintf(stderr, "gymstream: %s\n", trouble);
	free(l->told);
	l->told = trouble;
}

void
listener_stop(Listener *l)
{
	tell_forged(l);
	connection_close(&l->connection);
	sender_forget(l);
	health_forget(l);
	for (int i = 0; i < l->ntopics; i++)
	{
		Topic	   *topic = &l->topics[i];

		free(topic->name);
		free(topic->trouble);
		free(topic->relation);
		free(topic->created);
		free(topic->columns);
	}
	free(l->topics);
	free(l->queue);
	free(l->sender_since);
	free(l->session);
	free(l->told);
}
