/*
 * event_shape.c: takes a relation and gives how its rows are shown: names and columns, escaped and
 * in order. Reads the catalogs under the snapshot in force, takes no lock and never waits.
 */
#include "decode/event.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

/* A virtual generated column is not stored, and what it would show is not known. */
bool
event_shows_column(Form_pg_attribute attribute)
{
	return !attribute->attisdropped && !gs_is_virtual(attribute);
}

void
event_name(EventShape *shape, const char *schema, const char *table)
{
	StringInfo	out = &shape->name;

	if (out->data == NULL)
		initStringInfo(out);
	appendStringInfoString(out, ",\"schema\":");
	json_append_string(out, schema, strlen(schema));
	shape->table_start = out->len;
	appendStringInfoString(out, ",\"table\":");
	json_append_string(out, table, strlen(table));
}

void
event_rename(EventShape *shape, const char *schema, const char *table, const EventOptions *options)
{
	StringInfo	out = &shape->name;

	if (!options->without_schema)
	{
		appendStringInfoString(out, ",\"new_schema\":");
		json_append_string(out, schema, strlen(schema));
	}
	appendStringInfoString(out, ",\"new_table\":");
	json_append_string(out, table, strlen(table));
}

/*
 * The names of what is shown, and the members that say them; none when it is gone. The relation may
 * be gone: a rollup's view can be dropped while changes of its partials are still to be decoded.
 * Then the names are NULL, and callers show nothing.
 */
static void
shape_name(EventShape *shape, const EventShapeSource *source, MemoryContext context)
{
	char	   *name = get_rel_name(source->name);
	char	   *schema = name ? get_namespace_name(get_rel_namespace(source->name)) : NULL;

	shape->schema = shape->table = NULL;
	if (schema == NULL)
		return;
	shape->schema = MemoryContextStrdup(context, schema);
	shape->table = MemoryContextStrdup(context, name);
	event_name(shape, schema, name);
}

/*
 * Where the shown relation's attribute stands in the tuples that come in; -1 where they do not have
 * it. A partition may have its columns in another order than its root. Names tell them apart, and a
 * name is borne by one column that is not dropped.
 */
static int
incoming_index(const EventShapeSource *source, TupleDesc desc, int i)
{
	const char *name;

	if (source->rel == source->shown)
		return i;
	name = NameStr(TupleDescAttr(RelationGetDescr(source->shown), i)->attname);
	for (int n = 0; n < desc->natts; n++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, n);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0)
			return n;
	}
	return -1;
}

/*
 * The primary key's index; InvalidOid where there is none. The relation cache knows it only where
 * it is enforced at once: a deferrable one identifies rows all the same, once the transaction is
 * committed.
 */
Oid
event_primary_key(Relation rel)
{
	List	   *indexes = RelationGetIndexList(rel);
	Oid			found = rel->rd_pkindex;
	ListCell   *lc;

	foreach(lc, indexes)
	{
		HeapTuple	tuple;

		if (OidIsValid(found))
			break;
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(lfirst_oid(lc)));
		if (!HeapTupleIsValid(tuple))
			continue;
		if (((Form_pg_index) GETSTRUCT(tuple))->indisprimary)
			found = lfirst_oid(lc);
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return found;
}

/*
 * Gives the numbers of an index's key columns, which are all columns of the table; NIL without an
 * index.
 */
List *
event_key_columns(Oid index)
{
	HeapTuple	tuple = NULL;
	List	   *columns = NIL;

	if (OidIsValid(index))
		tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	if (!HeapTupleIsValid(tuple))
		return NIL;
	for (int i = 0; i < ((Form_pg_index) GETSTRUCT(tuple))->indnkeyatts; i++)
		columns = lappend_int(columns, ((Form_pg_index) GETSTRUCT(tuple))->indkey.values[i]);
	ReleaseSysCache(tuple);
	return columns;
}

