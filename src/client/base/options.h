/*
 * options.h: the command line
 */
#ifndef GYMSTREAM_CLIENT_OPTIONS_H
#define GYMSTREAM_CLIENT_OPTIONS_H

#include "postgres_fe.h"

typedef enum PasswordPrompt
{
	PROMPT_IF_ASKED,
	PROMPT_NEVER,
	PROMPT_ALWAYS,
} PasswordPrompt;

/* How to reach the server; what is NULL comes from the environment or libpq's defaults. */
typedef struct ConnectOptions
{
	const char *dbname;			/* a name, a connection string or a URI */
	const char *host;
	const char *port;
	const char *user;
	PasswordPrompt prompt;
	bool		replication;	/* for the replication protocol; set by the program */
} ConnectOptions;

/* An option of one command, beside those of the connection. */
typedef struct CommandOption
{
	char		letter;			/* 0: long form only */
	const char *name;
	const char *argument;		/* its placeholder in the help; NULL: takes none */
	const char *help;
	/* false: the value makes no sense; NULL: */
	bool		(*set) (void *context, const char *value);
	const char *valid;			/* what a value may be: "a whole number ..." */
	size_t		flag;			/* without set: the offset of a bool that becomes true */
} CommandOption;

/* A program or one of its subcommands. */
typedef struct Command
{
	const char *name;			/* as typed: "gymstream tail" */
	const char *arguments;		/* placeholder of what follows the options */
	const char *about;			/* a sentence or two for the help */
	const CommandOption *options;	/* ends with a NULL name; may be NULL */
} Command;

/*
 * Read the options of a command into connect, and its own into context. Gives the index of the
 * first argument after the options. Ends the program with help or version where these are asked
 * for, and with status 2 where the options make no sense. The values live as long as argv.
 */
extern int	options_parse(const Command *command, int argc, char **argv, ConnectOptions *connect,
						  void *context);

/* Say what is wrong with the command line, and end the program with status 2. */
extern void options_usage_error(const Command *command, const char *fmt,...)
	pg_attribute_printf(2, 3);

/* A whole number within bounds. False: the text is anything else. */
extern bool options_number(const char *value, int64 least, int64 most, int64 *number);

/*
 * Seconds as microseconds within bounds; parts of a second may be given ("0.5"). False: the
 * text is anything else.
 */
extern bool options_seconds(const char *value, int64 least, int64 most, int64 *micros);

/*
 * A number of bytes with its unit, from kB to TB. False: the text is anything else, and nothing
 * is set.
 */
extern bool options_size(const char *value, int64 *bytes);

#endif
