/*
 * plugin_debezium.c: the wire format 'debezium': the values of the messages that Debezium's
 * connector for PostgreSQL sends, as Kafka Connect's JSON converter writes them, without or with
 * their schemas.
 *
 * A rollup's change has no counterpart there: it is a logical message whose content is the event of
 * the format 'json'.
 */
#include "base/seal.h"
#include "decode/plugin.h"

#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "base/seal.h"

#define EPOCH_USECS ((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

/* What is prepared for a relation. */
typedef struct Prepared
{
	DebeziumColumn *columns;	/* of the shape's columns */
	char	   *schema;			/* of its events; NULL where they carry none */
	char	   *gaps_schema;	/* of those with gaps */
} Prepared;

/* A table of the transaction at hand. */
typedef struct TableCount
{
	char	   *schema;
	char	   *table;
	int64		count;
} TableCount;

/* ---- parts ---- */

/* now */
static int64
now_usecs(void)
{
	return GetCurrentTimestamp() + EPOCH_USECS;
}

static void
append_member(StringInfo out, const char *label, const char *value)
{
	appendStringInfoString(out, label);
	json_append_string(out, value, strlen(value));
}

/*
 * "source":{...}. The shape is NULL for what is no event of a table. Readers order changes by the
 * pair of the last commit's end and this change's position: positions alone go back where
 * transactions overlapped. The last commit is not known before the first one of a session.
 */
static void
append_source(StringInfo out, PluginState *state, const EventStamp *stamp, const EventShape *shape)
{
	/* a message of no transaction has no time of its own */
	int64		usecs = stamp->commit_time ? stamp->commit_time + EPOCH_USECS : now_usecs();

	append_member(out, "\"source\":{\"version\":\"1\",\"connector\":\"postgresql\",\"name\":",
				  state->options.topic_prefix);
	appendStringInfo(out, ",\"ts_ms\":" INT64_FORMAT, usecs / 1000);
	append_member(out, ",\"snapshot\":\"false\",\"db\":", state->database);
	appendStringInfo(out,
					 XLogRecPtrIsInvalid(state->last_commit) ? ",\"sequence\":\"[null," :
															   ",\"sequence\":\"[\\\"%llu\\\",",
					 (unsigned long long) state->last_commit);
	appendStringInfo(out, "\\\"%llu\\\"]\",\"ts_us\":" INT64_FORMAT ",\"ts_ns\":" INT64_FORMAT,
					 (unsigned long long) state->change_lsn, usecs, usecs * 1000);
	append_member(out, ",\"schema\":", shape && shape->schema ? shape->schema : "");
	append_member(out, ",\"table\":", shape && shape->table ? shape->table : "");
	if (TransactionIdIsValid(stamp->xid))
		appendStringInfo(out, ",\"txId\":%u", stamp->xid);
	else
		appendStringInfoString(out, ",\"txId\":null");
	appendStringInfo(out, ",\"lsn\":%llu,\"xmin\":null", (unsigned long long) state->change_lsn);
	if (stamp->origin != NULL)
	{
		append_member(out, ",\"origin\":", stamp->origin);
		appendStringInfo(out, ",\"origin_lsn\":%llu}", (unsigned long long) stamp->origin_lsn);
	}
	else
		appendStringInfoString(out, ",\"origin\":null,\"origin_lsn\":null}");
}

/*
 * How many events of a table the transaction at hand has had, this one included. The names are
 * copied: the relation may be prepared anew within the transaction, which frees the shape's own.
 * They live until the next transaction begins. A table without a name is not shown, so that neither
 * is NULL here.
 */
static int64
count_event(PluginState *state, const EventShape *shape)
{
	MemoryContext old;
	TableCount *count;
	ListCell   *lc;

	foreach(lc, state->counts)
	{
		count = lfirst(lc);
		if (strcmp(count->table, shape->table) == 0 && strcmp(count->schema, shape->schema) == 0)
			return ++count->count;
	}
	old = MemoryContextSwitchTo(state->transaction);
	count = palloc(sizeof(TableCount));
	count->schema = pstrdup(shape->schema);
	count->table = pstrdup(shape->table);
	count->count = 1;
	state->counts = lappend(state->counts, count);
	MemoryContextSwitchTo(old);
	return 1;
}

/*
 * "transaction":{...}; shape is NULL where the event is not one of a table. Each call counts the
 * event. In an event of a table it comes behind the rows, so that an attempt that fails in a value
 * has not counted.
 */
