/*
 * topic_create.c: takes a table or rollup and what its owner wants to be published of it, and makes
 * a topic of it, or changes the topic that it has: a row of the table topic.
 */
#include "topic/topic.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "base/argument.h"
#include "base/catalog.h"
#include "base/shared.h"

#define CHANNEL_PREFIX "gymstream:"

PG_FUNCTION_INFO_V1(gs_create_topic);
PG_FUNCTION_INFO_V1(gs_alter_topic);

/* What the caller wants: columns of a row of the table topic. */
typedef struct TopicWish
{
	TopicNotify notify;
	Datum		values[TOPIC_NATTS];
	bool		nulls[TOPIC_NATTS];
	bool		said[TOPIC_NATTS];	/* others stay as they are */
} TopicWish;

static void
say(TopicWish *wish, AttrNumber column, Datum value)
{
	wish->values[column - 1] = value;
	wish->nulls[column - 1] = false;
	wish->said[column - 1] = true;
}

static void
say_null(TopicWish *wish, AttrNumber column)
{
	wish->nulls[column - 1] = true;
	wish->said[column - 1] = true;
}

/* -----------------------------------------------------------------------------------------------
 * Arguments
 * ---------------------------------------------------------------------------------------------*/

#define NOTIFY_HINT                                                                                \
	"Use 'position' to send topic and position only, 'key' to send the key of what has changed, "  \
	"'row' to send the whole event, or 'none' to send nothing."

static TopicNotify
notify_from_text(const char *notify)
{
	TopicNotify found;

	if (!topic_notify_of(notify, &found))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value \"%s\" for notify", notify),
				 errhint(NOTIFY_HINT)));
	return found;
}

static void
take_notify(TopicWish *wish, char *notify)
{
	wish->notify = notify_from_text(notify);
	say(wish, TOPIC_NOTIFY, CStringGetTextDatum(notify));
}

static void
take_retain(TopicWish *wish, Interval *retain)
{
	Interval	no_time = {0};

	if (!gs_interval_is_finite(retain) ||
		DatumGetBool(DirectFunctionCall2(interval_lt, IntervalPGetDatum(retain),
										 IntervalPGetDatum(&no_time))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for retain"),
				 errdetail("It says for how long events are kept, so it is neither negative nor "
						   "infinite."),
				 errhint("Use '0' to keep no events, or a long time such as '10 years'.")));
	say(wish, TOPIC_RETAIN, IntervalPGetDatum(retain));
}

static void
take_retain_bytes(TopicWish *wish, int64 bytes)
{
	if (bytes < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retain_bytes must not be negative"),
				 errhint("Use 0 where events are to be kept for the time of retain, however many "
						 "there are.")));
	if (bytes == 0)
		say_null(wish, TOPIC_RETAIN_BYTES);
	else
		say(wish, TOPIC_RETAIN_BYTES, Int64GetDatum(bytes));
}

static void
take_key(TopicWish *wish, Relation rel, ArrayType *key)
{
	if (rel->rd_rel->relkind == RELKIND_VIEW)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot choose the key of \"%s\"", RelationGetRelationName(rel)),
				 errdetail("The key of a rollup's events are the columns that it groups by.")));
	if (ArrayGetNItems(ARR_NDIM(key), ARR_DIMS(key)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key must have a column"),
				 errhint("Leave key out where the primary key is to be the events' key.")));
	topic_check_columns(rel, key, "key");
	say(wish, TOPIC_KEY_COLUMNS, PointerGetDatum(key));
}

static void
take_channel_by(TopicWish *wish, Relation rel, ArrayType *columns)
{
	if (ArrayGetNItems(ARR_NDIM(columns), ARR_DIMS(columns)) == 0)
	{
		say_null(wish, TOPIC_CHANNEL_COLUMNS);
		return;
	}
	topic_check_columns(rel, columns, "channel_by");
	topic_check_public(rel, "name the rows of \"%s\" in channels",
					   "Leave channel_by out.");
	say(wish, TOPIC_CHANNEL_COLUMNS, PointerGetDatum(columns));
}

