/*
 * board_draw.c: how the board looks.
 *
 * Takes the board's state, gives a screen of any size from 40x10 up, or a line of text. Changes
 * nothing but the order of the classes and the time when a changed one need not stand out any
 * more.
 */
#include "postgres_fe.h"

#include "board.h"
#include "client/watch/screen.h"

#define WIDE_COLUMNS	120		/* from here on there is room for words and days */
#define LEAST_COLUMNS	40
#define LEAST_LINES		10
#define HEAD_LINES		5		/* title, three lines of figures, heads of the panels */

typedef struct Panel
{
	int			y;
	int			x;
	int			width;
	int			lines;
} Panel;

/* Texts that live until eight more were made. */
static char *
board_text(void)
{
	static char texts[8][64];
	static int	next = 0;

	next = (next + 1) % 8;
	return texts[next];
}

char *
board_number(int64 number)
{
	char		digits[32];
	char	   *text = board_text();
	char	   *to = text;

	snprintf(digits, sizeof(digits), INT64_FORMAT, number);
	for (char *from = digits; *from; from++)
	{
		*to++ = *from;
		if (from[1] && from[0] != '-' && strlen(from + 1) % 3 == 0)
			*to++ = ',';
	}
	*to = '\0';
	return text;
}

char *
board_duration(int64 micros)
{
	char	   *text = board_text();

	if (micros < 10000)
		snprintf(text, 64, "%.2f ms", micros / 1000.0);
	else if (micros < 1000000)
		snprintf(text, 64, "%.0f ms", micros / 1000.0);
	else
		snprintf(text, 64, "%.1f s", micros / 1000000.0);
	return text;
}

/* "1 class", "2 classes" */
static char *
count_of(int64 number, const char *one, const char *many)
{
	char	   *text = board_text();

	snprintf(text, 64, "%s %s", board_number(number), number == 1 ? one : many);
	return text;
}

static char *
board_clock(const Board *board, int64 now)
{
	char	   *text = board_text();
	int			seconds = (int) ((now - board->started) / 1000000);

	snprintf(text, 64, "%d:%02d", seconds / 60, seconds % 60);
	return text;
}

/* A figure and what it is; gives where the next one goes. */
static int
board_pair(int y, int x, const char *figure, const char *what)
{
	x = screen_text(y, x, STYLE_STRONG, figure);
	return screen_text(y, x + 1, STYLE_PLAIN, what) + 3;
}

static void
board_draw_title(const Board *board, int64 now)
{
	char	   *trouble = listener_trouble(&board->listener);
	char		left[128];
	char		right[256];
	int			columns = screen_columns();
	int			split;
	bool		alarm = trouble || board->traffic_status >= 0;

	snprintf(left, sizeof(left), " gymstream   %s, %s, %s",
			 count_of(board->chain.ngyms, "gym", "gyms"),
			 count_of(board->chain.nclasses, "class", "classes"),
			 count_of(board->chain.members, "member", "members"));
	if (board->traffic_status >= 0)
		snprintf(right, sizeof(right), "the traffic has ended ");
	else
		snprintf(right, sizeof(right), "%s  %slive  q quit ", board_clock(board, now),
				 screen_fancy() ? "● " : "");
	if (board->stale)
		snprintf(right, sizeof(right), "reading again ");
	if (trouble)
		snprintf(right, sizeof(right), "%s ", trouble);
	split = trouble ? Min(13, columns) : Min((int) strlen(left) + 2, columns);
	screen_put(0, 0, split, ALIGN_LEFT, STYLE_TITLE, left);
	screen_put(0, split, columns - split, ALIGN_RIGHT, alarm ? STYLE_ALARM : STYLE_TITLE, right);
	free(trouble);
}

static void
board_draw_figures(const Board *board)
{
	Latency		recent = board_recent(board);
	char		speed[128];
	double		most = 1;
	int			columns = screen_columns();
	int			x;
	int			latency_x;

	snprintf(speed, sizeof(speed), "commit to screen  p50 %s  p99 %s",
			 board_duration(latency_at(&recent, 0.5)),
			 board_duration(latency_at(&recent, 0.99)));
	latency_x = columns - (int) strlen(speed) - 1;
	x = board_pair(1, 1, board_number((int64) board->seconds[BOARD_SECONDS - 1]), "bookings/s") - 2;
	for (int i = 0; i < BOARD_SECONDS; i++)
		most = Max(most, board->seconds[i]);
	screen_curve(1, x, Min(latency_x - 2 - x, BOARD_SECONDS), board->seconds, BOARD_SECONDS, most,
				 STYLE_COOL);
	if (latency_x > x)
		screen_text(1, latency_x, STYLE_PLAIN, speed);

	x = board_pair(2, 1, board_number(board->booked), "booked");
	x = board_pair(2, x, board_number(board->cancelled), "cancelled");
	board_pair(2, x, board_number(board->listener.heard), "events");
}

