/*
 * read.c: takes each relation of a query for which the server has found paths, and where it is a
 * rollup's groups adds paths that look them up by keys that other relations give. Where it is the
 * part of a rollup's view that computes marked groups, says what that costs. Takes each query
 * that groups, and adds a path where one group of a rollup is left. All others are left alone,
 * after a look at their kind.
 */
#include "rollup/read/read.h"

#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/planner.h"

#include "base/settings.h"
#include "rollup/read/read_cost.h"
#include "rollup/read/read_fold.h"
#include "rollup/read/read_group.h"
#include "rollup/read/read_hash.h"
#include "rollup/read/read_key.h"
#include "rollup/read/read_query.h"
#include "rollup/read/read_scan.h"

static set_rel_pathlist_hook_type next_hook = NULL;
static create_upper_paths_hook_type next_upper_hook = NULL;

/* A path for the keys that these relations give, if they give any. */
static void
add_lookup(PlannerInfo *root, RelOptInfo *rel, const Query *query, Relids outer, List **planned)
{
	ParamPathInfo *info =
		get_baserel_parampathinfo(root, rel, bms_union(outer, rel->lateral_relids));
	List	   *keys = read_keys_chosen(root, rel, query, info->ppi_clauses);
	ReadQuery  *keyed = keys ? read_query_plan(root, rel, keys, planned) : NULL;

	if (keyed)
		add_path(rel, read_scan_path(root, rel, keyed, info));
}

/* The number of keys that these relations give. */
static int
count_keys(const List *keys, Relids outer)
{
	Bitmapset  *given = NULL;
	ListCell   *cell;

	foreach(cell, keys)
	{
		ReadKey    *key = lfirst(cell);

		if (bms_is_subset(key->outer, outer))
			given = bms_add_member(given, key->resno);
	}
	return bms_num_members(given);
}

/* Sets of relations are no nodes in all versions, so that list_member is no help. */
static bool
is_among(const List *sets, Relids wanted)
{
	ListCell   *cell;

	foreach(cell, sets)
		if (bms_equal(lfirst(cell), wanted))
			return true;
	return false;
}

/*
 * Each relation, or set of them, that gives a key by itself has a path; so have all together, if
 * they give more keys than each. Other sets are left out, since each is planned.
 */
static void
add_lookups(PlannerInfo *root, RelOptInfo *rel, const Query *query)
{
	List	   *keys = read_keys_possible(root, rel, query);
	List	   *planned = NIL;
	List	   *done = NIL;
	Relids		all = NULL;
	int			most = 0;
	ListCell   *cell;

	foreach(cell, keys)
	{
		ReadKey    *key = lfirst(cell);

		all = bms_add_members(all, key->outer);
		if (is_among(done, key->outer))
			continue;
		done = lappend(done, key->outer);
		most = Max(most, count_keys(keys, key->outer));
		add_lookup(root, rel, query, key->outer, &planned);
	}
	if (list_length(done) > 1 && count_keys(keys, all) > most)
		add_lookup(root, rel, query, all, &planned);
}

static void
look_at_relation(PlannerInfo *root, RelOptInfo *rel, Index rti, RangeTblEntry *entry)
{
	if (next_hook)
		next_hook(root, rel, rti, entry);
	if (entry->rtekind == RTE_RELATION && settings_enable_rollup_scan &&
		rel->baserestrictinfo != NIL)
		read_hash_add(root, rel);
	/* The server gives up planning a subquery of which it knows that it is empty. */
	if (entry->rtekind != RTE_SUBQUERY || entry->inh || !settings_enable_rollup_scan ||
		rel->subroot == NULL || IS_DUMMY_REL(rel))
		return;
	if (entry->lateral)
		read_cost_marked(root, rel, entry);
	if ((rel->joininfo != NIL || rel->has_eclass_joins) && read_group_is(entry->subquery))
		add_lookups(root, rel, entry->subquery);
}

static void
look_at_groups(PlannerInfo *root, UpperRelationKind stage, RelOptInfo *input, RelOptInfo *output,
			   void *extra)
{
	if (next_upper_hook)
		next_upper_hook(root, stage, input, output, extra);
	if (stage == UPPERREL_GROUP_AGG && root->parse->groupClause != NIL &&
		settings_enable_rollup_scan)
		read_fold_add(root, input, output);
}

void
read_init(void)
{
	read_fold_init();
	read_group_init();
	read_scan_init();
	next_hook = set_rel_pathlist_hook;
	set_rel_pathlist_hook = look_at_relation;
	next_upper_hook = create_upper_paths_hook;
	create_upper_paths_hook = look_at_groups;
}
