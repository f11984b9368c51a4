/*
 * bookmark.c: a file that says how far topics were read.
 *
 * Takes a position for each topic, gives them back after a restart. The file has a line for each
 * topic: its position, the OID of its relation, and its name. A new file takes the place of the
 * old one in one step, and is safe on the disk before.
 */
#include "postgres_fe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pqexpbuffer.h"

#include "client/feed/bookmark.h"

static bool
complain(const char *what, const char *file)
{
	fprintf(stderr, "gymstream: could not %s bookmark \"%s\": %s\n", what, file, strerror(errno));
	return false;
}

/* "POSITION RELATION NAME"; names may have spaces in them. False: it is something else. */
static bool
take_line(Bookmark *b, char *line)
{
	char	   *relation = strchr(line, ' ');
	char	   *name = relation ? strchr(relation + 1, ' ') : NULL;

	if (name == NULL)
		return false;
	*relation++ = '\0';
	*name++ = '\0';
	if ((strspn(line, "0123456789ABCDEF/") != strlen(line) && strcmp(line, "-") != 0) ||
		strspn(relation, "0123456789") != strlen(relation) || *line == '\0' || *relation == '\0' ||
		*name == '\0')
		return false;
	bookmark_set(b, line, relation, name);
	return true;
}

bool
bookmark_read(Bookmark *b)
{
	FILE	   *file = fopen(b->file, "r");
	char	   *line = NULL;
	size_t		size = 0;
	ssize_t		length;
	bool		fine = true;

	if (file == NULL)
		return errno == ENOENT || complain("open", b->file);
	while (fine && (length = getline(&line, &size, file)) > 0)
	{
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		fine = take_line(b, line);
		if (!fine)
			fprintf(stderr, "gymstream: \"%s\" is no bookmark: it has a line \"%.60s\"\n", b->file,
					line);
	}
	if (fine && ferror(file))
		fine = complain("read", b->file);
	free(line);
	fclose(file);
	return fine;
}

const BookmarkLine *
bookmark_find(const Bookmark *b, const char *relation, const char *name)
{
	for (int i = 0; i < b->count; i++)
	{
		if (strcmp(b->lines[i].relation, relation) == 0)
			return &b->lines[i];
	}
	for (int i = 0; i < b->count; i++)
	{
		if (strcmp(b->lines[i].name, name) == 0)
			return &b->lines[i];
	}
	return NULL;
}

static void
line_clear(BookmarkLine *line)
{
	free(line->position);
	free(line->relation);
	free(line->name);
}

void
bookmark_set(Bookmark *b, const char *position, const char *relation, const char *name)
{
	BookmarkLine line = {pg_strdup(position), pg_strdup(relation), pg_strdup(name)};
	BookmarkLine *old = unconstify(BookmarkLine *, bookmark_find(b, relation, name));

	if (old == NULL)
	{
		b->lines = pg_realloc(b->lines, sizeof(BookmarkLine) * (b->count + 1));
		old = &b->lines[b->count++];
	}
	else
		line_clear(old);
	*old = line;
}

/* The name of a file in the same folder is safe on the disk only when the folder is. */
static bool
sync_folder_of(const char *file)
{
	char	   *folder = pg_strdup(file);
	char	   *slash = strrchr(folder, '/');
	int			fd;
	bool		fine;

	if (slash)
		slash[slash == folder ? 1 : 0] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fine = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
	if (fd >= 0)
		close(fd);
	free(folder);
	return fine;
}

/* Write all of it into a file and make that safe. */
static bool
write_whole(const char *name, const char *text, size_t length)
{
	int			fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	bool		fine = fd >= 0;

	while (fine && length > 0)
	{
		ssize_t		done = write(fd, text, length);

		fine = done >= 0 || errno == EINTR;
		text += Max(done, 0);
		length -= Max(done, 0);
	}
	fine = fine && fsync(fd) == 0;
	if (fd >= 0 && close(fd) != 0)
		fine = false;
	return fine;
}

bool
bookmark_write(const Bookmark *b)
{
	char	   *new = psprintf("%s.new", b->file);
	PQExpBufferData text;
	bool		fine;

	initPQExpBuffer(&text);
	for (int i = 0; i < b->count; i++)
		appendPQExpBuffer(&text, "%s %s %s\n", b->lines[i].position, b->lines[i].relation,
						  b->lines[i].name);
	fine = write_whole(new, text.data, text.len) && rename(new, b->file) == 0 &&
		sync_folder_of(b->file);
	if (!fine)
		complain("write", b->file);
	termPQExpBuffer(&text);
	free(new);
	return fine;
}

void
bookmark_clear(Bookmark *b)
{
	for (int i = 0; i < b->count; i++)
		line_clear(&b->lines[i]);
	free(b->lines);
	b->lines = NULL;
	b->count = 0;
}