/* What each worker does; the others go on where one is killed. */
static void
board_draw_mail(const Board *board)
{
	int			x = board_pair(3, 1, board_number(mail_all(&board->mail)), "confirmed");

	for (int i = 0; i < MAIL_WORKERS; i++)
	{
		const MailWorker *worker = &board->mail.workers[i];
		char		text[64];

		if (!worker->works)
			continue;
		if (worker->killed)
			snprintf(text, sizeof(text), "worker %d killed", i + 1);
		else
			snprintf(text, sizeof(text), "worker %d %s/s", i + 1, board_number(worker->rate));
		if (x + (int) strlen(text) >= screen_columns())
			return;
		x = screen_text(3, x, worker->killed ? STYLE_ALARM : STYLE_GOOD, text) + 2;
	}
}

static ScreenStyle
class_style(const GymClass *class)
{
	if (class->attendance >= class->capacity)
		return STYLE_ALARM;
	return class->attendance * 10 >= class->capacity * 9 ? STYLE_WARN : STYLE_GOOD;
}

/* How many are left, in as much room as there is. */
static const char *
class_sign(const GymClass *class, bool wide)
{
	char	   *text = board_text();
	int			left = class->capacity - class->attendance;
	ScreenStyle style = class_style(class);

	if (wide && left <= 0)
		return "FULL";
	if (wide)
		snprintf(text, 64, "%d left", left);
	else if (style == STYLE_ALARM)
		return screen_fancy() ? "●" : "#";
	else
		return style != STYLE_WARN ? "" : screen_fancy() ? "○" : "!";
	return text;
}

static void
board_draw_class(Board *board, Panel panel, int y, const GymClass *class, int64 now)
{
	bool		wide = panel.width >= 60;
	int			title_width = wide ? 11 : 10;
	int			sign_width = wide ? 7 : 1;
	int			bar_width = panel.width - 9 - 1 - title_width - 1 - 9 - 1 - 1 - 5 - 1 - sign_width;
	ScreenStyle style = class_style(class);
	bool		fresh = class->changed > 0 && class->changed + BOARD_FRESH > now;
	char		count[32];
	int			x = panel.x;

	if (fresh)
		board->fade_at = Min(board->fade_at, class->changed + BOARD_FRESH);
	snprintf(count, sizeof(count), "%d/%d", class->attendance, class->capacity);
	screen_put(y, x, 9, ALIGN_LEFT, STYLE_DIM, class->starts);
	screen_put(y, x += 10, title_width, ALIGN_LEFT, STYLE_PLAIN, class->title);
	screen_put(y, x += title_width + 1, 9, ALIGN_LEFT, STYLE_DIM,
			   board->chain.gyms[class->gym].name);
	screen_bar(y, x += 10, bar_width, (double) class->attendance / class->capacity, style);
	screen_put(y, x += bar_width + 1, 5, ALIGN_RIGHT, fresh ? STYLE_FRESH : style, count);
	screen_put(y, x + 6, sign_width, ALIGN_LEFT, style, class_sign(class, wide));
}

/* How many classes in a row look like this, from that place in the order on. */
static int
count_style(const Board *board, int place, ScreenStyle style)
{
	int			start = place;

	while (place < board->chain.nclasses && class_style(board->chain.fullest[place]) == style)
		place++;
	return place - start;
}

static void
board_draw_classes(Board *board, Panel panel, int64 now)
{
	int			full;
	int			nearly;
	char		legend[64];
	int			x;

	chain_sort(&board->chain);
	full = count_style(board, 0, STYLE_ALARM);
	nearly = count_style(board, full, STYLE_WARN);
	x = screen_text(panel.y, panel.x, STYLE_HEAD, "FULLEST CLASSES");
	snprintf(legend, sizeof(legend), screen_fancy() ? "● %d full" : "# %d full", full);
	x = screen_text(panel.y, x + 2, STYLE_ALARM, legend);
	snprintf(legend, sizeof(legend), screen_fancy() ? "○ %d nearly" : "! %d nearly", nearly);
	screen_text(panel.y, x + 2, STYLE_WARN, legend);
	for (int i = 0; i < Min(panel.lines - 1, board->chain.nclasses); i++)
		board_draw_class(board, panel, panel.y + 1 + i, board->chain.fullest[i], now);
}

static void
board_draw_gym(const Board *board, Panel panel, int y, const Gym *gym)
{
	bool		wide = panel.width >= 60;
	double		share = gym->target > 0 ? (double) gym->revenue / gym->target : 0;
	int			bar_width = panel.width - 10 - 1 - 5 - (wide ? 19 + GYM_DAYS + 2 : 0);
	ScreenStyle style = share >= 1 ? STYLE_GOOD : STYLE_COOL;
	char		text[64];
	int			x = panel.x;
	double		most = 1;

	screen_put(y, x, 10, ALIGN_LEFT, STYLE_PLAIN, gym->name);
	screen_bar(y, x += 11, bar_width, share, style);
	snprintf(text, sizeof(text), "%.0f%%", share * 100);
	screen_put(y, x += bar_width, 5, ALIGN_RIGHT, share >= 1 ? STYLE_GOOD : STYLE_STRONG, text);
	if (!wide)
		return;
	snprintf(text, sizeof(text), "%s of %s", board_number(gym->revenue / 100),
			 board_number(gym->target / 100));
	screen_put(y, x += 5, 19, ALIGN_RIGHT, STYLE_PLAIN, text);
	for (int i = 0; i < GYM_DAYS; i++)
		most = Max(most, gym->days[i]);
	screen_curve(y, x + 21, GYM_DAYS, gym->days, GYM_DAYS, most, STYLE_COOL);
}

