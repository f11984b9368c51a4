/*
 * log_table.c: takes a segment and makes, opens or drops its table, which is of the kind that TOAST
 * tables are: the server then has it in no publication and no dump, and lets no command write it.
 * Knows nothing of what is in it.
 */
#include "log/log_table.h"

#include "access/genam.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/toast_compression.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/heap.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"

static TupleDesc
table_columns(void)
{
	TupleDesc	desc = CreateTemplateTupleDesc(LOG_NATTS);

	TupleDescInitEntry(desc, LOG_FIRST, "first_offset", INT8OID, -1, 0);
	TupleDescInitEntry(desc, LOG_PART, "part", INT4OID, -1, 0);
	TupleDescInitEntry(desc, LOG_COUNT, "count", INT4OID, -1, 0);
	TupleDescInitEntry(desc, LOG_EPOCH, "epoch", INT8OID, -1, 0);
	TupleDescInitEntry(desc, LOG_LSN, "lsn", LSNOID, -1, 0);
	TupleDescInitEntry(desc, LOG_INDEX, "index", INT8OID, -1, 0);
	TupleDescInitEntry(desc, LOG_NEWEST, "newest", TIMESTAMPTZOID, -1, 0);
	TupleDescInitEntry(desc, LOG_SIZE, "size", INT4OID, -1, 0);
	TupleDescInitEntry(desc, LOG_BODY, "body", BYTEAOID, -1, 0);
	/* Batches are compressed as a whole before they are cut into rows. */
	TupleDescAttr(desc, LOG_BODY - 1)->attstorage = TYPSTORAGE_PLAIN;
	TupleDescAttr(desc, LOG_BODY - 1)->attcompression = InvalidCompressionMethod;
	gs_tuple_desc_finish(desc);
	return desc;
}

/* Nothing in it is ever dead, and a VACUUM would keep retention waiting. */
static Datum
table_options(void)
{
	DefElem    *option = makeDefElem("autovacuum_enabled", (Node *) makeString("false"), -1);

	return transformRelOptions((Datum) 0, list_make1(option), NULL, NULL, false, false);
}

static void
create_index(Oid table, const char *name)
{
	Relation	relation = table_open(table, ShareLock);
	IndexInfo  *info = makeNode(IndexInfo);
	Oid			collations[] = {InvalidOid, InvalidOid};
	ObjectAddress part,
				whole;
	Oid			classes[] = {INT8_BTREE_OPS_OID, INT4_BTREE_OPS_OID};
	int16		options[] = {0, 0};

	info->ii_NumIndexAttrs = 2;
	info->ii_NumIndexKeyAttrs = 2;
	info->ii_IndexAttrNumbers[0] = LOG_FIRST;
	info->ii_IndexAttrNumbers[1] = LOG_PART;
	/* Two publishers would give one offset to two events: the second one fails here. */
	info->ii_Unique = true;
	info->ii_ReadyForInserts = true;
	info->ii_Am = BTREE_AM_OID;
	info->ii_Context = CurrentMemoryContext;
	ObjectAddressSet(part, RelationRelationId,
					 gs_index_create(relation, name, info, list_make2("first_offset", "part"),
									 collations, classes, options));
	/* It cannot be dropped alone. */
	ObjectAddressSet(whole, RelationRelationId, table);
	recordDependencyOn(&part, &whole, DEPENDENCY_INTERNAL);
	table_close(relation, NoLock);
}

