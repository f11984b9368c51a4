/*
 * options.c: the command line.
 *
 * Takes argv and a command's own options, gives how to connect and the index of the first
 * argument after the options. Prints help and version. A mistake ends the program with status 2.
 * Never connects.
 */
#include "postgres_fe.h"

#include <errno.h>
#include <getopt.h>

#include "client/base/options.h"

#define MAX_OPTIONS	32
#define OPTION_HELP	1000
#define OPTION_OWN	2000			/* + index: a command's own option */

static const struct option connect_options[] = {
	{"dbname", required_argument, NULL, 'd'},
	{"host", required_argument, NULL, 'h'},
	{"port", required_argument, NULL, 'p'},
	{"username", required_argument, NULL, 'U'},
	{"no-password", no_argument, NULL, 'w'},
	{"password", no_argument, NULL, 'W'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, OPTION_HELP},
};

static void
options_help(const Command *command)
{
	printf("%s\n\nUsage:\n  %s [OPTION]...%s%s\n\n", command->about, command->name,
		   *command->arguments ? " " : "",
		   command->arguments);
	if (command->options)
	{
		printf("Options:\n");
		for (const CommandOption *own = command->options; own->name; own++)
		{
			char		letter[] = {'-', own->letter, ',', '\0'};
			char		form[64];

			snprintf(form, sizeof(form), "%3s --%s%s%s", own->letter ? letter : "", own->name,
					 own->argument ? "=" : "", own->argument ? own->argument : "");
			printf("  %-30s %s\n", form, own->help);
		}
		printf("\n");
	}
	printf("Connection options:\n"
		   "  -d, --dbname=DBNAME      database name, connection string or URI\n"
		   "  -h, --host=HOSTNAME      database server host or socket directory\n"
		   "  -p, --port=PORT          database server port\n"
		   "  -U, --username=USERNAME  database user name\n"
		   "  -w, --no-password        never prompt for a password\n"
		   "  -W, --password           prompt for a password first\n"
		   "\n"
		   "  -V, --version            print the version, then exit\n"
		   "  -?, --help               show this help, then exit\n"
		   "\n"
		   "The environment variables PGHOST, PGPORT, PGDATABASE, PGUSER and the others of libpq "
		   "are used too.\n");
	exit(0);
}

void
options_usage_error(const Command *command, const char *fmt,...)
{
	va_list		args;

	fprintf(stderr, "%s: ", command->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry \"%s --help\" for more information.\n", command->name);
	exit(2);
}

bool
options_number(const char *value, int64 least, int64 most, int64 *number)
{
	char	   *end;

	errno = 0;
	*number = strtoll(value, &end, 10);
	return errno == 0 && end != value && *end == '\0' && *number >= least && *number <= most;
}

bool
options_seconds(const char *value, int64 least, int64 most, int64 *micros)
{
	char	   *end;
	double		seconds = strtod(value, &end);

	/* strtod takes more than people write: spaces, signs, hexadecimal and words */
	if (end == value || *end != '\0' || strspn(value, "0123456789.") != strlen(value) ||
		seconds > 1e9)
		return false;
	*micros = (int64) (seconds * 1000000 + 0.5);
	return *micros >= least && *micros <= most;
}

bool
options_size(const char *value, int64 *bytes)
{
	static const char *const units[] = {"kB", "MB", "GB", "TB"};
	size_t		digits = strspn(value, "0123456789");
	char	   *number = pnstrdup(value, digits);
	int64		size;
	bool		fine = options_number(number, 1, 1000000, &size);
	int			unit = 0;

	free(number);
	while (unit < lengthof(units) && strcmp(value + digits, units[unit]) != 0)
		unit++;
	if (!fine || unit == lengthof(units))
		return false;
	*bytes = size << 10 * (unit + 1);
	return true;
}

/*
 * getopt_long's own messages name argv[0]; they are off, so here is ours.
 */
static void
options_refuse(const Command *command, char **argv, int failure, const struct option *options)
{
	const char *given = argv[optind - 1];

	if (failure == ':')
		options_usage_error(command, "option \"%s\" needs a value", given);
	if (strncmp(given, "--", 2) == 0)
	{
		size_t		length = strcspn(given + 2, "=");

		for (const struct option *option = options; option->name; option++)
		{
			if (strlen(option->name) == length && strncmp(option->name, given + 2, length) == 0)
				options_usage_error(command, "option \"--%s\" takes no value", option->name);
		}
		options_usage_error(command, "unknown option \"%s\"", given);
	}
	options_usage_error(command, "unknown option \"-%c\"", optopt);
}

/* The tables that getopt_long wants: ours and the command's. */
static void
options_tables(const Command *command, struct option *options, char *letters)
{
	int			count = lengthof(connect_options);

	memcpy(options, connect_options, sizeof(connect_options));
	strcpy(letters, ":d:h:p:U:wWV");	/* ':': a missing value is told from an unknown option */
	for (int i = 0; command->options && command->options[i].name; i++)
	{
		const CommandOption *own = &command->options[i];

		Assert(count < MAX_OPTIONS - 1);
		options[count].name = own->name;
		options[count].has_arg = own->argument ? required_argument : no_argument;
		options[count].flag = NULL;
		options[count++].val = OPTION_OWN + i;
		if (own->letter)
		{
			char		letter[] = {own->letter, own->argument ? ':' : '\0', '\0'};

			strcat(letters, letter);
		}
	}
	options[count] = (struct option) {0};
}

static void
set_own(const Command *command, int choice, void *context)
{
	for (int i = 0; command->options && command->options[i].name; i++)
	{
		const CommandOption *own = &command->options[i];

		if (choice != OPTION_OWN + i && choice != own->letter)
			continue;
		if (own->set == NULL)
			*(bool *) ((char *) context + own->flag) = true;
		else if (!own->set(context, optarg))
			options_usage_error(command, "invalid value \"%s\" for option \"--%s\": it takes %s",
								optarg,
								own->name, own->valid);
		return;
	}
}

int
options_parse(const Command *command, int argc, char **argv, ConnectOptions *connect, void *context)
{
	struct option options[MAX_OPTIONS];
	char		letters[MAX_OPTIONS * 2];
	int			choice;

	options_tables(command, options, letters);
	opterr = 0;
	while ((choice = getopt_long(argc, argv, letters, options, NULL)) != -1)
	{
		switch (choice)
		{
			case 'd':
				connect->dbname = optarg;
				break;
			case 'h':
				connect->host = optarg;
				break;
			case 'p':
				connect->port = optarg;
				break;
			case 'U':
				connect->user = optarg;
				break;
			case 'w':
				connect->prompt = PROMPT_NEVER;
				break;
			case 'W':
				connect->prompt = PROMPT_ALWAYS;
				break;
			case 'V':
				printf("gymstream %s\n", GYMSTREAM_VERSION);
				exit(0);
			case OPTION_HELP:
				options_help(command);
				break;
			case '?':
			case ':':
				if (choice == '?' && strcmp(argv[optind - 1], "-?") == 0)
					options_help(command);
				options_refuse(command, argv, choice, options);
				break;
			default:
				set_own(command, choice, context);
				break;
		}
	}
	return optind;
}
