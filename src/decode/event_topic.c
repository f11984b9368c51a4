/*
 * event_topic.c: takes a relation and gives the topics of which its rows are events, with what is
 * the key of these: its own topic, and those of the partitioned tables that it is a partition of,
 * under whose names and columns they stand. Reads catalogs under the snapshot in force.
 */
#include "decode/event_topic.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"

/* A row of the table topic, with what is needed to read it. */
typedef struct TopicRow
{
	Relation	catalog;
	HeapTuple	tuple;			/* NULL: there is none */
} TopicRow;

static TopicRow
topic_row_open(Oid relation)
{
	TopicRow	row = {catalog_open(CATALOG_TOPIC, AccessShareLock)};

	if (row.catalog != NULL)
		row.tuple = catalog_find_topic(row.catalog, relation);
	return row;
}

static void
topic_row_close(TopicRow *row)
{
	if (row->catalog != NULL)
		table_close(row->catalog, AccessShareLock);
}

static List *
named_columns(const TopicRow *row, TupleDesc desc, AttrNumber column)
{
	if (!HeapTupleIsValid(row->tuple))
		return NIL;
	return event_key_named(desc, row->tuple, RelationGetDescr(row->catalog), column);
}

/* The columns of the shape that tell rows apart, as numbers of the columns that come in. */
static List *
identity_columns(const EventShape *shape)
{
	List	   *attributes = NIL;

	for (int i = -1; (i = bms_next_member(shape->key, i)) >= 0;)
		attributes = lappend_int(attributes, shape->columns[i].index + 1);
	return attributes;
}

/* The columns that old rows have; all with REPLICA IDENTITY FULL, for which it is NULL. */
static Bitmapset *
old_columns(Relation rel)
{
	Bitmapset  *columns = bms_make_singleton(0);
	ListCell   *cell;

	if (rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL)
		return NULL;
	/* the shape has had the relation cache look for the index */
	foreach(cell, event_key_columns(rel->rd_replidindex))
		columns = bms_add_member(columns, lfirst_int(cell));
	return columns;
}

static void
add_topic(EventRelation *relation, Relation rel, const TopicRow *row, Oid topic, EventShape *shape)
{
	EventTopic *added = &relation->topics[relation->ntopics];
	List	   *key = named_columns(row, relation->desc, TOPIC_KEY_COLUMNS);
	List	   *channel = named_columns(row, relation->desc, TOPIC_CHANNEL_COLUMNS);
	Bitmapset  *old = old_columns(rel);

	added->relation = topic;
	added->shape = shape;
	added->stored = event_is_stored(topic);
	event_key_init(&added->key, relation->desc, key != NIL ? key : identity_columns(shape), old,
				   relation->context);
	event_key_init(&added->channel, relation->desc, channel, old, relation->context);
	relation->ntopics++;
}

/*
 * A partition's rows under the name of a table that it is part of. No lock is taken while decoding,
 * which must not wait; the historic snapshot keeps the table as it was.
 */
static EventShape *
shape_under(EventRelation *relation, Relation rel, Oid ancestor)
{
	EventShape *shape = MemoryContextAllocZero(relation->context, sizeof(EventShape));
	bool		historic = HistoricSnapshotActive();
	Relation	shown = historic ? RelationIdGetRelation(ancestor) :
		try_relation_open(ancestor, AccessShareLock);
	EventShapeSource source = {.rel = rel, .shown = shown, .name = ancestor};

	if (shown == NULL)
		return NULL;
	event_shape_init(shape, &source, relation->context);
	if (historic)
		RelationClose(shown);
	else
		relation_close(shown, AccessShareLock);
	return shape;
}

void
event_topics_init(EventRelation *relation, Relation rel)
{
	Oid			relid = relation->relid;

	relation->topics =
		MemoryContextAllocZero(relation->context, sizeof(EventTopic) * (relation->nancestors + 1));
	if (relation->hidden)
		return;
	for (int i = -1; i < relation->nancestors; i++)
	{
		Oid			topic = i < 0 ? relid : relation->ancestors[i];
		TopicRow	row = topic_row_open(topic);
		EventShape *shape = NULL;

		if (HeapTupleIsValid(row.tuple))
			shape = i < 0 ? &relation->shape : shape_under(relation, rel, topic);
		if (shape != NULL)
			add_topic(relation, rel, &row, topic, shape);
		topic_row_close(&row);
	}
}

void
event_rollup_keys(EventKey *key, EventKey *channel, Oid rollup, TupleDesc partials, int nkeys,
				  MemoryContext context)
{
	TopicRow	row = topic_row_open(rollup);
	List	   *attributes = named_columns(&row, partials, TOPIC_KEY_COLUMNS);

	for (int i = 1; i <= nkeys && attributes == NIL; i++)
		attributes = lappend_int(attributes, i);
	event_key_init(key, partials, attributes, NULL, context);
	event_key_init(channel, partials, named_columns(&row, partials, TOPIC_CHANNEL_COLUMNS), NULL,
				   context);
	topic_row_close(&row);
}
