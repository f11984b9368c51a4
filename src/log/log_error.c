/*
 * log_error.c: takes where a log cannot be read, and raises the error.
 */
#include "log/log_error.h"

void
log_refuse_damage(int64 first)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the events from offset " INT64_FORMAT " on cannot be read", first),
			 errdetail("Their record batch is damaged.")));
	pg_unreachable();
}
