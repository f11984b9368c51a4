/*
 * screen.h: the terminal
 */
#ifndef GYMSTREAM_CLIENT_SCREEN_H
#define GYMSTREAM_CLIENT_SCREEN_H

#include "postgres_fe.h"

/* What a text is, not how it looks: each terminal shows it as well as it can. */
typedef enum ScreenStyle
{
	STYLE_PLAIN,
	STYLE_DIM,
	STYLE_STRONG,
	STYLE_TITLE,				/* the bar at the top */
	STYLE_HEAD,					/* over a column, of a section */
	STYLE_GOOD,
	STYLE_WARN,
	STYLE_ALARM,
	STYLE_COOL,					/* bars and curves */
	STYLE_FRESH,				/* changed a moment ago */
} ScreenStyle;

typedef enum ScreenAlign
{
	ALIGN_LEFT,
	ALIGN_RIGHT,
} ScreenAlign;

typedef enum ScreenKey
{
	SCREEN_NONE,
	SCREEN_UP = 1000,			/* a character stands for itself */
	SCREEN_DOWN,
	SCREEN_LEFT,
	SCREEN_RIGHT,
	SCREEN_PAGE_UP,
	SCREEN_PAGE_DOWN,
	SCREEN_HOME,
	SCREEN_END,
	SCREEN_RESIZE,
} ScreenKey;

/*
 * Take over the environment's characters. To be called first in a program; numbers and dates
 * stay as PostgreSQL writes them.
 */
extern void screen_locale(void);

/* Whether standard input and output are a terminal whose cursor can be moved. */
extern bool screen_possible(void);

/*
 * Take the terminal over, until screen_stop or the end of the program. Ends the program where
 * that fails.
 */
extern void screen_start(void);

/* Give the terminal back as it was. Does nothing where it was not taken. */
extern void screen_stop(void);

/*
 * The next key that was pressed, a ScreenKey or a character; SCREEN_NONE: there is none. Does
 * not wait.
 */
extern int	screen_key(void);

/* How many lines the terminal has now. */
extern int	screen_lines(void);

/* How many columns the terminal has now. */
extern int	screen_columns(void);

/* Whether signs beyond ASCII can be used. */
extern bool screen_fancy(void);

/* Begin a new picture, which is empty. Nothing is seen of it before screen_show. */
extern void screen_clear(void);

/* Send to the terminal what is different from the last picture. */
extern void screen_show(void);

/*
 * Put a text into exactly that many columns, filled up with spaces. A text that is too long
 * ends with a sign that says so. What lies outside of the screen is left out.
 */
extern void screen_put(int y, int x, int width, ScreenAlign align, ScreenStyle style,
					   const char *text);

/* Put a text as wide as it is, as far as there is room. Gives the column after it. */
extern int	screen_text(int y, int x, ScreenStyle style, const char *text);

/*
 * How many bytes of a text fit into a line of that width: up to its end, a newline, or the last
 * space that fits. At least one, unless the text is empty or begins with a newline.
 */
extern int	screen_fit(const char *text, int width);

/* Put a bar over that many columns, filled by the share (0 to 1). */
extern void screen_bar(int y, int x, int width, double share, ScreenStyle style);

/*
 * Put the last of the values that fit, one a column, the newest at the right. most is the value
 * of the full height.
 */
extern void screen_curve(int y, int x, int width, const double *values, int nvalues, double most,
						 ScreenStyle style);

#endif
