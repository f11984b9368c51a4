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
static MarkPoint deadly[MARK_POINTS];
static uint32 ndeadly = 0;		/* the next one takes the place of the oldest */

static volatile sig_atomic_t is_asked = false;	/* to end, from outside */
static int	mark_file = -1;
static Mark current;
static Mark suspect;			/* where earlier workers have died; no LSN: nowhere */

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
	if (mark_file >= 0 && pg_pwrite(mark_file, &current, sizeof(current), 0) != sizeof(current))
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
	if (pg_pread(mark_file, &suspect, sizeof(suspect), 0) != sizeof(suspect) ||
		suspect.magic != MARK_MAGIC ||
		pg_pread(mark_file, deadly, sizeof(deadly), sizeof(suspect)) != sizeof(deadly))
	{
		MemSet(&suspect, 0, sizeof(suspect));
		MemSet(deadly, 0, sizeof(deadly));
	}
	while (ndeadly < MARK_POINTS && deadly[ndeadly].lsn != InvalidXLogRecPtr)
		ndeadly++;
	if (suspect.first.lsn == InvalidXLogRecPtr)
		return;
	suspect.deaths++;
	if (compare_points(suspect.first, suspect.last) == 0 && suspect.deaths >= MARK_EVENT_DEATHS)
		deadly[ndeadly++ % MARK_POINTS] = suspect.first;
}

void
mark_open(const char *worker)
{
	char		path[MAXPGPATH];

	snprintf(path, sizeof(path), PG_STAT_TMP_DIR "/gymstream_%u.%s", MyDatabaseId, worker);
	mark_file = BasicOpenFile(path, O_RDWR | O_CREAT | PG_BINARY);
	current = (Mark) {.magic = MARK_MAGIC};
	before_shmem_exit(mark_leave, (Datum) 0);
	if (mark_file < 0)
		return;
	read_marks();
	if (pg_pwrite(mark_file, deadly, sizeof(deadly), sizeof(current)) != sizeof(deadly))
	{
		close(mark_file);
		mark_file = -1;
	}
}

void
mark_set(MarkPoint first, MarkPoint last)
{
	current.first = first;
	current.last = last;
	current.deaths = is_inside(&suspect, first) && is_inside(&suspect, last) ? suspect.deaths : 0;
	write_mark();
}

void
mark_clear(void)
{
	if (current.first.lsn == InvalidXLogRecPtr)
		return;
	current.first.lsn = InvalidXLogRecPtr;
	write_mark();
}

bool
mark_is_near(MarkPoint point)
{
	return is_inside(&suspect, point);
}

bool
mark_is_deadly(MarkPoint point)
{
	for (int i = 0; i < MARK_POINTS; i++)
		if (deadly[i].lsn != InvalidXLogRecPtr && compare_points(deadly[i], point) == 0)
			return true;
	return false;
}

MarkPoint
mark_last(void)
{
	return suspect.first;
}

bool
mark_is_hopeless(void)
{
	return suspect.first.lsn != InvalidXLogRecPtr &&
		   compare_points(suspect.first, suspect.last) != 0 && suspect.deaths >= MARK_RANGE_DEATHS;
}

void
mark_forget(void)
{
	MemSet(&suspect, 0, sizeof(suspect));
	MemSet(deadly, 0, sizeof(deadly));
	ndeadly = 0;
	if (mark_file >= 0)
		(void) !pg_pwrite(mark_file, deadly, sizeof(deadly), sizeof(current));
}
