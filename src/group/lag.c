/*
 * lag.c: takes all groups and gives, for each partition, what it has not done yet. Counts in the
 * log, up to a limit, and estimates what lies behind that. Claims nothing.
 */
#include "group/group.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "base/catalog.h"
#include "group/bookmark.h"
#include "group/cell.h"
#include "group/partition.h"
#include "log/log_scan.h"

/* So many events of a topic are looked at for a group. */
#define MOST_COUNTED 100000

typedef struct Lag
{
	Bookmark	bookmark;
	int64		next;			/* where it goes on; the bookmark may be of another topic */
	int64		events;
	int64		bytes;
	bool		exact;
	int64		lost;			/* dropped by retention */
	TimestampTz oldest;			/* 0: nothing is behind */
} Lag;

static void
count_event(const ConsumerGroup *group, const List *layouts, Lag *lags, const LogEvent *event)
{
	Lag		   *lag = &lags[event->key_hash % group->partitions];

	if (event->offset < lag->next || partition_is_done(layouts, event->offset, event->key_hash))
		return;
	lag->events++;
	lag->bytes += event->size;
	if (lag->oldest == 0)
		lag->oldest = event->commit_time;
}

/* What the scan did not reach is shared out evenly. */
static void
estimate_rest(const ConsumerGroup *group, Lag *lags, int64 reached, int64 next)
{
	for (int i = 0; i < group->partitions; i++)
	{
		Lag		   *lag = &lags[i];
		int64		rest = (next - Max(reached, lag->next)) / group->partitions;

		lag->exact = rest <= 0 && reached >= next;
		if (rest <= 0)
			continue;
		lag->bytes += lag->events ? lag->bytes / lag->events * rest : 0;
		lag->events += rest;
	}
}

/* Of the events that are gone each partition had its share, as far as anybody knows. */
static void
estimate_lost(const ConsumerGroup *group, const GroupTopic *topic, int partition, Lag *lag,
			  int64 first)
{
	CellKey		key = {MyDatabaseId, group->id, topic->topic, partition, topic->created};
	int64		frontier = cell_frontier(&key, group->generation);
	int64		gone = first - Max(lag->next, frontier);

	lag->lost = gone <= 0 ? 0 : (gone - 1) / group->partitions + 1;
}

static void
count_topic(const ConsumerGroup *group, const GroupTopic *topic, Snapshot snapshot, Lag *lags)
{
	List	   *layouts = partition_layouts(group, topic);
	int64		from = PG_INT64_MAX;
	int64		counted = 0;
	int64		first,
				next,
				reached;
	LogScan    *scan;
	LogEvent	event;

	if (topic->created == 0 || !log_range(topic->topic, snapshot, &first, &next))
		return;
	for (int i = 0; i < group->partitions; i++)
	{
		Lag		   *lag = &lags[i];

		/* One without a bookmark, or of another time, has not begun. */
		lag->next = lag->bookmark.serial > 0 && lag->bookmark.created == topic->created ?
			lag->bookmark.next :
			group->start_latest ? next : first;
		from = Min(from, lag->next);
		estimate_lost(group, topic, i, lag, first);
	}
	reached = next;
	if (from < next)
	{
		scan = log_scan_begin(topic->topic, Max(from, first), snapshot);
		while (log_scan_next(scan, &event))
		{
			CHECK_FOR_INTERRUPTS();
			if (counted++ == MOST_COUNTED)
			{
				reached = event.offset;
				break;
			}
			count_event(group, layouts, lags, &event);
		}
		log_scan_end(scan);
	}
	estimate_rest(group, lags, reached, next);
}

static void
show_topic(ReturnSetInfo *result, const ConsumerGroup *group, const GroupTopic *topic,
		   const Lag *lags)
{
	for (int i = 0; i < group->partitions; i++)
	{
		const Lag  *lag = &lags[i];
		Datum		values[] = {
			Int32GetDatum(group->id), ObjectIdGetDatum(topic->topic),
			Int32GetDatum(i), Int64GetDatum((int64) topic->number << 16 | i),
			Int64GetDatum(lag->next), Int64GetDatum(lag->events), Int64GetDatum(lag->bytes),
			BoolGetDatum(lag->exact), TimestampTzGetDatum(lag->oldest),
			Int64GetDatum(lag->lost)};
		bool		nulls[lengthof(values)] = {false};

		nulls[8] = lag->oldest == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

static List *
all_groups(void)
{
	Relation	table = group_open(CATALOG_GROUP_DEFINITION, AccessShareLock);
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, SnapshotSelf, 0, NULL);
	List	   *ids = NIL;
	HeapTuple	tuple;
	bool		isnull;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		ids = lappend_int(ids, DatumGetInt32(heap_getattr(tuple, DEFINITION_ID,
														  RelationGetDescr(table), &isnull)));
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return ids;
}

static void
show_group(ReturnSetInfo *result, const ConsumerGroup *group)
{
	ListCell   *cell;

	foreach(cell, group_topics(group))
	{
		const GroupTopic *topic = lfirst(cell);
		Lag		   *lags = palloc0(sizeof(Lag) * group->partitions);

		/* As the view sees what is set aside: otherwise an event could be in neither. */
		for (int i = 0; i < group->partitions; i++)
			lags[i].bookmark =
				bookmark_seen(group, topic->topic, i, GetActiveSnapshot());
		count_topic(group, topic, GetActiveSnapshot(), lags);
		show_topic(result, group, topic, lags);
		pfree(lags);
	}
}

/* group_lag_rows() returns setof record: what the view gymstream.group_lag shows. */
PG_FUNCTION_INFO_V1(gs_group_lag_rows);
Datum
gs_group_lag_rows(PG_FUNCTION_ARGS)
{
	ListCell   *cell;
	ConsumerGroup group;

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, all_groups())
		if (group_lookup_id(lfirst_int(cell), &group))
			show_group((ReturnSetInfo *) fcinfo->resultinfo, &group);
	return (Datum) 0;
}
