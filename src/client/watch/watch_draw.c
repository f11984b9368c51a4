/*
 * watch_draw.c: the live tables on the screen.
 *
 * Takes the tables and where the user has scrolled to, gives a screen, and the time when a
 * changed cell must be drawn again because it is not fresh any more. Never changes a value; sorts
 * and clamps the scrolling.
 */
#include "postgres_fe.h"

#include "client/feed/listen.h"
#include "client/watch/screen.h"
#include "client/watch/watch.h"

#define GAP			2			/* between columns */
#define FRAME_LINES 2			/* a view's own: name and column heads */
#define TEXT_LEAST	12			/* columns of a text that gives way to others */
#define SLOW_READING INT64CONST(1000000)	/* microseconds from which on reading again is shown */
#define TROUBLE_LINES 4			/* for what is wrong, at most */

/* The bar at the top: which database, and whether what is shown is what is there. */
static void
watch_draw_top(Watch *watch)
{
	const char *database = listener_connected(&watch->listener) ?
		PQdb(watch->listener.connection.pg) : "";
	char	   *left = psprintf(" gymstream watch  %s", database);
	char	   *right = NULL;
	int			columns = screen_columns();
	int			split = Min((int) strlen(left) + GAP, columns / 2);

	/* what may have been missed is not there yet */
	for (int i = 0; i < watch->nviews && right == NULL; i++)
	{
		if (!watch->views[i].loaded || watch->views[i].why)
			right = pg_strdup("reading ");
	}
	if (watch->trouble)
	{
		free(right);
		right = pg_strdup("not live ");
	}
	else if (right == NULL)
		right = psprintf("%lld change%s  %s ", (long long) watch->listener.heard,
						 watch->listener.heard == 1 ? "" : "s",
						 screen_fancy() ? "● live" : "live");
	screen_put(0, 0, split, ALIGN_LEFT, STYLE_TITLE, left);
	screen_put(0, split, columns - split, ALIGN_RIGHT, watch->trouble ? STYLE_ALARM : STYLE_TITLE,
			   right);
	free(left);
	free(right);
}

/* What is wrong, below the bar, over as many lines as it needs; gives their number. */
static int
watch_draw_trouble(const Watch *watch)
{
	const char *text = watch->trouble;
	int			width = screen_columns() - 2;
	int			lines = 0;

	while (text && *text && lines < Min(TROUBLE_LINES, screen_lines() - 3) && width > 0)
	{
		int			length = screen_fit(text, width);
		char	   *line = lines == TROUBLE_LINES - 1 ? pg_strdup(text) : pnstrdup(text, length);

		screen_put(1 + lines, 1, width, ALIGN_LEFT, STYLE_ALARM, line);
		free(line);
		text += length;
		text += strspn(text, " \n");
		lines++;
	}
	return lines;
}

static void
watch_draw_bottom(const Watch *watch)
{
	const char *keys = screen_fancy() ?
		" q quit   ↑↓ scroll   ←→ sort by   r reverse   Tab next table" :
		" q quit   up/down scroll   left/right sort by   r reverse   Tab next table";

	screen_put(screen_lines() - 1, 0, screen_columns(), ALIGN_LEFT, STYLE_DIM, keys);
}

/* The line over a view: its name, how much it has, what it shows of it. */
static void
watch_draw_name(const Watch *watch, int index, int y)
{
	const WatchView *view = &watch->views[index];
	const Topic *topic = &watch->listener.topics[index];
	const Table *table = &view->table;
	int			x = 1;
	char	   *text;

	x = screen_text(y, x, index == watch->focus && watch->nviews > 1 ? STYLE_WARN : STYLE_STRONG,
					table->name);
	if (view->reading_since && (!view->loaded || loop_now() - view->reading_since > SLOW_READING))
	{
		text = psprintf("  reading, %d s", (int) ((loop_now() - view->reading_since) / 1000000));
		x = screen_text(y, x, STYLE_WARN, text);
		free(text);
	}
	if (!view->loaded)
		return;
	text = psprintf("  %d row%s", table->nrows, table->nrows == 1 ? "" : "s");
	x = screen_text(y, x, STYLE_DIM, text);
	free(text);
	if (table->nrows > view->shown_rows && view->shown_rows > 0)
	{
		text = psprintf(", from %d to %d", view->first_row + 1,
						Min(view->first_row + view->shown_rows, table->nrows));
		x = screen_text(y, x, STYLE_DIM, text);
		free(text);
	}
	if (!topic->rows)
	{
		text = psprintf("  read again at each change; for rows in its notifications: "
						"SELECT gymstream.create_topic('%s', notify => 'row');", topic->given);
		screen_put(y, x, screen_columns() - x, ALIGN_LEFT, STYLE_WARN, text);
		free(text);
	}
}

/*
 * Share a line out among the columns. Figures get what they need; texts, which may be cut with a
 * sign, give way, the longest first. Gives the first column to show, so that the one sorted by is
 * on the screen.
 */
