/*
 * plugin_options.c: takes the options that a client gave and gives what they mean, or an error that
 * names the option and what it may be. Looks nothing up: names are compared when a change comes.
 */
#include "decode/plugin.h"

#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

/* the version of doc/wire-format.md */
#define WIRE_VERSION "1"

/* room for what stands around a row's columns */
#define MIN_EVENT_SIZE (8 * 1024)

typedef struct PluginOption PluginOption;

struct PluginOption
{
	const char *name;
	const char *alias;			/* NULL, or another name */
	/* false when the value is none of this option's */
	bool		(*read) (PluginOptions *options, const PluginOption *option, const char *value);
	Size		offset;			/* of what it sets */
	const char *values;			/* for the hint */
};

/* ---- kinds of values ---- */

#define SETS(options, option, type) ((type *) ((char *) (options) + (option)->offset))

static bool
read_bool(PluginOptions *options, const PluginOption *option, const char *value)
{
	return parse_bool(value, SETS(options, option, bool));
}

static bool
read_origin(PluginOptions *options, const PluginOption *option, const char *value)
{
	if (strcmp(value, "any") != 0 && strcmp(value, "none") != 0)
		return false;
	options->only_local |= strcmp(value, "none") == 0;
	return true;
}

/* What "origin" says in other words: either one is enough, in whichever order they come. */
static bool
read_only_local(PluginOptions *options, const PluginOption *option, const char *value)
{
	bool		only_local;

	if (!parse_bool(value, &only_local))
		return false;
	options->only_local |= only_local;
	return true;
}

static bool
read_version(PluginOptions *options, const PluginOption *option, const char *value)
{
	return strcmp(value, WIRE_VERSION) == 0;
}

/*
 * The list points into the copy, which lives as long as the options. Names are folded as SQL folds
 * identifiers, unless they are quoted.
 */
static bool
read_publications(PluginOptions *options, const PluginOption *option, const char *value)
{
	return SplitIdentifierString(pstrdup(value), ',', &options->publications) &&
		   options->publications != NIL;
}

static bool
read_format(PluginOptions *options, const PluginOption *option, const char *value)
{
	options->debezium = strcmp(value, "debezium") == 0;
	return options->debezium || strcmp(value, "json") == 0;
}

/* The names stand in the order of DebeziumDecimal. */
static bool
read_decimal(PluginOptions *options, const PluginOption *option, const char *value)
{
	static const char *const names[] = {"precise", "string", "double"};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(value, names[i]) == 0)
		{
			options->decimal = (DebeziumDecimal) i;
			return true;
		}
	}
	return false;
}

/* A size with a unit, of what an event may have. */
static bool
read_size(PluginOptions *options, const PluginOption *option, const char *value)
{
	int			size;

	if (!parse_int(value, &size, GUC_UNIT_BYTE, NULL) || size < MIN_EVENT_SIZE ||
		size > EVENT_MAX_SIZE)
		return false;
	*SETS(options, option, int) = size;
	return true;
}

static bool
read_unrendered(PluginOptions *options, const PluginOption *option, const char *value)
{
	options->event.strict = strcmp(value, "error") == 0;
	return options->event.strict || strcmp(value, "event") == 0;
}

static bool
read_missing(PluginOptions *options, const PluginOption *option, const char *value)
{
	options->missing_tables = strcmp(value, "ignore") == 0;
	return options->missing_tables || strcmp(value, "error") == 0;
}

static bool
read_string(PluginOptions *options, const PluginOption *option, const char *value)
{
	*SETS(options, option, char *) = pstrdup(value);
	return *value != '\0';
}

/*
 * The next item of a list, up to a comma or, where it has two parts, the point between them,
 * without the spaces around it. A backslash takes what is special away from the character behind
 * it; a lone asterisk gives NULL. Returns where the item ends; NULL where it is none.
 */
static const char *
read_item(const char *p, bool parts, char **item)
{
	StringInfoData text;
	int			len = 0;		/* without the spaces at its end */
	bool		any = false;

	initStringInfo(&text);
	while (*p == ' ')
		p++;
	for (; *p != '\0' && *p != ',' && (!parts || *p != '.'); p++)
	{
		bool		plain = *p != '\\';

		if (!plain && *++p == '\0')
			return NULL;
		if (plain && parts && *p == '*')
			any = true;
		appendStringInfoChar(&text, *p);
		if (!plain || *p != ' ')
			len = text.len;
	}
	text.data[len] = '\0';
	if (len == 0 || (any && len != 1))
		return NULL;
	*item = any ? NULL : text.data;
	return p;
}

