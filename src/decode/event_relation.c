/*
 * event_relation.c: takes a relation and gives what rendering its events needs, prepared once a
 * backend under the snapshot in force and thrown away when the relation cache says so. While
 * decoding it takes no lock and never waits.
 */
#include "decode/event.h"

#include "access/relation.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "utils/hsearch.h"
#include "common/hashfn.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "base/catalog.h"
#include "base/invalidation.h"

/* entries of relations dropped long ago are looked for when there are more than this */
#define MANY_RELATIONS 1024

static HTAB *known_relations = NULL;

/*
 * counts what was invalidated: when it moves while the catalogs are read, what was read is not kept
 */
static uint64 invalidation_count = 0;

/*
 * Only marks: a caller further up may still use the entry. What it holds is freed when it is made
 * anew.
 */
static void
relation_forget(EventRelation *relation)
{
	relation->valid = false;
	relation->topic_known = false;
}

/* The events of partitions bear the name and columns of a table that they are part of. */
static void
descendants_forget(Oid relid)
{
	HASH_SEQ_STATUS all;
	EventRelation *relation;

	hash_seq_init(&all, known_relations);
	while ((relation = hash_seq_search(&all)) != NULL)
		for (int i = 0; i < relation->nancestors; i++)
			if (relation->ancestors[i] == relid)
				relation_forget(relation);
}

/*
 * The server may call this wherever a catalog is read or a lock is taken. So it frees nothing and
 * reads no catalog. The table is there: the callback is registered after it.
 */
static void
relation_invalidated(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS all;
	EventRelation *relation;

	invalidation_count++;
	if (OidIsValid(relid))
	{
		EventRelation *partials;

		relation = hash_search(known_relations, &relid, HASH_FIND, NULL);
		if (relation == NULL)
			return;
		relation_forget(relation);
		/* the events of partials bear the view's name */
		partials = hash_search(known_relations, &relation->partials, HASH_FIND, NULL);
		if (partials != NULL)
			relation_forget(partials);
		if (relation->is_ancestor)
			descendants_forget(relid);
		return;
	}
	hash_seq_init(&all, known_relations);
	while ((relation = hash_seq_search(&all)) != NULL)
		relation_forget(relation);
}

static void
schema_invalidated(Datum arg, int cacheid, uint32 hash)
{
	relation_invalidated(arg, InvalidOid);
}

/*
 * Made when it is needed first. It lives as long as the backend, since callbacks cannot be taken
 * back.
 */
static void
relations_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(EventRelation)};

	if (known_relations != NULL)
		return;
	known_relations = hash_create("gymstream relations", 64, &control, HASH_ELEM | HASH_BLOBS);
	invalidation_watch(relation_invalidated);
	CacheRegisterSyscacheCallback(NAMESPACEOID, schema_invalidated, (Datum) 0);
}

static void
relations_drop_invalid(void)
{
	HASH_SEQ_STATUS all;
	EventRelation *relation;

	hash_seq_init(&all, known_relations);
	while ((relation = hash_seq_search(&all)) != NULL)
	{
		/* a rollup's view leads to its partials even when it is not prepared itself, and so on */
		if (relation->valid || OidIsValid(relation->partials) || relation->is_ancestor)
			continue;
		if (relation->context != NULL)
			MemoryContextDelete(relation->context);
		hash_search(known_relations, &relation->relid, HASH_REMOVE, NULL);
	}
}

/* Entries never move: making one leaves pointers to all others good. */
static EventRelation *
relation_entry(Oid relid)
{
	EventRelation *relation;
	bool		found;

	relation = hash_search(known_relations, &relid, HASH_ENTER, &found);
	if (!found)
	{
		memset(relation, 0, sizeof(*relation));
		relation->relid = relid;
	}
	return relation;
}

/* What the relation is to gymstream. */
static void
relation_classify(EventRelation *relation, Relation rel)
{
	Oid			relid = relation->relid;
	Oid			rollup = InvalidOid;

	relation->subject = relid;
	relation->hidden = true;
	if (rel->rd_rel->relkind == RELKIND_RELATION)
	{
		rollup = catalog_rollup(ROLLUP_PARTIALS, relid, ROLLUP_ROLLUP);
		relation->hidden = OidIsValid(rollup) || catalog_is_schema(RelationGetNamespace(rel));
	}
	else if (rel->rd_rel->relkind == RELKIND_VIEW)
		relation->partials = catalog_rollup(ROLLUP_ROLLUP, relid, ROLLUP_PARTIALS);
	if (OidIsValid(rollup))
		relation->subject = rollup;
	relation->has_topic = catalog_topic_stores(relation->subject, &relation->stored);
}