static void
append_transaction(StringInfo out, PluginState *state, const EventStamp *stamp,
				   const EventShape *shape)
{
	if (state->options.transactions && TransactionIdIsValid(stamp->xid))
		appendStringInfo(out, "\"transaction\":{\"id\":\"%u:%llu\",\"total_order\":" INT64_FORMAT
						 ",\"data_collection_order\":" INT64_FORMAT "}",
						 stamp->xid, (unsigned long long) stamp->commit_lsn, ++state->count,
						 shape ? count_event(state, shape) : 1);
	else
		appendStringInfoString(out, "\"transaction\":null");
}

/* ,"unrendered":{...} where there are gaps */
static void
append_gaps(StringInfo out, const EventGaps *gaps, const EventShape *shape)
{
	if (gaps == NULL)
		return;
	appendStringInfoString(out, ",\"unrendered\":");
	event_append_gaps(out, gaps, shape);
}

/* All behind the rows of a table's event. */
static void
append_tail(StringInfo out, PluginState *state, const EventStamp *stamp, const EventShape *shape,
			const char *op, const EventGaps *gaps)
{
	int64		usecs = now_usecs();

	appendStringInfoChar(out, ',');
	append_source(out, state, stamp, shape);
	appendStringInfoChar(out, ',');
	append_transaction(out, state, stamp, shape);
	appendStringInfo(out,
					 ",\"op\":\"%s\",\"ts_ms\":" INT64_FORMAT ",\"ts_us\":" INT64_FORMAT
					 ",\"ts_ns\":" INT64_FORMAT,
					 op, usecs / 1000, usecs, usecs * 1000);
	append_gaps(out, gaps, shape);
	appendStringInfoChar(out, '}');
}

/* ---- schemas ---- */

#define FIELD(type, optional, name) \
	"{\"type\":\"" type "\",\"optional\":" optional ",\"field\":\"" name "\"}"
#define TIME_FIELDS FIELD("int64", "true", "ts_us") "," FIELD("int64", "true", "ts_ns")
#define SOURCE_SCHEMA \
	"{\"type\":\"struct\",\"fields\":[" FIELD("string", "false", "version") "," \
	FIELD("string", "false", "connector") "," FIELD("string", "false", "name") "," \
	FIELD("int64", "false", "ts_ms") \
	",{\"type\":\"string\",\"optional\":true,\"name\":\"io.debezium.data.Enum\",\"version\":1," \
	"\"parameters\":{\"allowed\":\"true,first,first_in_data_collection," \
	"last_in_data_collection,last,false,incremental\"}," \
	"\"default\":\"false\",\"field\":\"snapshot\"}," FIELD("string", "false", "db") "," \
	FIELD("string", "true", "sequence") "," TIME_FIELDS "," FIELD("string", "false", "schema") \
	"," FIELD("string", "false", "table") "," FIELD("int64", "true", "txId") "," \
	FIELD("int64", "true", "lsn") "," FIELD("int64", "true", "xmin") "," \
	FIELD("string", "true", "origin") "," FIELD("int64", "true", "origin_lsn") \
	"],\"optional\":false,\"name\":\"io.debezium.connector.postgresql.Source\"," \
	"\"version\":1,\"field\":\"source\"}"
#define TRANSACTION_SCHEMA \
	"{\"type\":\"struct\",\"fields\":[" FIELD("string", "false", "id") "," \
	FIELD("int64", "false", "total_order") "," FIELD("int64", "false", "data_collection_order") \
	"],\"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"}"
#define LAST_FIELDS \
	SOURCE_SCHEMA "," TRANSACTION_SCHEMA "," FIELD("string", "false", "op") "," \
	FIELD("int64", "true", "ts_ms") "," TIME_FIELDS
#define MESSAGE_FIELDS \
	"{\"type\":\"struct\",\"fields\":[" FIELD("string", "false", "op") "," \
	FIELD("int64", "true", "ts_ms") "," SOURCE_SCHEMA "," TRANSACTION_SCHEMA \
	",{\"type\":\"struct\",\"fields\":[" FIELD("string", "true", "prefix") "," \
	FIELD("bytes", "true", "content") \
	"],\"optional\":false,\"name\":\"io.debezium.connector.postgresql.Message\"," \
	"\"version\":1,\"field\":\"message\"}"
#define MESSAGE_END \
	"],\"optional\":false,\"name\":\"io.debezium.connector.postgresql.MessageValue\"," \
	"\"version\":1}"
