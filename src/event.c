/*
 * event.c: takes a decoded change, a truncate or a message and gives one JSON object. Reads no user's table, never
 * waits while decoding.
 */
#include "event.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* the columns of one tuple */
typedef struct Row
{
	Datum	   *values;
	bool	   *nulls;
} Row;

EventStamp
event_stamp(const ReorderBufferTXN *txn)
{
	EventStamp	stamp = {txn->xid, txn->final_lsn, txn->xact_time.commit_time};

	return stamp;
}

static void
append_time(StringInfo out, TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fsec;

	/* without a time zone the result is UTC */
	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "commit time out of range");
	appendStringInfo(out, ",\"commit_time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\"",
					 tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int) fsec);
}

/* The members that say in which transaction. They are the same for all of its events, hence kept. */
static void
append_stamp(StringInfo out, const EventOptions *options, const EventStamp *stamp)
{
	static EventOptions last_options;
	static EventStamp last_stamp;
	static StringInfoData text;

	if (text.data == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		initStringInfo(&text);
		MemoryContextSwitchTo(old);
	}
	if (last_stamp.xid != stamp->xid || last_stamp.commit_lsn != stamp->commit_lsn ||
		last_stamp.commit_time != stamp->commit_time || memcmp(&last_options, options, sizeof(*options)) != 0)
	{
		resetStringInfo(&text);
		if (options->xids && TransactionIdIsValid(stamp->xid))
			appendStringInfo(&text, ",\"xid\":%u", stamp->xid);
		if (options->lsn)
			appendStringInfo(&text, ",\"lsn\":\"%X/%X\"", LSN_FORMAT_ARGS(stamp->commit_lsn));
		if (options->timestamp && TransactionIdIsValid(stamp->xid))
			append_time(&text, stamp->commit_time);
		last_options = *options;
		last_stamp = *stamp;
	}
	appendBinaryStringInfo(out, text.data, text.len);
}

/* {"action":"...","schema":"...","table":"...","xid":... */
static void
append_head(StringInfo out, const EventOptions *options, const EventStamp *stamp, const EventRelation *relation,
			const char *action)
{
	appendStringInfoString(out, "{\"action\":\"");
	appendStringInfoString(out, action);
	appendStringInfoChar(out, '"');
	if (relation != NULL)
	{
		appendStringInfoChar(out, ',');
		appendBinaryStringInfo(out, relation->name.data, relation->name.len);
	}
	append_stamp(out, options, stamp);
}

static void
row_deform(Row *row, const EventRelation *relation, HeapTuple tuple)
{
	row->values = palloc(relation->desc->natts * sizeof(Datum));
	row->nulls = palloc(relation->desc->natts * sizeof(bool));
	heap_deform_tuple(tuple, relation->desc, row->values, row->nulls);
}

/* The value stayed in the TOAST table and did not come with the change. */
static bool
is_unchanged_toast(const EventRelation *relation, const Row *row, int column)
{
	return !row->nulls[column] && TupleDescAttr(relation->desc, column)->attlen == -1 &&
		VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(row->values[column]));
}

/* {"column":value,...} of the columns from first up to end; without NULLs where the row holds no more than a key. */
static void
append_row(StringInfo out, const EventRelation *relation, const Row *row, int first, int end, bool skip_nulls)
{
	char		separator = '{';

	for (int i = first; i < end; i++)
	{
		JsonColumn *column = &relation->columns[i];

		if (column->label == NULL || (skip_nulls && row->nulls[i]) || is_unchanged_toast(relation, row, i))
			continue;
		appendStringInfoChar(out, separator);
		appendBinaryStringInfo(out, column->label, column->label_len);
		if (row->nulls[i])
			appendBinaryStringInfo(out, "null", 4);
		else
			json_append_value(out, column, row->values[i]);
		separator = ',';
	}
	if (separator == '{')
		appendStringInfoChar(out, '{');
	appendStringInfoChar(out, '}');
}

/* Append a column's name to a list of names. */
static void
append_label(StringInfo out, const JsonColumn *column, char separator)
{
	appendStringInfoChar(out, separator);
	appendBinaryStringInfo(out, column->label, column->label_len - 1);
}

/* ,"unchanged":["column",...] when there is any */
static void
append_unchanged(StringInfo out, const EventRelation *relation, const Row *row)
{
	bool		any = false;

	for (int i = 0; i < relation->desc->natts; i++)
	{
		if (relation->columns[i].label == NULL || !is_unchanged_toast(relation, row, i))
			continue;
		if (!any)
			appendStringInfoString(out, ",\"unchanged\":");
		append_label(out, &relation->columns[i], any ? ',' : '[');
		any = true;
	}
	if (any)
		appendStringInfoChar(out, ']');
}

/* ,"changed":["column",...] by comparing the bytes of both rows */
static void
append_changed(StringInfo out, const EventRelation *relation, const Row *old, const Row *new)
{
	char		separator = '[';

	appendStringInfoString(out, ",\"changed\":");
	for (int i = 0; i < relation->desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(relation->desc, i);

		if (relation->columns[i].label == NULL || is_unchanged_toast(relation, new, i) ||
			(old->nulls[i] && new->nulls[i]))
			continue;
		if (old->nulls[i] == new->nulls[i] &&
			datum_image_eq(old->values[i], new->values[i], attribute->attbyval, attribute->attlen))
			continue;
		append_label(out, &relation->columns[i], separator);
		separator = ',';
	}
	if (separator == '[')
		appendStringInfoChar(out, '[');
	appendStringInfoChar(out, ']');
}

