/*
 * read_group.c: takes a query and says whether it is a rollup's groups: one table of partials, or a
 * subquery over one that tells the images of keys apart, and a GROUP BY. From a cache of this
 * backend, for which an ordinary grouped query is looked up once for each table.
 */
#include "rollup/read/read_group.h"

#include "catalog/pg_class.h"
#include "parser/parsetree.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/syscache.h"

#include "base/catalog.h"
#include "base/invalidation.h"

typedef struct GroupTable
{
	Oid			table;			/* hash key */
	Oid			rollup;			/* of which it holds the partials, or InvalidOid */
	bool		valid;
} GroupTable;

static HTAB *group_tables = NULL;
static uint64 invalidation_count = 0;

static const char *const function_names[GROUP_FUNCTIONS] = {"readable", "key_hash"};
static Oid	functions[GROUP_FUNCTIONS];
static bool function_is_known[GROUP_FUNCTIONS];

/* A callback comes at any moment, so that it marks entries and frees none. */
static void
mark_table(void *entry)
{
	((GroupTable *) entry)->valid = false;
}

static void
invalidate_table(Datum arg, Oid table)
{
	invalidation_count++;
	invalidation_forget(group_tables, table, mark_table);
}

static void
remember_table(Oid table, Oid rollup)
{
	GroupTable *entry;
	bool		found;

	if (group_tables == NULL)
	{
		HASHCTL		info = {.keysize = sizeof(Oid), .entrysize = sizeof(GroupTable)};

		group_tables = hash_create("gymstream grouped tables", 64, &info, HASH_ELEM | HASH_BLOBS);
	}
	entry = hash_search(group_tables, &table, HASH_ENTER, &found);
	entry->rollup = rollup;
	entry->valid = true;
}

Oid
read_group_rollup(Oid partials)
{
	GroupTable *entry =
		group_tables ? hash_search(group_tables, &partials, HASH_FIND, NULL) : NULL;
	uint64		before = invalidation_count;
	Oid			rollup;

	if (entry && entry->valid)
		return entry->rollup;
	rollup = catalog_rollup(ROLLUP_PARTIALS, partials, ROLLUP_ROLLUP);
	/* otherwise it may be another one's already */
	if (before == invalidation_count)
		remember_table(partials, rollup);
	return rollup;
}

/* The only thing in a query's FROM; NULL: there is not one. */
static RangeTblEntry *
sole_entry(const Query *query)
{
	List	   *from = query->jointree->fromlist;

	if (list_length(from) != 1 || !IsA(linitial(from), RangeTblRef))
		return NULL;
	return rt_fetch(linitial_node(RangeTblRef, from)->rtindex, query->rtable);
}

static bool
is_bare(const Query *query)
{
	return query->commandType == CMD_SELECT && query->groupingSets == NIL &&
		   query->setOperations == NULL && !query->hasTargetSRFs &&
		   query->distinctClause == NIL && query->limitCount == NULL &&
		   query->limitOffset == NULL && query->cteList == NIL && !query->hasSubLinks &&
		   query->rowMarks == NIL;
}

Oid
read_group_partials(const Query *query)
{
	RangeTblEntry *entry = sole_entry(query);

	/*
	 * Of keys that may be equal and not the same, the partials are read by a subquery with a
	 * window. The server takes a condition on a key into that, or leaves it outside.
	 */
	if (entry && entry->rtekind == RTE_SUBQUERY && !entry->security_barrier &&
		is_bare(entry->subquery) && entry->subquery->groupClause == NIL &&
		entry->subquery->hasWindowFuncs)
		entry = sole_entry(entry->subquery);
	/* Row security on partials, which only hands could put there, stays in its place. */
	if (entry == NULL || entry->rtekind != RTE_RELATION || entry->relkind != RELKIND_RELATION ||
		entry->securityQuals != NIL || entry->tablesample != NULL)
		return InvalidOid;
	return entry->relid;
}

bool
read_group_is(const Query *query)
{
	Oid			partials;

	if (query->groupClause == NIL || query->hasWindowFuncs || !is_bare(query))
		return false;
	partials = read_group_partials(query);
	return OidIsValid(partials) && OidIsValid(read_group_rollup(partials));
}

static void
invalidate_functions(Datum arg, int cacheid, uint32 hashvalue)
{
	memset(function_is_known, false, sizeof(function_is_known));
}

bool
read_group_calls(const Node *node, GroupFunction function)
{
	if (!IsA(node, FuncExpr))
		return false;
	if (!function_is_known[function])
	{
		/* An invalidation on the way takes this back, so that it comes first. */
		function_is_known[function] = true;
		functions[function] = catalog_function(function_names[function]);
	}
	return ((const FuncExpr *) node)->funcid == functions[function];
}

void
read_group_init(void)
{
	invalidation_watch(invalidate_table);
	CacheRegisterSyscacheCallback(PROCOID, invalidate_functions, (Datum) 0);
}
