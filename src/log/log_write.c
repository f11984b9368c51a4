/*
 * log_write.c: takes events in commit order, gives each the next offset of its topic, and appends
 * them to the topic's open segment, in record batches. What is there already is left out: the last
 * stored position is the publisher's bookmark. Commits nothing itself.
 */
#include "log/log_write.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "log/log_error.h"
#include "log/log_head.h"
#include "log/log_row.h"
#include "log/log_table.h"

/* Between the offsets of a log whose end did not come along and those of what follows. */
#define LOST_OFFSETS INT64CONST(1000000000)

#define SEGMENT_BYTES INT64CONST(67108864)
#define SEGMENT_LEAST_BYTES INT64CONST(131072)

/* The end of a topic's log. */
typedef struct LogTail
{
	Oid			topic;			/* hash key */
	TimestampTz created;		/* of the topic */
	bool		has_segment;	/* the row: */
	LogSegment	segment;		/* the newest one */
	Position	last;
	TimestampTz newest;
	int64		bytes;			/* in the open segment, about */
	bool		grown;			/* by the transaction at hand */
	LogPack		pack;
} LogTail;

static HTAB *log_tails = NULL;
static MemoryContext tails_context;
static uint32 write_epoch = 0;	/* all logs have been told of it */
static uint32 pending_epoch;
static bool written = false;	/* something, by the transaction at hand */

/* ---- what retention wants ---- */

int64
log_retain_time(const Topic *topic)
{
	const Interval *retain = &topic->retain;
	double		days = (double) retain->month * DAYS_PER_MONTH + retain->day;
	double		time = days * USECS_PER_DAY + retain->time;

	return time > (double) (PG_INT64_MAX / 4) ? PG_INT64_MAX / 4 : (int64) time;
}

/* An eighth of what is kept may be more than is wanted, since whole segments go. */
int64
log_segment_bytes(const Topic *topic)
{
	if (topic->retain_bytes == 0)
		return SEGMENT_BYTES;
	return Min(Max(topic->retain_bytes / 8, SEGMENT_LEAST_BYTES), SEGMENT_BYTES);
}

int64
log_segment_age(const Topic *topic)
{
	return Max(log_retain_time(topic) / 8, USECS_PER_SEC);
}

/* ---- what is said of a topic ---- */

char *
log_mark_json(Oid relation, const char *action, const char *more)
{
	StringInfoData json;
	char	   *schema = get_namespace_name(get_rel_namespace(relation));
	char	   *name = get_rel_name(relation);

	initStringInfo(&json);
	appendStringInfo(&json, "{\"action\":\"%s\"", action);
	/* It may be gone by now. */
	if (schema != NULL && name != NULL)
	{
		appendStringInfoString(&json, ",\"schema\":");
		escape_json(&json, schema);
		appendStringInfoString(&json, ",\"table\":");
		escape_json(&json, name);
	}
	appendStringInfo(&json, "%s}", more);
	return json.data;
}

/* ---- tails ---- */