/* Gives how many lines it took. */
static int
board_draw_gyms(const Board *board, Panel panel)
{
	int			shown = Min(panel.lines - 1, board->chain.ngyms);
	int64		sold = 0;
	char		text[64];

	for (int i = 0; i < board->chain.ngyms; i++)
		sold += board->chain.gyms[i].revenue;
	screen_text(panel.y, panel.x, STYLE_HEAD,
				panel.width >= 60 ? "SALES AGAINST TARGET" : "SALES TO TARGET");
	snprintf(text, sizeof(text), "%s%s", screen_fancy() ? "€" : "EUR ", board_number(sold / 100));
	if (panel.width >= 60)
	{
		screen_put(panel.y, panel.x + panel.width - GYM_DAYS, GYM_DAYS, ALIGN_LEFT, STYLE_DIM,
				   "by day");
		screen_put(panel.y, panel.x + panel.width - GYM_DAYS - 22, 20, ALIGN_RIGHT, STYLE_STRONG,
				   text);
	}
	else
		screen_put(panel.y, panel.x + 16, panel.width - 16, ALIGN_RIGHT, STYLE_STRONG, text);
	for (int i = 0; i < shown; i++)
		board_draw_gym(board, panel, panel.y + 1 + i, &board->chain.gyms[i]);
	return shown + 1;
}

static void
board_draw_news(const Board *board, Panel panel)
{
	if (panel.lines < 4)
		return;
	screen_text(panel.y + 1, panel.x, STYLE_HEAD, "LATEST");
	for (int i = 0; i < Min(panel.lines - 2, Min(board->nnews, BOARD_NEWS)); i++)
	{
		const News *news = &board->news[(board->nnews - 1 - i) % BOARD_NEWS];
		const GymClass *class;
		char		text[256];

		if (news->class_id < 1 || news->class_id > board->chain.nclasses)
			continue;
		class = &board->chain.classes[news->class_id - 1];
		snprintf(text, sizeof(text), "%s  %s %s, %s, member " INT64_FORMAT,
				 news->booked ? "+" : "-", class->title,
				 class->starts, board->chain.gyms[class->gym].name, news->member_id);
		screen_put(panel.y + 2 + i, panel.x, panel.width, ALIGN_LEFT,
				   news->booked ? STYLE_GOOD : STYLE_DIM, text);
	}
}

void
board_draw(Board *board, int64 now)
{
	int			columns = screen_columns();
	bool		both = columns >= 70;
	int			right = !both ? 0 : columns >= WIDE_COLUMNS ? columns * 45 / 100 : 29;
	Panel		panel = {.y = HEAD_LINES - 1,.x = 1};

	panel.lines = screen_lines() - panel.y;
	panel.width = both ? columns - right - 4 : columns - 2;
	board->fade_at = LOOP_NEVER;
	screen_clear();
	if (columns < LEAST_COLUMNS || screen_lines() < LEAST_LINES)
	{
		screen_put(0, 0, columns, ALIGN_LEFT, STYLE_ALARM, "make this larger: 40 x 10");
		screen_show();
		return;
	}
	board_draw_title(board, now);
	board_draw_figures(board);
	board_draw_mail(board);
	board_draw_classes(board, panel, now);
	if (both)
	{
		int			taken;

		panel.x += panel.width + 2;
		panel.width = right;
		taken = board_draw_gyms(board, panel);
		panel.y += taken;
		panel.lines -= taken;
		board_draw_news(board, panel);
	}
	screen_show();
}

void
board_print_second(const Board *board, int64 now)
{
	Latency		recent = board_recent(board);
	int			full = 0;
	int			workers = 0;
	int			killed = 0;

	for (int i = 0; i < MAIL_WORKERS; i++)
	{
		workers += board->mail.workers[i].works && !board->mail.workers[i].killed;
		killed += board->mail.workers[i].killed;
	}
	for (int i = 0; i < board->chain.nclasses; i++)
		full += board->chain.classes[i].attendance >= board->chain.classes[i].capacity;
	printf("%s  %s bookings/s  %s booked  %s cancelled  %s events", board_clock(board, now),
		   board_number((int64) board->seconds[BOARD_SECONDS - 1]), board_number(board->booked),
		   board_number(board->cancelled), board_number(board->listener.heard));
	printf("  %s confirmed by %s", board_number(mail_all(&board->mail)),
		   count_of(workers, "worker", "workers"));
	if (killed > 0)
		printf(", %d killed", killed);
	printf("  %s full  p50 %s  p99 %s\n", count_of(full, "class", "classes"),
		   board_duration(latency_at(&recent, 0.5)),
		   board_duration(latency_at(&recent, 0.99)));
	fflush(stdout);
}