Oid
log_table_create(Oid topic, int number)
{
	Relation	catalog = catalog_open(CATALOG_SEGMENT, AccessShareLock);
	Oid			schema = RelationGetNamespace(catalog);
	Oid			owner = catalog->rd_rel->relowner;
	char		name[NAMEDATALEN];
	char		index[NAMEDATALEN];
	ObjectAddress member,
				extension;
	Oid			table;

	table_close(catalog, NoLock);
	snprintf(name, sizeof(name), "log_%u_%d", topic, number);
	snprintf(index, sizeof(index), "log_%u_%d_index", topic, number);
	table = heap_create_with_catalog(name, schema, InvalidOid, InvalidOid, InvalidOid, InvalidOid,
									 owner, HEAP_TABLE_AM_OID, table_columns(), NIL,
									 RELKIND_TOASTVALUE, RELPERSISTENCE_PERMANENT, false, false,
									 ONCOMMIT_NOOP, table_options(), false, true, true,
									 InvalidOid, NULL);
	CommandCounterIncrement();
	create_index(table, index);
	ObjectAddressSet(member, RelationRelationId, table);
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid(GS_SCHEMA, false));
	recordDependencyOn(&member, &extension, DEPENDENCY_EXTENSION);
	CommandCounterIncrement();
	return table;
}

/*
 * An OID that the table segment has brought from another server, as pg_upgrade does, may be
 * anything here.
 */
static bool
is_ours(Relation relation, const LogSegment *segment)
{
	char		name[NAMEDATALEN];

	snprintf(name, sizeof(name), "log_%u_%d", segment->topic, segment->number);
	return relation->rd_rel->relkind == RELKIND_TOASTVALUE &&
		strcmp(RelationGetRelationName(relation), name) == 0;
}

/*
 * REINDEX ... CONCURRENTLY has two indexes for a while. Rows go into both, or they would be lost as
 * soon as the new one takes the place of the other.
 */
static void
open_indexes(LogTable *table, LOCKMODE lock)
{
	List	   *all = RelationGetIndexList(table->relation);
	ListCell   *cell;

	table->index = NULL;
	table->indexes = NIL;
	foreach(cell, all)
	{
		Relation	index = index_open(lfirst_oid(cell), lock);

		table->indexes = lappend(table->indexes, index);
		if (table->index == NULL && index->rd_index->indisvalid)
			table->index = index;
	}
	list_free(all);
	if (table->index == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INDEX_CORRUPTED),
				 errmsg("\"%s\" has no valid index", RelationGetRelationName(table->relation)),
				 errhint("Run REINDEX TABLE " GS_INTERNAL ".%s.",
						 RelationGetRelationName(table->relation))));
}

bool
log_table_open(LogTable *table, const LogSegment *segment, LOCKMODE lock)
{
	Relation relation =
		OidIsValid(segment->table) ? try_relation_open(segment->table, lock) : NULL;

	if (relation == NULL)
		return false;
	if (!is_ours(relation, segment))
	{
		relation_close(relation, lock);
		return false;
	}
	table->relation = relation;
	open_indexes(table, lock);
	return true;
}

void
log_table_close(LogTable *table, LOCKMODE lock)
{
	ListCell   *cell;

	foreach(cell, table->indexes)
		index_close(lfirst(cell), lock);
	list_free(table->indexes);
	table_close(table->relation, lock);
}

bool
log_table_drop(const LogSegment *segment)
{
	LogTable	table;
	ObjectAddress object;

	/*
	 * The lock is taken without waiting: whoever waits for it holds up all readers that come later.
	 * It is the transaction's until its end.
	 */
	if (!OidIsValid(segment->table))
		return true;
	if (!ConditionalLockRelationOid(segment->table, AccessExclusiveLock))
		return false;
	if (!log_table_open(&table, segment, AccessShareLock))
	{
		UnlockRelationOid(segment->table, AccessExclusiveLock);
		return true;
	}
	log_table_close(&table, AccessShareLock);
	/* A member of an extension is not dropped: so it is none any more. */
	deleteDependencyRecordsForClass(RelationRelationId, segment->table, ExtensionRelationId,
									DEPENDENCY_EXTENSION);
	CommandCounterIncrement();
	ObjectAddressSet(object, RelationRelationId, segment->table);
	performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	return true;
}

int64
log_table_size(const LogSegment *segment)
{
	LogTable	table;
	int64		blocks;

	if (!log_table_open(&table, segment, AccessShareLock))
		return 0;
	blocks = (int64) RelationGetNumberOfBlocks(table.relation) +
			 RelationGetNumberOfBlocks(table.index);
	log_table_close(&table, AccessShareLock);
	return blocks * BLCKSZ;
}
