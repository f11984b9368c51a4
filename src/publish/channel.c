/*
 * channel.c: takes a topic and the values of some columns, and gives the channel on which events of
 * rows with these values are told. Does what the workers do: the values are read as the columns'
 * types have them, so that equal values have one channel.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/catalog.h"
#include "decode/event_key.h"
#include "topic/topic.h"

PG_FUNCTION_INFO_V1(gs_topic_channel);

/* A value of the object as text; NULL for null. */
static char *
text_of(JsonbValue *value, Oid type)
{
	if (value->type == jbvNull)
		return NULL;
	if (type == JSONOID || type == JSONBOID || value->type == jbvBinary)
		return JsonbToCString(NULL, &JsonbValueToJsonb(value)->root, 64);
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvNumeric)
		return DatumGetCString(
			DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	return value->val.boolean ? "true" : "false";
}

/* Put the value of one column where a row has it. */
static void
take_value(EventRow *row, Form_pg_attribute column, int index, Jsonb *object)
{
	const char *name = NameStr(column->attname);
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, name, strlen(name), NULL);
	Oid			input;
	Oid			parameter;
	char	   *text;

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key has no member \"%s\"", name),
				 errhint("Give an object with a value for each column of channel_by, which the "
						 "view gymstream.topics lists.")));
	text = text_of(value, getBaseType(column->atttypid));
	getTypeInputInfo(column->atttypid, &input, &parameter);
	row->nulls[index] = text == NULL;
	row->values[index] = OidInputFunctionCall(input, text, parameter, column->atttypmod);
}

/* What the channel's name has for these values, of a relation whose rows have the columns. */
static void
channel_text(char *text, Oid relid, HeapTuple topic, TupleDesc catalog, Jsonb *object)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	List	   *columns = event_key_named(desc, topic, catalog, TOPIC_CHANNEL_COLUMNS);
	EventRow	row = {palloc0(sizeof(Datum) * desc->natts), palloc(sizeof(bool) * desc->natts)};
	EventKey	key;

	event_key_init(&key, desc, columns, NULL, CurrentMemoryContext);
	for (int i = 0; i < key.n; i++)
		take_value(&row, TupleDescAttr(key.desc, i), key.indexes[i], object);
	event_key_channel(text, &key, &row);
	if (key.n > 0 && text[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key has a value that no channel is for"),
				 errdetail("A value cannot be written as JSON, is too long, or has equals that "
						   "look different. Events with it are told on the channel of the topic "
						   "itself.")));
	relation_close(rel, AccessShareLock);
}

static char *
topic_channel(Oid relid, Jsonb *object)
{
	Oid			partials = catalog_rollup(ROLLUP_ROLLUP, relid, ROLLUP_PARTIALS);
	Relation	catalog = catalog_open(CATALOG_TOPIC, AccessShareLock);
	HeapTuple	tuple = catalog ? catalog_find_topic(catalog, relid) : NULL;
	char	   *name = palloc(NAMEDATALEN);
	char		text[EVENT_CHANNEL_SIZE];
	Topic		topic;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no topic", get_rel_name(relid) ? get_rel_name(relid) : "?"),
				 errhint("The view gymstream.topics lists all topics.")));
	topic_read(tuple, RelationGetDescr(catalog), &topic);
	channel_text(text, OidIsValid(partials) ? partials : relid, tuple, RelationGetDescr(catalog),
				 object);
	event_channel_name(name, topic.channel, relid, topic.is_private ? "" : text);
	table_close(catalog, AccessShareLock);
	return name;
}

/* topic_channel(topic regclass, key jsonb) returns text; the topic's own, where it has no others */
Datum
gs_topic_channel(PG_FUNCTION_ARGS)
{
	Jsonb	   *object;
	char	   *channel;
	int			nest;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", PG_ARGISNULL(0) ? "topic" : "key")));
	object = PG_GETARG_JSONB_P(1);
	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key is not a JSON object"),
				 errhint("Write it as in {\"class_id\": 7}.")));
	/* The settings that values are rendered under are the caller's again at the end. */
	nest = NewGUCNestLevel();
	json_pin_settings();
	channel = topic_channel(PG_GETARG_OID(0), object);
	AtEOXact_GUC(false, nest);
	PG_RETURN_TEXT_P(cstring_to_text(channel));
}
