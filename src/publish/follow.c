/*
 * follow.c: takes the relation cache's invalidations, which the decoder meets where the log has the
 * DDL that they are of, and gives the changes of topics' relations that listeners must know: other
 * columns, another name, a table written anew, the topic or the relation dropped. Reads catalogs
 * under the snapshot in force, and writes nothing.
 *
 * An invalidation says that something may have changed, not what, and may come too often. So what
 * matters of a relation is remembered, and compared at the commit of a transaction that changes
 * catalogs. What is decoded after a start may be older than what was remembered then: a transaction
 * of before changes all that it invalidates.
 */
#include "publish/follow.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/catalog.h"
#include "base/invalidation.h"
#include "base/seal.h"
#include "decode/event.h"
#include "rollup/model/message.h"
#include "topic/topic.h"

/* so many relations are remembered as invalidated; after more of them all are looked at */
#define MAX_INVALIDATED 128

/* What matters of a relation. */
typedef struct FollowLook
{
	uint32		columns;		/* hash of names and types */
	uint32		files;			/* hash of where its rows are, or its partitions have theirs */
	uint32		parts;			/* hash of its partitions */
	char		name[NAMEDATALEN * 4 + 8];
} FollowLook;

/* a topic that is followed */
typedef struct Followed
{
	Oid			relation;		/* hash key */
	char		channel[NAMEDATALEN];
	FollowLook	look;
	bool		truncated;		/* by the transaction at hand */
	bool		changed;		/* likewise: truncated in part, or a rollup that was rebuilt */
} Followed;

static HTAB *followed_topics = NULL;
static XLogRecPtr begun_at;		/* looks that were remembered at the start are of here */

static Oid	invalidated_relations[MAX_INVALIDATED];
static int	ninvalidated = 0;
static bool all_invalidated = false;

/* the check at hand */
static List *to_check = NIL;	/* OIDs of relations */
static FollowLook last_look;
static char last_channel[NAMEDATALEN];

/* Called for whatever changes in a catalog: no look-ups here. */
static void
note_invalidated(Datum arg, Oid relation)
{
	/* An invalid OID means all relations. Once all are meant, single ones need not be kept. */
	if (!OidIsValid(relation) || ninvalidated == MAX_INVALIDATED)
		all_invalidated = true;
	for (int i = 0; i < ninvalidated; i++)
		if (invalidated_relations[i] == relation)
			return;
	if (!all_invalidated)
		invalidated_relations[ninvalidated++] = relation;
}

/* Also where a column was added and dropped again. */
static uint32
hash_columns(uint32 hash, TupleDesc desc)
{
	return event_hash_columns(hash_combine(hash, desc->natts), desc);
}

/* No lock is taken: the historic snapshot keeps them as they were. */
static void
look_at_partitions(Oid relid, FollowLook *look)
{
	ListCell   *cell;

	foreach(cell, find_all_inheritors(relid, NoLock, NULL))
	{
		HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(lfirst_oid(cell)));

		if (!HeapTupleIsValid(tuple))
			continue;
		look->parts = hash_combine(look->parts, murmurhash32(lfirst_oid(cell)));
		look->files = hash_combine(
			look->files, murmurhash32(((Form_pg_class) GETSTRUCT(tuple))->relfilenode));
		ReleaseSysCache(tuple);
	}
}

/* False when there is no such relation, or it has no topic. */
static bool
look_at(Oid relid, FollowLook *look)
{
	EventRelation *relation = event_relation_by_oid(relid);
	HeapTuple	tuple;
	char	   *name;
	bool		is_partitioned;

	MemSet(look, 0, sizeof(*look));

	/*
	 * The relation may be gone by now. Partials tell of their rollup's view, and have no topic of
	 * their own.
	 */
	if (relation == NULL || relation->subject != relid || !relation->has_topic)
		return false;
	look->columns = hash_columns(0, relation->desc);
	/* Keys and deltas of a rollup's events bear the names that its partials' columns have. */
	relation = OidIsValid(relation->partials) ? event_relation_by_oid(relation->partials) : NULL;
	if (relation != NULL)
		look->columns = hash_columns(look->columns, relation->desc);
	name = topic_name(relid);
	if (name == NULL)
		return false;
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		return false;
	/* Values are copied: the caches that they are from may change at any look-up. */
	strlcpy(look->name, name, sizeof(look->name));
	look->files = ((Form_pg_class) GETSTRUCT(tuple))->relfilenode;
	is_partitioned = ((Form_pg_class) GETSTRUCT(tuple))->relkind == RELKIND_PARTITIONED_TABLE;
	ReleaseSysCache(tuple);
	if (is_partitioned)
		look_at_partitions(relid, look);
	return true;
}

/* Begin to follow a relation that may have a topic. */
static void
follow_relation(Oid relid)
{
	Topic		topic;
	FollowLook	look;
	Followed   *entry;

	if (!topic_lookup(relid, &topic) || !look_at(relid, &look))
		return;
	entry = hash_search(followed_topics, &relid, HASH_ENTER, NULL);
	strlcpy(entry->channel, topic.channel, sizeof(entry->channel));
	entry->look = look;
	entry->truncated = entry->changed = false;
}