#define MESSAGE_SCHEMA MESSAGE_FIELDS MESSAGE_END
#define MESSAGE_GAPS_SCHEMA MESSAGE_FIELDS "," GAPS_SCHEMA MESSAGE_END
#define GAPS_SCHEMA \
	"{\"type\":\"struct\",\"fields\":[" FIELD("string", "false", "code") "," \
	FIELD("string", "false", "message") \
	",{\"type\":\"array\",\"items\":{\"type\":\"string\",\"optional\":false}," \
	"\"optional\":false,\"field\":\"columns\"}" \
	"],\"optional\":true,\"name\":\"gymstream.Unrendered\",\"version\":1," \
	"\"field\":\"unrendered\"}"
#define MARK_SCHEMA \
	"{\"type\":\"struct\",\"fields\":[" FIELD("string", "false", "status") "," \
	FIELD("string", "false", "id") "," FIELD("int64", "true", "event_count") \
	",{\"type\":\"array\",\"items\":{\"type\":\"struct\",\"fields\":[" \
	FIELD("string", "false", "data_collection") "," FIELD("int64", "false", "event_count") \
	"],\"optional\":true,\"name\":\"event.collection\",\"version\":1},\"optional\":true," \
	"\"field\":\"data_collections\"}," FIELD("int64", "false", "ts_ms") \
	"],\"optional\":false," \
	"\"name\":\"io.debezium.connector.common.TransactionMetadataValue\",\"version\":1}"

/*
 * prefix.schema.table.kind, where all that is no letter or digit of ASCII, dot, underscore or
 * hyphen is an underscore. A name of several bytes a character gets one underscore for each
 * character, not for each byte.
 */
static void
append_schema_name(StringInfo out, PluginState *state, const EventShape *shape, const char *kind)
{
	const char *name =
		psprintf("%s.%s.%s.%s", state->options.topic_prefix, shape->schema, shape->table, kind);

	appendStringInfoChar(out, '"');
	for (; *name != '\0'; name += pg_mblen(name))
	{
		bool plain =
			strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") > 0;

		appendStringInfoChar(out, plain ? *name : '_');
	}
	appendStringInfoChar(out, '"');
}

/* A row may hold no more than its key, so that all columns are optional. */
static void
append_row_schema(StringInfo out, PluginState *state, const EventShape *shape,
				  const Prepared *prepared, const char *field)
{
	appendStringInfoString(out, "{\"type\":\"struct\",\"fields\":[");
	for (int i = 0; i < shape->ncolumns; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape->desc, shape->columns[i].index);

		if (i > 0)
			appendStringInfoChar(out, ',');
		debezium_append_schema(out, &prepared->columns[i], NameStr(attribute->attname), true);
	}
	appendStringInfoString(out, "],\"optional\":true,\"name\":");
	append_schema_name(out, state, shape, "Value");
	appendStringInfo(out, ",\"field\":\"%s\"}", field);
}

/*
 * Made in the current context; the caller keeps a copy. The rows' schema comes twice, under two
 * fields, since Kafka Connect has no references.
 */
static char *
envelope_schema(PluginState *state, const EventShape *shape, const Prepared *prepared, bool gaps)
{
	StringInfoData schema;

	initStringInfo(&schema);
	appendStringInfoString(&schema, "{\"type\":\"struct\",\"fields\":[");
	append_row_schema(&schema, state, shape, prepared, "before");
	appendStringInfoChar(&schema, ',');
	append_row_schema(&schema, state, shape, prepared, "after");
	appendStringInfoString(&schema, gaps ? "," LAST_FIELDS "," GAPS_SCHEMA : "," LAST_FIELDS);
	appendStringInfoString(&schema, "],\"optional\":false,\"name\":");
	append_schema_name(&schema, state, shape, "Envelope");
	appendStringInfoString(&schema, ",\"version\":2}");
	return schema.data;
}

/*
 * All that is kept lies in the context. Schemas are made once, since one is much longer than most
 * events.
 */
static Prepared *
prepare_columns(PluginState *state, const EventShape *shape, MemoryContext context)
{
	Prepared   *prepared = MemoryContextAllocZero(context, sizeof(Prepared));

	prepared->columns =
		MemoryContextAllocZero(context, Max(shape->ncolumns, 1) * sizeof(DebeziumColumn));
	for (int i = 0; i < shape->ncolumns; i++)
		debezium_column_init(&prepared->columns[i],
							 TupleDescAttr(shape->desc, shape->columns[i].index),
							 state->options.decimal, context);
	if (state->options.connect_schemas)
	{
		prepared->schema =
			MemoryContextStrdup(context, envelope_schema(state, shape, prepared, false));
		prepared->gaps_schema =
			MemoryContextStrdup(context, envelope_schema(state, shape, prepared, true));
	}
	return prepared;
}

