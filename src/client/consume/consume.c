/*
 * consume.c: "gymstream consume": workers of a consumer group.
 *
 * Takes the command line, gives it to one worker, or to several, each a process of its own, so
 * that one that dies takes no other with it: another takes its place.
 */
#include "postgres_fe.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#include "client/base/loop.h"
#include "client/consume/consume.h"

#define JOBS_MOST		1000
#define BATCH_LINES		1000	/* what fits where all of it is one write */
#define RESTART_PAUSE	INT64CONST(200000)	/* microseconds */

static bool
set_jobs(void *context, const char *value)
{
	return options_number(value, 1, JOBS_MOST, &((ConsumeOptions *) context)->jobs);
}

static bool
set_batch(void *context, const char *value)
{
	return options_number(value, 1, 100000, &((ConsumeOptions *) context)->batch);
}

static bool
set_timeout(void *context, const char *value)
{
	return options_seconds(value, 1000, INT64CONST(86400000000),
						   &((ConsumeOptions *) context)->timeout);
}

static bool
set_command(void *context, const char *value)
{
	((ConsumeOptions *) context)->sink.command = value;
	return *value != '\0';
}

static bool
set_file(void *context, const char *value)
{
	((ConsumeOptions *) context)->sink.file = value;
	return *value != '\0';
}

static const CommandOption consume_options[] = {
	{'x', "exec", "COMMAND", "run a command for each event, which is its standard input",
	set_command, "a command of the shell"},
	{'b', "batch", "COUNT", "so many events at a time: with --exec 1, otherwise 1000",
	set_batch, "a whole number from 1 to 100000"},
	{'j', "jobs", "COUNT", "with --exec: so many workers at the same time",
	set_jobs, "a whole number from 1 to 1000"},
	{0, "timeout", "SECONDS", "with --exec: end a command that takes longer",
	set_timeout, "seconds, from 0.001 to 86400"},
	{'f', "output", "FILE", "append to a file",
	set_file, "the name of a file"},
	{0, "drain", NULL, "end when there is nothing to be had",
	 .flag = offsetof(ConsumeOptions, drain)},
	{0},
};

static const Command consume_command = {
	.name = "gymstream consume",
	.arguments = "GROUP",
	.about = "Works for a consumer group: takes its events, and acks those that are dealt with.\n\n"
	"  SELECT gymstream.create_group('mail', '{booking}');\n"
	"A command accepts its event with exit status 0 and rejects it for good with 65. With 75 or\n"
	"any other it is tried again later, as often as the group allows. Without a command events\n"
	"are lines of JSON on standard output or in a file.",
	.options = consume_options,
};

static void
consume_check(const ConsumeOptions *options, int arguments)
{
	if (arguments == 0)
		options_usage_error(&consume_command, "no group is given");
	if (arguments > 1)
		options_usage_error(&consume_command, "too many arguments");
	if (options->sink.file && options->sink.command)
		options_usage_error(&consume_command,
							"\"--output\" and \"--exec\" cannot be used together");
	if ((options->jobs > 1 || options->timeout) && options->sink.command == NULL)
		options_usage_error(&consume_command, "option \"--%s\" needs \"--exec\"",
							options->timeout ? "timeout" : "jobs");
}

/* Whether there is such a group, before anything is started; what is not well is told. */
static bool
find_group(Connection *c, const char *group)
{
	const char *params[] = {group};
	PGresult   *result = connection_query(c, "SELECT pg_catalog.pg_is_in_recovery(), "
										  "pg_catalog.to_regclass('gymstream.groups') IS NOT NULL",
										  0, NULL);
	bool		done = PQresultStatus(result) == PGRES_TUPLES_OK;

	if (!done)
		connection_complain(c, result);
	else if (*PQgetvalue(result, 0, 1) != 't')
		fprintf(stderr, "gymstream: database \"%s\" does not have the extension gymstream, or an "
				"older one\nHINT:  CREATE EXTENSION gymstream; or ALTER EXTENSION gymstream "
				"UPDATE;\n", PQdb(c->pg));
	else if (*PQgetvalue(result, 0, 0) == 't')
		fprintf(stderr, "gymstream: the server is a standby: work for the group on the primary\n");
	done = done && *PQgetvalue(result, 0, 1) == 't' && *PQgetvalue(result, 0, 0) == 'f';
	PQclear(result);
	if (!done)
		return false;
	/* it says what is wrong as each poll would */
	result = connection_query(c, "CALL gymstream.wait_group($1, '0')", 1, params);
	done = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
	if (!done)
		connection_complain(c, result);
	PQclear(result);
	return done;
}