/*
 * The index of the replica identity tells rows apart. Where there is no such index, the primary key
 * does. event_primary_key also has the relation cache fill in rd_replidindex: so it is called
 * first.
 */
static void
shape_columns(EventShape *shape, const EventShapeSource *source, MemoryContext context)
{
	TupleDesc	shown = RelationGetDescr(source->shown);
	Oid			primary = event_primary_key(source->rel);
	List *key = event_key_columns(
		OidIsValid(source->rel->rd_replidindex) ? source->rel->rd_replidindex : primary);
	MemoryContext old = MemoryContextSwitchTo(context);

	shape->ncolumns = 0;
	shape->key = NULL;
	shape->contained = true;
	for (int i = 0; i < shown->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shown, i);
		int index = event_shows_column(attribute) ? incoming_index(source, shape->desc, i) : -1;
		EventColumn *column = &shape->columns[shape->ncolumns];
		Oid			type;

		if (index < 0 || (source->columns != NULL && !bms_is_member(i + 1, source->columns)))
			continue;
		json_column_init(&column->json, TupleDescAttr(shape->desc, index), context);
		column->index = index;
		column->len = attribute->attlen;
		column->byval = attribute->attbyval;
		type = getBaseType(TupleDescAttr(shape->desc, index)->atttypid);
		column->is_json = type == JSONOID || type == JSONBOID;
		shape->contained &= column->json.contained;
		if (list_member_int(key, TupleDescAttr(shape->desc, index)->attnum))
			shape->key = bms_add_member(shape->key, shape->ncolumns);
		shape->ncolumns++;
	}
	MemoryContextSwitchTo(old);
}

/*
 * ,"types":{"column":"type",...}. The text of a type depends on search_path, hence the pinned
 * settings. The names come from catalogs, under the snapshot in force.
 */
static void
append_types(StringInfo out, const EventShape *shape)
{
	/* names are qualified unless they are in pg_catalog */
	json_pin_settings();
	appendStringInfoString(out, ",\"types\":{");
	for (int i = 0; i < shape->ncolumns; i++)
	{
		const EventColumn *column = &shape->columns[i];
		Form_pg_attribute attribute = TupleDescAttr(shape->desc, column->index);
		char	   *type = format_type_with_typemod(attribute->atttypid, attribute->atttypmod);

		if (i > 0)
			appendStringInfoChar(out, ',');
		appendBinaryStringInfo(out, column->json.label, column->json.label_len);
		json_append_string(out, type, strlen(type));
	}
	appendStringInfoChar(out, '}');
}

/* label ["column",...] of an index's columns; empty where there is no index */
static void
append_key(StringInfo out, const char *label, Relation rel, Oid index)
{
	char		separator = '[';
	ListCell   *lc;

	appendStringInfoString(out, label);
	foreach(lc, event_key_columns(index))
	{
		const char *name =
			NameStr(TupleDescAttr(RelationGetDescr(rel), lfirst_int(lc) - 1)->attname);

		appendStringInfoChar(out, separator);
		json_append_string(out, name, strlen(name));
		separator = ',';
	}
	if (separator == '[')
		appendStringInfoChar(out, '[');
	appendStringInfoChar(out, ']');
}

/*
 * ,"pk":[...] where it is asked for, and ,"identity":[...] where rows are not told apart by the
 * primary key: by another index, always; by nothing, where the primary key, which is named, leads
 * to think that it does.
 */
static void
append_keys(StringInfo out, const EventShapeSource *source)
{
	Relation	rel = source->rel;
	Oid			primary = event_primary_key(rel);
	Oid			identity = rel->rd_replidindex; /* the list of indexes has been read above */

	if (source->key)
		append_key(out, ",\"pk\":", source->shown, event_primary_key(source->shown));
	if (rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL || identity == primary)
		return;
	if (OidIsValid(identity) || source->key)
		append_key(out, ",\"identity\":", rel, identity);
}

/*
 * The tuple descriptor is copied: the relation cache may replace its own while the shape is in use.
 * All of it lives in the context, whose reset is the only way to free it.
 */
