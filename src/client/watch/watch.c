/*
 * watch.c: "gymstream watch": live tables.
 *
 * Takes rollups, reads each once, and keeps it as the notifications say: on a terminal as tables that change in place,
 * else as one line a change. Reads a rollup again only after a lost connection or where a notification could not carry
 * the row, and then at most once a second. Never polls.
 */
#include "postgres_fe.h"

#include <unistd.h>

#include "client/watch/screen.h"
#include "client/watch/watch.h"

#define DRAW_PAUSE		INT64CONST(10000)	/* microseconds between two drawings, at least */
#define REREAD_PAUSE	INT64CONST(1000000)
#define RETRY_REDRAW	INT64CONST(100000)

static bool
watch_load(Watch *watch, int index, bool again, PQExpBuffer error)
{
	Table	   *table = &watch->views[index].table;
	const Topic *topic = &watch->listener.topics[index];
	char	   *sql = psprintf("SELECT * FROM %s", topic->name);
	PGresult   *result = listener_read(&watch->listener, sql, error);

	free(sql);
	if (result == NULL)
		return false;
	free(table->name);
	table->name = pg_strdup(topic->given);
	table_load(table, result);
	PQclear(result);
	watch->dirty = true;
	if (!watch->on_screen)
		printf("%s: %s%d row%s\n", table->name, again ? "read again, " : "", table->nrows,
			   table->nrows == 1 ? "" : "s");
	return true;
}

static bool
watch_ready(void *context, bool again, PQExpBuffer error)
{
	Watch	   *watch = context;

	for (int i = 0; i < watch->nviews; i++)
	{
		const Topic *topic = &watch->listener.topics[i];

		if (!topic->is_rollup)
		{
			appendPQExpBuffer(error, "\"%s\" is not a rollup\n"
							  "HINT:  \"gymstream tail %s\" shows the changes of any topic.",
							  topic->given, topic->given);
			return false;
		}
		if (!watch_load(watch, i, again, error))
			return false;
	}
	return true;
}

static void
watch_heard(void *context, int topic, const char *payload)
{
	Watch	   *watch = context;
	Table	   *table = &watch->views[topic].table;
	PQExpBufferData change;
	Event		event;

	if (!event_parse(payload, &event))
		return;
	watch->dirty = true;
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

static const ListenCalls watch_calls = {watch_ready, watch_heard};

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

/* Read again what events could not carry. */
static void
watch_reread(Watch *watch, int64 now)
{
	PQExpBufferData error;

	if (now < watch->reread_at || !listener_fine(&watch->listener))
		return;
	initPQExpBuffer(&error);
	for (int i = 0; i < watch->nviews && listener_fine(&watch->listener); i++)
	{
		if (!watch->views[i].table.stale)
			continue;
		if (!watch_load(watch, i, true, &error) && !loop_stopping())
			connection_lost(&watch->listener.connection, error.len > 0 ? error.data : NULL);
	}
	termPQExpBuffer(&error);
	watch->reread_at = loop_now() + REREAD_PAUSE;
}

/*
 * Draw when something is different, but leave the machine to others: at most a quarter of the time goes into drawing.
 */
static void
watch_redraw(Watch *watch, int64 now)
{
	int64		done;

	if (now >= watch->fade_at || !listener_fine(&watch->listener))
		watch->dirty = true;
	if (!watch->dirty || now < watch->draw_at)
		return;
	watch_draw(watch, now);
	done = loop_now();
	watch->dirty = false;
	watch->draw_at = done + Max(DRAW_PAUSE, (done - now) * 3);
}

static int64
watch_deadline(const Watch *watch)
{
	int64		deadline = LOOP_NEVER;

	for (int i = 0; i < watch->nviews; i++)
	{
		if (watch->views[i].table.stale && listener_fine(&watch->listener))
			deadline = watch->reread_at;
	}
	if (!watch->on_screen)
		return deadline;
	if (watch->dirty)
		deadline = Min(deadline, watch->draw_at);
	if (!listener_fine(&watch->listener))
		deadline = Min(deadline, loop_now() + RETRY_REDRAW);
	return Min(deadline, Max(watch->fade_at, watch->draw_at));
}

static void
watch_run_screen(Watch *watch)
{
	struct pollfd keyboard = {.fd = STDIN_FILENO,.events = POLLIN};

	watch_redraw(watch, loop_now());
	while (listener_step(&watch->listener, &keyboard, 1, watch_deadline(watch)))
	{
		int			key;

		while ((key = screen_key()) != SCREEN_NONE)
			watch_key(watch, key);
		if (keyboard.revents & (POLLHUP | POLLERR | POLLNVAL))
			return;
		watch_reread(watch, loop_now());
		watch_redraw(watch, loop_now());
	}
}

static void
watch_run_plain(Watch *watch)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	/* an error of stdout is that its reader is gone */
	while (fflush(stdout) == 0 && listener_step(&watch->listener, &output, 1, watch_deadline(watch)) && !output.revents)
	{
		listener_tell(&watch->listener);
		watch_reread(watch, loop_now());
	}
}

static const Command watch_command = {
	.name = "gymstream watch",
	.arguments = "ROLLUP...",
	.about = "Shows rollups as live tables, until q is pressed; without a terminal, prints one line for each change.\n"
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
	watch.on_screen = screen_possible();
	loop_start();
	done = listener_start(&watch.listener, &options, (const char *const *) argv + first, watch.nviews);
	if (done && watch.on_screen)
	{
		screen_start();
		watch_run_screen(&watch);
		screen_stop();
	}
	else if (done)
		watch_run_plain(&watch);

	listener_stop(&watch.listener);
	for (int i = 0; i < watch.nviews; i++)
		table_free(&watch.views[i].table);
	free(watch.views);
	return done || loop_stopping() ? 0 : 1;
}