static void
debezium_prepare(PluginState *state, PluginRelation *relation)
{
	Prepared   *prepared = prepare_columns(state, &relation->shape, relation->context);

	relation->wire = prepared;
	relation->contained = true;
	for (int i = 0; i < relation->shape.ncolumns; i++)
		relation->contained &= debezium_is_contained(&prepared->columns[i]);
}

/* {"schema":...,"payload": where there is a schema; append_close afterwards */
static void
append_open(StringInfo out, const char *schema)
{
	if (schema != NULL)
		appendStringInfo(out, "{\"schema\":%s,\"payload\":", schema);
}

static void
append_close(StringInfo out, const char *schema)
{
	if (schema != NULL)
		appendStringInfoChar(out, '}');
}

/* ---- events ---- */

/*
 * What is spent on long numbers counts for one value: a row of many columns is no worse than many
 * rows.
 */
static void
append_value(StringInfo out, DebeziumColumn *column, Datum value)
{
	debezium_begin_value();
	debezium_append_value(out, column, value);
}

/*
 * All columns, NULL where the row holds no more than a key; gaps as if they had stayed in the TOAST
 * table. A reader knows a value that is not there by Debezium's placeholder, and keeps what it has.
 */
static void
append_row(StringInfo out, const EventShape *shape, Prepared *prepared, const EventRow *row,
		   const Bitmapset *gaps)
{
	if (row == NULL)
	{
		appendStringInfoString(out, "null");
		return;
	}
	appendStringInfoChar(out, '{');
	for (int i = 0; i < shape->ncolumns; i++)
	{
		const EventColumn *column = &shape->columns[i];

		if (i > 0)
			appendStringInfoChar(out, ',');
		appendBinaryStringInfo(out, column->json.label, column->json.label_len);
		if (row->nulls[column->index])
			appendStringInfoString(out, "null");
		else if (!event_is_unchanged(column, row) &&
				 (likely(gaps == NULL) || !bms_is_member(i, gaps)))
			append_value(out, &prepared->columns[i], row->values[column->index]);
		else
			debezium_append_unavailable(out, &prepared->columns[i]);
	}
	appendStringInfoChar(out, '}');
}

static void
debezium_rows(StringInfo out, PluginState *state, const EventStamp *stamp, PluginRelation *relation,
			  enum ReorderBufferChangeType action, const EventRow *new, const EventRow *old,
			  const EventGaps *gaps)
{
	Prepared   *prepared = relation->wire;
	const char *schema = gaps ? prepared->gaps_schema : prepared->schema;

	append_open(out, schema);
	appendStringInfoString(out, "{\"before\":");
	append_row(out, &relation->shape, prepared, old, gaps ? gaps->old : NULL);
	appendStringInfoString(out, ",\"after\":");
	append_row(out, &relation->shape, prepared, new, gaps ? gaps->new : NULL);
	append_tail(out, state, stamp, &relation->shape,
				action == REORDER_BUFFER_CHANGE_INSERT ? "c" :
				action == REORDER_BUFFER_CHANGE_DELETE ? "d" :
														 "u",
				gaps);
	append_close(out, schema);
}

static void
debezium_column(StringInfo out, void *argument, int column, Datum value)
{
	PluginRelation *relation = argument;

	append_value(out, &((Prepared *) relation->wire)->columns[column], value);
}

static void
debezium_truncate(StringInfo out, PluginState *state, const EventStamp *stamp,
				  const EventShape *shape, bool cascade, bool restart_identity)
{
	const char *schema = NULL;

	/*
	 * The shape may be one that no relation of this session has prepared. The current context is
	 * the event's, whose reset frees all of it.
	 */
	if (state->options.connect_schemas)
		schema = prepare_columns(state, shape, CurrentMemoryContext)->schema;
	append_open(out, schema);
	appendStringInfoString(out, "{\"before\":null,\"after\":null");
	append_tail(out, state, stamp, shape, "t", NULL);
	append_close(out, schema);
}

/*
 * With a fault the content is null, and the schema says that there may be gaps. A schema is a
 * constant here, since a message depends on no table.
 */