/* -----------------------------------------------------------------------------------------------
 * Writing
 * ---------------------------------------------------------------------------------------------*/

/*
 * The channel's name: the topic's, or by OID where that is too long for LISTEN or was taken before
 * a rename.
 */
static char *
choose_channel(Relation catalog, Oid relation)
{
	char	   *channel = psprintf(CHANNEL_PREFIX "%s", topic_name(relation));

	if (strlen(channel) >= NAMEDATALEN ||
		HeapTupleIsValid(catalog_find(catalog, TOPIC_CHANNEL, CStringGetTextDatum(channel))))
		channel = psprintf(CHANNEL_PREFIX "%u", relation);
	return channel;
}

/* What is not said of a new topic. */
static void
complete_wish(TopicWish *wish)
{
	static Interval one_day = {.day = 1};

	for (int i = 0; i < TOPIC_NATTS; i++)
		if (!wish->said[i])
			wish->nulls[i] = true;
	if (!wish->said[TOPIC_RETAIN - 1])
		say(wish, TOPIC_RETAIN, IntervalPGetDatum(&one_day));
	say(wish, TOPIC_CREATED, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
}

/* What is neither told nor kept is of no use. */
static void
check_use(Relation catalog, Relation rel, HeapTuple tuple)
{
	Topic		topic;

	topic_read(tuple, RelationGetDescr(catalog), &topic);
	if (topic.notify == TOPIC_NOTIFY_NONE && !topic.stored)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nobody would know of the changes of \"%s\"", RelationGetRelationName(rel)),
				 errdetail("With notify => 'none' no notifications are sent, and with retain => "
						   "'0' no events are kept."),
				 errhint("Choose another notify, or keep events for some time.")));
}

/* Put a new topic into the catalog; returns its channel. */
static char *
insert_topic(Relation catalog, Relation rel, TopicWish *wish)
{
	Oid			relid = RelationGetRelid(rel);
	char	   *channel = choose_channel(catalog, relid);
	HeapTuple	tuple;

	if (!shared_prepare_decoder())
		ereport(NOTICE,
				(errmsg("changes of \"%s\" will be published once gymstream's workers are ready",
						RelationGetRelationName(rel)),
				 errhint("See the view gymstream.status.")));
	complete_wish(wish);
	say(wish, TOPIC_RELATION, ObjectIdGetDatum(relid));
	say(wish, TOPIC_CHANNEL, CStringGetTextDatum(channel));
	tuple = heap_form_tuple(RelationGetDescr(catalog), wish->values, wish->nulls);
	check_use(catalog, rel, tuple);
	CatalogTupleInsert(catalog, tuple);
	return channel;
}

/* Change what is said, and leave the rest. */
static void
update_topic(Relation catalog, Relation rel, HeapTuple tuple, TopicWish *wish)
{
	/* the table of version 0.1 has no column for more than notify */
	tuple = heap_modify_tuple(tuple, RelationGetDescr(catalog), wish->values, wish->nulls,
							  wish->said);
	check_use(catalog, rel, tuple);
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
}

static char *
channel_of(Relation catalog, HeapTuple tuple)
{
	bool		isnull;

	return TextDatumGetCString(
		heap_getattr(tuple, TOPIC_CHANNEL, RelationGetDescr(catalog), &isnull));
}

/*
 * Make or change the topic; returns its channel. Locks the table topic against other writers until
 * commit.
 */
