/*
 * screen.c: the terminal.
 *
 * Takes UTF-8 texts, shares and curves with the place where they go, and draws them through
 * ncurses, which sends only what differs. Without UTF-8 it draws ASCII, without colour bold and
 * reverse. Never waits, never knows what it shows.
 */
#include "postgres_fe.h"

#include <langinfo.h>
#include <locale.h>
#include <unistd.h>
#include <wchar.h>


/* postgres_fe.h and ncurses both know what a bool is */
#define NCURSES_ENABLE_STDBOOL_H 0
#define NCURSES_WIDECHAR 1
#include <ncurses.h>
#include <term.h>

#include "client/watch/screen.h"

static SCREEN *screen;
static bool utf8;				/* the terminal takes UTF-8 */
static bool blocks;				/* and its font has parts of blocks and of lines */
static bool colours;

void
screen_locale(void)
{
	const char *term = getenv("TERM");

	setlocale(LC_CTYPE, "");
	setlocale(LC_COLLATE, "");
	utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	blocks = utf8 && !(term && strcmp(term, "linux") == 0);
}

bool
screen_possible(void)
{
	const char *move;
	int			error;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || getenv("TERM") == NULL ||
		setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return false;
	move = tigetstr("cup");
	return move != NULL && move != (const char *) -1;
}

void
screen_start(void)
{
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL)
		exit(1);
	atexit(screen_stop);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(25);
	colours = has_colors() && getenv("NO_COLOR") == NULL;
	if (colours)
	{
		start_color();
		use_default_colors();
		for (int colour = COLOR_RED; colour <= COLOR_WHITE; colour++)
			init_pair(colour, colour, -1);
	}
}

