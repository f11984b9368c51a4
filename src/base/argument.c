/*
 * argument.c: takes an argument of an SQL function and gives its value, or an error that names the
 * argument.
 */
#include "base/argument.h"

bool
argument_switch(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_NARGS() <= argument)
		return false;
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name),
				 errhint("Pass true or false.")));
	return PG_GETARG_BOOL(argument);
}
