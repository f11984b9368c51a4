/*
 * partition.h: a group's partitions: who has one, and how far they were when there were others.
 */
#ifndef GS_PARTITION_H
#define GS_PARTITION_H

#include "base/base.h"

#include "nodes/pg_list.h"

#include "group/group.h"

/* An earlier number of partitions: an event is done if its partition of then was past it. */
typedef struct Layout
{
	int			partitions;
	int64	   *next;			/* of each, the offset that it had not done */
	TimestampTz created;		/* of the topic that the offsets are of */
} Layout;

/* Claim without waiting; false: somebody else has it, or waits for it. */
extern bool partition_claim(const ConsumerGroup *group, const GroupTopic *topic, int partition);

/* Let go of what was claimed in the same call. */
extern void partition_release(const ConsumerGroup *group, const GroupTopic *topic, int partition);

/* Keep all others from changing the group until the transaction ends, and wait for who does. */
extern void partition_lock_group(const ConsumerGroup *group);

/* The same for making groups. */
extern void partition_lock_creation(void);

/* Claim all partitions of all topics, and wait for those who have them. After the group's lock. */
extern void partition_claim_all(const ConsumerGroup *group, const List *topics);

/* The layouts of a topic that are still needed, and whether an event is done by one of them. */
extern List *partition_layouts(const ConsumerGroup *group, const GroupTopic *topic);
extern bool partition_is_done(const List *layouts, int64 offset, uint32 key_hash);

extern void partition_write_layout(const ConsumerGroup *group, Oid topic, const Layout *layout);

/*
 * Forget those that all partitions, of which the hindmost goes on with next, are past, and those of
 * an earlier topic.
 */
extern void partition_forget_layouts(const ConsumerGroup *group, const GroupTopic *topic,
									 int64 next);

#endif							/* GS_PARTITION_H */
