/*
 * tail.c: "gymstream tail": events as JSON lines.
 *
 * Takes the command line, gives it to one of three ways to hear of events: the notifications of
 * topics, their logs, or a replication slot.
 */
#include "postgres_fe.h"

#include "client/tail/tail.h"

static bool
set_count(void *context, const char *value)
{
	return options_number(value, 1, PG_INT64_MAX, &((TailOptions *) context)->count);
}

static bool
set_slot(void *context, const char *value)
{
	((TailOptions *) context)->stream.slot = value;
	return *value != '\0';
}

/* What it may be is known when all options are. */
static bool
set_from(void *context, const char *value)
{
	((TailOptions *) context)->from = value;
	return *value != '\0';
}

static bool
set_bookmark(void *context, const char *value)
{
	((TailOptions *) context)->bookmark = value;
	return *value != '\0';
}

static bool
set_until(void *context, const char *value)
{
	TailOptions *options = context;

	options->until_now = strcmp(value, "now") == 0;
	return options->until_now || (lsn_parse(value, &options->until) && options->until != 0);
}

static bool
set_table(void *context, const char *value)
{
	return filter_add_table(&((TailOptions *) context)->filter, value);
}

static bool
set_key(void *context, const char *value)
{
	return filter_add_key(&((TailOptions *) context)->filter, value);
}

/* NAME or NAME=VALUE */
static bool
set_plugin(void *context, const char *value)
{
	StreamOptions *stream = &((TailOptions *) context)->stream;
	size_t		length = strcspn(value, "=");

	stream->plugin = pg_realloc(stream->plugin, sizeof(*stream->plugin) * (stream->nplugin + 1));
	stream->plugin[stream->nplugin++] = (PluginOption) {pnstrdup(value, length),
														value[length] ? value + length + 1 : NULL};
	return length > 0;
}

static bool
set_output(void *context, const char *value)
{
	((TailOptions *) context)->sink.file = value;
	return *value != '\0';
}

