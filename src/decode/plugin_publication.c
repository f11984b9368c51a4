/*
 * plugin_publication.c: takes a relation and gives what the publications that the client named say
 * of it, as PostgreSQL's own subscribers would get it: actions, row filters, column lists, and
 * under which partitioned table's name. Reads the catalogs under the snapshot in force: a
 * publication says what it said when the change was made.
 */
#include "decode/plugin.h"

#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_publication_rel.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* One publication's view of the relation at hand. */
typedef struct Membership
{
	Publication *publication;
	Oid			shown;
	int			level;			/* how far above the relation that is */
} Membership;

/*
 * NULL when there is no such publication, which may come, or may have come after the change. A
 * missing one must not end the slot: an error would come again at the same place. The warning comes
 * once a session, for the first one.
 */
static Publication *
find_publication(PluginState *state, const char *name)
{
	Publication *publication = GetPublicationByName(name, true);

	if (publication == NULL && !state->warned)
	{
		state->warned = true;
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("publication \"%s\" does not exist at this point in the WAL", name),
				 errdetail("Changes from before it was created are not shown.")));
	}
	return publication;
}

/*
 * Whether the publication has the relation, and under which name. The ancestors go from the parent
 * up to the root, and there are none for a table that is no partition. The level says how far up
 * the name is: the highest one wins over several publications.
 */
static bool
find_membership(Membership *member, Relation rel, List *ancestors)
{
	Publication *publication = member->publication;
	Oid			relid = RelationGetRelid(rel);
	Oid			ancestor = InvalidOid;
	int			level = 0;

	member->shown = relid;
	member->level = 0;
	if (publication->alltables)
	{
		if (gs_publication_excludes(publication, ancestors != NIL ? llast_oid(ancestors) : relid))
			return false;
		if (publication->pubviaroot && ancestors != NIL)
		{
			member->shown = llast_oid(ancestors);
			member->level = list_length(ancestors);
		}
		return true;
	}
	if (ancestors != NIL)
		ancestor = GetTopMostAncestorInPublication(publication->oid, ancestors, &level);
	if (OidIsValid(ancestor) && publication->pubviaroot)
	{
		member->shown = ancestor;
		member->level = level;
	}
	return OidIsValid(ancestor) ||
		   list_member_oid(gs_relation_publications(relid), publication->oid) ||
		   list_member_oid(GetSchemaPublications(RelationGetNamespace(rel)), publication->oid);
}

/*
 * An attribute of the publication's entry for the table; false where it is NULL or there is no
 * entry. The value points into the tuple. The caller releases the tuple, where there is one, after
 * the last use of the value. A publication of all tables has no entries.
 */
static bool
entry_value(const Membership *member, AttrNumber attribute, Datum *value, HeapTuple *tuple)
{
	bool		isnull = true;

	*tuple = NULL;
	if (!member->publication->alltables)
		*tuple = SearchSysCache2(PUBLICATIONRELMAP, ObjectIdGetDatum(member->shown),
								 ObjectIdGetDatum(member->publication->oid));
	if (HeapTupleIsValid(*tuple))
		*value = SysCacheGetAttr(PUBLICATIONRELMAP, *tuple, attribute, &isnull);
	return !isnull;
}