/*
 * The columns of a replica identity cannot be NULL, and the server logs the others of a key as NULL: so what is not
 * NULL is the key. With REPLICA IDENTITY FULL it is the whole row.
 */
static void
append_old(StringInfo out, const EventRelation *relation, const Row *old)
{
	appendStringInfoString(out, ",\"old\":");
	append_row(out, relation, old, 0, relation->desc->natts, !relation->full_identity);
}

void
event_change(StringInfo out, const EventOptions *options, const EventStamp *stamp, EventRelation *relation,
			 ReorderBufferChange *change)
{
	HeapTuple	old_tuple = gs_change_tuple(change->data.tp.oldtuple);
	HeapTuple	new_tuple = gs_change_tuple(change->data.tp.newtuple);
	bool		is_delete = change->action == REORDER_BUFFER_CHANGE_DELETE;
	bool		is_insert = change->action == REORDER_BUFFER_CHANGE_INSERT;
	Row			old;
	Row			new;

	append_head(out, options, stamp, relation, is_insert ? "insert" : is_delete ? "delete" : "update");
	if (new_tuple != NULL)
	{
		row_deform(&new, relation, new_tuple);
		appendStringInfoString(out, ",\"new\":");
		append_row(out, relation, &new, 0, relation->desc->natts, false);
	}
	if (old_tuple != NULL)
	{
		row_deform(&old, relation, old_tuple);
		append_old(out, relation, &old);
	}
	else if (is_delete)
		appendStringInfoString(out, ",\"old\":null");
	if (new_tuple != NULL && !is_insert)
	{
		append_unchanged(out, relation, &new);
		if (old_tuple != NULL && relation->full_identity)
			append_changed(out, relation, &old, &new);
	}
	appendStringInfoChar(out, '}');
}

bool
event_shows_truncate(const EventRelation *relation)
{
	return (!relation->hidden || relation->subject != relation->relid) && relation->name.len > 0;
}

void
event_truncate(StringInfo out, const EventOptions *options, const EventStamp *stamp, EventRelation *relation,
			   bool cascade, bool restart_identity)
{
	append_head(out, options, stamp, relation, "truncate");
	appendStringInfo(out, ",\"cascade\":%s,\"restart_identity\":%s}", cascade ? "true" : "false",
					 restart_identity ? "true" : "false");
}

bool
event_rollup(StringInfo out, const EventOptions *options, const EventStamp *stamp, const RollupMessage *message)
{
	EventRelation *relation = event_relation_by_oid(message->partials);
	Row			row;

	/* the partials may have become something else since the message was written */
	if (relation == NULL || relation->subject != message->rollup || relation->subject == relation->relid ||
		relation->name.len == 0 || !message_fits(message, relation->desc))
		return false;

	row_deform(&row, relation, message->tuple);
	append_head(out, options, stamp, relation, "rollup");
	appendStringInfoString(out, ",\"key\":");
	append_row(out, relation, &row, 0, message->nkeys, false);
	appendStringInfoString(out, ",\"delta\":");
	append_row(out, relation, &row, message->nkeys, relation->desc->natts, true);
	appendStringInfoChar(out, '}');
	return true;
}

/* Whether bytes can be shown as text, also outside of a transaction, where no encoding can be converted. */
static bool
is_text(const char *content, Size size)
{
	int			encoding = GetDatabaseEncoding();
	bool		ascii = true;

	for (Size i = 0; i < size; i++)
	{
		if (content[i] == '\0')
			return false;
		ascii = ascii && !IS_HIGHBIT_SET(content[i]);
	}
	if (ascii)
		return true;
	return (encoding == PG_UTF8 || IsTransactionState()) && encoding != PG_SQL_ASCII &&
		pg_encoding_verifymbstr(encoding, content, size) == size;
}

void
event_message(StringInfo out, const EventOptions *options, const EventStamp *stamp, bool transactional,
			  const char *prefix, const char *content, Size size)
{
	append_head(out, options, stamp, NULL, "message");
	appendStringInfo(out, ",\"transactional\":%s,\"prefix\":", transactional ? "true" : "false");
	json_append_string(out, prefix, strlen(prefix));
	if (is_text(content, size))
	{
		appendStringInfoString(out, ",\"content\":");
		json_append_string(out, content, size);
	}
	else
	{
		appendStringInfoString(out, ",\"content_hex\":\"");
		enlargeStringInfo(out, size * 2);
		out->len += hex_encode(content, size, out->data + out->len);
		appendStringInfoChar(out, '"');
	}
	appendStringInfoChar(out, '}');
}

void
event_transaction(StringInfo out, const EventOptions *options, const EventStamp *stamp, const char *action)
{
	append_head(out, options, stamp, NULL, action);
	appendStringInfoChar(out, '}');
}
