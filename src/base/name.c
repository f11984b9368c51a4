/*
 * name.c: takes names of relations and gives them qualified, as text that SQL reads.
 */
#include "base/name.h"

#include "utils/builtins.h"
#include "utils/lsyscache.h"

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