/* The columns that the publication lists; NULL for all. */
static Bitmapset *
member_columns(const Membership *member)
{
	Bitmapset  *columns = NULL;
	HeapTuple	tuple;
	Datum		value;

	if (entry_value(member, Anum_pg_publication_rel_prattrs, &value, &tuple))
	{
		ArrayType  *array = DatumGetArrayTypeP(value);
		int16	   *numbers = (int16 *) ARR_DATA_PTR(array);

		for (int i = 0; i < ARR_DIMS(array)[0]; i++)
			columns = bms_add_member(columns, numbers[i]);
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return columns;
}

/*
 * The rows that the publication lists; NULL for all, also where it has the whole schema. The caller
 * owns the expression, which is read anew each time.
 */
static Node *
member_filter(const Membership *member)
{
	Node	   *filter = NULL;
	HeapTuple	tuple;
	Datum		value;

	if (entry_value(member, Anum_pg_publication_rel_prqual, &value, &tuple) &&
		!SearchSysCacheExists2(PUBLICATIONNAMESPACEMAP,
							   ObjectIdGetDatum(get_rel_namespace(member->shown)),
							   ObjectIdGetDatum(member->publication->oid)))
		filter = stringToNode(TextDatumGetCString(value));
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return filter;
}

static int
member_actions(const Membership *member)
{
	PublicationActions actions = member->publication->pubactions;

	return (actions.pubinsert ? PLUGIN_INSERT : 0) | (actions.pubupdate ? PLUGIN_UPDATE : 0) |
		(actions.pubdelete ? PLUGIN_DELETE : 0) | (actions.pubtruncate ? PLUGIN_TRUNCATE : 0);
}

/*
 * Of several publications a row needs to pass one that has the action. One publication without a
 * filter lets all rows of its actions pass. Later filters must not narrow that down again: so it is
 * remembered by action.
 */
static void
add_filters(PluginPublished *published, const Membership *member, bool *unfiltered)
{
	static const int actions[] = {PLUGIN_INSERT, PLUGIN_UPDATE, PLUGIN_DELETE};
	Node	   *filter = member_filter(member);

	for (int i = 0; i < lengthof(actions); i++)
	{
		if (!(member_actions(member) & actions[i]))
			continue;
		if (filter == NULL)
			unfiltered[i] = true;
		published->filters[i] =
			unfiltered[i] ? NIL : lappend(published->filters[i], copyObject(filter));
	}
}

/*
 * What the publications say that show the relation under the chosen name. Two column lists have no
 * order of preference. The server refuses them to its own subscribers too, so that this is an error
 * and no union.
 */
static void
add_details(PluginPublished *published, List *members)
{
	bool		unfiltered[lengthof(published->filters)] = {false};
	bool		first = true;
	ListCell   *lc;

	foreach(lc, members)
	{
		const Membership *member = lfirst(lc);
		Bitmapset  *columns;

		if (member->shown != published->shown)
			continue;
		add_filters(published, member, unfiltered);
		columns = member_columns(member);
		if (!first && !bms_equal(columns, published->columns))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot use different column lists for table \"%s\" in different "
							"publications",
							get_rel_name(published->shown)),
					 errhint("Name publications that list the same columns of the table.")));
		published->columns = columns;
		first = false;
	}
}

/*
 * The caller has set the name that holds where no publication says otherwise. A partitioned table
 * is a member only where it speaks for its partitions, since it has no rows itself. Lists and nodes
 * are left to the caller's context.
 */
void
plugin_published(PluginState *state, Relation rel, PluginPublished *published)
{
	List	   *ancestors = NIL;
	List	   *members = NIL;
	int			level = 0;
	ListCell   *lc;

	if (!is_publishable_relation(rel))
		return;
	if (rel->rd_rel->relispartition)
		ancestors = get_partition_ancestors(RelationGetRelid(rel));
	foreach(lc, state->options.publications)
	{
		Membership	member = {find_publication(state, lfirst(lc))};

		if (member.publication == NULL || !find_membership(&member, rel, ancestors) ||
			(rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE && !member.publication->pubviaroot))
			continue;
		members = lappend(members, memcpy(palloc(sizeof(member)), &member, sizeof(member)));
		published->actions |= member_actions(&member);
		if (member.level >= level)
		{
			published->shown = member.shown;
			level = member.level;
		}
	}
	add_details(published, members);
}

/* A publication cannot list a view: so only those count that have all tables, or the schema. */
bool
plugin_publishes_view(PluginState *state, Oid schema)
{
	ListCell   *lc;

	foreach(lc, state->options.publications)
	{
		Publication *publication = find_publication(state, lfirst(lc));

		if (publication != NULL &&
			(publication->alltables ||
			 list_member_oid(GetSchemaPublications(schema), publication->oid)))
			return true;
	}
	return false;
}
