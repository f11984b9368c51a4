/*
 * event.c: takes a decoded change, a truncate or a message and gives one JSON object. Reads no
 * user's table, never waits while decoding.
 */
#include "decode/event.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "decode/buffer.h"

EventStamp
event_stamp(const ReorderBufferTXN *txn)
{
	EventStamp stamp = {
		.xid = txn->xid, .commit_lsn = txn->final_lsn, .commit_time = gs_txn_commit_time(txn)};

	return stamp;
}

/* As 2026-01-31T12:00:00.000000Z; digit by digit, since a transaction of one row has one too. */
static void
append_time(StringInfo out, const char *label, TimestampTz time)
{
	struct pg_tm tm;
	fsec_t		fsec;
	char		text[64];
	char	   *p = text;

	/* without a time zone the result is UTC */
	if (timestamp2tm(time, NULL, &tm, &fsec, NULL, NULL) != 0)
		elog(ERROR, "commit time out of range");
	p = pg_ultostr_zeropad(p, tm.tm_year, 4);
	*p++ = '-';
	p = pg_ultostr_zeropad(p, tm.tm_mon, 2);
	*p++ = '-';
	p = pg_ultostr_zeropad(p, tm.tm_mday, 2);
	*p++ = 'T';
	p = pg_ultostr_zeropad(p, tm.tm_hour, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, tm.tm_min, 2);
	*p++ = ':';
	p = pg_ultostr_zeropad(p, tm.tm_sec, 2);
	*p++ = '.';
	p = pg_ultostr_zeropad(p, fsec, 6);
	appendStringInfoString(out, label);
	appendBinaryStringInfo(out, text, p - text);
	appendStringInfoString(out, "Z\"");
}

/* All that the text of a stamp is made of. */
typedef struct StampText
{
	EventStamp	stamp;
	bool		xids;
	bool		lsn;
	bool		timestamp;
	StringInfoData text;
} StampText;

/* Member by member: this is asked for each event, and a call would cost more. */
static inline bool
stamp_is_same(const StampText *last, const EventOptions *options, const EventStamp *stamp)
{
	const EventStamp *before = &last->stamp;

	return before->xid == stamp->xid && before->commit_lsn == stamp->commit_lsn &&
		before->commit_time == stamp->commit_time && before->subxid == stamp->subxid &&
		before->prepared == stamp->prepared && before->origin == stamp->origin &&
		before->origin_lsn == stamp->origin_lsn && last->xids == options->xids &&
		last->lsn == options->lsn && last->timestamp == options->timestamp;
}

/* An error on the way leaves what fits no stamp of a transaction. */
static void
stamp_prepare(StampText *last, const EventOptions *options, const EventStamp *stamp)
{
	StringInfo	text = &last->text;

	if (text->data == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		initStringInfo(text);
		MemoryContextSwitchTo(old);
	}
	last->stamp.xid = InvalidTransactionId;
	last->stamp.commit_lsn = InvalidXLogRecPtr;
	resetStringInfo(text);
	if (options->xids && TransactionIdIsValid(stamp->xid))
		appendStringInfo(text, ",\"xid\":%u", stamp->xid);
	if (TransactionIdIsValid(stamp->subxid))
		appendStringInfo(text, ",\"subxid\":%u", stamp->subxid);
	if (options->lsn && !XLogRecPtrIsInvalid(stamp->commit_lsn))
		appendStringInfo(text, ",\"lsn\":\"%X/%X\"", LSN_FORMAT_ARGS(stamp->commit_lsn));
	if (options->timestamp && TransactionIdIsValid(stamp->xid) && stamp->commit_time != 0)
		append_time(text, stamp->prepared ? ",\"prepare_time\":\"" : ",\"commit_time\":\"",
					stamp->commit_time);
	if (stamp->origin != NULL)
	{
		appendStringInfoString(text, ",\"origin\":");
		json_append_string(text, stamp->origin, strlen(stamp->origin));
	}
	last->xids = options->xids;
	last->lsn = options->lsn;
	last->timestamp = options->timestamp;
	last->stamp = *stamp;
}

