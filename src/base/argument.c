/*
 * argument.c: takes an argument of an SQL function and gives its value, or an error that says what
 * is wrong with it. Also what such a function asks of its caller and the transaction.
 */
#include "base/argument.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

bool
argument_switch(FunctionCallInfo fcinfo, int argument, const char *name)
{
	/* The SQL of an older version of the extension declares the function without this argument. */
	if (PG_NARGS() <= argument)
		return false;
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name),
				 errhint("Pass true or false.")));
	return PG_GETARG_BOOL(argument);
}

void
argument_rollup(Oid rollup, RollupRelations *relations)
{
	/* The name may be NULL: a regclass is a number, and need not be of any relation. */
	const char *name = get_rel_name(rollup);

	if (!catalog_relations(ROLLUP_ROLLUP, rollup, relations))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a rollup", name ? name : "?"),
				 errhint("The view gymstream.rollups lists all rollups.")));
}

void
argument_own_rollup(Oid rollup, RollupRelations *relations)
{
	argument_rollup(rollup, relations);
	if (!gs_owns_relation(rollup, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, get_rel_name(rollup));
}

void
argument_writes(const char *function)
{
	/* The server asks this of statements: what functions do beneath SQL it does not see. */
	PreventCommandIfReadOnly(psprintf("%s()", function));
}

void
argument_read_committed(const char *function)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction that is REPEATABLE READ or SERIALIZABLE",
						function),
				 errdetail("It must see all that has been committed, which the transaction's "
						   "snapshot may not."),
				 errhint("Run it in a READ COMMITTED transaction.")));
}
