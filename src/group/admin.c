/*
 * admin.c: takes the arguments of those who make and change groups, and keeps others from doing so
 * at the same time.
 */
#include "group/admin.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "group/ack.h"
#include "group/partition.h"
#include "log/log_scan.h"

/* the type position has its own input */
extern Datum gs_position_in(PG_FUNCTION_ARGS);

#define MOST_MS (INT64CONST(30) * 24 * 3600 * 1000)

List *
admin_begin(FunctionCallInfo fcinfo, ConsumerGroup *group, bool whole)
{
	int32		id;
	List	   *topics;

	group_argument(fcinfo, 0, group);
	cell_check();
	if (ack_has(group->id))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("cannot change group \"%s\" in a transaction that has polled it",
						group->name),
				 errhint("Commit first.")));
	partition_lock_group(group);
	/* It may have been changed or dropped while we waited. */
	id = group->id;
	group_argument(fcinfo, 0, group);
	if (group->id != id)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("group \"%s\" was made anew meanwhile", group->name)));
	topics = group_topics(group);
	if (whole)
		partition_claim_all(group, topics);
	return topics;
}

/* ---- where to go on ---- */

AdminTarget
admin_target(FunctionCallInfo fcinfo, int argument, const char *name)
{
	AdminTarget target = {ADMIN_LATEST};
	char	   *value;

	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name),
				 errhint("Use 'latest', 'earliest', a position or a time.")));
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	if (strcmp(value, "latest") == 0)
		return target;
	target.kind = ADMIN_EARLIEST;
	if (strcmp(value, "earliest") == 0)
		return target;
	/* Only positions begin with eight digits and a slash. */
	if (strlen(value) > 8 && value[8] == '/' && strspn(value, "0123456789ABCDEFabcdef") == 8)
	{
		target.kind = ADMIN_POSITION;
		target.position = (const Position *) DatumGetPointer(
			DirectFunctionCall1(gs_position_in, CStringGetDatum(value)));
		return target;
	}
	target.kind = ADMIN_TIME;
	target.at = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(value),
														ObjectIdGetDatum(InvalidOid),
														Int32GetDatum(-1)));
	return target;
}

int64
admin_offset(const AdminTarget *target, Oid topic, Snapshot snapshot)
{
	int64		first = 1;
	int64		next = 1;

	/* A topic whose log has not begun yet begins with 1. */
	if (!log_range(topic, snapshot, &first, &next))
		return 1;
	switch (target->kind)
	{
		case ADMIN_EARLIEST:
			return first;
		case ADMIN_LATEST:
			return next;
		case ADMIN_POSITION:
			return log_offset_after(topic, target->position, snapshot);
		case ADMIN_TIME:
			return log_offset_at(topic, target->at, snapshot);
	}
	return next;
}

/* ---- numbers ---- */

static void
check_range(const char *name, int64 value, int64 least, int64 most)
{
	if (value < least || value > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", name),
				 errhint("Use a value from " INT64_FORMAT " to " INT64_FORMAT ".", least, most)));
}

int
admin_partitions(int partitions, int topics)
{
	check_range("partitions", partitions, 1,
				Min(GROUP_MAX_PARTITIONS, GROUP_MAX_CLAIMS / Max(topics, 1)));
	return partitions;
}

int
admin_max_attempts(int attempts)
{
	check_range("max_attempts", attempts, 1, GROUP_MAX_ATTEMPTS);
	return attempts;
}

int64
admin_milliseconds(FunctionCallInfo fcinfo, int argument, const char *name)
{
	int64		ms = group_interval_ms(PG_GETARG_INTERVAL_P(argument));

	if (ms < 0 || ms > MOST_MS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is out of range", name),
				 errhint("Use an interval from 0 to 30 days.")));
	return ms;
}

const char *
admin_reset(FunctionCallInfo fcinfo, int argument)
{
	const char *reset = text_to_cstring(PG_GETARG_TEXT_PP(argument));

	if (strcmp(reset, "earliest") != 0 && strcmp(reset, "latest") != 0 &&
		strcmp(reset, "error") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value \"%s\" for reset", reset),
				 errhint("Use 'earliest', 'latest' or 'error'.")));
	return reset;
}
