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

/* entries that are not valid are looked for when there are more than this */
#define MANY_RELATIONS 1024

/*
 * the relations of the session that decodes now; NULL when there is none: callbacks cannot be taken
 * back
 */
static HTAB *session = NULL;

/*
 * counts what was invalidated: when it moves while the catalogs are read, what was read is not kept
 */
static uint64 invalidations = 0;

/* ---- invalidation ---- */

static void
relation_invalidated(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS all;
	PluginRelation *relation;

	invalidations++;
	if (session == NULL)
		return;
	/* entries that are shown under another name are few, if any, but who knows which */
	hash_seq_init(&all, session);
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

static void
session_ended(void *arg)
{
	session = NULL;
}

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
	session = state->relations;
	callback->func = session_ended;
	MemoryContextRegisterResetCallback(context, callback);
	if (registered)
		return;
	registered = true;
	CacheRegisterRelcacheCallback(relation_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, cache_invalidated, (Datum) 0);
	/* the labels in schemas */
	CacheRegisterSyscacheCallback(ENUMOID, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(PUBLICATIONOID, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(PUBLICATIONRELMAP, cache_invalidated, (Datum) 0);
	CacheRegisterSyscacheCallback(PUBLICATIONNAMESPACEMAP, cache_invalidated, (Datum) 0);
}

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
decide(PluginState *state, Relation rel, PluginPublished *published)
{
	const PluginOptions *options = &state->options;
	char	   *name;

	if (options->publications != NIL)
		plugin_published(state, rel, published);
	else
	{
		published->actions = PLUGIN_ROWS | PLUGIN_TRUNCATE;
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

static PluginRelation *
prepare(PluginState *state, Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	uint64		before = invalidations;
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
		decide(state, rel, &published);
	relation->shown = published.shown;
	relation->actions = published.actions;
	if (published.actions != 0)
		prepare_shape(state, relation, rel, &published);
	relation->valid = before == invalidations;
	return relation;
}

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
		relation = prepare(state, rel);
	}
	state->last = relation;
	return relation;
}

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