/*
 * The partitioned tables that the relation is part of. Their entries are made, if there are none:
 * what invalidates them must lead here.
 */
static void
relation_ancestors(EventRelation *relation, Relation rel)
{
	List	   *ancestors;
	Oid		   *all;
	int			n = 0;
	ListCell   *cell;

	if (!rel->rd_rel->relispartition)
		return;
	ancestors = get_partition_ancestors(relation->relid);
	all = MemoryContextAlloc(relation->context, sizeof(Oid) * (list_length(ancestors) + 1));
	foreach(cell, ancestors)
	{
		all[n++] = lfirst_oid(cell);
		relation_entry(lfirst_oid(cell))->is_ancestor = true;
	}
	relation->ancestors = all;
	relation->nancestors = n;
}

/*
 * Read the catalogs anew. The count is read before the first catalog is. When it has moved at the
 * end, the entry serves the caller at hand, and the next caller makes it anew. Old entries go
 * before the new one is made, while no caller holds one.
 */
static EventRelation *
relation_prepare(Oid relid, Relation rel)
{
	EventShapeSource source = {.rel = rel, .shown = rel};
	EventRelation *relation;
	uint64		before = invalidation_count;

	if (hash_get_num_entries(known_relations) > MANY_RELATIONS)
		relations_drop_invalid();
	relation = relation_entry(relid);
	relation->valid = false;
	if (relation->context == NULL)
		relation->context =
			AllocSetContextCreate(TopMemoryContext, "gymstream relation", ALLOCSET_SMALL_SIZES);
	/* An invalidation may come at any look-up, and must not find what is freed here. */
	relation->nancestors = relation->ntopics = 0;
	MemoryContextReset(relation->context);

	relation_classify(relation, rel);
	relation_ancestors(relation, rel);
	if (relation->subject != relid)
		/* the view's events change with its partials: this leads an invalidation to them */
		relation_entry(relation->subject)->partials = relid;
	source.name = relation->subject;

	event_shape_init(&relation->shape, &source, relation->context);
	relation->desc = relation->shape.desc;
	relation->nkeys = -1;
	relation->alike = NULL;
	event_topics_init(relation, rel);
	relation->valid = relation->topic_known = before == invalidation_count;
	return relation;
}

/*
 * The caller holds the relation open. An entry that is not valid is made anew under the snapshot in
 * force: while decoding it has the names and columns of the time of the change.
 */
EventRelation *
event_relation(Relation rel)
{
	Oid			relid = RelationGetRelid(rel);
	EventRelation *relation;

	relations_init();
	relation = hash_search(known_relations, &relid, HASH_FIND, NULL);
	return relation != NULL && relation->valid ? relation : relation_prepare(relid, rel);
}

EventRelation *
event_relation_by_oid(Oid relid)
{
	EventRelation *relation;
	Relation	rel;

	relations_init();
	relation = hash_search(known_relations, &relid, HASH_FIND, NULL);
	if (relation != NULL && relation->valid)
		return relation;

	/*
	 * decoding must not wait behind somebody's lock; its snapshot is historic, so nothing changes
	 * under its feet
	 */
	if (HistoricSnapshotActive())
	{
		rel = RelationIdGetRelation(relid);
		if (rel == NULL)
			return NULL;
		relation = relation_prepare(relid, rel);
		RelationClose(rel);
		return relation;
	}
	/* outside of decoding the lock keeps the relation as it is while it is read */
	rel = try_relation_open(relid, AccessShareLock);
	if (rel == NULL)
		return NULL;
	relation = relation_prepare(relid, rel);
	relation_close(rel, AccessShareLock);
	return relation;
}

/* Reads one catalog and does not open the relation: somebody may hold a lock on it. */
static EventRelation *
relation_topic(Oid relid)
{
	EventRelation *relation;
	uint64		before;

	relations_init();
	relation = relation_entry(relid);
	if (!relation->topic_known)
	{
		before = invalidation_count;
		relation->has_topic = catalog_topic_stores(relid, &relation->stored);
		relation->topic_known = before == invalidation_count;
	}
	return relation;
}

bool
event_is_published(Oid relid)
{
	return relation_topic(relid)->has_topic;
}

bool
event_is_stored(Oid relid)
{
	return relation_topic(relid)->stored;
}

uint32
event_hash_columns(uint32 hash, TupleDesc desc)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped)
			continue;
		hash = hash_combine(hash, string_hash(NameStr(column->attname), NAMEDATALEN));
		hash = hash_combine(hash, murmurhash32(column->atttypid));
		hash = hash_combine(hash, murmurhash32((uint32) column->atttypmod));
	}
	return hash;
}
