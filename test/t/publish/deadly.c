/*
 * deadly.c: a library for a server under test: functions that kill the worker which calls them.
 *
 *	deadly_out(deadly) returns cstring		the output of a type that is stored as text is
 *	deadly(bigint, text) returns bigint		its first argument
 *
 * The value 13 kills the decoder by a signal, and the publisher, or which worker else the text names, likewise.
 */
#include "postgres.h"

#include <unistd.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(deadly_out);
PG_FUNCTION_INFO_V1(deadly);

static bool
is_worker(const char *name)
{
	return MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_type, name) == 0;
}

Datum
deadly_out(PG_FUNCTION_ARGS)
{
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(0));

	if (is_worker("gymstream decoder") && strcmp(value, "13") == 0)
		kill(getpid(), SIGKILL);
	PG_RETURN_CSTRING(value);
}

Datum
deadly(PG_FUNCTION_ARGS)
{
	char	   *worker = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (is_worker(worker) && PG_GETARG_INT64(0) == 13)
		kill(getpid(), SIGKILL);
	PG_RETURN_INT64(PG_GETARG_INT64(0));
}
