/*
 * decode_reader.c: takes a logical slot, reads what its walsender sends, and only counts it. Never is what is measured: it
 * keeps and shows nothing, so that the walsender is busy and not waiting.
 *
 *   decode_reader SLOT END [OPTIONS]     libpq's environment says where the server is
 *
 * END is the position up to which to read; with - it reads, and confirms what it has read, until its standard input ends.
 * OPTIONS are as in START_REPLICATION. It prints the walsender's process id and waits for a line; reads; prints messages,
 * bytes, line ends and seconds, and waits again, so that the caller can look at the walsender before and after.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "libpq-fe.h"

#define DATA_HEAD 25			/* w, start, end, time */
#define ALIVE_SIZE 18			/* k, end, time, whether a reply is wanted */
#define QUIET_MS 5				/* after so long without data ask where the walsender is */
#define CONFIRM_SECONDS 1
#define SECONDS_TO_2000 INT64_C(946684800)

static struct
{
	uint64_t	messages;
	uint64_t	bytes;
	uint64_t	lines;
	uint64_t	at;				/* all before this has come */
	double		last;			/* when data came last */
	bool		asked;			/* and was not answered yet */
} seen;

static void
die(const char *what, const char *why)
{
	fprintf(stderr, "decode_reader: %s: %s\n", what, why);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t
get64(const char *bytes)
{
	uint64_t	value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | (unsigned char) bytes[i];
	return value;
}

static void
put64(char *bytes, uint64_t value)
{
	for (int i = 7; i >= 0; i--, value >>= 8)
		bytes[i] = (char) (value & 0xff);
}

/* Tell the walsender what is confirmed, 0 for nothing, and ask it to answer if wanted. */
static void
send_status(PGconn *conn, uint64_t confirmed, bool ask)
{
	char		status[34] = "r";
	struct timeval t;

	gettimeofday(&t, NULL);
	put64(status + 1, confirmed);
	put64(status + 9, confirmed);
	put64(status + 17, confirmed);
	put64(status + 25, (uint64_t) ((t.tv_sec - SECONDS_TO_2000) * 1000000 + t.tv_usec));
	status[33] = ask;
	if (PQputCopyData(conn, status, sizeof(status)) <= 0 || PQflush(conn) < 0)
		die("could not answer", PQerrorMessage(conn));
	seen.asked = seen.asked || ask;
}

static void
count_lines(const char *bytes, int len)
{
	const char *end = bytes + len;

	while ((bytes = memchr(bytes, '\n', end - bytes)) != NULL)
	{
		seen.lines++;
		bytes++;
	}
}

static void
take(PGconn *conn, const char *message, int len, bool confirms)
{
	if (message[0] == 'w' && len >= DATA_HEAD)
	{
		seen.messages++;
		seen.bytes += len - DATA_HEAD;
		count_lines(message + DATA_HEAD, len - DATA_HEAD);
		seen.last = now();
	}
	else if (message[0] == 'k' && len >= ALIVE_SIZE)
	{
		seen.at = get64(message + 1);
		seen.asked = false;
		if (message[17])
			send_status(conn, confirms ? seen.at : 0, false);
	}
	else
		die("unexpected message", "neither data nor a sign of life");
}

/* Wait for data; false when the standard input has ended meanwhile. */
static bool
wait_for_data(PGconn *conn, bool confirms)
{
	struct pollfd files[2] = {{.fd = PQsocket(conn), .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	int			ready = poll(files, confirms ? 2 : 1, QUIET_MS);

	if (ready == 0 && !seen.asked)
		send_status(conn, confirms ? seen.at : 0, true);
	if (files[0].revents && PQconsumeInput(conn) == 0)
		die("could not read", PQerrorMessage(conn));
	return files[1].revents == 0;
}

static void
read_all(PGconn *conn, uint64_t end)
{
	bool		confirms = end == UINT64_MAX;
	double		confirmed = now();
	char	   *message;
	int			len;

	while (seen.at < end)
	{
		len = PQgetCopyData(conn, &message, 1);
		if (len > 0)
		{
			take(conn, message, len, confirms);
			PQfreemem(message);
		}
		else if (len < 0)
			die("the stream ended", PQerrorMessage(conn));
		else if (!wait_for_data(conn, confirms))
			break;
		if (confirms && now() - confirmed > CONFIRM_SECONDS)
		{
			send_status(conn, seen.at, !seen.asked);
			confirmed = now();
		}
	}
}

/* What plugins tell is not of interest; errors come as results. */
static void
ignore_notice(void *arg, const PGresult *result)
{
	(void) arg;
	(void) result;
}

static PGconn *
connect_to_server(void)
{
	const char *const names[] = {"replication", "dbname", "fallback_application_name", NULL};
	const char *const values[] = {"database", getenv("PGDATABASE"), "decode_reader", NULL};
	PGconn	   *conn = PQconnectdbParams(names, values, 0);

	if (PQstatus(conn) != CONNECTION_OK)
		die("could not connect", PQerrorMessage(conn));
	PQsetNoticeReceiver(conn, ignore_notice, NULL);
	return conn;
}

static uint64_t
parse_end(const char *text)
{
	unsigned	high,
				low;

	if (strcmp(text, "-") == 0)
		return UINT64_MAX;
	if (sscanf(text, "%X/%X", &high, &low) != 2)
		die("no position", text);
	return (uint64_t) high << 32 | low;
}

int
main(int argc, char **argv)
{
	char		command[4096];
	uint64_t	end;
	double		start;
	PGconn	   *conn;
	PGresult   *result;

	if (argc < 3)
		die("usage", "decode_reader SLOT END [OPTIONS]");
	end = parse_end(argv[2]);
	snprintf(command, sizeof(command), "START_REPLICATION SLOT \"%s\" LOGICAL 0/0 %s", argv[1], argc > 3 ? argv[3] : "");
	conn = connect_to_server();
	printf("%d\n", PQbackendPID(conn));
	fflush(stdout);
	getchar();
	start = seen.last = now();
	result = PQexec(conn, command);
	if (PQresultStatus(result) != PGRES_COPY_BOTH)
		die("could not start", PQerrorMessage(conn));
	PQclear(result);
	read_all(conn, end);
	if (seen.messages == 0)
		seen.last = now();
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %.6f\n", seen.messages, seen.bytes, seen.lines, seen.last - start);
	fflush(stdout);
	while (getchar() != EOF)
		;
	PQfinish(conn);
	return 0;
}
