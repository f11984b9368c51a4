/*
 * board.h: what the board's parts share
 */
#ifndef GYMSTREAM_DEMO_BOARD_H
#define GYMSTREAM_DEMO_BOARD_H

#include "gym.h"

#include "latency.h"
#include "mail.h"

#define BOARD_SECONDS	240		/* of bookings a second that are kept for the curve */
#define BOARD_NEWS		64		/* bookings that are kept for the list of the latest */

/* The topics, in the order they are listened to. */
enum
{
	TOPIC_BOOKING,
	TOPIC_ATTENDANCE,
	TOPIC_DAY_REVENUE,
	TOPIC_SALES,
	TOPIC_SENT,
	TOPIC_WORKER,
	TOPIC_COUNT,
};

typedef struct News
{
	int64		class_id;
	int64		member_id;
	bool		booked;			/* else cancelled */
} News;

typedef struct Board
{
	Listener	listener;
	Chain		chain;
	Mail		mail;
	bool		on_screen;
	bool		dirty;
	int64		started;		/* all times on loop_now's clock */
	int64		ends;
	int64		draw_at;		/* not before */
	int64		fade_at;		/* when a changed class stops to stand out */
	int64		second_at;		/* when the current second is over */

	int64		booked;			/* events of bookings since the start */
	int64		cancelled;
	bool		lost_some;		/* events may have been missed */
	bool		stale;			/* the rollups must be read again */
	double		seconds[BOARD_SECONDS]; /* bookings in each, the last one at the end */
	int64		booked_before;	/* when the current second began */

	int64	   *undrawn;		/* commit times of events not on the screen yet */
	int			nundrawn;
	int			undrawn_allocated;
	Latency		latency;		/* of all events */
	Latency		recent[2];		/* of the last seconds, by turns */
	int64		turn_at;

	News		news[BOARD_NEWS];	/* a ring */
	int64		nnews;

	int64		bookings_before;	/* rows of booking at the start */
	pid_t		traffic;		/* the process that makes the bookings; 0: none */
	int			traffic_status; /* how it ended while the board ran; -1: it did not */
} Board;

/* How long a changed class stands out, in microseconds. */
#define BOARD_FRESH		INT64CONST(600000)

/*
 * All that was heard is to be seen now: count how long that took since the commits. now is
 * loop_now's.
 */
extern void board_drawn(Board *board, int64 now);

/* How long it took in the last seconds. */
extern Latency board_recent(const Board *board);

/* Draw the board. Sorts the classes, and sets fade_at. */
extern void board_draw(Board *board, int64 now);

/* Print the second that is over as a line, for those without a terminal. */
extern void board_print_second(const Board *board, int64 now);

/* "12,345". The text lives until eight more were made. */
extern char *board_number(int64 number);

/* Microseconds as "1.23 ms". The text lives until eight more were made. */
extern char *board_duration(int64 micros);

/*
 * The traffic has stopped: wait for the last events, compare what was heard with the tables,
 * and print it. Whether all of it was right.
 */
extern bool proof_print(Board *board);

#endif