static void
tails_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(LogTail)};

	if (log_tails != NULL)
		return;
	tails_context =
		AllocSetContextCreate(TopMemoryContext, "gymstream log tails", ALLOCSET_DEFAULT_SIZES);
	control.hcxt = tails_context;
	log_tails = hash_create("gymstream log tails", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
log_forget_tails(void)
{
	if (log_tails == NULL)
		return;
	MemoryContextDelete(tails_context);
	log_tails = NULL;
}

/* last is the position of its last event: what the pack has comes after it. */
static void
close_segment(LogTail *tail, const Position *last, bool ended)
{
	LogSegment *segment = &tail->segment;

	segment->closed = GetCurrentTimestamp();
	segment->last = *last;
	segment->newest = tail->newest;
	segment->bytes = log_table_size(segment);
	segment->ended = ended;
	log_segment_update(segment);
	tail->bytes = 0;
	written = true;
}

/* In the open segment's rows. A segment whose table is not there loses it. */
static void
read_end(void *argument)
{
	LogTail    *tail = argument;
	LogTable	table;
	LogRow		row;

	if (!log_table_open(&table, &tail->segment, AccessShareLock))
	{
		tail->segment.table = InvalidOid;
		return;
	}
	if (log_row_find(&table, GetActiveSnapshot(), PG_INT64_MAX, &row))
	{
		tail->last = row.last;
		tail->newest = row.newest;
	}
	tail->bytes = (int64) RelationGetNumberOfBlocks(table.relation) * BLCKSZ;
	log_table_close(&table, AccessShareLock);
}

/*
 * Where an open segment ends. One whose table is not there has come from another server by itself;
 * one that is damaged must not keep other topics from being published. What follows gets offsets
 * that none of its events can have had.
 */
static void
find_end(LogTail *tail)
{
	bool		damaged;

	tail->last = tail->segment.last;
	tail->newest = tail->segment.newest;
	if (tail->segment.closed != 0)
		return;
	damaged = log_meets_damage(tail->topic, read_end, tail);
	if (!damaged && OidIsValid(tail->segment.table))
		return;
	tail->last.offset += LOST_OFFSETS;
	tail->segment.ended = true;
	if (damaged)
		close_segment(tail, &tail->last, true);
}

/* The end of the topic's log, read once a process. */
static LogTail *
find_tail(const Topic *topic)
{
	bool		found;
	LogTail    *tail;
	List	   *segments;

	tails_init();
	tail = hash_search(log_tails, &topic->relation, HASH_ENTER, &found);
	if (found && tail->created == topic->created)
		return tail;
	segments = log_segments(topic);
	if (!found)
	{
		MemoryContext old = MemoryContextSwitchTo(tails_context);

		log_pack_init(&tail->pack);
		MemoryContextSwitchTo(old);
	}
	tail->created = topic->created;
	tail->has_segment = segments != NIL;
	tail->grown = false;
	tail->bytes = 0;
	tail->last = (Position) {0};
	tail->newest = DT_NOBEGIN;
	if (segments != NIL)
	{
		tail->segment = *(LogSegment *) llast(segments);
		find_end(tail);
	}
	return tail;
}

/* ---- segments ---- */

static void
open_segment(LogTail *tail, const Position *before)
{
	LogSegment	segment = {.topic = tail->topic,
						   .created = tail->created,
						   .number = 1,
						   .before = *before,
						   .opened = GetCurrentTimestamp(),
						   .last = *before,
						   .newest = tail->newest};
	List	   *all = log_segments(NULL);
	ListCell   *cell;

	/* One whose table did not come along: its row says what is known. */
	if (tail->has_segment && tail->segment.closed == 0)
		close_segment(tail, before, true);
	/* Segments of an earlier topic of the same relation may still be there, with their tables. */
	foreach(cell, all)
		if (((LogSegment *) lfirst(cell))->topic == tail->topic)
			segment.number = Max(segment.number, ((LogSegment *) lfirst(cell))->number + 1);
	segment.table = log_table_create(tail->topic, segment.number);
	log_segment_insert(&segment);
	tail->segment = segment;
	tail->has_segment = true;
	tail->bytes = 0;
}

static bool
is_open(const LogTail *tail)
{
	return tail->has_segment && tail->segment.closed == 0 && OidIsValid(tail->segment.table);
}

/* Before a batch is written: the segment that it goes to is open, and neither large nor old. */
static void
prepare_segment(LogTail *tail, const Topic *topic, const Position *before)
{
	if (is_open(tail) && (tail->bytes >= log_segment_bytes(topic) ||
						  GetCurrentTimestamp() - tail->segment.opened >= log_segment_age(topic)))
		close_segment(tail, before, false);
	if (!is_open(tail))
		open_segment(tail, before);
}

void
log_close_tail(const Topic *topic, bool ended)
{
	LogTail    *tail = find_tail(topic);

	if (is_open(tail))
		close_segment(tail, &tail->last, ended);
}

/* ---- rows ---- */

static void
insert_row(LogTable *table, List *infos, const LogRow *row)
{
	Datum		values[LOG_NATTS];
	bool		nulls[LOG_NATTS] = {false};
	struct varlena *body = palloc(VARHDRSZ + row->length);
	HeapTuple	tuple;
	ListCell   *index,
			   *info;

	SET_VARSIZE(body, VARHDRSZ + row->length);
	memcpy(VARDATA(body), row->body, row->length);
	values[LOG_FIRST - 1] = Int64GetDatum(row->first);
	values[LOG_PART - 1] = Int32GetDatum(row->part);
	values[LOG_COUNT - 1] = Int32GetDatum(row->count);
	values[LOG_EPOCH - 1] = Int64GetDatum(row->last.epoch);
	values[LOG_LSN - 1] = UInt64GetDatum(row->last.lsn);
	values[LOG_INDEX - 1] = Int64GetDatum(row->last.index);
	values[LOG_NEWEST - 1] = TimestampTzGetDatum(row->newest);
	values[LOG_SIZE - 1] = Int32GetDatum(row->size);
	values[LOG_BODY - 1] = PointerGetDatum(body);
	tuple = heap_form_tuple(RelationGetDescr(table->relation), values, nulls);
	heap_insert(table->relation, tuple, GetCurrentCommandId(true), HEAP_INSERT_NO_LOGICAL, NULL);
	forboth(index, table->indexes, info, infos)
		if (((IndexInfo *) lfirst(info))->ii_ReadyForInserts)
			index_insert(lfirst(index), values, nulls, &tuple->t_self, table->relation,
						 UNIQUE_CHECK_YES, false, lfirst(info));
	heap_freetuple(tuple);
	pfree(body);
}

/* Write what the pack has. before is the position of the event before its first one. */
static void
write_pack(LogTail *tail, const Topic *topic, const Position *before)
{
	LogRow		row = {.first = tail->pack.first,
					   .count = tail->pack.count,
					   .last = tail->last,
					   .newest = tail->newest};
	StringInfoData stored;
	LogTable	table;
	List	   *infos = NIL;
	ListCell   *cell;

	if (tail->pack.count == 0)
		return;
	prepare_segment(tail, topic, before);
	log_pack_end(&tail->pack, &stored);
	if (!log_table_open(&table, &tail->segment, RowExclusiveLock))
		elog(ERROR, "segment %d of topic %u is gone", tail->segment.number, tail->topic);
	foreach(cell, table.indexes)
		infos = lappend(infos, BuildIndexInfo(lfirst(cell)));
	row.size = stored.len;
	for (int at = 0; at < stored.len; at += LOG_PART_BYTES)
	{
		row.part = at / LOG_PART_BYTES;
		row.body = stored.data + at;
		row.length = Min(stored.len - at, LOG_PART_BYTES);
		insert_row(&table, infos, &row);
	}
	log_table_close(&table, NoLock);
	list_free_deep(infos);
	tail->bytes += stored.len;
	pfree(stored.data);
}

/* ---- events ---- */

/* A topic that events of the call are of. */
typedef struct WriteTopic
{
	Topic		topic;
	bool		exists;
	LogTail    *tail;
	Position	before;			/* the event before those in the pack */
} WriteTopic;

static void
append_event(WriteTopic *to, LogEvent *event)
{
	LogTail    *tail = to->tail;
	MemoryContext old;

	if (tail->pack.count == 0)
		to->before = tail->last;
	event->offset = tail->last.offset + 1;
	tail->last = (Position) {event->epoch, event->index, event->lsn, event->offset};
	tail->newest = Max(tail->newest, event->commit_time);
	old = MemoryContextSwitchTo(tails_context);
	log_pack_add(&tail->pack, event);
	MemoryContextSwitchTo(old);
	tail->grown = written = true;
	if (log_pack_size(&tail->pack) >= LOG_BATCH_BYTES)
		write_pack(tail, &to->topic, &to->before);
}

/* Say in the log that changes may be missing before this position. */
static void
append_reset(WriteTopic *to, uint32 epoch, XLogRecPtr lsn, uint32 index)
{
	char	   *json = log_mark_json(to->topic.relation, "reset", "");
	LogEvent	event = {.epoch = epoch,
						 .lsn = lsn,
						 .index = index,
						 .commit_time = GetCurrentTimestamp(),
						 .body = json,
						 .size = strlen(json)};

	append_event(to, &event);
	pfree(json);
}

/*
 * By commit LSN and index: these grow also over epochs, since the log of a restored or promoted
 * server goes with its write-ahead log.
 */
static bool
is_there(const LogTail *tail, const LogEvent *event)
{
	return tail->has_segment &&
		(event->lsn < tail->last.lsn ||
		 (event->lsn == tail->last.lsn && event->index <= tail->last.index));
}

static void
write_entry(WriteTopic *to, LogEntry *entry, uint32 epoch)
{
	LogTail    *tail = to->tail;

	entry->event.offset = POSITION_NO_OFFSET;
	entry->event.epoch = epoch;
	if (is_there(tail, &entry->event))
		return;
	if (!entry->stored)
	{
		/* What is stored later does not follow on what is there. */
		if (is_open(tail))
		{
			write_pack(tail, &to->topic, &to->before);
			close_segment(tail, &tail->last, true);
		}
		return;
	}
	if (tail->pack.count > 0)
		 /* what is said below was said of the first one */ ;
	else if (!tail->has_segment)
		tail->last = (Position) {.epoch = epoch};
	else if (tail->segment.ended || tail->last.epoch != epoch)
		append_reset(to, epoch, entry->event.lsn, entry->event.index - 1);
	append_event(to, &entry->event);
}

/* ---- new epochs ---- */

/* Each log that there is begins the epoch with a reset. */
static void
reset_topic(const Topic *topic, uint32 epoch, XLogRecPtr lsn)
{
	WriteTopic	to = {.topic = *topic, .exists = true, .tail = find_tail(topic)};
	LogTail    *tail = to.tail;

	if (!tail->has_segment || !topic->stored || tail->last.epoch >= epoch)
		return;
	append_reset(&to, epoch, Max(lsn, tail->last.lsn),
				 lsn > tail->last.lsn ? 0 : tail->last.index);
	write_pack(tail, &to.topic, &to.before);
}

static void
reset_topics(uint32 epoch, XLogRecPtr lsn)
{
	ListCell   *cell;

	foreach(cell, log_segments(NULL))
	{
		const LogSegment *segment = lfirst(cell);
		Topic		topic;

		if (!topic_lookup(segment->topic, &topic) || topic.created != segment->created)
			continue;
		reset_topic(&topic, epoch, lsn);
	}
	pending_epoch = epoch;
}

bool
log_needs_reset(uint32 epoch)
{
	return write_epoch != epoch;
}

/* ---- the call ---- */

static WriteTopic *
write_topic(List **topics, Oid relation)
{
	WriteTopic *to;
	ListCell   *cell;

	foreach(cell, *topics)
	{
		to = lfirst(cell);
		if (to->topic.relation == relation)
			return to;
	}
	to = palloc0(sizeof(WriteTopic));
	to->exists = topic_lookup(relation, &to->topic);
	to->topic.relation = relation;
	if (to->exists)
		to->tail = find_tail(&to->topic);
	*topics = lappend(*topics, to);
	return to;
}

bool
log_write(LogEntry *entries, int n, uint32 epoch, XLogRecPtr reset)
{
	List	   *topics = NIL;
	ListCell   *cell;

	written = false;
	if (write_epoch != epoch)
		reset_topics(epoch, reset);
	for (int i = 0; i < n; i++)
	{
		WriteTopic *to = write_topic(&topics, entries[i].topic);

		entries[i].event.offset = POSITION_NO_OFFSET;
		if (to->exists)
			write_entry(to, &entries[i], epoch);
	}
	foreach(cell, topics)
	{
		WriteTopic *to = lfirst(cell);

		if (to->exists)
			write_pack(to->tail, &to->topic, &to->before);
	}
	/* Who reads it may act on it at once: it must not be gone after a crash. */
	if (written)
		ForceSyncCommit();
	else
		write_epoch = epoch;
	list_free_deep(topics);
	return written;
}

void
log_written(void)
{
	HASH_SEQ_STATUS all;
	LogTail    *tail;
	bool		grown = false;

	if (pending_epoch != 0)
		write_epoch = pending_epoch;
	if (log_tails == NULL)
		return;
	hash_seq_init(&all, log_tails);
	while ((tail = hash_seq_search(&all)) != NULL)
	{
		if (!tail->grown)
			continue;
		log_head_set(tail->topic, tail->last.offset + 1);
		tail->grown = false;
		grown = true;
	}
	if (grown)
		log_head_broadcast();
}
