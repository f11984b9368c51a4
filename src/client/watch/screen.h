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

extern void screen_locale(void);
extern bool screen_possible(void);
extern void screen_start(void);
extern void screen_stop(void);
extern int	screen_key(void);
extern int	screen_lines(void);
extern int	screen_columns(void);
extern bool screen_fancy(void);
extern void screen_clear(void);
extern void screen_show(void);
extern void screen_put(int y, int x, int width, ScreenAlign align, ScreenStyle style, const char *text);
extern int	screen_text(int y, int x, ScreenStyle style, const char *text);
extern int	screen_fit(const char *text, int width);
extern void screen_bar(int y, int x, int width, double share, ScreenStyle style);
extern void screen_curve(int y, int x, int width, const double *values, int nvalues, double most, ScreenStyle style);

#endif
