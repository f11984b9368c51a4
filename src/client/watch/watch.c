/*
 * watch.c: "gymstream watch": live tables.
 *
 * Takes rollups, reads each once, and keeps it as the notifications say: on a terminal as tables
 * that change in place, otherwise as one line a change. Reads a rollup again where the listener
 * says that something may have been missed, where an event does not fit what was read, and where
 * a notification could not carry the row, and then at most once a second. What cannot be read
 * stays as it was, with the reason beside it.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "client/feed/listen.h"
#include "client/watch/screen.h"
#include "client/watch/watch.h"

#define DRAW_PAUSE		INT64CONST(10000)	/* microseconds between two drawings, at least */
#define REREAD_PAUSE	INT64CONST(1000000)
#define RETRY_MOST		INT64CONST(10000000)
#define RETRY_REDRAW	INT64CONST(100000)

/*
 * Reading
 */

/* It must be read anew; why may be NULL. */
static void
mark_stale(WatchView *view, const char *why)
{
	if (why)
	{
		free(view->why);
		view->why = pg_strdup(why);
	}
	view->table.stale = true;
}

/*
 * Read a rollup. What is wrong goes into view->error; nothing does where the connection is gone
 * or a signal came.
 */
static void
load_view(Watch *watch, int index)
{
	WatchView  *view = &watch->views[index];
	const Topic *topic = &watch->listener.topics[index];
	char	   *sql = psprintf("SELECT gymstream.event_key(r.*), r.* FROM %s r", topic->name);
	PQExpBufferData error;
	PGresult   *result = NULL;

	initPQExpBuffer(&error);
	view->reading_since = loop_now();
	if (topic->is_rollup)
		result = listener_read(&watch->listener, sql, &error);
	else
		appendPQExpBuffer(&error, "it is not a rollup");
	view->reading_since = 0;
	free(sql);
	if (result)
	{
		table_load(&view->table, result);
		PQclear(result);
		if (!watch->on_screen)
			printf("%s: %s%d row%s%s%s%s\n", topic->given, view->loaded ? "read again, " : "",
				   view->table.nrows,
				   view->table.nrows == 1 ? "" : "s", view->why ? " (" : "",
				   view->why ? view->why : "",
				   view->why ? ")" : "");
	}
	if (result || error.len > 0)
	{
		free(view->error);
		view->error = result ? NULL : pg_strdup(error.data);
	}
	if (result)
	{
		free(view->why);
		view->why = NULL;
		view->loaded = true;
	}

	/* one that cannot be read is tried for less and less often */
	view->pause = result ? REREAD_PAUSE : Min(view->pause * 2, RETRY_MOST);
	view->read_at = loop_now() + view->pause;
	watch->dirty = true;
	termPQExpBuffer(&error);
}

/*
 * Read what events could not carry, what may have been missed, and what could not be read before.
 */
static void
load_stale(Watch *watch)
{
	for (int i = 0; i < watch->nviews; i++)
	{
		WatchView  *view = &watch->views[i];

		if (view->table.stale && loop_now() >= view->read_at &&
			listener_connected(&watch->listener) && !loop_stopping())
			load_view(watch, i);
	}
}

char *
watch_trouble(const Watch *watch)
{
	char	   *trouble = listener_trouble(&watch->listener);

	for (int i = 0; i < watch->nviews && trouble == NULL; i++)
	{
		if (watch->views[i].error)
			trouble = psprintf("%s cannot be read: %s", watch->listener.topics[i].given,
							   watch->views[i].error);
	}
	return trouble;
}

/*
 * What the listener calls
 */