/* A size or a time: a number with its unit. */
static bool
set_rotate(void *context, const char *value)
{
	static const struct
	{
		const char *unit;
		int64		seconds;
	}			units[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
	SinkOptions *sink = &((TailOptions *) context)->sink;
	size_t		digits = strspn(value, "0123456789");
	int64		number;

	if (options_size(value, &sink->rotate_bytes))
		return true;
	if (!options_number(pnstrdup(value, digits), 1, 1000000, &number))
		return false;
	for (int i = 0; i < lengthof(units); i++)
	{
		if (strcmp(value + digits, units[i].unit) == 0)
		{
			sink->rotate_seconds = number * units[i].seconds;
			return true;
		}
	}
	return false;
}

static bool
set_exec(void *context, const char *value)
{
	((TailOptions *) context)->sink.command = value;
	return *value != '\0';
}

static bool
set_interval(void *context, const char *value)
{
	return options_seconds(value, 10000, INT64CONST(3600000000),
						   &((TailOptions *) context)->interval);
}

static const CommandOption tail_options[] = {
	{'n', "count", "COUNT", "stop after that many events",
	set_count, "a whole number above zero"},
	{'k', "key", "COLUMN=VALUE", "only rows with that value; may be repeated",
	set_key, "COLUMN=VALUE"},
	{0, "from", "POSITION|TIME|LSN", "read what is stored first; or earliest, latest",
	set_from, "earliest, latest, a position or a time; with --slot an LSN"},
	{'b', "bookmark", "FILE", "keep there how far the topics were read",
	set_bookmark, "the name of a file"},
	{'S', "slot", "NAME", "read this replication slot",
	set_slot, "the name of a replication slot"},
	{0, "create-slot", NULL, "make the slot first", .flag = offsetof(TailOptions, create)},
	{0, "if-not-exists", NULL, "with --create-slot: unless it is there",
	 .flag = offsetof(TailOptions, if_not_exists)},
	{0, "two-phase", NULL, "with --create-slot: fit for --option two-phase",
	 .flag = offsetof(TailOptions, two_phase)},
	{0, "failover", NULL, "with --create-slot: standbys keep a copy (PostgreSQL 17)",
	 .flag = offsetof(TailOptions, failover)},
	{0, "drop-slot", NULL, "drop the slot, and do no more", .flag = offsetof(TailOptions, drop)},
	{'t', "table", "NAME", "with --slot: only this table or rollup; may be repeated",
	set_table, "the name of a table or rollup"},
	{0, "allow-missing", NULL, "with --table, --key: also names that no table has now",
	.flag = offsetof(TailOptions, allow_missing)},
	{'o', "option", "NAME[=VALUE]", "with --slot: for the output plugin; may be repeated",
	set_plugin, "NAME or NAME=VALUE"},
	{0, "progress", NULL, "with --slot: show how far a long catch-up is",
	 .flag = offsetof(TailOptions, progress)},
	{0, "until", "LSN|now", "stop after what is there; with --slot at an LSN",
	set_until, "a position in the log, such as 0/16B3748, or now"},
	{'f', "output", "FILE", "append to a file",
	set_output, "the name of a file"},
	{0, "rotate", "SIZE|TIME", "with --output: begin a new file at 100MB, or each 1h",
	set_rotate,
	"a size, such as 100MB (kB, MB, GB, TB), or a time, such as 1h (s, min, h, d)"},
	{'x', "exec", "COMMAND", "write to a command's standard input",
	set_exec, "a command of the shell"},
	{0, "restart", NULL, "with --exec: start it again when it has ended",
	 .flag = offsetof(TailOptions, sink.restart)},
	{'s', "status-interval", "SECONDS", "how often to confirm what is safe (1)",
	set_interval, "seconds, from 0.01 to 3600"},
	{0},
};

static const Command tail_command = {
	.name = "gymstream tail",
	.arguments = "TOPIC...\n  gymstream tail [OPTION]... --slot=NAME",
	.about = "Prints each event of tables and rollups as a line of JSON, as it happens.\n\n"
	"With topics, what happens from now on. Each needs one:\n"
	"  SELECT gymstream.create_topic('booking', notify => 'row');\n"
	"With --from or --bookmark, first what the topics have stored, and nothing is missed.\n"
	"With a replication slot, all that was committed since the slot was read last.",
	.options = tail_options,
};

static bool
reads_log(const TailOptions *options)
{
	return options->stream.slot == NULL && (options->from || options->bookmark);
}

/* Options that need a slot, or the logs of topics. */
static void
check_source(const TailOptions *options)
{
	const char *slot_only = options->create ? "create-slot" : options->drop ? "drop-slot" :
		options->until ? "until" :
		options->filter.ntables ? "table" : options->allow_missing ? "allow-missing" :
		options->stream.nplugin ? "option" : options->progress ? "progress" : NULL;
	const char *stored_only = options->until_now ? "until" :
		options->sink.file ? "output" : options->sink.command ? "exec" : NULL;

	if (options->stream.slot == NULL && slot_only)
		options_usage_error(&tail_command, "option \"--%s\" needs \"--slot\"", slot_only);
	if (options->stream.slot == NULL && !reads_log(options) && stored_only)
		options_usage_error(&tail_command, "option \"--%s\" needs \"--slot\" or \"--from\"",
							stored_only);
	if (options->stream.slot && options->bookmark)
		options_usage_error(&tail_command, "\"--bookmark\" is for topics: a slot is its own");
}

/* Options that make no sense together. */
static void
tail_check(const TailOptions *options, int arguments)
{
	check_source(options);
	if (options->stream.slot == NULL && arguments == 0)
		options_usage_error(&tail_command, "no topic is given");
	if (options->stream.slot && arguments > 0)
		options_usage_error(&tail_command,
							"topics cannot be given with \"--slot\"; \"--table\" chooses tables");
	if (options->create && options->drop)
		options_usage_error(&tail_command,
							"\"--create-slot\" and \"--drop-slot\" cannot be used together");
	if ((options->if_not_exists || options->two_phase || options->failover) && !options->create)
		options_usage_error(&tail_command, "option \"--%s\" needs \"--create-slot\"",
							options->two_phase ? "two-phase" : options->failover ? "failover" :
							"if-not-exists");
	if (options->allow_missing && !filter_is_set(&options->filter))
		options_usage_error(&tail_command,
							"option \"--allow-missing\" needs \"--table\" or \"--key\"");
	if (options->sink.file && options->sink.command)
		options_usage_error(&tail_command, "\"--output\" and \"--exec\" cannot be used together");
	if ((options->sink.rotate_bytes || options->sink.rotate_seconds) && !options->sink.file)
		options_usage_error(&tail_command, "option \"--rotate\" needs \"--output\"");
	if (options->sink.restart && !options->sink.command)
		options_usage_error(&tail_command, "option \"--restart\" needs \"--exec\"");
}

/* With a slot "--from" is a position in the server's log. */
static void
take_from(TailOptions *options)
{
	if (options->stream.slot && options->from && !lsn_parse(options->from, &options->stream.from))
		options_usage_error(&tail_command, "invalid value \"%s\" for option \"--from\": with "
							"\"--slot\" it takes a position in the log, such as 0/16B3748",
							options->from);
}

/*
 * The plugin may choose the tables where that gives the same lines: not where the options ask for
 * marks of transactions, of which there would be fewer, nor where the name that an event bears
 * may not be the one that the plugin compares.
 */
static bool
plugin_chooses(const TailOptions *options)
{
	static const char *const harmless[] = {"actions", "batch", "format-version", "include-lsn",
										   "include-origin", "include-pk",
		"include-schema-changes", "include-timestamp", "include-types", "include-xids",
		"numeric-data-types-as-string", "only-local", "origin"};

	for (int i = 0; i < options->stream.nplugin; i++)
	{
		int			j = 0;

		while (j < lengthof(harmless) && strcmp(options->stream.plugin[i].name, harmless[j]) != 0)
			j++;
		if (j == lengthof(harmless))
			return false;
	}
	return true;
}

/*
 * Whether the plugin is asked to tell of DDL. A user's option decides, or one with which that does
 * not go together.
 */
static bool
wants_schema_changes(const TailOptions *options)
{
	static const char *const others[] = {"include-schema-changes", "include.schema.changes",
										 "format", "streaming", "stream-changes"};

	for (int i = 0; i < options->stream.nplugin; i++)
	{
		char	   *name = pg_strdup(options->stream.plugin[i].name);

		/* the plugin takes both */
		for (char *p = name; *p; p++)
			if (*p == '_')
				*p = '-';
		for (int j = 0; j < lengthof(others); j++)
			if (strcmp(name, others[j]) == 0)
				return false;
		free(name);
	}
	return true;
}

int
tail_main(int argc, char **argv)
{
	ConnectOptions connect = {0};
	TailOptions options = {.count = -1,.interval = 1000000};
	int			first = options_parse(&tail_command, argc, argv, &connect, &options);

	tail_check(&options, argc - first);
	take_from(&options);
	options.stream.filtered = filter_is_set(&options.filter);
	if (plugin_chooses(&options))
		options.stream.tables = filter_tables(&options.filter);
	options.stream.schema_changes = wants_schema_changes(&options);
	loop_start();
	if (options.stream.slot)
		return tail_slot(&options, &connect);
	if (reads_log(&options))
		return tail_log(&options, &connect, (const char *const *) argv + first, argc - first);
	return tail_topics(&options, &connect, (const char *const *) argv + first, argc - first);
}