void
screen_stop(void)
{
	if (screen == NULL)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

static int
screen_attributes(ScreenStyle style)
{
	switch (style)
	{
		case STYLE_DIM:
			return A_DIM;
		case STYLE_STRONG:
			return A_BOLD;
		case STYLE_TITLE:
			return A_REVERSE | A_BOLD;
		case STYLE_HEAD:
			return A_BOLD | (colours ? COLOR_PAIR(COLOR_CYAN) : A_UNDERLINE);
		case STYLE_GOOD:
			return colours ? COLOR_PAIR(COLOR_GREEN) : A_NORMAL;
		case STYLE_WARN:
			return A_BOLD | (colours ? COLOR_PAIR(COLOR_YELLOW) : 0);
		case STYLE_ALARM:
			return A_BOLD | (colours ? COLOR_PAIR(COLOR_RED) : A_REVERSE);
		case STYLE_COOL:
			return colours ? COLOR_PAIR(COLOR_CYAN) : A_NORMAL;
		case STYLE_FRESH:
			return A_REVERSE | (colours ? COLOR_PAIR(COLOR_YELLOW) : 0);
		default:
			return A_NORMAL;
	}
}

int
screen_key(void)
{
	int			key = getch();

	switch (key)
	{
		case ERR:
			return SCREEN_NONE;
		case KEY_UP:
			return SCREEN_UP;
		case KEY_DOWN:
			return SCREEN_DOWN;
		case KEY_LEFT:
			return SCREEN_LEFT;
		case KEY_RIGHT:
			return SCREEN_RIGHT;
		case KEY_PPAGE:
			return SCREEN_PAGE_UP;
		case KEY_NPAGE:
			return SCREEN_PAGE_DOWN;
		case KEY_HOME:
			return SCREEN_HOME;
		case KEY_END:
			return SCREEN_END;
		case KEY_RESIZE:
			return SCREEN_RESIZE;
		default:
			return key;
	}
}

int
screen_lines(void)
{
	return LINES;
}

int
screen_columns(void)
{
	return COLS;
}

bool
screen_fancy(void)
{
	return utf8;
}

void
screen_clear(void)
{
	erase();
}

void
screen_show(void)
{
	refresh();
}

/*
 * The next character of a UTF-8 text as the terminal can show it: what it cannot becomes '?',
 * what would move the cursor a space. Zero-width ones are passed over, the end is 0.
 */
static wchar_t
screen_next(const char **text, int *width)
{
	static mbstate_t none;

	while (**text)
	{
		unsigned char c = **text;
		mbstate_t	state = none;
		wchar_t		wide;
		size_t		length;

		*width = 1;
		if (c < 0x80)
		{
			(*text)++;
			return c < 0x20 || c == 0x7F ? L' ' : c;
		}
		if (!utf8)
		{
			for ((*text)++; (**text & 0xC0) == 0x80;)
				(*text)++;
			return L'?';
		}
		length = mbrtowc(&wide, *text, strlen(*text), &state);
		if (length == (size_t) -1 || length == (size_t) -2)
		{
			(*text)++;
			return L'?';
		}
		*text += length;
		*width = wcwidth(wide);
		if (*width < 0)
		{
			*width = 1;
			return L'?';
		}
		if (*width > 0)
			return wide;
	}
	return 0;
}

static int
screen_width(const char *text)
{
	int			width = 0;
	int			next;

	while (screen_next(&text, &next))
		width += next;
	return width;
}

int
screen_fit(const char *text, int width)
{
	const char *at = text;
	const char *space = NULL;
	int			used = 0;
	int			next;

	while (*at && *at != '\n')
	{
		const char *before = at;

		if (screen_next(&at, &next) == 0)
			break;
		used += next;
		if (used > width)
			return (int) ((space && space > text ? space : Max(before, text + 1)) - text);
		if (*before == ' ')
			space = before;
	}
	return (int) (at - text);
}

void
screen_put(int y, int x, int width, ScreenAlign align, ScreenStyle style, const char *text)
{
	int			room = width;
	int			whole = screen_width(text);
	bool		cut = whole > width;

	if (width <= 0 || y < 0 || y >= LINES || x >= COLS)
		return;
	attrset(screen_attributes(style));
	move(y, x);
	if (align == ALIGN_RIGHT && !cut)
	{
		for (; room > whole; room--)
			addch(' ');
	}
	while (room > (cut ? 1 : 0))
	{
		wchar_t		wide[2] = {0};
		int			next;

		wide[0] = screen_next(&text, &next);
		if (wide[0] == 0 || next > room - (cut ? 1 : 0))
			break;
		addwstr(wide);
		room -= next;
	}
	if (cut)
	{
		addwstr(utf8 ? L"…" : L"~");
		room--;
	}
	for (; room > 0; room--)
		addch(' ');
	attrset(A_NORMAL);
}

int
screen_text(int y, int x, ScreenStyle style, const char *text)
{
	int			width = Min(screen_width(text), COLS - x);

	screen_put(y, x, width, ALIGN_LEFT, style, text);
	return x + Max(width, 0);
}

void
screen_bar(int y, int x, int width, double share, ScreenStyle style)
{
	/* empty, half, full; a line, as bars above each other would run together */
	const wchar_t *signs = blocks ? L"─╸━" : utf8 ? L"·■■" : L".##";
	int			halves;

	if (width <= 0 || y >= LINES || x >= COLS)
		return;
	halves = (int) (Max(0.0, Min(share, 1.0)) * width * 2 + 0.5);
	move(y, x);
	for (int i = 0; i < width; i++, halves -= 2)
	{
		int			part = Max(0, Min(halves, 2));
		wchar_t		wide[2] = {signs[part], 0};

		attrset(screen_attributes(part > 0 ? style : STYLE_DIM));
		addwstr(wide);
	}
	attrset(A_NORMAL);
}

void
screen_curve(int y, int x, int width, const double *values, int nvalues, double most,
			 ScreenStyle style)
{
	/* not higher, to stay apart from the line above */
	static const wchar_t heights[] = L" ▁▂▃▄▅▆▇";
	static const char ascii[] = " .:-=+*#";

	if (width <= 0 || y >= LINES || x >= COLS)
		return;
	attrset(screen_attributes(style));
	move(y, x);
	for (int i = nvalues - width; i < nvalues; i++)
	{
		double		value = i < 0 || most <= 0 ? 0 : Min(values[i] / most, 1.0);
		int			height = value <= 0 ? 0 : Max(1, (int) (value * 7 + 0.5));
		wchar_t		wide[2] = {blocks ? heights[height] : ascii[height], 0};

		addwstr(wide);
	}
	attrset(A_NORMAL);
}
