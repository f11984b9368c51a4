/*
 * catalog.h: gymstream's own tables, read and opened by C code, also while decoding.
 */
#ifndef GS_CATALOG_H
#define GS_CATALOG_H

#include "base/base.h"

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

/* attribute numbers, as in extension/gymstream--*.sql */
#define CATALOG_ROLLUP "rollup"
#define ROLLUP_ROLLUP 1
#define ROLLUP_DEFINITION 2
#define ROLLUP_PARTIALS 3
#define ROLLUP_CREATED 4

#define CATALOG_UNCOUNTED "uncounted"
#define UNCOUNTED_PARTIALS 1

#define CATALOG_TOPIC "topic"
#define TOPIC_RELATION 1
#define TOPIC_CHANNEL 2
#define TOPIC_NOTIFY 3
#define TOPIC_CREATED 4
#define TOPIC_RETAIN 5
#define TOPIC_RETAIN_BYTES 6
#define TOPIC_KEY_COLUMNS 7
#define TOPIC_CHANNEL_COLUMNS 8
#define TOPIC_NATTS 8
#define TOPIC_NATTS_0_1 4		/* of version 0.1, before ALTER EXTENSION gymstream UPDATE */

#define CATALOG_EPOCH "epoch"
#define EPOCH_EPOCH 1
#define EPOCH_SYSTEM_IDENTIFIER 2
#define EPOCH_TIMELINE 3
#define EPOCH_SINCE 4
#define EPOCH_NATTS 4

#define CATALOG_SEGMENT "segment"
#define SEGMENT_TOPIC 1
#define SEGMENT_CREATED 2
#define SEGMENT_NUMBER 3
#define SEGMENT_TABLE 4
#define SEGMENT_BEFORE 5
#define SEGMENT_OPENED 6
#define SEGMENT_CLOSED 7
#define SEGMENT_LAST 8
#define SEGMENT_NEWEST 9
#define SEGMENT_BYTES 10
#define SEGMENT_ENDED 11
#define SEGMENT_DROPPING 12
#define SEGMENT_NATTS 12
/* whose attribute numbers their modules know */
#define CATALOG_GROUP_DEFINITION "group_definition"
#define CATALOG_GROUP_TOPIC "group_topic"
#define CATALOG_GROUP_BOOKMARK "group_bookmark"
#define CATALOG_GROUP_LAYOUT "group_layout"
#define CATALOG_GROUP_EVENT "group_event"

/*
 * The schema of the extension's catalogs, types and functions, or InvalidOid where it is not
 * installed.
 */
extern Oid	catalog_schema(void);

/* Whether it is this schema: costs little for any other. */
extern bool catalog_is_schema(Oid schema);

/*
 * An object's name with that schema, for SQL made here. Right before ALTER EXTENSION gymstream
 * UPDATE, too.
 */
extern char *catalog_own(const char *name);

/* A function of that name in that schema; InvalidOid where the installed version has none. */
extern Oid	catalog_function(const char *name);
extern bool catalog_has_function(const char *name);

/* One of the extension's types that states are of. */
extern Oid	catalog_type(const char *name);

/* One of the extension's tables, opened with the lock; NULL when the extension is not installed. */
extern Relation catalog_open(const char *name, LOCKMODE lock);

/*
 * The index whose only column is this one; InvalidOid: none. The catalogs have one for each column
 * that is searched.
 */
extern Oid	catalog_index(Relation catalog, AttrNumber column);

/* The row whose column is key, as a copy, or NULL. Historic while decoding. */
extern HeapTuple catalog_find(Relation catalog, AttrNumber column, Datum key);

/* The row of the relation's topic, as a copy, or NULL. */
extern HeapTuple catalog_find_topic(Relation catalog, Oid relation);

/* What a rollup is made of: a row of the table rollup. */
typedef struct RollupRelations
{
	Oid			rollup;			/* the view that users read */
	Oid			definition;
	Oid			partials;
} RollupRelations;

/* The row of the table rollup whose column is relid; false when there is none. */
extern bool catalog_relations(AttrNumber column, Oid relid, RollupRelations *found);

/* All rows of it, as a list of RollupRelations. */
extern List *catalog_relations_all(void);

extern void catalog_relations_insert(const RollupRelations *relations);
extern void catalog_relations_delete(Oid rollup);

/*
 * One OID column of the row of the table rollup whose column is relid; InvalidOid when there is
 * none.
 */
extern Oid	catalog_rollup(AttrNumber column, Oid relid, AttrNumber wanted);

/*
 * Whether a rollup with these partials lacks changes of its source; to say that it does, which
 * waits for nobody; and that it does no longer.
 */
extern bool catalog_is_uncounted(Oid partials);
extern void catalog_uncounted_insert(Oid partials);
extern void catalog_uncounted_delete(Oid partials);

/* Whose the relation is; InvalidOid when there is none. */
extern Oid	catalog_owner(Oid relid);

/* Whether the relation, a table or a rollup, has a topic. */
extern bool catalog_has_topic(Oid relation);

/* The same, and whether its events are stored. */
extern bool catalog_topic_stores(Oid relation, bool *stored);

/* Whether a topic that keeps its events for this time keeps them at all. */
extern bool catalog_keeps(const Interval *retain);

#endif							/* GS_CATALOG_H */
