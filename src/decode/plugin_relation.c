/*
 * plugin_relation.c: takes a relation and gives whether and how this session's options let it be
 * shown. Prepared once under the snapshot in force, thrown away when the caches say so; takes no
 * lock and never waits.
 */
#include "decode/plugin.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

#include "base/invalidation.h"

/* entries that are not valid are looked for when there are more than this */
#define MANY_RELATIONS 1024

/*
 * the relations of the session that decodes now; NULL when there is none: callbacks cannot be taken
 * back
 */
static HTAB *session_relations = NULL;

/*
 * counts what was invalidated: when it moves while the catalogs are read, what was read is not kept
 */
static uint64 invalidation_count = 0;

/* ---- invalidation ---- */

/*
 * The server may call this wherever a catalog is read, also while an entry is in use or is being
 * made. So it only marks: nothing is freed and no catalog is read here.
 */
static void
relation_invalidated(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS all;
	PluginRelation *relation;

	invalidation_count++;
	if (session_relations == NULL)
		return;
	/* entries that are shown under another name are few, if any, but who knows which */
	hash_seq_init(&all, session_relations);
	while ((relation = hash_seq_search(&all)) != NULL)
	{
		if (!OidIsValid(relid) || relation->relid == relid || relation->shown == relid)
			relation->valid = false;
	}
}

static void
cache_invalidated(Datum arg, int cacheid, uint32 hash)
{
	relation_invalidated(arg, InvalidOid);
}

/*
 * Runs when the memory of the table is about to go, also after an error. A cache callback that
 * comes later must not find the table.
 */
static void
session_ended(void *arg)
{
	session_relations = NULL;
}

/*
 * Callbacks of caches stay until the backend ends, and there is room for few. So they are
 * registered once, and find the table of the session at hand. The reset callback is in the context
 * that it watches.
 */
