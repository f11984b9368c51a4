/*
 * standing.c: takes the OID of a rollup's partials and says whether the rollup's owner may read all
 * that it reads, and whether the rollup counts all changes. From a cache of this backend that
 * relcache and syscache callbacks invalidate, since rights and memberships change without a word to
 * anyone. Runs nothing of the owner's, and writes nothing.
 */
#include "rollup/model/standing.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "rewrite/rewriteHandler.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/catalog.h"
#include "base/invalidation.h"
#include "base/name.h"

typedef struct StandingEntry
{
	Oid			partials;		/* hash key */
	bool		valid;
	Standing	standing;
	int			nreads;
	/* what it was made from: view, definition, partials, and all that they read */
	Oid		   *reads;
} StandingEntry;

static HTAB *standing_entries = NULL;
static StandingEntry *last_entry = NULL;	/* found last; entries never move, nor go away */
static uint64 invalidation_count = 0;
static Oid	trusted_partials = InvalidOid;

/*
 * Rights
 */
typedef struct RightsWalk
{
	Oid			view;			/* whose query it is */
	Oid			reader;			/* with whose rights it is read */
	Oid			missing;
	Oid			without;		/* who may not read that */
	List	   *reads;
} RightsWalk;

static void check_view(Oid view, Oid reader, RightsWalk *walk);

static void
check_relation(Oid relid, RightsWalk *walk)
{
	walk->reads = list_append_unique_oid(walk->reads, relid);
	/*
	 * The first right that is missing is enough for an error. The walk goes on, since the cache
	 * depends on all that is read.
	 */
	if (!OidIsValid(walk->missing) &&
		pg_class_aclcheck(relid, walk->reader, ACL_SELECT) != ACLCHECK_OK)
	{
		walk->missing = relid;
		walk->without = walk->reader;
	}
	if (get_rel_relkind(relid) == RELKIND_VIEW)
		check_view(relid, catalog_owner(relid), walk);
}

static bool
rights_walker(Node *node, RightsWalk *walk)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
	{
		RangeTblEntry *entry = (RangeTblEntry *) node;

		/* a view's query may name the view itself, for its rules */
		if (entry->rtekind == RTE_RELATION && entry->relid != walk->view)
			check_relation(entry->relid, walk);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, rights_walker, walk, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, rights_walker, walk);
}

/*
 * All that the view reads, by its owner's rights, and what the views in it read, by the rights of
 * theirs.
 */
static void
check_view(Oid view, Oid reader, RightsWalk *walk)
{
	RightsWalk	inner = {view, reader, walk->missing, walk->without, walk->reads};
	Relation	relation;

	check_stack_depth();
	relation = try_relation_open(view, AccessShareLock);
	/* The view may be gone by the time its lock is granted. */
	if (relation == NULL)
		return;
	/*
	 * An invalidation may replace the relation's own tree during the walk, so the walk has a copy.
	 */
	rights_walker((Node *) copyObject(get_view_query(relation)), &inner);
	relation_close(relation, AccessShareLock);
	walk->missing = inner.missing;
	walk->without = inner.without;
	walk->reads = inner.reads;
}

/*
 * Also what is read with the owner's rights though a view of somebody else's names it: the source
 * of a marked group, and whatever else the rollup itself reads.
 */
static void
check_owner(const RollupRelations *relations, Standing *standing, List **reads)
{
	RightsWalk	walk = {InvalidOid, standing->owner, InvalidOid, InvalidOid, NIL};
	ListCell   *cell;

	check_view(relations->definition, standing->owner, &walk);
	/*
	 * The list does not grow under the loop: each table is on it already, and views are passed
	 * over.
	 */
	foreach(cell, walk.reads)
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_VIEW)
			check_relation(lfirst_oid(cell), &walk);
	/* standing_trust has the rights of one rollup taken for granted. */
	standing->missing = trusted_partials == relations->partials ? InvalidOid : walk.missing;
	standing->without = walk.without;
	*reads = walk.reads;
}

/*
 * The cache
 */
