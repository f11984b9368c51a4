/*
 * consume_deliver.c: events into a command, a file or a pipe, until they are dealt with.
 *
 * Takes lines and a transaction that is open meanwhile, gives what became of them: a command's
 * exit status, or that a file is synced or a pipe read. Asks the server something now and then,
 * so that it sees that the worker lives, and the worker that its transaction does. Neither
 * commits nor rolls back.
 */
#include "postgres_fe.h"

#include <signal.h>
#include <sys/wait.h>

#include "client/consume/consume.h"

#define ASK_FIRST	INT64CONST(100000)	/* microseconds; most commands have ended by then */
#define ASK_MOST	INT64CONST(60000000)
#define KILL_AFTER	INT64CONST(5000000) /* a command that was asked to end has so long */
#define PIPE_PAUSE	INT64CONST(10000)	/* nothing tells when a pipe was read */

#define STATUS_TEMPFAIL	75			/* of sysexits.h */
#define STATUS_DATAERR	65

/* What is being done about lines on their way. */
typedef struct Transit
{
	int64		late_at;		/* when the command has had its time; LOOP_NEVER: no limit */
	int64		kill_at;		/* it was asked to end, and is ended then */
	int			signals;		/* as of which the command was told */
	bool		late;
	bool		lost;			/* the transaction is */
} Transit;

/* ---- the server ---- */

static void
ask_server(Worker *w)
{
	/* a failure shows in the connection's status */
	if (PQsendQuery(w->connection.pg, "SELECT setting FROM pg_catalog.pg_settings WHERE name "
					"OPERATOR(pg_catalog.=) 'idle_in_transaction_session_timeout'"))
		w->asking = true;
}

/* Take in what the server has answered. False: the transaction is lost. */
static bool
hear_server(Worker *w)
{
	PGconn	   *pg = w->connection.pg;
	PGresult   *result;
	bool		fine = PQconsumeInput(pg) && PQstatus(pg) == CONNECTION_OK;

	while (fine && w->asking && !PQisBusy(pg))
	{
		result = PQgetResult(pg);
		if (result == NULL)
			w->asking = false;
		else if (PQresultStatus(result) != PGRES_TUPLES_OK)
			fine = false;
		else
		{
			int64		limit = atoll(PQgetvalue(result, 0, 0)) * 1000;

			w->silence = limit > 0 ? Min(limit / 3, ASK_MOST) : ASK_MOST;
			w->ask_at = loop_now() + w->silence;
		}
		PQclear(result);
	}
	return fine && PQstatus(pg) == CONNECTION_OK;
}

/* The answer that is on its way comes before the next statement. */
static bool
await_answer(Worker *w)
{
	bool		fine = true;

	while (w->asking && fine)
	{
		connection_wait(&w->connection);
		worker_notice(w);
		fine = hear_server(w);
	}
	return fine;
}

/* ---- the command ---- */

static void
end_command(Worker *w, Transit *transit)
{
	if (w->sink.pid == 0)
		return;
	kill(-w->sink.pid, transit->kill_at == LOOP_NEVER ? SIGTERM : SIGKILL);
	transit->kill_at = loop_now() + KILL_AFTER;
}

/* End it where its time is over, a second signal came, or what it does would be done again. */
static void
watch_command(Worker *w, Transit *transit)
{
	if (w->signals > Max(transit->signals, 1))
		end_command(w, transit);
	transit->signals = w->signals;
	if (loop_now() >= transit->late_at)
	{
		transit->late = true;
		transit->late_at = LOOP_NEVER;
		end_command(w, transit);
	}
	if (loop_now() >= transit->kill_at)
		end_command(w, transit);
}

/* All is written: its input ends. What it has not read, it does not want. */
static void
close_input(Sink *sink)
{
	if (sink->fd < 0 || (sink->end > sink->start && sink->state == SINK_FINE))
		return;
	close(sink->fd);
	sink->fd = -1;
}

static Delivery
judge_command(Worker *w, const Transit *transit)
{
	int			status = w->sink.status;

	free(w->why);
	w->why = transit->late ? psprintf("the command took longer than %g seconds",
									  w->options->timeout / 1000000.0) :
		sink_command_fate(&w->sink);
	if (transit->lost || (transit->signals > 1 && WIFSIGNALED(status)))
		return DELIVERY_UNKNOWN;
	if (transit->late || WIFSIGNALED(status))
		return DELIVERY_FAILED;
	return WEXITSTATUS(status) == 0 ? DELIVERY_ACCEPTED :
		WEXITSTATUS(status) == STATUS_DATAERR ? DELIVERY_REJECTED : DELIVERY_FAILED;
}

/* ---- delivering ---- */

static bool
is_delivered(const Worker *w)
{
	if (w->options->sink.command)
		return w->sink.pid == 0;
	return w->sink.done >= w->sink.taken || w->sink.state != SINK_FINE;
}

static int64
wait_until(const Worker *w, const Transit *transit)
{
	int64		deadline = Min(transit->late_at, transit->kill_at);

	if (!w->asking && !transit->lost)
		deadline = Min(deadline, w->ask_at);
	if (w->options->sink.command == NULL && w->sink.end == w->sink.start)
		deadline = Min(deadline, loop_now() + PIPE_PAUSE);
	return deadline;
}

static void
step(Worker *w, Transit *transit)
{
	struct pollfd fds[] = {
		{.fd = transit->lost ? -1 : connection_socket(&w->connection),.events = POLLIN},
		sink_poll(&w->sink),
	};

	loop_wait(fds, lengthof(fds), wait_until(w, transit));
	worker_notice(w);
	sink_write(&w->sink);
	if (w->options->sink.command)
	{
		close_input(&w->sink);
		sink_command_look(&w->sink);
		watch_command(w, transit);
	}
	else
		sink_settle(&w->sink);
	if (!transit->lost && !hear_server(w))
	{
		transit->lost = true;
		end_command(w, transit);
	}
	if (!transit->lost && !w->asking && loop_now() >= w->ask_at)
		ask_server(w);
}

/* A command's standard input is one of lines at a time, other sinks stay open. */
static bool
open_sink(Worker *w)
{
	if (w->options->sink.command || w->sink.fd < 0)
		return sink_open(&w->sink, &w->options->sink);
	return true;
}

Delivery
deliver(Worker *w, const char *lines, size_t length)
{
	Transit		transit = {.late_at = LOOP_NEVER,.kill_at = LOOP_NEVER,.signals = w->signals};

	if (!open_sink(w))
	{
		w->failed = true;
		return DELIVERY_UNKNOWN;
	}
	sink_take(&w->sink, lines, length - 1);
	if (w->options->timeout > 0)
		transit.late_at = loop_now() + w->options->timeout;
	w->ask_at = loop_now() + (w->silence > 0 ? w->silence : ASK_FIRST);
	sink_write(&w->sink);
	if (w->options->sink.command)
		close_input(&w->sink);
	else
		sink_settle(&w->sink);
	while (!is_delivered(w))
		step(w, &transit);
	if (!await_answer(w))
		transit.lost = true;
	if (w->options->sink.command)
	{
		close_input(&w->sink);
		return judge_command(w, &transit);
	}
	return transit.lost || w->sink.done < w->sink.taken ? DELIVERY_UNKNOWN : DELIVERY_ACCEPTED;
}
