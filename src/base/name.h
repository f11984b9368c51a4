/*
 * name.h: names as SQL text, in quotes where they need them.
 */
#ifndef GS_NAME_H
#define GS_NAME_H

#include "base/base.h"

#include "nodes/primnodes.h"

/* A schema and a name in it, of what need not exist yet. */
typedef struct QualifiedName
{
	Oid			schema;
	char	   *name;
} QualifiedName;

/*
 * A name as people give it: name, or schema.name, in double quotes where an SQL identifier needs
 * them. what says in errors of what it is a name.
 */
extern RangeVar *name_parse(text *name, const char *what);

/* All in CurrentMemoryContext. */
extern char *name_qualified(const QualifiedName *name);
extern char *name_of_relation(Oid relid);

#endif							/* GS_NAME_H */
