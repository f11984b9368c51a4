/*
 * topic_columns.c: takes the columns that a topic's owner names, for the key of events or for
 * channels, and gives an error where events would lack them. Renames them with the table's.
 *
 * An update or delete tells of the row before no more than what the server logs of it, which is the
 * replica identity. So these columns must belong to it.
 */
#include "topic/topic.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "base/shared.h"
#include "base/utility.h"

/* ---- what may be named ---- */

static void
check_exists(Relation rel, const char *name)
{
	if (get_attnum(RelationGetRelid(rel), name) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", name,
						RelationGetRelationName(rel))));
}

/* Of rollups, the columns that they group by have the same names in their partials. */
static void
check_group_column(Relation rel, const char *name)
{
	Oid			partials = catalog_rollup(ROLLUP_ROLLUP, RelationGetRelid(rel), ROLLUP_PARTIALS);

	if (get_attnum(partials, name) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rollup \"%s\" does not group by column \"%s\"",
						RelationGetRelationName(rel), name),
				 errdetail("A group has one key as long as it exists, and other values that "
						   "change."),
				 errhint("Name columns that the rollup groups by.")));
}

/* In a table that has rows. */
static void
check_logged(Relation rel, const char *name, const char *argument)
{
	AttrNumber	column = get_attnum(RelationGetRelid(rel), name);
	Bitmapset  *identity;

	if (rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL || topic_is_tableless(rel))
		return;
	identity = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_IDENTITY_KEY);
	if (!bms_is_member(column - FirstLowInvalidHeapAttributeNumber, identity))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" in %s is not in the replica identity of \"%s\"", name,
						argument, RelationGetRelationName(rel)),
				 errdetail("Of a row that is updated or deleted, the server logs the replica "
						   "identity alone."),
				 errhint("Run ALTER TABLE %s REPLICA IDENTITY FULL, or choose an index with this "
						 "column as its replica identity.",
						 quote_identifier(RelationGetRelationName(rel)))));
}

static void
check_column(Relation rel, const char *name, const char *argument)
{
	ListCell   *cell;

	check_exists(rel, name);
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_VIEW:
			check_group_column(rel, name);
			break;
		case RELKIND_RELATION:
			check_logged(rel, name, argument);
			break;
		case RELKIND_PARTITIONED_TABLE:
			foreach(cell, find_all_inheritors(RelationGetRelid(rel), AccessShareLock, NULL))
			{
				Relation	part = relation_open(lfirst_oid(cell), NoLock);

				if (part->rd_rel->relkind == RELKIND_RELATION)
					check_logged(part, name, argument);
				relation_close(part, NoLock);
			}
			break;
	}
}

void
topic_check_columns(Relation rel, ArrayType *names, const char *argument)
{
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	deconstruct_array(names, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		const char *name;

		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not have a null in it", argument)));
		name = NameStr(*DatumGetName(elements[i]));
		for (int before = 0; before < i; before++)
			if (namestrcmp(DatumGetName(elements[before]), name) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("column \"%s\" appears twice in %s", name, argument)));
		check_column(rel, name, argument);
	}
}

/* ---- ALTER TABLE ... RENAME COLUMN ---- */

/* Rename a column in a list of a topic's row. False where it is not there. */
static bool
rename_in(Datum *value, const char *from, const char *to)
{
	Datum	   *names;
	int			n;
	bool		found = false;
	NameData	renamed;

	namestrcpy(&renamed, to);
	deconstruct_array(DatumGetArrayTypeP(*value), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &names, NULL, &n);
	for (int i = 0; i < n; i++)
		if (namestrcmp(DatumGetName(names[i]), from) == 0)
		{
			names[i] = NameGetDatum(&renamed);
			found = true;
		}
	if (found)
		*value = PointerGetDatum(
			construct_array(names, n, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
	return found;
}

static void
rename_column(Relation catalog, Oid relation, const char *from, const char *to)
{
	static const AttrNumber lists[] = {TOPIC_KEY_COLUMNS, TOPIC_CHANNEL_COLUMNS};
	HeapTuple	tuple = catalog_find_topic(catalog, relation);
	Datum		values[TOPIC_NATTS] = {0};
	bool		nulls[TOPIC_NATTS] = {false};
	bool		replace[TOPIC_NATTS] = {false};
	bool		any = false;

	if (!HeapTupleIsValid(tuple))
		return;
	for (int i = 0; i < lengthof(lists); i++)
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, lists[i], RelationGetDescr(catalog), &isnull);

		if (isnull || !rename_in(&value, from, to))
			continue;
		values[lists[i] - 1] = value;
		replace[lists[i] - 1] = any = true;
	}
	if (!any)
		return;
	CatalogTupleUpdate(catalog, &tuple->t_self,
					   heap_modify_tuple(tuple, RelationGetDescr(catalog), values, nulls, replace));
	topic_invalidate(relation);
	CommandCounterIncrement();
}

static bool
has_topic(List *relations)
{
	ListCell   *cell;

	foreach(cell, relations)
		if (catalog_has_topic(lfirst_oid(cell)))
			return true;
	return false;
}

/* The command has locked the table and its partitions. */
static void
after_rename(Node *statement, bool prepared)
{
	RenameStmt *rename = (RenameStmt *) statement;
	Relation	catalog;
	List	   *relations;
	Oid			relid;
	ListCell   *cell;

	if (statement == NULL || !IsA(statement, RenameStmt) || rename->renameType != OBJECT_COLUMN)
		return;
	relid = RangeVarGetRelid(rename->relation, NoLock, true);
	if (!OidIsValid(relid))
		return;
	relations = find_all_inheritors(relid, NoLock, NULL);
	/* most tables have none: no strong lock for those */
	if (!has_topic(relations))
		return;
	catalog = topic_open_catalog();
	if (RelationGetDescr(catalog)->natts >= TOPIC_NATTS)
		foreach(cell, relations)
			rename_column(catalog, lfirst_oid(cell), rename->subname, rename->newname);
	table_close(catalog, NoLock);
}

static void
before_nothing(Node *statement)
{
}

void
topic_columns_init(void)
{
	static UtilityWatch watch = {before_nothing, after_rename};

	utility_watch(&watch);
}