/*
 * The members that say in which transaction. They are the same for all of its events, hence kept,
 * as long as the backend lives.
 */
static inline void
append_stamp(StringInfo out, const EventOptions *options, const EventStamp *stamp)
{
	static StampText last;

	if (unlikely(last.text.data == NULL || !stamp_is_same(&last, options, stamp)))
		stamp_prepare(&last, options, stamp);
	buffer_append(out, last.text.data, last.text.len);
}

/* {"action":"...","schema":"...","table":"...","xid":... */
static void
append_head(StringInfo out, const EventOptions *options, const EventStamp *stamp,
			const EventShape *shape, const char *action)
{
	buffer_append_literal(out, "{\"action\":\"");
	buffer_append(out, action, strlen(action));
	buffer_append_char(out, '"');
	if (shape != NULL)
	{
		int			skip = options->without_schema ? shape->table_start : 0;

		buffer_append(out, shape->name.data + skip, shape->name.len - skip);
	}
	append_stamp(out, options, stamp);
}

/* Append a column's name to a list of names. */
static void
append_label(StringInfo out, const EventColumn *column, char separator)
{
	appendStringInfoChar(out, separator);
	appendBinaryStringInfo(out, column->json.label, column->json.label_len - 1);
}

/* What is to be said of values that are JSON, by kind of note. Most events have none. */
typedef struct Notes
{
	StringInfoData text[JSON_NOTE_NULL + 1];
	/* label of the member in which the column named last is */
	const char *row[JSON_NOTE_NULL + 1];
} Notes;

/* Append "row":["column",...] to a note's text, a column at a time; row is "row": */
static void
note_column(Notes *notes, JsonNote note, const char *row, const EventColumn *column)
{
	StringInfo	text = &notes->text[note];

	if (text->data == NULL)
		initStringInfo(text);
	if (row == notes->row[note])
		append_label(text, column, ',');
	else
	{
		appendStringInfo(text, "%s%s", notes->row[note] ? "]," : "", row);
		append_label(text, column, '[');
	}
	notes->row[note] = row;
}

static void
append_notes(StringInfo out, const Notes *notes)
{
	if (notes->row[JSON_NOTE_TEXT] != NULL)
		appendStringInfo(out, ",\"json_text\":{%s]}", notes->text[JSON_NOTE_TEXT].data);
	if (notes->row[JSON_NOTE_NULL] != NULL)
		appendStringInfo(out, ",\"json_null\":{%s]}", notes->text[JSON_NOTE_NULL].data);
}

/* Which columns of a row are shown: from first up to end, without gaps. */
typedef struct Part
{
	const char *label;			/* of the member that they are: "name": */
	int			first;
	int			end;
	bool		skip_nulls;		/* the row holds no more than a key */
	const Bitmapset *gaps;
} Part;

/*
 * {"column":value,...}, behind the label, which stands there already. Each member begins with a
 * comma. The first one's comma becomes the brace, so that no member has to know whether it is the
 * first.
 */
static void
append_row(StringInfo out, const EventShape *shape, const EventRow *row, const Part *part,
		   Notes *notes)
{
	/* what is written may be anything to the compiler: these stay where they are */
	const Bitmapset *gaps = part->gaps;
	bool		skip_nulls = part->skip_nulls;
	EventColumn *column = &shape->columns[part->first];
	EventColumn *end = &shape->columns[part->end];
	int			start = out->len;

	for (; column < end; column++)
	{
		bool		isnull = row->nulls[column->index];
		JsonNote	note;

		if ((skip_nulls && isnull) || event_is_unchanged(column, row))
			continue;
		if (unlikely(gaps != NULL) && bms_is_member(column - shape->columns, gaps))
			continue;
		note = json_append_member(out, &column->json, row->values[column->index], isnull);
		if (unlikely(note != JSON_NO_NOTE))
			note_column(notes, note, part->label, column);
	}
	if (unlikely(out->len == start))
		buffer_append_char(out, '{');
	else
		out->data[start] = '{';
	buffer_append_char(out, '}');
}

