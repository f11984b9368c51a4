/*
 * position.h: where an event stands. Positions are ordered as events are, and stay what they are
 * over restarts.
 */
#ifndef GS_POSITION_H
#define GS_POSITION_H

#include "base/base.h"

#include "access/xlogdefs.h"

/* Of a position that does not say the number of its event in the topic. */
#define POSITION_NO_OFFSET INT64CONST(-1)

/* The most bytes that a position takes as text, with its end. */
#define POSITION_TEXT_SIZE 52

/*
 * What the type gymstream.position stores: as it is on disk. Its epoch, LSN and index alone are
 * compared: they say which event it is. The offset is what the event is called in a topic's log.
 */
typedef struct Position
{
	uint32		epoch;
	uint32		index;			/* in the transaction, from 1 */
	XLogRecPtr	lsn;			/* of the commit */
	int64		offset;			/* POSITION_NO_OFFSET, or not negative */
} Position;

StaticAssertDecl(sizeof(Position) == 24, "a position is stored in 24 bytes");

/*
 * Write the position as text, of which at most POSITION_TEXT_SIZE bytes are used; its bytes sort as
 * positions do.
 */
extern void position_print(const Position *position, char *text);

/* Less than, equal to or greater than 0. */
extern int	position_compare(const Position *a, const Position *b);

#endif							/* GS_POSITION_H */