static void
debezium_message(StringInfo out, PluginState *state, const EventStamp *stamp, bool transactional,
				 const char *prefix, const char *content, Size size, const EventFault *fault)
{
	const char *schema = NULL;
	EventGaps	gaps = {NULL};

	if (state->options.connect_schemas)
		schema = fault ? MESSAGE_GAPS_SCHEMA : MESSAGE_SCHEMA;
	append_open(out, schema);
	appendStringInfo(out, "{\"op\":\"m\",\"ts_ms\":" INT64_FORMAT ",", now_usecs() / 1000);
	append_source(out, state, stamp, NULL);
	appendStringInfoChar(out, ',');
	append_transaction(out, state, stamp, NULL);
	append_member(out, ",\"message\":{\"prefix\":", prefix);
	appendStringInfoString(out, ",\"content\":");
	if (fault == NULL)
		debezium_append_bytes(out, content, size);
	else
		appendStringInfoString(out, "null");
	appendStringInfoChar(out, '}');
	if (fault != NULL)
	{
		gaps.fault = *fault;
		append_gaps(out, &gaps, NULL);
	}
	appendStringInfoChar(out, '}');
	append_close(out, schema);
}

/*
 * The event is rendered apart, in the event's context, since it becomes the content of a message.
 * Gaps are told within it.
 */
static EventResult
debezium_rollup(StringInfo out, PluginState *state, const EventStamp *stamp,
				const RollupMessage *message)
{
	EventOptions options = state->options.event;
	StringInfoData event;
	EventResult result;

	/* in base64 it is longer by a third */
	options.size = options.size / 4 * 3;
	initStringInfo(&event);
	result = event_rollup(&event, &options, stamp, message);
	if (result != EVENT_NONE)
		debezium_message(out, state, stamp, true, GS_MESSAGE_PREFIX, event.data, event.len, NULL);
	return result;
}

static EventResult
debezium_published(StringInfo out, PluginState *state, const EventStamp *stamp,
				   PluginRelation *relation, HeapTuple row)
{
	EventOptions options = state->options.event;
	StringInfoData event;
	EventResult result;

	options.size = options.size / 4 * 3;
	initStringInfo(&event);
	result = event_published(&event, &options, stamp, &relation->shape, row);
	debezium_message(out, state, stamp, true, GS_MESSAGE_PREFIX, event.data, event.len, NULL);
	return result;
}

/* [{"data_collection":"schema.table","event_count":n},...] of the transaction that ends */
static void
append_counts(StringInfo out, PluginState *state)
{
	char		separator = '[';
	ListCell   *lc;

	foreach(lc, state->counts)
	{
		const TableCount *count = lfirst(lc);

		appendStringInfoChar(out, separator);
		append_member(out, "{\"data_collection\":", psprintf("%s.%s", count->schema, count->table));
		appendStringInfo(out, ",\"event_count\":" INT64_FORMAT "}", count->count);
		separator = ',';
	}
	if (separator == '[')
		appendStringInfoChar(out, '[');
	appendStringInfoChar(out, ']');
}

/*
 * There is no gid and no first block: this format excludes two-phase decoding and streaming. So any
 * mark but "begin" is the end of a transaction.
 */
static void
debezium_mark(StringInfo out, PluginState *state, const EventStamp *stamp, const char *action,
			  const char *gid, bool first)
{
	const char *schema = state->options.connect_schemas ? MARK_SCHEMA : NULL;
	bool		begin = strcmp(action, "begin") == 0;

	append_open(out, schema);
	appendStringInfo(out, "{\"status\":\"%s\",\"id\":\"%u:%llu\"", begin ? "BEGIN" : "END",
					 stamp->xid, (unsigned long long) stamp->commit_lsn);
	if (begin)
		appendStringInfoString(out, ",\"event_count\":null,\"data_collections\":null");
	else
	{
		appendStringInfo(out,
						 ",\"event_count\":" INT64_FORMAT ",\"data_collections\":", state->count);
		append_counts(out, state);
	}
	appendStringInfo(out, ",\"ts_ms\":" INT64_FORMAT "}",
					 (stamp->commit_time + EPOCH_USECS) / 1000);
	append_close(out, schema);
}

const PluginWire plugin_debezium = {
	.by_key = true,
	.rows = debezium_rows,
	.column = debezium_column,
	.prepare = debezium_prepare,
	.truncate = debezium_truncate,
	.rollup = debezium_rollup,
	.published = debezium_published,
	.message = debezium_message,
	.mark = debezium_mark
};
