/*
 * consume_worker.c: one worker: polls, has the events delivered, commits.
 *
 * Takes a group, gives events to where the options say, one transaction after the other. The
 * commit is the ack. Waits in wait_group while there is nothing, which holds no snapshot. After a
 * lost connection it goes on with whatever the group has for it then.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/base/report.h"
#include "client/consume/consume.h"

#define PAUSE_FIRST	INT64CONST(100000)	/* microseconds, after an error */
#define PAUSE_MOST	INT64CONST(5000000)

#define STATE_UNDEFINED	"42704"		/* SQLSTATE of an object that does not exist */

/* Names are written in full. Nothing of it is left in a session that others may have next. */
static const char poll_query[] =
"SELECT (SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c"
"  JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
"  WHERE c.oid OPERATOR(pg_catalog.=) p.topic),"
" p.\"position\", p.attempt, p.key, p.event"
" FROM gymstream.poll_group($1, $2::pg_catalog.int4) p";

static const char wait_query[] = "CALL gymstream.wait_group($1, '10 seconds')";

static const char begin_query[] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

static const char reject_query[] =
"SELECT gymstream.reject_event($1, $2::pg_catalog.regclass, $3::gymstream.position, $4)";

static const char release_query[] =
"SELECT gymstream.release_event($1, $2::pg_catalog.regclass, $3::gymstream.position)";

static const char attempts_query[] =
"SELECT max_attempts FROM gymstream.groups WHERE group_name OPERATOR(pg_catalog.=) $1";

enum
{
	POLLED_TOPIC,
	POLLED_POSITION,
	POLLED_ATTEMPT,
	POLLED_KEY,
	POLLED_EVENT,
};

void
worker_notice(Worker *w)
{
	if (loop_stopping())
	{
		w->signals++;
		w->ending = true;
		loop_go_on();
	}
	if (w->parent != 0 && getppid() != w->parent)
		w->ending = true;
}

/* While a query runs. A query that waits for events is given up. */
static void
notice_parent(void *context)
{
	Worker	   *w = context;

	if (w->parent != 0 && getppid() != w->parent)
		loop_stop();
}

/* ---- statements ---- */

/*
 * A statement that the first signal does not cancel. NULL: the connection broke, or a second
 * signal came.
 */
static PGresult *
run_statement(Worker *w, const char *sql, int nparams, const char *const *params)
{
	Connection *c = &w->connection;
	int			signals = w->signals;
	PGresult   *result;
	PGresult   *next;

	if (!(nparams == 0 ? PQsendQuery(c->pg, sql) :
		  PQsendQueryParams(c->pg, sql, nparams, NULL, params, NULL, NULL, 0)))
		return NULL;
	while (PQisBusy(c->pg))
	{
		connection_wait(c);
		worker_notice(w);
		if (w->signals > Max(signals, 1) || !PQconsumeInput(c->pg))
			return NULL;
	}
	result = PQgetResult(c->pg);
	/* what is left is the end of the query, already on its way */
	while ((next = PQgetResult(c->pg)) != NULL)
		PQclear(next);
	return result;
}

static bool
is_done(const PGresult *result)
{
	return PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK;
}

/*
 * Whether an error is of the moment: the server has rolled back to resolve a conflict, and asks
 * for another try.
 */
static bool
is_conflict(const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return state && strncmp(state, "40", 2) == 0;
}

/* Tell an error, once. Where there is no such group any more, that is the end. */
static void
tell_error(Worker *w, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *why = PQresultErrorMessage(result);

	if (result == NULL || is_conflict(result))
		return;
	w->failed |= state && strcmp(state, STATE_UNDEFINED) == 0;
	if (w->told && strcmp(w->told, why) == 0)
		return;
	connection_complain(&w->connection, result);
	free(w->told);
	w->told = pg_strdup(why);
}

/* Run it, tell an error, and clear the result. */
static bool
run_command(Worker *w, const char *sql, int nparams, const char *const *params)
{
	PGresult   *result = run_statement(w, sql, nparams, params);
	bool		done = is_done(result);

	if (!done)
		tell_error(w, result);
	PQclear(result);
	return done;
}

/* ---- what became of an event ---- */

