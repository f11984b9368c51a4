/*
 * mark.c: takes where a worker is at work and writes it down, so that the next one knows where this
 * one has died. Says what is to be left out, and leaves nothing out itself.
 *
 * The mark is a file of a few bytes for each worker of a database, in a folder for what need not
 * outlive a crash of the machine: it is not synced. It does outlive the server, which shared memory
 * does not where a worker dies by a signal. A worker that is told to end clears its mark.
 *
 * A mark is a range of points. After a death inside of a range, marks inside of it count the same
 * deaths on. So a worker first knows a transaction or a batch, then sets marks for its events one
 * by one, and then knows the event.
 */
#include "worker/mark.h"

#include <fcntl.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#define MARK_MAGIC 0x676d6b31

/* What stands in the file in front. */
typedef struct Mark
{
	uint32		magic;
	uint32		deaths;			/* before this one */
	MarkPoint	first;			/* no LSN: none is set */
	MarkPoint	last;
} Mark;

/* behind it: points that workers have died of often; after a crash the same is decoded once more */
#define MARK_POINTS 32
static MarkPoint deadly_points[MARK_POINTS];
static uint32 ndeadly = 0;		/* the next one takes the place of the oldest */

static volatile sig_atomic_t is_asked = false;	/* to end, from outside */
static int	mark_file = -1;
static Mark current_mark;
static Mark suspect_mark;			/* where earlier workers have died; no LSN: nowhere */

static int
compare_points(MarkPoint a, MarkPoint b)
{
	if (a.lsn != b.lsn)
		return a.lsn < b.lsn ? -1 : 1;
	if (a.index != b.index)
		return a.index < b.index ? -1 : 1;
	return 0;
}

static bool
is_inside(const Mark *mark, MarkPoint point)
{
	return mark->first.lsn != InvalidXLogRecPtr && compare_points(mark->first, point) <= 0 &&
		compare_points(point, mark->last) <= 0;
}

/* A mark that cannot be written is none: the worker must not fail for it. */
static void
write_mark(void)
{
	/* One write of a few bytes: the kernel has it when the process dies, whatever it dies of. */
	if (mark_file >= 0 &&
		pg_pwrite(mark_file, &current_mark, sizeof(current_mark), 0) != sizeof(current_mark))
	{
		close(mark_file);
		mark_file = -1;
	}
}

/* At the worker's exit. Who ends it from outside does not do so for what it is at. */
static void
mark_leave(int code, Datum arg)
{
	if (is_asked)
		mark_clear();
}

void
mark_asked_to_end(void)
{
	is_asked = true;
}

/*
 * Whether the error in hand says more of the server's state, or of a user's will, than of what the
 * worker is at.
 */
static bool
is_passing(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
			return true;

		/*
		 * A file that is missing, or a request for too much memory, may well be due to the event.
		 * So these count.
		 */
		case ERRCODE_SYSTEM_ERROR:
			return sqlerrcode != ERRCODE_UNDEFINED_FILE;
		case ERRCODE_INSUFFICIENT_RESOURCES:
			return sqlerrcode != ERRCODE_OUT_OF_MEMORY;
		default:
			return false;
	}
}

void
mark_take_error(void)
{
	if (is_passing(geterrcode()))
		mark_clear();
}

/* What the worker before has left. */
static void
read_marks(void)
{
	/* A file that is new, cut short, or of another version tells nothing. */
	if (pg_pread(mark_file, &suspect_mark, sizeof(suspect_mark), 0) != sizeof(suspect_mark) ||
		suspect_mark.magic != MARK_MAGIC ||
		pg_pread(mark_file, deadly_points, sizeof(deadly_points), sizeof(suspect_mark)) !=
			sizeof(deadly_points))
	{
		MemSet(&suspect_mark, 0, sizeof(suspect_mark));
		MemSet(deadly_points, 0, sizeof(deadly_points));
	}
	/* Free points are behind all others, until the table is full. */
	while (ndeadly < MARK_POINTS && deadly_points[ndeadly].lsn != InvalidXLogRecPtr)
		ndeadly++;
	if (suspect_mark.first.lsn == InvalidXLogRecPtr)
		return;
	/* A mark that was left set is a death: a worker that ends in order has cleared it. */
	suspect_mark.deaths++;

	/*
	 * A single point that has killed so often is known by now. A range is not: marks within it go
	 * on counting.
	 */
	if (compare_points(suspect_mark.first, suspect_mark.last) == 0 &&
		suspect_mark.deaths >= MARK_EVENT_DEATHS)
		deadly_points[ndeadly++ % MARK_POINTS] = suspect_mark.first;
}

void
mark_open(const char *worker)
{
	char		path[MAXPGPATH];

	snprintf(path, sizeof(path), PG_STAT_TMP_DIR "/gymstream_%u.%s", MyDatabaseId, worker);
	mark_file = BasicOpenFile(path, O_RDWR | O_CREAT | PG_BINARY);
	/* The exit clears the mark only where the worker was asked to end. */
	current_mark = (Mark) {.magic = MARK_MAGIC};
	before_shmem_exit(mark_leave, (Datum) 0);
	if (mark_file < 0)
		return;
	read_marks();

	/*
	 * The points are written at once, so that they last also if this worker dies of something
	 * new. The mark in front stays as it is until the first one is set.
	 */
	if (pg_pwrite(mark_file, deadly_points, sizeof(deadly_points), sizeof(current_mark)) !=
		sizeof(deadly_points))
	{
		close(mark_file);
		mark_file = -1;
	}
}

void
mark_set(MarkPoint first, MarkPoint last)
{
	current_mark.first = first;
	current_mark.last = last;

	/*
	 * A mark inside of the range where workers died may be at the same trouble, so their deaths
	 * count for it.
	 */
	current_mark.deaths =
		is_inside(&suspect_mark, first) && is_inside(&suspect_mark, last) ? suspect_mark.deaths : 0;
	write_mark();
}

void
mark_clear(void)
{
	/* Workers call this each time they sleep, so most calls must not write. */
	if (current_mark.first.lsn == InvalidXLogRecPtr)
		return;
	current_mark.first.lsn = InvalidXLogRecPtr;
	write_mark();
}

bool
mark_is_near(MarkPoint point)
{
	return is_inside(&suspect_mark, point);
}

bool
mark_is_deadly(MarkPoint point)
{
	for (int i = 0; i < MARK_POINTS; i++)
		if (deadly_points[i].lsn != InvalidXLogRecPtr &&
			compare_points(deadly_points[i], point) == 0)
			return true;
	return false;
}

MarkPoint
mark_last(void)
{
	return suspect_mark.first;
}

bool
mark_is_hopeless(void)
{
	return suspect_mark.first.lsn != InvalidXLogRecPtr &&
		   compare_points(suspect_mark.first, suspect_mark.last) != 0 &&
		   suspect_mark.deaths >= MARK_RANGE_DEATHS;
}

void
mark_forget(void)
{
	MemSet(&suspect_mark, 0, sizeof(suspect_mark));
	MemSet(deadly_points, 0, sizeof(deadly_points));
	ndeadly = 0;

	/*
	 * Where this cannot be written, the next worker knows the old points, and leaves out what it
	 * need not.
	 */
	if (mark_file >= 0)
		(void) !pg_pwrite(mark_file, deadly_points, sizeof(deadly_points), sizeof(current_mark));
}