/* ,"unchanged":["column",...] when there is any */
static void
append_unchanged(StringInfo out, const EventShape *shape, const EventRow *row)
{
	bool		any = false;

	for (int i = 0; i < shape->ncolumns; i++)
	{
		if (!event_is_unchanged(&shape->columns[i], row))
			continue;
		if (!any)
			appendStringInfoString(out, ",\"unchanged\":");
		append_label(out, &shape->columns[i], any ? ',' : '[');
		any = true;
	}
	if (any)
		appendStringInfoChar(out, ']');
}

/*
 * ,"changed":["column",...] by comparing the bytes of both rows, where both can be told. Only the
 * new row can lack a long value: with REPLICA IDENTITY FULL the server logs old rows with all of
 * theirs. A value that could not be rendered may be damaged: it is not compared.
 */
static void
append_changed(StringInfo out, const EventShape *shape, const EventRow *old, const EventRow *new,
			   const EventGaps *gaps)
{
	char		separator = '[';

	appendStringInfoString(out, ",\"changed\":");
	for (int n = 0; n < shape->ncolumns; n++)
	{
		const EventColumn *column = &shape->columns[n];
		int			i = column->index;

		if (event_is_unchanged(column, new) || (old->nulls[i] && new->nulls[i]))
			continue;
		if (gaps != NULL && (bms_is_member(n, gaps->new) || bms_is_member(n, gaps->old)))
			continue;
		if (old->nulls[i] == new->nulls[i] &&
			datum_image_eq(old->values[i], new->values[i], column->byval, column->len))
			continue;
		append_label(out, column, separator);
		separator = ',';
	}
	if (separator == '[')
		appendStringInfoChar(out, '[');
	appendStringInfoChar(out, ']');
}

/* ,"unrendered":{...} where there are gaps */
static void
append_unrendered(StringInfo out, const EventGaps *gaps, const EventShape *shape)
{
	if (gaps == NULL)
		return;
	appendStringInfoString(out, ",\"unrendered\":");
	event_append_gaps(out, gaps, shape);
}

void
event_rows(StringInfo out, const EventOptions *options, const EventStamp *stamp,
		   const EventShape *shape, enum ReorderBufferChangeType action, const EventRow *new,
		   const EventRow *old, const EventGaps *gaps)
{
	bool		is_delete = action == REORDER_BUFFER_CHANGE_DELETE;
	const Part	new_part = {"\"new\":", 0, shape->ncolumns, false, gaps ? gaps->new : NULL};
	const Part old_part = {"\"old\":", 0, shape->ncolumns, !shape->full_identity,
						   gaps ? gaps->old : NULL};
	Notes		notes = {0};

	append_head(out, options, stamp, shape, event_action_name(action));
	if (shape->details.len > 0)
		buffer_append(out, shape->details.data, shape->details.len);
	if (new != NULL)
	{
		buffer_append_literal(out, ",\"new\":");
		append_row(out, shape, new, &new_part, &notes);
	}

	/*
	 * The columns of a replica identity cannot be NULL, and the server logs the others of a key as
	 * NULL: so what is not NULL is the key. With REPLICA IDENTITY FULL it is the whole row.
	 */
	if (old != NULL)
	{
		buffer_append_literal(out, ",\"old\":");
		append_row(out, shape, old, &old_part, &notes);
	}
	else if (is_delete)
		appendStringInfoString(out, ",\"old\":null");
	if (new != NULL && action == REORDER_BUFFER_CHANGE_UPDATE)
	{
		append_unchanged(out, shape, new);
		if (old != NULL && shape->full_identity)
			append_changed(out, shape, old, new, gaps);
	}
	append_notes(out, &notes);
	append_unrendered(out, gaps, shape);
	appendStringInfoChar(out, '}');
}