static int
layout_columns(Table *table)
{
	int			room = screen_columns() - 1;
	int			needed = 0;
	int			first = table->sort_column;

	if (table->ncolumns == 0)
		return 0;
	for (int i = 0; i < table->ncolumns; i++)
	{
		table->columns[i].shown = table->columns[i].width;
		needed += table->columns[i].width + GAP;
	}
	while (needed > room)
	{
		TableColumn *longest = NULL;

		for (int i = 0; i < table->ncolumns; i++)
		{
			TableColumn *column = &table->columns[i];

			if (!column->number && column->shown > TEXT_LEAST &&
				(longest == NULL || column->shown > longest->shown))
				longest = column;
		}
		if (longest == NULL)
			break;
		longest->shown--;
		needed--;
	}

	room -= table->columns[first].shown + GAP;
	while (first > 0 && room >= table->columns[first - 1].shown + GAP)
	{
		first--;
		room -= table->columns[first].shown + GAP;
	}
	return first;
}

/*
 * The column after the last one that is shown from first on. One that does not fit is not shown,
 * unless it is the first.
 */
static int
last_column(const Table *table, int first)
{
	int			last = first;
	int			x = 1;

	while (last < table->ncolumns &&
		   (last == first || x + table->columns[last].shown + GAP <= screen_columns()))
		x += table->columns[last++].shown + GAP;
	return last;
}

static void
watch_draw_heads(const Table *table, int first, int last, int y)
{
	int			x = 1;

	for (int i = first; i < last; i++)
	{
		const TableColumn *column = &table->columns[i];
		int			width = Min(column->shown + GAP, screen_columns() - x);
		const char *arrow = "";
		char	   *text;

		if (i == table->sort_column && screen_fancy())
			arrow = table->descending ? "▼" : "▲";
		else if (i == table->sort_column)
			arrow = table->descending ? "v" : "^";
		/* the arrow takes of the gap, on the side where there is no text */
		text = psprintf("%s%s", column->number ? arrow : column->name,
						column->number ? column->name : arrow);
		if (column->number)
			screen_put(y, x, width - 1, ALIGN_RIGHT, STYLE_HEAD, text);
		else
			screen_put(y, x + 1, width - 1, ALIGN_LEFT, STYLE_HEAD, text);
		free(text);
		x += width;
	}

	/* there is more on that side, which the arrow keys show */
	if (first > 0)
		screen_text(y, 0, STYLE_WARN, screen_fancy() ? "«" : "<");
	if (last < table->ncolumns)
		screen_text(y, screen_columns() - 1, STYLE_WARN, screen_fancy() ? "»" : ">");
}

static void
watch_draw_row(Watch *watch, const Table *table, int first, int last, int y, const TableRow *row,
			   int64 now)
{
	int			x = 1;

	for (int i = first; i < last; i++)
	{
		const TableColumn *column = &table->columns[i];
		const TableCell *cell = &row->cells[i];
		int			width = Min(column->shown + GAP, screen_columns() - x);
		ScreenStyle style = cell->text ? STYLE_PLAIN : STYLE_DIM;

		if (cell->changed > 0 && cell->changed + WATCH_FRESH > now)
		{
			style = STYLE_FRESH;
			watch->fade_at = Min(watch->fade_at, cell->changed + WATCH_FRESH);
		}
		screen_put(y, column->number ? x : x + 1, width - 1,
				   column->number ? ALIGN_RIGHT : ALIGN_LEFT, style,
				   cell->text ? cell->text : "null");
		x += width;
	}
}

static void
watch_draw_view(Watch *watch, int index, int y, int lines, int64 now)
{
	WatchView  *view = &watch->views[index];
	Table	   *table = &view->table;
	int			first = layout_columns(table);
	int			last = last_column(table, first);

	table_sort(table);
	view->shown_rows = Max(lines - FRAME_LINES, 0);
	view->first_row = Max(0, Min(view->first_row, table->nrows - view->shown_rows));
	watch_draw_name(watch, index, y);
	if (lines > 1)
		watch_draw_heads(table, first, last, y + 1);
	for (int i = 0; i < view->shown_rows && view->first_row + i < table->nrows; i++)
		watch_draw_row(watch, table, first, last, y + FRAME_LINES + i,
					   table->rows[view->first_row + i], now);
}

static int
needed_lines(const Watch *watch, int index)
{
	return FRAME_LINES + watch->views[index].table.nrows + (index < watch->nviews - 1 ? 1 : 0);
}

void
watch_draw(Watch *watch, int64 now)
{
	int			y = 1;
	int			left = screen_lines() - 2;

	watch->fade_at = LOOP_NEVER;
	screen_clear();
	watch_draw_top(watch);
	y += watch_draw_trouble(watch);
	left -= y - 1;
	for (int i = 0; i < watch->nviews && left > 0; i++)
	{
		int			share = left / (watch->nviews - i);
		int			lines = left;

		for (int later = i + 1; later < watch->nviews; later++)
			lines -= Min(needed_lines(watch, later), share);
		lines = Max(1, Min(lines, needed_lines(watch, i)));
		watch_draw_view(watch, i, y, i < watch->nviews - 1 ? Max(lines - 1, 1) : lines, now);
		y += lines;
		left -= lines;
	}
	watch_draw_bottom(watch);
	screen_show();
}
