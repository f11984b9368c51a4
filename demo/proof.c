/*
 * proof.c: the end of the demo.
 *
 * Takes a board whose traffic has stopped, waits for the events that are still on their way, and
 * compares what it heard with what the tables hold. Gives a report, and whether all of it was
 * right.
 */
#include "postgres_fe.h"

#include "board.h"

#define DRAIN_MOST		INT64CONST(10000000)	/* to wait for the last events, in microseconds */
#define DRAIN_LOOK		INT64CONST(100000)	/* between two looks at the rollups */
#define QUIET_LOOK		INT64CONST(20000)	/* and for the traffic's server processes */

static const char writers_query[] =
"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench' AND datname = "
"current_database()";
static const char verify_query[] =
"SELECT name, (SELECT count(*) FROM gymstream.verify_rollup(name::regclass))"
" FROM (VALUES ('class_attendance'), ('gym_day_revenue'), ('gym_sales'), "
"('message_worker')) AS rollup (name)";
static const char overbooked_query[] =
"SELECT count(*) FROM class JOIN class_attendance USING (class_id) WHERE attendance > capacity";

static bool
proof_number(Board *board, const char *sql, int64 *number, PQExpBuffer error)
{
	PGresult   *result = listener_read(&board->listener, sql, error);

	if (result == NULL)
		return false;
	*number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return true;
}

/* The traffic was told to stop, but a server process still ends the statement that it is at. */
static bool
proof_quiet(Board *board, PQExpBuffer error)
{
	int64		most = loop_now() + DRAIN_MOST;
	int64		writers;

	while (proof_number(board, writers_query, &writers, error))
	{
		if (writers == 0 || loop_now() > most)
			return true;
		loop_wait(NULL, 0, loop_now() + QUIET_LOOK);
	}
	return false;
}

/*
 * Nothing is written any more: wait until all has arrived, and see whether the board is then what
 * the tables are.
 */
static bool
proof_drain(Board *board, int64 made, PQExpBuffer error)
{
	int64		most = loop_now() + DRAIN_MOST;
	bool		same = false;

	while (loop_now() < most && listener_connected(&board->listener))
	{
		same = board->booked >= made &&
			chain_same_as_rollups(&board->chain, &board->listener, error);
		if (same || error->len > 0 ||
			!listener_step(&board->listener, NULL, 0, loop_now() + DRAIN_LOOK))
			break;
		board_drawn(board, loop_now());
	}
	return same;
}

static bool
proof_line(bool fine, const char *about, const char *fmt,...) pg_attribute_printf(3, 4);

static bool
proof_line(bool fine, const char *about, const char *fmt,...)
{
	va_list		args;

	printf("  %-6s %-17s ", fine ? "ok" : "WRONG", about);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	return fine;
}

static bool
proof_verify(Board *board, PQExpBuffer error)
{
	PGresult   *result = listener_read(&board->listener, verify_query, error);
	bool		fine = result != NULL;

	for (int i = 0; i < PQntuples(result); i++)
	{
		const char *differences = PQgetvalue(result, i, 1);

		fine &= proof_line(strcmp(differences, "0") == 0, "verify_rollup", "%s: %s difference%s",
						   PQgetvalue(result, i, 0),
						   strcmp(differences, "0") == 0 ? "no" : differences,
						   strcmp(differences, "1") == 0 ? "" : "s");
	}
	PQclear(result);
	return fine;
}

/* Each booking was confirmed once, whoever was killed. */
static bool
proof_mail(Board *board, int64 made, PQExpBuffer error)
{
	int64		sent;
	int64		again;
	int			killed = 0;

	if (!mail_finish(&board->mail, &board->listener, loop_now() + DRAIN_MOST, &sent, &again,
					 error))
		return false;
	for (int i = 0; i < MAIL_WORKERS; i++)
		killed += board->mail.workers[i].killed;
	return proof_line(sent == made && again == 0, "confirmed", "%s bookings, %s twice; %d worker%s "
					  "killed meanwhile", board_number(sent), again == 0 ? "none" :
					  board_number(again), killed, killed == 1 ? "" : "s");
}

static bool
proof_all(Board *board, int64 ran, PQExpBuffer error)
{
	int64		bookings;
	int64		made;
	int64		overbooked;
	bool		fine;
	bool		same;

	if (!proof_quiet(board, error) ||
		!proof_number(board, "SELECT count(*) FROM booking", &bookings, error))
		return false;
	made = bookings - board->bookings_before;
	same = proof_drain(board, made, error);
	if (error->len > 0 || !proof_number(board, overbooked_query, &overbooked, error))
		return false;

	printf("\nThe gyms were open for %.1f s.\n", ran / 1000000.0);
	fine = proof_line(made > 0, "bookings made", "%s by the table", board_number(made));
	fine &= proof_line(board->booked == made && !board->lost_some, "events received",
					   "%s bookings, %s cancellations, %s in all", board_number(board->booked),
					   board_number(board->cancelled), board_number(board->listener.heard));
	fine &= proof_verify(board, error);
	fine &= proof_line(same, "board", "kept by notifications alone, %s the rollups",
					   same ? "it equals" : "it differs from");
	fine &= proof_line(overbooked == 0, "overbooked", "%s class%s",
					   overbooked == 0 ? "no" : board_number(overbooked),
					   overbooked == 1 ? "" : "es");
	fine &= proof_mail(board, made, error);
	if (board->traffic_status >= 0)
		fine &= proof_line(false, "traffic", "ended too early, with status %d",
						   board->traffic_status);
	fine &= proof_line(board->latency.count > 0, "latency", "from commit to %s p50 %s, p99 %s",
					   board->on_screen ? "screen" : "client",
					   board_duration(latency_at(&board->latency, 0.5)),
					   board_duration(latency_at(&board->latency, 0.99)));
	return fine;
}

bool
proof_print(Board *board)
{
	int64		ran = loop_now() - board->started;
	PQExpBufferData error;
	bool		fine;

	initPQExpBuffer(&error);
	fine = proof_all(board, ran, &error);
	if (error.len > 0 || !listener_connected(&board->listener))
	{
		fprintf(stderr, "board: could not prove it: %s\n",
				error.len > 0 ? error.data : "the connection is lost");
		fine = false;
	}
	termPQExpBuffer(&error);
	return fine;
}