/* Nothing is read here: that may take long, and the screen shows it then. */
static bool
watch_ready(void *context, bool again, PQExpBuffer error)
{
	Watch	   *watch = context;

	for (int i = 0; i < watch->nviews; i++)
	{
		const Topic *topic = &watch->listener.topics[i];

		if (!again && !topic->is_rollup)
		{
			appendPQExpBuffer(error, "\"%s\" is not a rollup\n"
							  "HINT:  \"gymstream tail %s\" shows the changes of any topic.",
							  topic->given, topic->given);
			return false;
		}
		free(watch->views[i].table.name);
		watch->views[i].table.name = pg_strdup(topic->given);
		watch->views[i].read_at = 0;
		mark_stale(&watch->views[i], again ? "connected again" : NULL);
	}
	return true;
}

static void
watch_missed(void *context, int topic, const char *why)
{
	mark_stale(&((Watch *) context)->views[topic], why);
}

static void
watch_heard(void *context, int topic, const char *payload)
{
	Watch	   *watch = context;
	Table	   *table = &watch->views[topic].table;
	PQExpBufferData change;
	Event		event;

	watch->dirty = true;
	if (!event_parse(payload, &event))
	{
		mark_stale(&watch->views[topic], "a notification is no event");
		return;
	}
	if (event.action == EVENT_OTHER)
		mark_stale(&watch->views[topic], event.said);
	if (watch->on_screen)
	{
		table_apply(table, &event, loop_now(), NULL);
		event_free(&event);
		return;
	}
	initPQExpBuffer(&change);
	table_apply(table, &event, loop_now(), &change);
	event_free(&event);
	for (char *p = change.data; *p; p++)
	{
		if ((unsigned char) *p < 0x20)
			*p = ' ';			/* one line a change, whatever the values hold */
	}
	if (change.len > 0)
		printf("%s\n", change.data);
	termPQExpBuffer(&change);
}

static const ListenCalls watch_calls = {watch_ready, watch_heard, watch_missed, .reads = true};

static void
watch_key(Watch *watch, int key)
{
	WatchView  *view = &watch->views[watch->focus];
	Table	   *table = &view->table;
	int			columns = Max(table->ncolumns, 1);

	watch->dirty = true;
	watch->draw_at = 0;
	switch (key)
	{
		case 'q':
		case 'Q':
			loop_stop();
			break;
		case 'r':
			table_sort_by(table, table->sort_column, !table->descending);
			break;
		case SCREEN_LEFT:
			table_sort_by(table, (table->sort_column + columns - 1) % columns, table->descending);
			break;
		case SCREEN_RIGHT:
			table_sort_by(table, (table->sort_column + 1) % columns, table->descending);
			break;
		case '\t':
			watch->focus = (watch->focus + 1) % watch->nviews;
			break;
		case SCREEN_UP:
			view->first_row--;
			break;
		case SCREEN_DOWN:
			view->first_row++;
			break;
		case SCREEN_PAGE_UP:
			view->first_row -= view->shown_rows;
			break;
		case SCREEN_PAGE_DOWN:
			view->first_row += view->shown_rows;
			break;
		case SCREEN_HOME:
			view->first_row = 0;
			break;
		case SCREEN_END:
			view->first_row = table->nrows;
			break;
		default:
			break;
	}
}

/*
 * On a terminal
 */

static void
take_keys(Watch *watch)
{
	int			key;

	while ((key = screen_key()) != SCREEN_NONE)
		watch_key(watch, key);
}

/*
 * Draw when something is different, but leave the machine to others: at most a quarter of the
 * time goes into drawing.
 */
static void
draw_if_due(Watch *watch, int64 now)
{
	char	   *trouble = watch_trouble(watch);
	int64		done;

	if (now >= watch->fade_at || !listener_connected(&watch->listener) ||
		(trouble && watch->trouble ? strcmp(trouble, watch->trouble) != 0 :
		 trouble != watch->trouble))
		watch->dirty = true;
	free(watch->trouble);
	watch->trouble = trouble;
	if (!watch->dirty || now < watch->draw_at)
		return;
	watch_draw(watch, now);
	done = loop_now();
	watch->dirty = false;
	watch->draw_at = done + Max(DRAW_PAUSE, (done - now) * 3);
}

