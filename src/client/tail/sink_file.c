/*
 * sink_file.c: lines into a file, and into a new one when it is large or old enough.
 *
 * Takes the file's name and when to begin a new one; the old one then gets the time as its
 * suffix. A line is never divided between files, and a half line that a crash has left is cut
 * off: it was never confirmed.
 */
#include "postgres_fe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/tail/sink.h"

/* The folder has to be synced too, or a new file may be gone after a crash of the machine. */
static void
sync_folder(Sink *sink)
{
	char	   *folder = pg_strdup(sink->options->file);
	char	   *slash = strrchr(folder, '/');
	int			fd;

	if (slash)
		slash[slash == folder ? 1 : 0] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
		sink_break(sink, "sync folder of", sink->options->file);
	if (fd >= 0)
		close(fd);
	free(folder);
}

void
sink_file_sync(Sink *sink, const char *name)
{
	if (fsync(sink->fd) != 0 && errno != EINVAL && errno != EROFS)
		sink_break(sink, "sync", name);
}

/* Cut off what stands after the last line's end. */
static bool
sink_file_cut(Sink *sink)
{
	int64		end = sink->file_bytes;
	char		block[4096];

	while (end > 0)
	{
		int64		begin = Max(end - (int64) sizeof(block), 0);
		ssize_t		length = pread(sink->fd, block, end - begin, begin);

		if (length != end - begin)
			return false;
		while (length > 0 && block[length - 1] != '\n')
			length--;
		end = begin + length;
		if (length > 0)
			break;
	}
	if (end == sink->file_bytes)
		return true;
	fprintf(stderr, "gymstream: cut off %lld bytes of a half line at the end of \"%s\"\n",
			(long long) (sink->file_bytes - end), sink->options->file);
	sink->file_bytes = end;
	return ftruncate(sink->fd, end) == 0;
}

static int64
now_period(const Sink *sink)
{
	return sink->options->rotate_seconds ? time(NULL) / sink->options->rotate_seconds : 0;
}

bool
sink_file_open(Sink *sink)
{
	struct stat info;

	sink->fd = open(sink->options->file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (sink->fd < 0 || fstat(sink->fd, &info) != 0)
	{
		sink_break(sink, "open", sink->options->file);
		return false;
	}
	sink->regular = S_ISREG(info.st_mode);
	sink->file_bytes = sink->regular ? info.st_size : 0;
	sink->file_period = now_period(sink);
	if (sink->file_bytes > 0 && sink->options->rotate_seconds)
		sink->file_period = info.st_mtime / sink->options->rotate_seconds;
	if (sink->regular && !sink_file_cut(sink))
		sink_break(sink, "cut off a half line of", sink->options->file);
	if (sink->regular && sink->state == SINK_FINE)
		sync_folder(sink);
	return sink->state == SINK_FINE;
}

/*
 * A name that is free: the file's with the time, and a number where there are several of a
 * second.
 */
static char *
old_name(const Sink *sink)
{
	time_t		now = time(NULL);
	char		stamp[32];
	char	   *name;

	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", gmtime(&now));
	name = psprintf("%s.%s", sink->options->file, stamp);
	for (int i = 2; access(name, F_OK) == 0; i++)
	{
		free(name);
		name = psprintf("%s.%s.%d", sink->options->file, stamp, i);
	}
	return name;
}

/* Everything in the file is written: make it safe, and begin a new one. */
static void
sink_file_rotate(Sink *sink)
{
	char	   *old = old_name(sink);

	sink_file_sync(sink, sink->options->file);
	if (sink->state == SINK_FINE && rename(sink->options->file, old) != 0)
		sink_break(sink, "rename", sink->options->file);
	free(old);
	if (sink->state != SINK_FINE)
		return;
	sink->done = sink->written;
	close(sink->fd);
	sink_file_open(sink);
}

void
sink_file_turn(Sink *sink)
{
	if (!sink->regular || sink->end > sink->start || sink->file_bytes == 0)
		return;
	if (sink->file_period != now_period(sink))
		sink_file_rotate(sink);
}

void
sink_file_take(Sink *sink, size_t length)
{
	int64		most = sink->options->rotate_bytes;

	if (!sink->regular || most == 0 || sink->file_bytes == 0 ||
		sink->file_bytes + (int64) length <= most)
		return;
	sink_write(sink);
	if (sink->state == SINK_FINE && sink->file_bytes > 0)
		sink_file_rotate(sink);
}

int64
sink_file_deadline(const Sink *sink)
{
	int64		next = (sink->file_period + 1) * sink->options->rotate_seconds;

	if (sink->options->rotate_seconds == 0 || sink->file_bytes == 0)
		return LOOP_NEVER;
	return loop_now() + Max(next - (int64) time(NULL), 0) * 1000000;
}
