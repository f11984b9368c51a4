/*
 * poll.h: a poll on its way from partitions to rows.
 */
#ifndef GS_POLL_H
#define GS_POLL_H

#include "base/base.h"

#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/snapshot.h"

#include "group/bookmark.h"
#include "group/cell.h"
#include "group/group.h"

/* A partition that the poll has. */
typedef struct Taken
{
	int			partition;
	bool		claimed;		/* by this poll, which may let go of it */
	bool		must_ack;		/* where it goes on must be stored, whatever is found */
	Bookmark	newest;			/* committed */
	int64		start;			/* the first offset that the transaction polls of it */
	int64		from;			/* where this poll goes on */
	int64		first;			/* of the events that are given; 0: none */
	XLogRecPtr	lsn;			/* and where that was committed */
	int			given;			/* events, parked ones too */
	bool		changed;		/* events were parked, or taken from those that are */
	int64		stopped;		/* it takes no event from this offset on; 0: it does */
	bool		parked;			/* the event that is given was parked */
	List	   *waiting;		/* its parked events, by offset, without those that are given */
	Cell		cell;
} Taken;

/* What one call does with one topic. */
typedef struct Poll
{
	ConsumerGroup *group;
	const GroupTopic *topic;
	Snapshot	snapshot;		/* the statement's */
	ReturnSetInfo *result;
	int			max;			/* events that it may still give */
	int			given;
	TimestampTz now;
	int64		first;			/* of the log, and the offset behind its last event */
	int64		next;
	Taken	   *taken;			/* room for all partitions */
	int			count;
	int		   *places;			/* of each partition in taken; -1: not taken */
	int64	   *elsewhere;		/* the first event of each that is not taken; 0: none */
	List	   *layouts;
	bool		alone;			/* one event is to be given, and no other in the transaction */
	bool		passed_over;	/* a partition whose bookmark the snapshot does not see */
	bool		failed;			/* a partition waits for what failed to be parked */
	bool		warned;
} Poll;

extern CellKey poll_cell(const Poll *poll, int partition);

/* Take some partitions that may have events. False: the group has changed, and nothing is taken. */
extern bool poll_take(Poll *poll, int want);

/* Let go of one that has nothing to ack. */
extern void poll_leave(const Poll *poll, const Taken *taken);

/* An error where the statement would ack events that its caller does not get. */
extern void poll_check_form(FunctionCallInfo fcinfo);

#endif							/* GS_POLL_H */