/* The event cannot be done: it is a dead letter, or tried again. False: a statement failed. */
static bool
set_aside(Worker *w, const PGresult *polled, bool reject)
{
	const char *params[] = {w->options->group, PQgetvalue(polled, 0, POLLED_TOPIC),
							PQgetvalue(polled, 0, POLLED_POSITION), w->why};
	int			attempt = atoi(PQgetvalue(polled, 0, POLLED_ATTEMPT));
	PGresult   *most;

	fprintf(stderr, "gymstream: event %s of %s, attempt %d: %s\n", params[2], params[1], attempt,
			w->why);
	if (!reject)
	{
		/* the last one that is allowed: a dead letter then says why */
		most = run_statement(w, attempts_query, 1, params);
		if (PQresultStatus(most) == PGRES_TUPLES_OK && PQntuples(most) > 0)
			reject = attempt >= atoi(PQgetvalue(most, 0, 0));
		PQclear(most);
	}
	return run_command(w, reject ? reject_query : release_query, reject ? 4 : 3, params);
}

/* Do what the delivery says, in the transaction that has polled. False: roll it back. */
static bool
settle(Worker *w, const PGresult *polled, Delivery delivery)
{
	switch (delivery)
	{
		case DELIVERY_ACCEPTED:
			return true;
		case DELIVERY_UNKNOWN:
			return false;
		default:
			if (PQntuples(polled) == 1)
				return set_aside(w, polled, delivery == DELIVERY_REJECTED);
			fprintf(stderr, "gymstream: a batch of %d events: %s; they come one at a time now\n",
					PQntuples(polled), w->why);
			return false;
	}
}

/* ---- events as lines ---- */

static const char *
polled_text(const PGresult *polled, int row, int column)
{
	return PQgetisnull(polled, row, column) ? NULL : PQgetvalue(polled, row, column);
}

/* {"topic":...,"position":...,"attempt":...,"key":..., and the event's own members */
static void
add_line(PQExpBuffer out, const PGresult *polled, int row)
{
	static const char rollup[] = "{\"action\":\"rollup\"";
	const char *key = polled_text(polled, row, POLLED_KEY);
	const char *event = PQgetvalue(polled, row, POLLED_EVENT);

	appendPQExpBufferStr(out, "{\"topic\":");
	report_json(out, PQgetvalue(polled, row, POLLED_TOPIC));
	appendPQExpBuffer(out, ",\"position\":\"%s\",\"attempt\":%s",
					  PQgetvalue(polled, row, POLLED_POSITION),
					  PQgetvalue(polled, row, POLLED_ATTEMPT));
	/* a rollup's event has its key itself */
	if (key && strncmp(event, rollup, sizeof(rollup) - 1) != 0)
		appendPQExpBuffer(out, ",\"key\":%s", key);
	appendPQExpBuffer(out, "%s%s\n", strcmp(event, "{}") == 0 ? "" : ",", event + 1);
}

/* What a command may want to know without reading JSON. */
static void
set_environment(const Worker *w, const PGresult *polled)
{
	char		count[32];

	snprintf(count, sizeof(count), "%d", PQntuples(polled));
	setenv("GYMSTREAM_GROUP", w->options->group, 1);
	setenv("GYMSTREAM_EVENTS", count, 1);
	setenv("GYMSTREAM_TOPIC", PQgetvalue(polled, 0, POLLED_TOPIC), 1);
	setenv("GYMSTREAM_POSITION", PQgetvalue(polled, 0, POLLED_POSITION), 1);
	setenv("GYMSTREAM_ATTEMPT", PQgetvalue(polled, 0, POLLED_ATTEMPT), 1);
}

static Delivery
deliver_rows(Worker *w, const PGresult *polled)
{
	PQExpBufferData lines;
	Delivery	delivery;

	initPQExpBuffer(&lines);
	for (int i = 0; i < PQntuples(polled); i++)
		add_line(&lines, polled, i);
	if (w->options->sink.command)
		set_environment(w, polled);
	delivery = deliver(w, lines.data, lines.len);
	termPQExpBuffer(&lines);
	return delivery;
}

/* ---- the loop ---- */