/* ALTER SCHEMA RENAME invalidates none of the relations whose name it changes. */
static void
note_schema(Datum arg, int cacheid, uint32 hash)
{
	all_invalidated = true;
}

void
follow_begin(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid),.entrysize = sizeof(Followed)};
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	SysScanDesc scan;
	HeapTuple	tuple;

	followed_topics = hash_create("gymstream followed topics", 64, &control,
								  HASH_ELEM | HASH_BLOBS);

	/*
	 * The callback comes first, so that no change is missed while topics are read. Transactions
	 * that committed before this LSN may be in the looks already.
	 */
	invalidation_watch(note_invalidated);
	CacheRegisterSyscacheCallback(NAMESPACEOID, note_schema, (Datum) 0);
	begun_at = GetXLogInsertRecPtr();
	/* Without the extension there is no topic yet, and one is met by its invalidation. */
	if (catalog == NULL)
		return;
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;

		follow_relation(DatumGetObjectId(
			heap_getattr(tuple, TOPIC_RELATION, RelationGetDescr(catalog), &isnull)));
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

void
follow_truncated(Oid relation, bool partly)
{
	Followed   *entry = hash_search(followed_topics, &relation, HASH_FIND, NULL);

	if (entry != NULL && partly)
		entry->changed = true;
	else if (entry != NULL)
		entry->truncated = true;
}

bool
follow_message(ReorderBufferTXN *txn, const char *prefix, Size size, const char *content)
{
	RollupMessage message;
	RollupNote	note;
	Followed   *entry;

	if (strcmp(prefix, GS_MESSAGE_PREFIX) != 0 ||
		!message_read_note(content, size, txn->xid, &message, &note) || note != ROLLUP_REBUILT)
		return false;
	entry = hash_search(followed_topics, &message.rollup, HASH_FIND, NULL);
	if (entry != NULL)
		entry->changed = true;
	return true;
}

/* What the events of an invalidated relation are about: of partials it is their rollup's view. */
static Oid
find_subject(Oid relid)
{
	EventRelation *relation = event_relation_by_oid(relid);

	return relation != NULL ? relation->subject : relid;
}

/* A partition's change may be one of the tables that it is part of. */
static void
add_ancestors(void)
{
	int			n = list_length(to_check);

	for (int i = 0; i < n; i++)
	{
		Oid			relid = list_nth_oid(to_check, i);
		List	   *ancestors;

		if (!get_rel_relispartition(relid))
			continue;
		ancestors = get_partition_ancestors(relid);
		to_check = list_concat_unique_oid(to_check, ancestors);
		list_free(ancestors);
	}
}

/* The relations to look at. What is invalidated from here on is for the next transaction. */
static void
gather_invalidated(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	/* The list is in TopMemoryContext, since it is worked through over several calls. */
	if (all_invalidated)
	{
		HASH_SEQ_STATUS status;
		Followed   *entry;

		hash_seq_init(&status, followed_topics);
		while ((entry = hash_seq_search(&status)) != NULL)
			to_check = lappend_oid(to_check, entry->relation);
	}
	for (int i = 0; i < ninvalidated; i++)
		to_check = list_append_unique_oid(to_check, invalidated_relations[i]);
	ninvalidated = 0;
	all_invalidated = false;
	add_ancestors();
	MemoryContextSwitchTo(old);
}

/* Whether listeners must know. */
static bool
compare_looks(Followed *entry, XLogRecPtr commit_lsn, FollowChange *change)
{
	FollowLook	before = entry->look;
	bool		truncated = entry->truncated;
	bool		changed = entry->changed;
	bool		there = look_at(entry->relation, &last_look);

	change->relation = entry->relation;
	change->dropped = !there;
	change->channel = strcpy(last_channel, entry->channel);
	/* The entry goes, so what the caller is given is kept outside of it. */
	if (!there)
	{
		last_look = before;
		change->name = last_look.name;
		hash_search(followed_topics, &change->relation, HASH_REMOVE, NULL);
		return true;
	}
	change->name = last_look.name;
	entry->look = last_look;
	entry->truncated = entry->changed = false;

	/*
	 * A truncation is told as such, so the new file is none of its news. A transaction older than
	 * the looks cannot be compared, and counts as a change.
	 */
	return before.columns != last_look.columns || before.parts != last_look.parts ||
		strcmp(before.name, last_look.name) != 0 ||
		(before.files != last_look.files && !truncated) || changed || commit_lsn < begun_at;
}

bool
follow_next(XLogRecPtr commit_lsn, FollowChange *change)
{
	if (to_check == NIL && (ninvalidated > 0 || all_invalidated))
		gather_invalidated();
	while (to_check != NIL)
	{
		Oid			relation = find_subject(linitial_oid(to_check));
		Followed   *entry = hash_search(followed_topics, &relation, HASH_FIND, NULL);

		to_check = list_delete_first(to_check);

		/* Nobody has known a new topic in another state: it is remembered, and nothing is told. */
		if (entry == NULL)
			follow_relation(relation);
		else if (compare_looks(entry, commit_lsn, change))
			return true;
	}
	return false;
}