/* ---- several workers ---- */

typedef struct Team
{
	const ConsumeOptions *options;
	const ConnectOptions *connect;
	const char *password;
	pid_t	   *workers;		/* 0: has ended */
	bool		ending;
	int			status;
} Team;

/* A worker has a process group of its own: a signal of the terminal comes to it from us alone. */
static void
start_worker(Team *team, int number)
{
	pid_t		parent = getpid();
	pid_t		pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
	{
		setpgid(0, 0);
		exit(consume_work(team->options, team->connect, team->password, parent));
	}
	if (pid < 0)
	{
		fprintf(stderr, "gymstream: could not start a worker: %s\n", strerror(errno));
		team->status = 1;
		team->ending = true;
		pid = 0;
	}
	team->workers[number] = pid;
}

static void
stop_workers(const Team *team)
{
	for (int i = 0; i < team->options->jobs; i++)
	{
		if (team->workers[i] != 0)
			kill(team->workers[i], SIGTERM);
	}
}

/* One has ended: that it was killed is its own misfortune, and anything else the team's. */
static void
worker_ended(Team *team, int number, int status)
{
	team->workers[number] = 0;
	if (WIFSIGNALED(status) && !team->ending)
	{
		fprintf(stderr, "gymstream: a worker was ended by signal %d; starting another one\n",
				WTERMSIG(status));
		loop_wait(NULL, 0, loop_now() + RESTART_PAUSE);
		if (!loop_stopping())
			start_worker(team, number);
	}
	else if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 0)
	{
		team->status = 1;
		if (!team->ending)
			stop_workers(team);
		team->ending = true;
	}
}

static bool
look_at_workers(Team *team)
{
	bool		any = false;

	for (int i = 0; i < team->options->jobs; i++)
	{
		int			status;

		if (team->workers[i] != 0 && waitpid(team->workers[i], &status, WNOHANG) != 0)
			worker_ended(team, i, status);
		any |= team->workers[i] != 0;
	}
	return any;
}

/* Each signal is passed on: the first lets a worker end what it is at. */
static int
work_together(Team *team)
{
	team->workers = pg_malloc0(sizeof(pid_t) * team->options->jobs);
	for (int i = 0; i < team->options->jobs; i++)
		start_worker(team, i);
	while (look_at_workers(team))
	{
		loop_wait(NULL, 0, LOOP_NEVER);
		if (loop_stopping())
		{
			team->ending = true;
			stop_workers(team);
			loop_go_on();
		}
	}
	free(team->workers);
	return team->status;
}

int
consume_main(int argc, char **argv)
{
	ConnectOptions connect = {0};
	ConsumeOptions options = {.jobs = 1};
	Team		team = {.options = &options,.connect = &connect};
	Connection	connection;
	int			first = options_parse(&consume_command, argc, argv, &connect, &options);
	int			status = 1;

	consume_check(&options, argc - first);
	options.group = argv[first];
	options.sink.bound = true;
	if (options.batch == 0)
		options.batch = options.sink.command ? 1 : BATCH_LINES;
	loop_start();
	if (connection_open(&connection, &connect) && find_group(&connection, options.group))
	{
		char	   *password = connection.password ? pg_strdup(connection.password) : NULL;

		connection_close(&connection);
		connect.prompt = PROMPT_NEVER;
		team.password = password;
		status = options.jobs > 1 ? work_together(&team) :
			consume_work(&options, &connect, password, 0);
		free(password);
	}
	else
	{
		status = loop_stopping() ? 0 : 1;
		connection_close(&connection);
	}
	return status;
}