/* A statement was cancelled: take in what the server says of that, so that it sees a clean end. */
static void
await_cancel(Worker *w)
{
	PGconn	   *pg = w->connection.pg;
	PGresult   *result;

	while (PQstatus(pg) == CONNECTION_OK && PQisBusy(pg))
	{
		connection_wait(&w->connection);
		worker_notice(w);
		if (w->signals > 1 || !PQconsumeInput(pg))
			return;
	}
	while (!PQisBusy(pg) && (result = PQgetResult(pg)) != NULL)
		PQclear(result);
}

/* Nothing is to be had now: wait until there may be, or a signal comes. */
static bool
wait_for_events(Worker *w)
{
	const char *params[] = {w->options->group};
	PGresult   *result;
	bool		done;

	if (w->options->drain)
		w->ending = true;
	if (w->ending)
		return true;
	result = connection_query(&w->connection, wait_query, 1, params);
	worker_notice(w);
	if (result == NULL)
		await_cancel(w);
	done = is_done(result) || w->ending;
	if (!done)
		tell_error(w, result);
	PQclear(result);
	return done;
}

/* One transaction, and then a wait where it had nothing. False: something failed. */
static bool
work_once(Worker *w)
{
	char	   *batch = psprintf("%lld", (long long) w->options->batch);
	const char *params[] = {w->options->group, batch};
	PGresult   *polled = NULL;
	bool		empty;
	bool		done = false;

	if (run_command(w, begin_query, 0, NULL))
	{
		polled = run_statement(w, poll_query, 2, params);
		done = PQresultStatus(polled) == PGRES_TUPLES_OK;
		if (!done)
			tell_error(w, polled);
	}
	free(batch);
	empty = done && PQntuples(polled) == 0;
	if (done && !empty)
	{
		Delivery	delivery = deliver_rows(w, polled);
		bool		keep = settle(w, polled, delivery);

		done = run_command(w, keep ? "COMMIT" : "ROLLBACK", 0, NULL) &&
			delivery != DELIVERY_UNKNOWN;
	}
	else
		done = run_command(w, done ? "COMMIT" : "ROLLBACK", 0, NULL) && done;
	PQclear(polled);
	return empty && done ? wait_for_events(w) : done;
}

/* A new connection. */
static void
begin_session(Worker *w)
{
	w->asking = false;
	w->connection.idle = notice_parent;
	w->connection.idle_context = w;
	if (w->lost)
		fprintf(stderr, "gymstream: connected again\n");
	w->lost = false;
	connection_settled(&w->connection);
}

/* Wait for the next connection. */
static void
connect_again(Worker *w)
{
	Connection *c = &w->connection;

	if (!w->lost)
		fprintf(stderr, "gymstream: connection lost, trying again: %s\n", c->trouble);
	w->lost = true;
	connection_wait(c);
	worker_notice(w);
	if (connection_step(c))
		begin_session(w);
}

static void
work_on(Worker *w)
{
	int64		pause = PAUSE_FIRST;

	while (!w->ending && !w->failed && (w->sink.state == SINK_FINE || w->options->sink.command))
	{
		if (w->connection.state != CONNECTION_UP)
			connect_again(w);
		else if (work_once(w))
		{
			free(w->told);
			w->told = NULL;
			pause = PAUSE_FIRST;
		}
		else if (PQstatus(w->connection.pg) != CONNECTION_OK || w->asking ||
				 PQtransactionStatus(w->connection.pg) != PQTRANS_IDLE)
			connection_lost(&w->connection, NULL);
		else
		{
			loop_wait(NULL, 0, loop_now() + pause);
			worker_notice(w);
			pause = Min(pause * 2, PAUSE_MOST);
		}
	}
}

int
consume_work(const ConsumeOptions *options, const ConnectOptions *connect, const char *password,
			 pid_t parent)
{
	Worker		w = {.options = options,.parent = parent,.sink.fd = -1,
	.sink.options = &options->sink};

	w.connection.options = connect;
	w.connection.password = password ? pg_strdup(password) : NULL;
	if (connection_try(&w.connection))
		begin_session(&w);
	worker_notice(&w);
	work_on(&w);
	connection_close(&w.connection);
	if (options->sink.command == NULL)
		sink_close(&w.sink);
	free(w.sink.buffer);
	free(w.why);
	free(w.told);
	return w.failed || w.sink.state == SINK_BROKEN ? 1 : 0;
}