void
plugin_relations_init(PluginState *state, MemoryContext context)
{
	static bool registered = false;
	HASHCTL control = {
		.keysize = sizeof(Oid), .entrysize = sizeof(PluginRelation), .hcxt = context};
	MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));

	state->cache = context;
	state->relations = hash_create("gymstream plugin relations", 64, &control,
								   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	session_relations = state->relations;
	callback->func = session_ended;
	MemoryContextRegisterResetCallback(context, callback);
	if (registered)
		return;
	registered = true;
	invalidation_watch(relation_invalidated);
	CacheRegisterSyscacheCallback(NAMESPACEOID, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, cache_invalidated, (Datum) 0);
	/* the labels in schemas */
	CacheRegisterSyscacheCallback(ENUMOID, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(PUBLICATIONOID, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(PUBLICATIONRELMAP, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(PUBLICATIONNAMESPACEMAP, cache_invalidated, (Datum) 0);
}

/*
 * Called before an entry is made, while no caller holds one: a pointer into the table would dangle.
 */
static void
drop_invalid(PluginState *state)
{
	HASH_SEQ_STATUS all;
	PluginRelation *relation;

	hash_seq_init(&all, state->relations);
	while ((relation = hash_seq_search(&all)) != NULL)
	{
		if (relation->valid)
			continue;
		if (relation->context != NULL)
			MemoryContextDelete(relation->context);
		hash_search(state->relations, &relation->relid, HASH_REMOVE, NULL);
	}
}

/* ---- preparing ---- */

/* What the options' publications and lists leave of a relation that is no secret. */
static void
decide_actions(PluginState *state, Relation rel, PluginPublished *published)
{
	const PluginOptions *options = &state->options;
	char	   *name;

	if (options->publications != NIL)
	{
		plugin_published(state, rel, published);
		/* what is published by itself comes as what is inserted does */
		if (published->actions & PLUGIN_INSERT)
			published->actions |= PLUGIN_EVENT;
	}
	else
	{
		published->actions = PLUGIN_ROWS | PLUGIN_TRUNCATE | PLUGIN_EVENT;
		if (options->via_root && rel->rd_rel->relispartition)
			published->shown = llast_oid(get_partition_ancestors(RelationGetRelid(rel)));
	}
	published->actions &= options->actions;

	/*
	 * a partitioned table has no rows, and is truncated with its partitions, which speak for it
	 * unless it speaks for them
	 */
	if (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		published->actions &=
			options->publications != NIL || options->via_root ? PLUGIN_TRUNCATE : 0;
	name = get_rel_name(published->shown);
	if (name == NULL ||
		!plugin_lists_table(options, get_namespace_name(get_rel_namespace(published->shown)), name))
		published->actions = 0;
}

/* The columns of the replica identity, or of the primary key where that is the whole row. */
static Bitmapset *
row_key(Relation rel)
{
	/* this also has the relation cache fill in rd_replidindex */
	Oid			primary = event_primary_key(rel);
	bool		whole = rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL;
	Bitmapset  *key = NULL;
	ListCell   *lc;

	foreach(lc, event_key_columns(whole ? primary : rel->rd_replidindex))
		key = bms_add_member(key, lfirst_int(lc) - 1);
	return key;
}

static void
prepare_shape(PluginState *state, PluginRelation *relation, Relation rel,
			  const PluginPublished *published)
{
	const PluginOptions *options = &state->options;
	EventShapeSource source = {.rel = rel,
							   .shown = rel,
							   .name = published->shown,
							   .columns = published->columns,
							   .types = options->types,
							   .key = options->key};

	/* a rollup's view names its partials, a partitioned table shows its partitions' columns */
	/* No lock is taken: decoding must not wait. The reference is given back below. */
	if (published->shown != RelationGetRelid(rel) && rel->rd_rel->relispartition)
		source.shown = RelationIdGetRelation(published->shown);
	if (source.shown == NULL)
		elog(ERROR, "could not open relation %u", published->shown);
	event_shape_init(&relation->shape, &source, relation->context);
	event_shape_set_options(&relation->shape, &options->event);
	if (state->wire->by_key)
	{
		MemoryContext old = MemoryContextSwitchTo(relation->context);

		relation->key = row_key(rel);
		MemoryContextSwitchTo(old);
	}
	relation->filter = plugin_row_filter_make(published, rel, source.shown, relation->context);
	state->wire->prepare(state, relation);
	if (source.shown != rel)
		RelationClose(source.shown);
}

/*
 * The count is read before the first catalog is. When it has moved at the end, some of what was
 * read may be old. Then the entry serves this change, under whose snapshot it was made, and the
 * next change makes it anew. The reset frees all that the entry had, with the filter and what the
 * wire format keeps.
 */
static PluginRelation *
prepare_relation(PluginState *state, Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	uint64		before = invalidation_count;
	EventRelation *known = event_relation(rel);
	PluginPublished published = {.shown = known->subject};
	PluginRelation *relation;
	bool		found;

	if (hash_get_num_entries(state->relations) > MANY_RELATIONS)
		drop_invalid(state);
	relation = hash_search(state->relations, &relid, HASH_ENTER, &found);
	if (!found)
		memset(relation, 0, sizeof(*relation));
	relation->relid = relid;
	relation->valid = false;
	relation->key = NULL;
	relation->filter = NULL;
	relation->wire = NULL;
	if (relation->context == NULL)
		relation->context =
			AllocSetContextCreate(state->cache, "gymstream plugin relation", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(relation->context);

	/* of partials only a truncate is shown, as one of the rollup */
	if (known->subject != relid)
		published.actions = plugin_shows_rollup(state, known->subject) ? PLUGIN_TRUNCATE : 0;
	else if (!known->hidden || (rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE))
		decide_actions(state, rel, &published);
	relation->shown = published.shown;
	relation->actions = published.actions;
	if (published.actions != 0)
		prepare_shape(state, relation, rel, &published);
	relation->valid = before == invalidation_count;
	return relation;
}

/*
 * Changes often come in runs of one relation: the last one saves the search. Entries of the table
 * never move, so that a pointer is good until the entry is removed.
 */
PluginRelation *
plugin_relation(PluginState *state, Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	PluginRelation *relation = state->last;

	if (relation == NULL || relation->relid != relid)
		relation = hash_search(state->relations, &relid, HASH_FIND, NULL);
	if (relation == NULL || !relation->valid)
	{
		state->last = NULL;		/* preparing may remove it */
		relation = prepare_relation(state, rel);
	}
	state->last = relation;
	return relation;
}

/*
 * The view may be gone while deltas for it are still in the WAL: then it has no name, and is not
 * shown.
 */
bool
plugin_shows_rollup(PluginState *state, Oid rollup)
{
	char	   *name = get_rel_name(rollup);
	Oid			schema = get_rel_namespace(rollup);

	if (name == NULL || !(state->options.actions & PLUGIN_ROLLUP))
		return false;
	return plugin_lists_table(&state->options, get_namespace_name(schema), name) &&
		(state->options.publications == NIL || plugin_publishes_view(state, schema));
}
