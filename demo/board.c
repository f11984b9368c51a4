/*
 * board.c: the gym chain's board: full classes, sales and how fast it all arrives, live.
 *
 * Takes the demo's topics, and a command that makes bookings, which it starts and stops. Gives a
 * board on the terminal, otherwise a line a second, and at the end a proof. After one reading of
 * the tables all it shows comes from notifications; it reads again only where the listener says
 * that some may have been missed.
 */
#include "postgres_fe.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board.h"
#include "client/watch/screen.h"

#define SECOND			INT64CONST(1000000)
#define DRAW_PAUSE		INT64CONST(3000)	/* between two drawings, at least */
#define RECENT			(5 * SECOND)

static bool
board_ready(void *context, bool again, PQExpBuffer error)
{
	Board	   *board = context;
	PGresult   *result;

	board->dirty = true;
	board->lost_some = again;
	if (again)
		return chain_read_rollups(&board->chain, &board->listener, error) &&
			mail_read(&board->mail, &board->listener, error);
	if (!chain_read(&board->chain, &board->listener, error) ||
		!chain_read_rollups(&board->chain, &board->listener, error) ||
		!mail_begin(&board->mail, &board->listener, error) ||
		!mail_read(&board->mail, &board->listener, error))
		return false;
	result = listener_read(&board->listener, "SELECT count(*) FROM booking", error);
	if (result == NULL)
		return false;
	board->bookings_before = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return true;
}

static void
board_booking(Board *board, const Event *event)
{
	bool		booked = event->action == EVENT_INSERT;
	News	   *news = &board->news[board->nnews % BOARD_NEWS];

	if (booked)
		board->booked++;
	else if (event->action == EVENT_UPDATE)
		board->cancelled++;
	else
		return;
	news->class_id = event_int(&event->new_row, "class_id");
	news->member_id = event_int(&event->new_row, "member_id");
	news->booked = booked;
	board->nnews++;
}

static void
board_missed(void *context, int topic, const char *why)
{
	Board	   *board = context;

	board->lost_some = board->stale = true;
}

static void
board_heard(void *context, int topic, const char *payload)
{
	Board	   *board = context;
	Event		event;

	if (!event_parse(payload, &event))
	{
		board_missed(context, topic, "a notification is no event");
		return;
	}
	if (event.action == EVENT_OTHER || event.action == EVENT_POSITION || event.truncated)
		board_missed(context, topic, event.said);
	else if (topic == TOPIC_BOOKING)
		board_booking(board, &event);
	else if (topic == TOPIC_ATTENDANCE)
		chain_attendance(&board->chain, &event, loop_now());
	else if (topic == TOPIC_DAY_REVENUE)
		chain_day_revenue(&board->chain, &event);
	else if (topic == TOPIC_SALES)
		chain_sales(&board->chain, &event);
	else if (topic == TOPIC_SENT)
		mail_sent(&board->mail, &event);
	else
		mail_worker(&board->mail, &event);
	event_free(&event);

	board->dirty = true;
	if (event.commit_time == 0)
		return;
	if (board->nundrawn == board->undrawn_allocated)
	{
		board->undrawn_allocated = Max(board->undrawn_allocated * 2, 256);
		board->undrawn = pg_realloc(board->undrawn, sizeof(int64) * board->undrawn_allocated);
	}
	board->undrawn[board->nundrawn++] = event.commit_time;
}

static const ListenCalls board_calls = {board_ready, board_heard, board_missed, .reads = true};

/* Read the rollups again, where events were missed. What cannot be read now is tried again. */
static void
read_stale(Board *board)
{
	PQExpBufferData error;

	if (!board->stale || !listener_connected(&board->listener))
		return;
	initPQExpBuffer(&error);
	board->stale = !chain_read_rollups(&board->chain, &board->listener, &error) ||
		!mail_read(&board->mail, &board->listener, &error);
	termPQExpBuffer(&error);
	board->dirty = true;
}

void
board_drawn(Board *board, int64 now)
{
	int64		clock = event_wall_clock();

	if (now >= board->turn_at)
	{
		board->recent[1] = board->recent[0];
		memset(&board->recent[0], 0, sizeof(Latency));
		board->turn_at = now + RECENT;
	}
	for (int i = 0; i < board->nundrawn; i++)
	{
		latency_add(&board->latency, clock - board->undrawn[i]);
		latency_add(&board->recent[0], clock - board->undrawn[i]);
	}
	board->nundrawn = 0;
}

Latency
board_recent(const Board *board)
{
	Latency		recent = board->recent[0];

	latency_merge(&recent, &board->recent[1]);
	return recent;
}

/* Close the seconds that are over. */
static void
board_seconds(Board *board, int64 now)
{
	for (; now >= board->second_at; board->second_at += SECOND)
	{
		memmove(board->seconds, board->seconds + 1, sizeof(double) * (BOARD_SECONDS - 1));
		board->seconds[BOARD_SECONDS - 1] = board->booked - board->booked_before;
		board->booked_before = board->booked;
		mail_second(&board->mail);
		board->dirty = true;
		if (!board->on_screen)
			board_print_second(board, now);
	}
}