/* The list may be left half filled where the value is wrong: an error ends the session then. */
static bool
read_patterns(List **patterns, const char *value, bool parts)
{
	const char *p = value;

	do
	{
		PluginPattern *pattern = palloc0(sizeof(PluginPattern));

		if (parts)
		{
			p = read_item(p, true, &pattern->schema);
			if (p == NULL || *p++ != '.')
				return false;
		}
		p = read_item(p, parts, &pattern->name);
		if (p == NULL || (*p != ',' && *p != '\0'))
			return false;
		*patterns = lappend(*patterns, pattern);
	} while (*p++ == ',');
	return true;
}

static bool
read_tables(PluginOptions *options, const PluginOption *option, const char *value)
{
	return read_patterns(SETS(options, option, List *), value, true);
}

static bool
read_prefixes(PluginOptions *options, const PluginOption *option, const char *value)
{
	return read_patterns(SETS(options, option, List *), value, false);
}

/* The names stand in the order of the bits of PluginAction. */
static bool
read_actions(PluginOptions *options, const PluginOption *option, const char *value)
{
	static const char *const names[] = {"insert", "update",  "delete", "truncate",
										"rollup", "message", "event"};
	List	   *given = NIL;
	ListCell   *lc;

	options->actions = 0;
	if (!read_patterns(&given, value, false))
		return false;
	foreach(lc, given)
	{
		const char *name = ((PluginPattern *) lfirst(lc))->name;
		int			i = 0;

		while (i < lengthof(names) && strcmp(name, names[i]) != 0)
			i++;
		if (i == lengthof(names))
			return false;
		options->actions |= 1 << i;
	}
	return true;
}

/* ---- the options ---- */

#define ON_OFF "on or off"
#define TABLES \
	"a list of schema.table, schema.* or *.table with commas between them and a backslash " \
	"before special characters"
#define PREFIXES \
	"a list of prefixes with commas between them and a backslash before special characters"
#define SET(member) offsetof(PluginOptions, member)

static const PluginOption all_options[] = {
	{"actions", NULL, read_actions, 0,
	 "a list of insert, update, delete, truncate, rollup and message"},
	{"add-msg-prefixes", NULL, read_prefixes, SET(add_prefixes), PREFIXES},
	{"add-tables", "include-tables", read_tables, SET(add_tables), TABLES},
	{"batch", NULL, read_bool, SET(batch), ON_OFF},
	{"decimal.handling.mode", NULL, read_decimal, 0, "precise, string or double"},
	{"filter-msg-prefixes", NULL, read_prefixes, SET(filter_prefixes), PREFIXES},
	{"filter-tables", "exclude-tables", read_tables, SET(filter_tables), TABLES},
	{"format", NULL, read_format, 0, "json or debezium"},
	{"format-version", NULL, read_version, 0, WIRE_VERSION},
	{"include-lsn", NULL, read_bool, SET(event.lsn), ON_OFF},
	{"include-origin", NULL, read_bool, SET(origins), ON_OFF},
	{"include-pk", NULL, read_bool, SET(key), ON_OFF},
	{"include-schema-changes", "include.schema.changes", read_bool, SET(schema_changes), ON_OFF},
	{"include-schemas", NULL, read_bool, SET(schemas), ON_OFF},
	{"include-timestamp", NULL, read_bool, SET(event.timestamp), ON_OFF},
	{"include-transaction", "provide.transaction.metadata", read_bool, SET(transactions), ON_OFF},
	{"include-types", NULL, read_bool, SET(types), ON_OFF},
	{"include-xids", NULL, read_bool, SET(event.xids), ON_OFF},
	{"json-data-types-as-string", NULL, read_bool, SET(event.json_as_text), ON_OFF},
	{"max-event-size", NULL, read_size, SET(event.size), "a size from 8kB to 1023MB"},
	{"messages", "include-messages", read_bool, SET(messages), ON_OFF},
	{"missing-tables", NULL, read_missing, 0, "error or ignore"},
	{"numeric-data-types-as-string", NULL, read_bool, SET(event.quoted), ON_OFF},
	{"origin", NULL, read_origin, 0, "any or none"},
	{"only-local", NULL, read_only_local, 0, ON_OFF},
	{"pretty-print", NULL, read_bool, SET(pretty), ON_OFF},
	{"publication-names", NULL, read_publications, 0, "a list of names with commas between them"},
	{"publish-via-partition-root", NULL, read_bool, SET(via_root), ON_OFF},
	{"schemas.enable", NULL, read_bool, SET(connect_schemas), ON_OFF},
	{"skip-output", NULL, read_bool, SET(skip_output), ON_OFF},
	{"streaming", "stream-changes", read_bool, SET(streaming), ON_OFF},
	{"topic.prefix", NULL, read_string, SET(topic_prefix), "a name"},
	{"two-phase", NULL, read_bool, SET(two_phase), ON_OFF},
	{"unrendered", NULL, read_unrendered, 0, "event or error"},
};