void
event_column(StringInfo out, void *argument, int column, Datum value)
{
	const EventShape *shape = argument;

	json_append_value(out, &shape->columns[column].json, value);
}

/* ---- with gaps where it cannot be rendered ---- */

/* An event of rows, or of a rollup where there is a message. */
typedef struct Event
{
	const EventOptions *options;
	const EventStamp *stamp;
	const EventShape *shape;
	enum ReorderBufferChangeType action;
	const EventRow *new;
	const EventRow *old;
	const RollupMessage *message;
	const Bitmapset *varying;	/* its keys that other events of the group may name otherwise */
	const EventGaps *gaps;
} Event;

static void append_rollup(StringInfo out, const Event *event);

static void
render_event(StringInfo out, void *argument)
{
	const Event *event = argument;

	if (event->message != NULL)
		append_rollup(out, event);
	else
		event_rows(out, event->options, event->stamp, event->shape, event->action, event->new,
				   event->old, event->gaps);
}

/*
 * The fault is NULL where the reader wants errors: then the first attempt throws. The second
 * attempt may be longer than the size, since names stand around the columns that fit. The last
 * rendering holds no value, and an error in it is thrown.
 */
static EventResult
append_event(StringInfo out, Event *event)
{
	const EventOptions *options = event->options;
	int			size = options->size ? options->size : EVENT_MAX_SIZE;
	bool		contained = event->shape->contained;
	EventGaps	gaps = {NULL};

	if (event_try(render_event, out, event, contained, size, options->strict ? NULL : &gaps.fault))
		return EVENT_WHOLE;
	if (gaps.fault.too_long && options->skip_long)
		return EVENT_NONE;
	event->gaps = &gaps;
	event_find_gaps(&gaps, event->shape, event->new, event->old, event_column,
					(void *) event->shape, size);
	if (!event_try(render_event, out, event, contained, EVENT_MAX_SIZE, &gaps.fault))
	{
		event_all_gaps(&gaps, event->shape);
		render_event(out, event);
	}
	return EVENT_WITH_GAPS;
}

EventResult
event_change(StringInfo out, const EventOptions *options, const EventStamp *stamp,
			 EventShape *shape, ReorderBufferChange *change, const EventRow *new,
			 const EventRow *old)
{
	Event		event = {options, stamp, shape, change->action, new, old};

	return append_event(out, &event);
}

EventResult
event_published(StringInfo out, const EventOptions *options, const EventStamp *stamp,
				EventShape *shape, HeapTuple row)
{
	Event		event = {options, stamp, shape, EVENT_PUBLISHED, &shape->new};

	event_deform(shape, &shape->new, row);
	return append_event(out, &event);
}

bool
event_shows_truncate(const EventRelation *relation)
{
	return (!relation->hidden || relation->subject != relation->relid) &&
		   relation->shape.name.len > 0;
}

void
event_truncate(StringInfo out, const EventOptions *options, const EventStamp *stamp,
			   const EventShape *shape, bool cascade, bool restart_identity)
{
	append_head(out, options, stamp, shape, "truncate");
	appendStringInfo(out, ",\"cascade\":%s,\"restart_identity\":%s}", cascade ? "true" : "false",
					 restart_identity ? "true" : "false");
}

/* ,"key_varies":["column",...] where there are any */
static void
append_varying(StringInfo out, const EventShape *shape, const Bitmapset *varying)
{
	char		separator = '[';

	if (varying == NULL)
		return;
	appendStringInfoString(out, ",\"key_varies\":");
	for (int n = 0; n < shape->ncolumns; n++)
	{
		if (!bms_is_member(shape->columns[n].index, varying))
			continue;
		append_label(out, &shape->columns[n], separator);
		separator = ',';
	}
	appendStringInfoChar(out, ']');
}