static void
remember_standing(Oid partials, const Standing *standing, const List *reads)
{
	StandingEntry *entry;
	bool		found;

	if (standing_entries == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(Oid), .entrysize = sizeof(StandingEntry)};

		standing_entries = hash_create("gymstream standings", 16, &info, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(standing_entries, &partials, HASH_ENTER, &found);
	if (found && entry->reads)
		pfree(entry->reads);
	/* Until it is whole, nothing of it counts, should there be no memory for the array. */
	entry->valid = false;
	entry->nreads = 0;
	entry->reads = NULL;
	/* The array must live as long as the backend's cache. */
	entry->reads = MemoryContextAlloc(CacheMemoryContext, list_length(reads) * sizeof(Oid));
	for (; entry->nreads < list_length(reads); entry->nreads++)
		entry->reads[entry->nreads] = list_nth_oid(reads, entry->nreads);
	entry->standing = *standing;
	entry->valid = true;
}

static bool
build_standing(Oid partials, Standing *standing)
{
	uint64		before = invalidation_count;
	RollupRelations relations;
	List	   *reads = NIL;

	if (!catalog_relations(ROLLUP_PARTIALS, partials, &relations))
		return false;
	standing->rollup = relations.rollup;
	standing->owner = catalog_owner(relations.rollup);
	if (!OidIsValid(standing->owner))
		return false;
	standing->uncounted = catalog_is_uncounted(partials);
	check_owner(&relations, standing, &reads);
	/* The rollup's own parts are on the list too, since a new owner has other rights. */
	reads = lappend_oid(lappend_oid(lappend_oid(reads, relations.rollup), relations.definition),
						partials);
	/* otherwise what it was made from may have changed already */
	if (before == invalidation_count)
		remember_standing(partials, standing, reads);
	return true;
}

bool
standing_look(Oid partials, Standing *standing)
{
	StandingEntry *entry = last_entry;

	/* Each change asks, and changes often come in runs of one rollup. */
	if (standing_entries != NULL && (entry == NULL || entry->partials != partials))
		entry = hash_search(standing_entries, &partials, HASH_FIND, NULL);
	/* A marked entry is made anew in its place. */
	if (entry == NULL || !entry->valid)
		return build_standing(partials, standing);
	last_entry = entry;
	*standing = entry->standing;
	return true;
}

static void
invalidate_relation(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	StandingEntry *entry;

	invalidation_count++;
	if (standing_entries == NULL)
		return;
	/* A callback comes at any moment, so that it marks entries and frees none. */
	hash_seq_init(&status, standing_entries);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		if (relid == InvalidOid)
			entry->valid = false;
		for (int i = 0; i < entry->nreads && entry->valid; i++)
			entry->valid = entry->reads[i] != relid;
	}
}

static void
invalidate_role(Datum arg, int cacheid, uint32 hashvalue)
{
	/* A membership may matter to any rollup. */
	invalidate_relation(arg, InvalidOid);
}

void
standing_trust(Oid partials)
{
	trusted_partials = partials;
	/* Entries were made with the earlier answer. */
	invalidate_relation((Datum) 0, InvalidOid);
}

void
standing_init(void)
{
	invalidation_watch(invalidate_relation);
	CacheRegisterSyscacheCallback(AUTHOID, invalidate_role, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, invalidate_role, (Datum) 0);
}

/*
 * For readers
 */
static void
refuse_unknown(Oid partials)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the partials in table \"%s\" are not kept",
					get_rel_name(partials) ? get_rel_name(partials) : "?"),
			 errdetail("Not all parts of their rollup are there, as after a restore of a part of "
					   "them."),
			 errhint("Restore what is missing. If only triggers are missing, run "
					 "gymstream.rebuild_rollup.")));
}

static void
refuse_right(const Standing *standing)
{
	/* Names are looked up here, since the error is rare and the cache has numbers only. */
	char	   *table = name_of_relation(standing->missing);
	char	   *role = GetUserNameFromId(standing->without, false);

	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s", table),
			 errdetail("The rollup \"%s\" reads it with the rights of the role \"%s\".",
					   get_rel_name(standing->rollup), role),
			 errhint("Run GRANT SELECT ON %s TO %s, or drop the rollup.", table,
					 quote_identifier(role))));
}

static void
refuse_uncounted(const Standing *standing)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the rollup \"%s\" lacks changes of its table", get_rel_name(standing->rollup)),
			 errdetail("They were made while the owner of the rollup was not allowed to read the "
					   "table."),
			 errhint("Run SELECT gymstream.rebuild_rollup(%s).",
					 quote_literal_cstr(name_of_relation(standing->rollup)))));
}

static void
require_rights(Oid partials, Standing *standing)
{
	if (!standing_look(partials, standing))
		refuse_unknown(partials);
	/* InvalidOid says that no right is missing. */
	if (OidIsValid(standing->missing))
		refuse_right(standing);
}

void
standing_require(Oid partials)
{
	Standing	standing;

	require_rights(partials, &standing);
}

/*
 * gymstream_internal.readable(partials regclass) returns boolean: always true, or an error. In the
 * WHERE of a rollup's view, where it is evaluated once.
 */
PG_FUNCTION_INFO_V1(gs_readable);
Datum
gs_readable(PG_FUNCTION_ARGS)
{
	Standing	standing;

	require_rights(PG_GETARG_OID(0), &standing);
	if (standing.uncounted)
		refuse_uncounted(&standing);
	PG_RETURN_BOOL(true);
}
