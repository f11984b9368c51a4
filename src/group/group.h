/*
 * group.h: consumer groups: what one is, of which topics, and who may use it.
 */
#ifndef GS_GROUP_H
#define GS_GROUP_H

#include "base/base.h"

#include "access/htup.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"

/* attribute numbers, as in extension/gymstream--*.sql */
#define DEFINITION_ID 1
#define DEFINITION_NAME 2
#define DEFINITION_OWNER 3
#define DEFINITION_PARTITIONS 4
#define DEFINITION_GENERATION 5
#define DEFINITION_PAUSED 6
#define DEFINITION_MAX_ATTEMPTS 7
#define DEFINITION_RETRY_MS 8
#define DEFINITION_TAKEOVER_MS 9
#define DEFINITION_RESET 10
#define DEFINITION_START 11
#define DEFINITION_CREATED 12
#define DEFINITION_NATTS 12

#define MEMBER_GROUP 1
#define MEMBER_TOPIC 2
#define MEMBER_NUMBER 3
#define MEMBER_NATTS 3

#define GROUP_MAX_PARTITIONS 1024
#define GROUP_MAX_TOPICS 1000
#define GROUP_MAX_ATTEMPTS 1000

/* Who claims them all must find room in the server's table of locks. */
#define GROUP_MAX_CLAIMS 4096

/* where a group goes on when the log no longer has what comes next */
typedef enum GroupReset
{
	GROUP_RESET_EARLIEST,
	GROUP_RESET_LATEST,
	GROUP_RESET_ERROR
} GroupReset;

typedef struct ConsumerGroup
{
	int32		id;
	char		name[NAMEDATALEN];
	Oid			owner;
	int			partitions;
	int32		generation;		/* grows when partitions are others, or were sent elsewhere */
	bool		paused;
	int			max_attempts;
	int64		retry_ms;		/* before the second attempt; doubled each time */
	int64		takeover_ms;	/* 0: no limit */
	GroupReset	reset;
	bool		start_latest;	/* where nothing says how far it is */
} ConsumerGroup;

typedef struct GroupTopic
{
	Oid			topic;
	int			number;			/* in the group: its locks have it */
	TimestampTz created;		/* when the topic was made; 0: there is none any more */
} GroupTopic;

/* The committed definition, or this transaction's; false: there is none. */
extern bool group_lookup(const char *name, ConsumerGroup *group);

/* The same by its number, which no later group has. */
extern bool group_lookup_id(int32 id, ConsumerGroup *group);

/*
 * The group that an SQL function's argument names; an error where there is none, or the user is no
 * member of its owner.
 */
extern void group_argument(FunctionCallInfo fcinfo, int argument, ConsumerGroup *group);

/* Its topics, as a list of GroupTopic, in the order of their numbers. */
extern List *group_topics(const ConsumerGroup *group);

/* One of the group's topics; an error where it is none of them. */
extern const GroupTopic *group_topic(const ConsumerGroup *group, Oid topic);

/* Set columns of its definition to other values. */
extern void group_change(const ConsumerGroup *group, const Datum *values, const bool *replace);

/* An interval as milliseconds: a month has 30 days, as where the server compares intervals. */
extern int64 group_interval_ms(const Interval *interval);

/* One of the tables of groups; an error where the extension has none. */
extern Relation group_open(const char *table, LOCKMODE lock);

/* The index by which rows of a group are found: the table's first one. */
extern Oid	group_index(Relation table);

/* Write to such a table unseen by logical decoding. */
extern void group_insert(Relation table, const Datum *values, const bool *nulls);
extern void group_update(Relation table, HeapTuple old, HeapTuple new);
extern void group_delete(Relation table, ItemPointer row);

#endif							/* GS_GROUP_H */
