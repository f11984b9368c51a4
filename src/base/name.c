/*
 * name.c: takes names of relations and gives them qualified, as text that SQL reads.
 */
#include "base/name.h"

#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/varlena.h"

/* A name that is too long would be cut without a word where it is taken apart. */
static void
check_length(const char *name, const char *what)
{
	int			len = 0;
	bool		quoted = false;

	for (const char *p = name; *p; p++)
	{
		if (*p == '"')
		{
			/* two of them inside quotes stand for one that counts */
			if (quoted && p[1] == '"')
				p++, len++;
			else
				quoted = !quoted;
		}
		else if (*p == '.' && !quoted)
			len = 0;
		else if (++len >= NAMEDATALEN)
			ereport(ERROR,
					(errcode(ERRCODE_NAME_TOO_LONG),
					 errmsg("name of the %s is too long: \"%s\"", what, name),
					 errdetail("A name has at most %d bytes.", NAMEDATALEN - 1)));
	}
}

RangeVar *
name_parse(text *name, const char *what)
{
	char	   *string = text_to_cstring(name);
	List	   *parts = NIL;

	check_length(string, what);
	if (!SplitIdentifierString(pstrdup(string), '.', &parts) || parts == NIL ||
		list_length(parts) > 2 || strlen(llast(parts)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("invalid name of a %s: \"%s\"", what, string),
				 errhint("Write a name, or schema.name, in double quotes where an SQL identifier "
						 "needs them.")));
	return makeRangeVar(list_length(parts) == 2 ? linitial(parts) : NULL, llast(parts), -1);
}

char *
name_qualified(const QualifiedName *name)
{
	return quote_qualified_identifier(get_namespace_name(name->schema), name->name);
}

char *
name_of_relation(Oid relid)
{
	QualifiedName name = {get_rel_namespace(relid), get_rel_name(relid)};

	/* Who has not locked it may look when it has been dropped. */
	return name.name ? name_qualified(&name) : psprintf("%u", relid);
}
