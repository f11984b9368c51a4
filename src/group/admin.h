/*
 * admin.h: making groups and changing them.
 */
#ifndef GS_ADMIN_H
#define GS_ADMIN_H

#include "base/base.h"

#include "fmgr.h"
#include "utils/snapshot.h"

#include "group/group.h"

/* Where a group is to go on in a topic. */
typedef enum AdminTargetKind
{
	ADMIN_EARLIEST,
	ADMIN_LATEST,
	ADMIN_POSITION,
	ADMIN_TIME
} AdminTargetKind;

typedef struct AdminTarget
{
	AdminTargetKind kind;
	const struct Position *position;
	TimestampTz at;
} AdminTarget;

/*
 * The group of the first argument, kept from all others who would change it until the transaction
 * ends; an error if this transaction has polled it. With whole, all its partitions are claimed too,
 * which waits for those who have them.
 */
extern List *admin_begin(FunctionCallInfo fcinfo, ConsumerGroup *group, bool whole);

/* An argument that says where to go on: earliest, latest, a position, or a time. */
extern AdminTarget admin_target(FunctionCallInfo fcinfo, int argument, const char *name);

/* The offset in a topic that it stands for. */
extern int64 admin_offset(const AdminTarget *target, Oid topic, Snapshot snapshot);

/* Arguments of create_group and alter_group; each must be in its range. */
extern int	admin_partitions(int partitions, int topics);
extern int	admin_max_attempts(int attempts);
extern int64 admin_milliseconds(FunctionCallInfo fcinfo, int argument, const char *name);
extern const char *admin_reset(FunctionCallInfo fcinfo, int argument);

#endif							/* GS_ADMIN_H */