/* An underscore is as good as a hyphen. */
static bool
is_name(const char *given, const char *name)
{
	if (name == NULL)
		return false;
	for (; *given != '\0' && (*given == *name || (*given == '_' && *name == '-')); given++)
		name++;
	return *given == *name;
}

static const PluginOption *
find_option(const char *name)
{
	for (int i = 0; i < lengthof(all_options); i++)
	{
		if (is_name(name, all_options[i].name) || is_name(name, all_options[i].alias))
			return &all_options[i];
	}
	return NULL;
}

static int
known_hint(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(all_options); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", all_options[i].name);
	return errhint("The options are %s.", names.data);
}

static void
check_combination(const PluginOptions *options)
{
	if (options->publications != NIL && options->via_root)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"publication-names\" and \"publish-via-partition-root\" of "
						"output plugin gymstream exclude each other"),
				 errhint("Each publication says itself whether it publishes via the partition "
						 "root.")));
	if (options->schema_changes && (options->streaming || options->debezium))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"include-schema-changes\" of output plugin gymstream excludes "
						"format \"debezium\" and option \"streaming\""),
				 errdetail("Neither has a place for its events.")));
	if (options->debezium && (options->streaming || options->two_phase))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("format \"debezium\" of output plugin gymstream excludes options "
						"\"streaming\" and \"two-phase\""),
				 errdetail("It has no events for transactions that are not committed.")));
}

/*
 * In a walsender this may run outside of a transaction: no catalog may be read. All that the
 * options point to lies in the current context, which is the decoding's. A value of NULL stands for
 * an option that was named alone.
 */
void
plugin_options_read(PluginOptions *options, List *given)
{
	bool		seen[lengthof(all_options)] = {false};
	ListCell   *lc;

	memset(options, 0, sizeof(*options));
	options->event.xids = options->event.lsn = options->event.timestamp = true;
	options->schemas = options->batch = true;
	options->actions = PLUGIN_ALL;
	options->event.size = EVENT_MAX_SIZE;
	options->topic_prefix = "gymstream";
	foreach(lc, given)
	{
		DefElem    *element = lfirst_node(DefElem, lc);
		const PluginOption *option = find_option(element->defname);
		const char *value = element->arg != NULL ? strVal(element->arg) : "on";

		if (option == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unknown option \"%s\" of output plugin gymstream", element->defname),
					 known_hint()));
		if (seen[option - all_options])
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" of output plugin gymstream is given twice", option->name),
				 option->alias ? errdetail("\"%s\" is another name of it.", option->alias) : 0));
		seen[option - all_options] = true;
		if (!option->read(options, option, value))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value \"%s\" for option \"%s\" of output plugin gymstream",
							value, option->name),
					 errhint("The value of \"%s\" is %s.", option->name, option->values)));
	}

	/* defaults that depend on other options */
	if (!seen[find_option("include-origin") - all_options])
		options->origins = options->debezium;
	options->event.without_schema = !options->schemas;
	check_combination(options);
}

/* ---- lists ---- */

/*
 * Names are compared as they are stored: nothing is folded, and a pattern knows no wildcards within
 * a name.
 */
static bool
any_matches(const List *patterns, const char *schema, const char *name)
{
	const ListCell *lc;

	foreach(lc, patterns)
	{
		const PluginPattern *pattern = lfirst(lc);

		if ((pattern->schema == NULL || strcmp(pattern->schema, schema) == 0) &&
			(pattern->name == NULL || strcmp(pattern->name, name) == 0))
			return true;
	}
	return false;
}

/*
 * An empty list of what is added stands for everything. What is filtered is left out, even where it
 * is added too.
 */
bool
plugin_lists_table(const PluginOptions *options, const char *schema, const char *name)
{
	return (options->add_tables == NIL || any_matches(options->add_tables, schema, name)) &&
		!any_matches(options->filter_tables, schema, name);
}

bool
plugin_lists_prefix(const PluginOptions *options, const char *prefix)
{
	return (options->add_prefixes == NIL || any_matches(options->add_prefixes, "", prefix)) &&
		!any_matches(options->filter_prefixes, "", prefix);
}