/* Columns of the key come first among the partials' columns. A delta leaves out what is NULL. */
static void
append_rollup(StringInfo out, const Event *event)
{
	const EventShape *shape = event->shape;
	Part		key = {"\"key\":", .gaps = event->gaps ? event->gaps->new : NULL};
	Part		delta = {"\"delta\":", .skip_nulls = true, .gaps = key.gaps};
	Notes		notes = {0};

	while (key.end < shape->ncolumns && shape->columns[key.end].index < event->message->nkeys)
		key.end++;
	delta.first = key.end;
	delta.end = shape->ncolumns;
	append_head(out, event->options, event->stamp, shape, "rollup");
	buffer_append_literal(out, ",\"key\":");
	append_row(out, shape, event->new, &key, &notes);
	buffer_append_literal(out, ",\"delta\":");
	append_row(out, shape, event->new, &delta, &notes);
	append_notes(out, &notes);
	append_varying(out, shape, event->varying);
	append_unrendered(out, event->gaps, shape);
	appendStringInfoChar(out, '}');
}

EventResult
event_rollup(StringInfo out, const EventOptions *options, const EventStamp *stamp,
			 const RollupMessage *message)
{
	/* NULL where the rollup was dropped since */
	EventRelation *relation = event_relation_by_oid(message->partials);
	Event		event = {options, stamp, .message = message};
	EventShape *shape;

	/* the partials may have become something else since the message was written */
	if (relation == NULL || relation->subject != message->rollup ||
		relation->subject == relation->relid || relation->shape.name.len == 0 ||
		!message_fits(message, relation->desc))
		return EVENT_NONE;

	/*
	 * The shape belongs to the cache and may serve several readers. So the options are set anew for
	 * each event.
	 */
	shape = &relation->shape;
	event_deform(shape, &shape->new, message->tuple);
	event.varying = event_name_group(out, relation, message->nkeys);
	event_shape_set_options(shape, options);
	event.shape = shape;
	event.new = &shape->new;
	return append_event(out, &event);
}

/*
 * Whether bytes can be shown as text, also outside of a transaction, where no encoding can be
 * converted.
 */
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
	/* in SQL_ASCII nobody knows what the bytes beyond ASCII mean */
	return (encoding == PG_UTF8 || IsTransactionState()) && encoding != PG_SQL_ASCII &&
		pg_encoding_verifymbstr(encoding, content, size) == size;
}

void
event_message(StringInfo out, const EventOptions *options, const EventStamp *stamp,
			  bool transactional, const char *prefix, const char *content, Size size,
			  const EventFault *fault)
{
	append_head(out, options, stamp, NULL, "message");
	appendStringInfo(out, ",\"transactional\":%s,\"prefix\":", transactional ? "true" : "false");
	json_append_string(out, prefix, strlen(prefix));
	if (fault != NULL)
	{
		EventGaps	gaps = {.fault = *fault};

		append_unrendered(out, &gaps, NULL);
	}
	else if (is_text(content, size))
	{
		appendStringInfoString(out, ",\"content\":");
		json_append_string(out, content, size);
	}
	else
	{
		/* refused before the buffer is made larger */
		json_check_room(out, 2 * (uint64) size);
		appendStringInfoString(out, ",\"content_hex\":\"");
		enlargeStringInfo(out, size * 2);
		out->len += hex_encode(content, size, out->data + out->len);
		appendStringInfoChar(out, '"');
	}
	appendStringInfoChar(out, '}');
}

void
event_subject(StringInfo out, const EventOptions *options, const EventStamp *stamp,
			  const EventShape *shape, const char *action)
{
	append_head(out, options, stamp, shape, action);
	appendStringInfoChar(out, '}');
}

void
event_mark(StringInfo out, const EventOptions *options, const EventStamp *stamp, const char *action,
		   const char *gid, bool first)
{
	append_head(out, options, stamp, NULL, action);
	if (gid != NULL)
	{
		appendStringInfoString(out, ",\"gid\":");
		json_append_string(out, gid, strlen(gid));
	}
	if (first)
		appendStringInfoString(out, ",\"first\":true");
	appendStringInfoChar(out, '}');
}