/* While a query runs: keys work, and it is seen what is waited for. */
static void
watch_idle(void *context)
{
	Watch	   *watch = context;

	watch->dirty = true;
	take_keys(watch);
	draw_if_due(watch, loop_now());
}

static int64
watch_deadline(const Watch *watch)
{
	int64		deadline = LOOP_NEVER;

	for (int i = 0; i < watch->nviews; i++)
	{
		if (watch->views[i].table.stale && listener_connected(&watch->listener))
			deadline = Min(deadline, watch->views[i].read_at);
	}
	if (!watch->on_screen)
		return deadline;
	if (watch->dirty)
		deadline = Min(deadline, watch->draw_at);
	if (!listener_connected(&watch->listener))
		deadline = Min(deadline, loop_now() + RETRY_REDRAW);
	return Min(deadline, Max(watch->fade_at, watch->draw_at));
}

static void
run_on_screen(Watch *watch)
{
	struct pollfd keyboard = {.fd = STDIN_FILENO,.events = POLLIN};

	watch->listener.connection.idle = watch_idle;
	watch->listener.connection.idle_context = watch;
	draw_if_due(watch, loop_now());
	load_stale(watch);
	draw_if_due(watch, loop_now());
	while (listener_step(&watch->listener, &keyboard, 1, watch_deadline(watch)))
	{
		take_keys(watch);
		if (keyboard.revents & (POLLHUP | POLLERR | POLLNVAL))
			return;
		load_stale(watch);
		draw_if_due(watch, loop_now());
	}
}

/*
 * Without a terminal
 */

/* Say on stderr, once, that something could not be read. */
static void
tell_error(Watch *watch)
{
	char	   *trouble = listener_trouble(&watch->listener);
	char	   *error = trouble ? NULL : watch_trouble(watch);

	free(trouble);
	if (error && (watch->told == NULL || strcmp(error, watch->told) != 0))
		fprintf(stderr, "gymstream: %s\n", error);
	free(watch->told);
	watch->told = error;
}

static void
run_plain(Watch *watch)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	load_stale(watch);
	/* an error of stdout is that its reader is gone */
	while (fflush(stdout) == 0 &&
		   listener_step(&watch->listener, &output, 1, watch_deadline(watch)) && !output.revents)
	{
		listener_tell(&watch->listener);
		load_stale(watch);
		tell_error(watch);
	}
}

static const Command watch_command = {
	.name = "gymstream watch",
	.arguments = "ROLLUP...",
	.about = "Shows rollups as live tables, until q is pressed; without a terminal, prints one "
	"line for each change.\n"
	"Each needs a topic whose notifications carry rows:\n"
	"  SELECT gymstream.create_topic('class_attendance', notify => 'row');",
};

int
watch_main(int argc, char **argv)
{
	ConnectOptions options = {0};
	Watch		watch = {.listener.calls = &watch_calls,.fade_at = LOOP_NEVER};
	int			first = options_parse(&watch_command, argc, argv, &options, NULL);
	bool		done;

	if (first >= argc)
		options_usage_error(&watch_command, "no rollup is given");
	watch.listener.context = &watch;
	watch.nviews = argc - first;
	watch.views = pg_malloc0(sizeof(WatchView) * watch.nviews);
	for (int i = 0; i < watch.nviews; i++)
		watch.views[i].pause = REREAD_PAUSE;
	watch.on_screen = screen_possible();
	loop_start();
	done = listener_start(&watch.listener, &options, (const char *const *) argv + first,
						  watch.nviews);
	if (done && watch.on_screen)
	{
		screen_start();
		run_on_screen(&watch);
		screen_stop();
	}
	else if (done)
		run_plain(&watch);

	listener_stop(&watch.listener);
	for (int i = 0; i < watch.nviews; i++)
	{
		table_free(&watch.views[i].table);
		free(watch.views[i].why);
		free(watch.views[i].error);
	}
	free(watch.views);
	free(watch.trouble);
	free(watch.told);
	return done || loop_stopping() ? 0 : 1;
}