/*
 * The traffic: a process group of its own, so that all of it can be stopped.
 */

static bool
start_traffic(Board *board, char **command)
{
	if (*command == NULL)
		return true;
	fflush(stdout);
	board->traffic = fork();
	if (board->traffic < 0)
	{
		fprintf(stderr, "board: could not fork: %m\n");
		board->traffic = 0;
		return false;
	}
	if (board->traffic == 0)
	{
		setpgid(0, 0);
		loop_leave();
		execvp(command[0], command);
		fprintf(stderr, "board: could not run \"%s\": %m\n", command[0]);
		_exit(127);
	}
	setpgid(board->traffic, board->traffic);
	return true;
}

/* Has it ended, which it should not before the board does? */
static void
check_traffic(Board *board)
{
	int			status;

	if (board->traffic > 0 && waitpid(board->traffic, &status, WNOHANG) == board->traffic)
	{
		kill(-board->traffic, SIGTERM);	/* what it has started */
		board->traffic = 0;
		board->traffic_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		board->dirty = true;
	}
}

static void
stop_traffic(Board *board)
{
	if (board->traffic <= 0)
		return;
	kill(-board->traffic, SIGTERM);
	while (waitpid(board->traffic, NULL, 0) < 0 && errno == EINTR)
		;
	board->traffic = 0;
}

/*
 * Running
 */

static void
board_redraw(Board *board, int64 now)
{
	int64		done;

	if (now >= board->fade_at || !listener_connected(&board->listener))
		board->dirty = true;
	if (!board->dirty || now < board->draw_at)
		return;
	if (board->on_screen)
		board_draw(board, now);
	done = loop_now();
	board_drawn(board, done);
	board->dirty = false;
	/* at most a quarter of the time goes into drawing */
	board->draw_at = board->on_screen ? done + Max(DRAW_PAUSE, (done - now) * 3) : 0;
}

static void
board_run(Board *board)
{
	/* without a terminal, an error of stdout is that its reader is gone */
	struct pollfd keyboard = {.fd = STDIN_FILENO,.events = POLLIN};
	struct pollfd output = {.fd = STDOUT_FILENO};
	struct pollfd other = board->on_screen ? keyboard : output;
	int64		now = loop_now();

	board_redraw(board, now);
	while (now < board->ends)
	{
		int64		deadline = Min(board->ends, board->second_at);
		int			key;

		if (board->dirty)
			deadline = Min(deadline, board->draw_at);
		deadline = Min(deadline, Max(board->fade_at, board->draw_at));
		if (!listener_step(&board->listener, &other, 1, deadline) ||
			other.revents & (POLLHUP | POLLERR | POLLNVAL))
			return;
		while (board->on_screen && (key = screen_key()) != SCREEN_NONE)
		{
			if (key == 'q' || key == 'Q')
				return;
			board->dirty = true;
		}
		read_stale(board);
		now = loop_now();
		check_traffic(board);
		board_seconds(board, now);
		board_redraw(board, now);
	}
}

static void
ignore_stops(int64 until)
{
	do
	{
		loop_go_on();
		loop_wait(NULL, 0, until);
	} while (loop_now() < until);
	loop_go_on();
}

static bool
set_seconds(void *context, const char *value)
{
	int64		seconds;

	if (!options_number(value, 1, 1000000, &seconds))
		return false;
	((Board *) context)->ends = seconds * SECOND;
	return true;
}

static const CommandOption board_options[] = {
	{'s', "seconds", "SECONDS", "stop after that many seconds",
	set_seconds, "whole seconds, from 1 to 1000000"},
	{0},
};

static const Command board_command = {
	.name = "board",
	.arguments = "[-- COMMAND [ARGUMENT]...]",
	.about = "Shows the demo's gyms, live, while COMMAND makes bookings; proves at the end that "
	"all of it was right.",
	.options = board_options,
};

int
main(int argc, char **argv)
{
	static const char *const topics[] = {"booking", "class_attendance", "gym_day_revenue",
										 "gym_sales", "message_worker", "worker"};
	static Board board = {.listener.calls = &board_calls,.traffic_status = -1,
						  .ends = LOOP_NEVER,.fade_at = LOOP_NEVER};
	ConnectOptions options = {0};
	int			first;
	bool		proved;

	screen_locale();
	first = options_parse(&board_command, argc, argv, &options, &board);
	board.listener.context = &board;
	board.on_screen = screen_possible();
	loop_start();
	if (!listener_start(&board.listener, &options, topics, TOPIC_COUNT) ||
		!start_traffic(&board, argv + first))
		return 1;

	board.started = loop_now();
	board.second_at = board.started + SECOND;
	if (board.ends != LOOP_NEVER)
		board.ends += board.started;
	if (board.on_screen)
		screen_start();
	board_run(&board);
	stop_traffic(&board);
	screen_stop();

	/*
	 * whoever stops the demo as a whole may do so by two signals; one that comes later ends the
	 * proof
	 */
	ignore_stops(loop_now() + SECOND / 5);
	proved = proof_print(&board);
	listener_stop(&board.listener);
	return proved ? 0 : 1;
}
