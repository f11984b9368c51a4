/*
 * main.c: the program "gymstream".
 *
 * Takes the command line, gives it to the subcommand that it names.
 */
#include "postgres_fe.h"

#include "client/consume/consume.h"
#include "client/doctor/doctor.h"
#include "client/doctor/groups.h"
#include "client/doctor/slots.h"
#include "client/tail/tail.h"
#include "client/watch/screen.h"
#include "client/watch/watch.h"

static const struct
{
	const char *name;
	int			(*main) (int argc, char **argv);
	const char *help;
}			commands[] = {
	{"watch", watch_main, "show rollups as live tables"},
	{"tail", tail_main, "print the events of topics or of a replication slot as JSON lines"},
	{"consume", consume_main, "work for a consumer group: a command for each of its events"},
	{"slots", slots_main, "show the server's replication slots, and which of them are in danger"},
	{"groups", groups_main, "show consumer groups, and how far behind they are"},
	{"metrics", metrics_main, "print figures of topics and groups for Prometheus"},
	{"doctor", doctor_main, "check the server's settings, and say what to change"},
};

static void
main_help(void)
{
	printf("gymstream shows what changes in a PostgreSQL database, as it changes.\n\n"
		   "Usage:\n  gymstream COMMAND [OPTION]... [ARGUMENT]...\n\nCommands:\n");
	for (int i = 0; i < lengthof(commands); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].help);
	printf("\n"
		   "  -V, --version  print the version, then exit\n"
		   "  -?, --help     show this help, then exit\n"
		   "\n"
		   "\"gymstream COMMAND --help\" explains a command.\n");
}

static bool
main_is(const char *argument, const char *letter, const char *name)
{
	return strcmp(argument, letter) == 0 || strcmp(argument, name) == 0;
}

int
main(int argc, char **argv)
{
	screen_locale();
	if (argc < 2)
		fprintf(stderr, "gymstream: no command is given\n");
	else if (main_is(argv[1], "-?", "--help"))
	{
		main_help();
		return 0;
	}
	else if (main_is(argv[1], "-V", "--version"))
	{
		printf("gymstream %s\n", GYMSTREAM_VERSION);
		return 0;
	}
	else
	{
		for (int i = 0; i < lengthof(commands); i++)
		{
			if (strcmp(argv[1], commands[i].name) == 0)
				return commands[i].main(argc - 1, argv + 1);
		}
		fprintf(stderr, "gymstream: unknown command \"%s\"\n", argv[1]);
	}
	fprintf(stderr, "Try \"gymstream --help\" for more information.\n");
	return 2;
}