void
event_shape_init(EventShape *shape, const EventShapeSource *source, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	int			natts;

	shape->desc = CreateTupleDescCopyConstr(RelationGetDescr(source->rel));
	shape->full_identity = source->rel->rd_rel->relreplident == REPLICA_IDENTITY_FULL;
	natts = shape->desc->natts;
	initStringInfo(&shape->name);
	initStringInfo(&shape->details);
	shape->columns = palloc0(Max(RelationGetDescr(source->shown)->natts, 1) * sizeof(EventColumn));
	shape->old.values = palloc((natts + 1) * sizeof(Datum));
	shape->old.nulls = palloc((natts + 1) * sizeof(bool));
	shape->new.values = palloc((natts + 1) * sizeof(Datum));
	shape->new.nulls = palloc((natts + 1) * sizeof(bool));
	MemoryContextSwitchTo(old);

	shape_name(shape, source, context);
	shape_columns(shape, source, context);
	append_keys(&shape->details, source);
	if (source->types)
		append_types(&shape->details, shape);
}

/* Cheap enough for each event: a cached shape may serve readers with different options. */
void
event_shape_set_options(EventShape *shape, const EventOptions *options)
{
	for (int i = 0; i < shape->ncolumns; i++)
	{
		shape->columns[i].json.quoted = options->quoted;
		shape->columns[i].json.as_text = options->json_as_text && shape->columns[i].is_json;
	}
}

/* Copies nothing: the values point into the tuple, and are good as long as it is. */
void
event_deform(const EventShape *shape, EventRow *row, HeapTuple tuple)
{
	heap_deform_tuple(tuple, shape->desc, row->values, row->nulls);
}

/* The rows are in the shape's own room, and their values point into the tuples. */
void
event_take(EventShape *shape, ReorderBufferChange *change, const EventRow **new,
		   const EventRow **old)
{
	HeapTuple	old_tuple = gs_change_tuple(change->data.tp.oldtuple);
	HeapTuple	new_tuple = gs_change_tuple(change->data.tp.newtuple);

	*new = *old = NULL;
	if (new_tuple != NULL)
	{
		event_deform(shape, &shape->new, new_tuple);
		*new = &shape->new;
	}
	if (old_tuple != NULL)
	{
		event_deform(shape, &shape->old, old_tuple);
		*old = &shape->old;
	}
}

/*
 * How many bytes a tuple has with those of its long values, uncompressed. Only the headers of long
 * values are read, which tell how long the values are. A value that did not come with the change is
 * not shown, and does not count.
 */
static Size
whole_size(const EventShape *shape, EventRow *row, HeapTuple tuple)
{
	Size		size = tuple->t_len;

	if (!HeapTupleHasExternal(tuple))
		return size;
	event_deform(shape, row, tuple);
	for (int i = 0; i < shape->ncolumns; i++)
	{
		const EventColumn *column = &shape->columns[i];

		if (column->len == -1 && !row->nulls[column->index] && !event_is_unchanged(column, row))
			size += toast_raw_datum_size(row->values[column->index]);
	}
	return size;
}

Size
event_change_size(EventShape *shape, ReorderBufferChange *change)
{
	HeapTuple	old = gs_change_tuple(change->data.tp.oldtuple);
	HeapTuple	new = gs_change_tuple(change->data.tp.newtuple);

	return (old ? whole_size(shape, &shape->old, old) : 0) +
		   (new ? whole_size(shape, &shape->new, new) : 0);
}

const char *
event_action_name(enum ReorderBufferChangeType action)
{
	switch (action)
	{
		case REORDER_BUFFER_CHANGE_INSERT:
			return "insert";
		case REORDER_BUFFER_CHANGE_UPDATE:
			return "update";
		case REORDER_BUFFER_CHANGE_DELETE:
			return "delete";
		case EVENT_PUBLISHED:
			return "event";
		default:
			elog(ERROR, "unexpected change %d", (int) action);
	}
}