static char *
write_topic(Relation rel, TopicWish *wish, bool if_not_exists)
{
	Relation	catalog = topic_open_catalog();
	HeapTuple	tuple = catalog_find_topic(catalog, RelationGetRelid(rel));
	char	   *channel;

	if (!HeapTupleIsValid(tuple))
		channel = insert_topic(catalog, rel, wish);
	else
	{
		channel = channel_of(catalog, tuple);
		if (if_not_exists)
			ereport(NOTICE,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("\"%s\" has a topic already, skipping", RelationGetRelationName(rel))));
		else
			update_topic(catalog, rel, tuple, wish);
	}
	topic_invalidate(RelationGetRelid(rel));
	CommandCounterIncrement();
	shared_poke_at_commit();
	table_close(catalog, NoLock);
	return channel;
}

/* -----------------------------------------------------------------------------------------------
 * SQL functions
 * ---------------------------------------------------------------------------------------------*/

/* The relation, which is the caller's, with a lock against DROP until commit. */
static Relation
open_own(Oid relid)
{
	Relation	rel;

	topic_check_owner(relid);
	rel = try_relation_open(relid, AccessShareLock);
	/* Whoever had it locked may have dropped it, or given it to somebody else. */
	topic_check_owner(relid);
	return rel;
}

/* Arguments that may be null: nothing is said then. */
static void
take_arguments(FunctionCallInfo fcinfo, TopicWish *wish, int retain, int retain_bytes)
{
	if (!PG_ARGISNULL(retain))
		take_retain(wish, PG_GETARG_INTERVAL_P(retain));
	if (!PG_ARGISNULL(retain_bytes))
		take_retain_bytes(wish, PG_GETARG_INT64(retain_bytes));
}

/*
 * create_topic(relation regclass, notify text, retain interval, retain_bytes bigint, key name[],
 * channel_by name[], if_not_exists boolean) returns text: the channel
 *
 * For the relation's owner, who needs no right on the table topic. A topic that is there is told
 * what is not null here, or left alone with if_not_exists. Version 0.1 has the first two arguments.
 */
Datum
gs_create_topic(PG_FUNCTION_ARGS)
{
	Oid			relid = topic_relation_argument(fcinfo);
	TopicWish	wish = {0};
	Relation	rel;
	char	   *channel;

	argument_writes("gymstream.create_topic");
	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("notify must not be null"),
				 errhint(NOTIFY_HINT)));
	take_notify(&wish, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	rel = open_own(relid);
	topic_check_relation(rel, wish.notify);
	if (PG_NARGS() > 2)
	{
		take_arguments(fcinfo, &wish, 2, 3);
		if (!PG_ARGISNULL(4))
			take_key(&wish, rel, PG_GETARG_ARRAYTYPE_P(4));
		if (!PG_ARGISNULL(5))
			take_channel_by(&wish, rel, PG_GETARG_ARRAYTYPE_P(5));
	}
	topic_check_server();
	channel = write_topic(rel, &wish, argument_switch(fcinfo, 6, "if_not_exists"));
	relation_close(rel, NoLock);
	PG_RETURN_TEXT_P(cstring_to_text(channel));
}

/*
 * alter_topic(relation regclass, notify text, retain interval, retain_bytes bigint, channel_by
 * name[]) returns void: what is null stays as it is
 */
Datum
gs_alter_topic(PG_FUNCTION_ARGS)
{
	Oid			relid = topic_relation_argument(fcinfo);
	TopicWish	wish = {0};
	Relation	rel;

	argument_writes("gymstream.alter_topic");
	if (!PG_ARGISNULL(1))
		take_notify(&wish, text_to_cstring(PG_GETARG_TEXT_PP(1)));
	take_arguments(fcinfo, &wish, 2, 3);
	rel = open_own(relid);
	if (!PG_ARGISNULL(4))
		take_channel_by(&wish, rel, PG_GETARG_ARRAYTYPE_P(4));
	if (!catalog_has_topic(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("\"%s\" has no topic", RelationGetRelationName(rel)),
				 errhint("Create one with gymstream.create_topic.")));
	topic_check_relation(rel, wish.notify);
	(void) write_topic(rel, &wish, false);
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}
