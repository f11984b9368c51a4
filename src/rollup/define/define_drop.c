/*
 * define_drop.c: the SQL functions that drop a rollup. Take its name and give DROP VIEW, which
 * takes the rest away: drop.c. A relation that is no rollup they leave alone.
 */
#include "rollup/define/define.h"

#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "base/argument.h"
#include "base/name.h"
#include "base/owner.h"

PG_FUNCTION_INFO_V1(gs_drop_rollup);
PG_FUNCTION_INFO_V1(gs_drop_rollup_by_oid);

/*
 * What DROP VIEW asks for, asked before anything is locked. Nothing to say of a relation that is
 * not there.
 */
static void
check_droppable(Oid relid)
{
	const char *name = OidIsValid(relid) ? get_rel_name(relid) : NULL;
	RollupRelations relations;

	if (name == NULL)
		return;
	argument_rollup(relid, &relations);
	if (!gs_owns_relation(relid, GetUserId()) && !gs_owns_schema(get_rel_namespace(relid), GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, name);
}

static void
check_before_lock(const RangeVar *name, Oid relid, Oid before, void *context)
{
	check_droppable(relid);
}

/*
 * By the statement, so that event triggers see it. The view is locked: no other can have its name.
 */
static void
drop_view(Oid rollup, bool cascade)
{
	char	   *sql = psprintf("DROP VIEW %s%s", name_of_relation(rollup), cascade ? " CASCADE" : "");
	int			nest = owner_fix_search_path();
	int			result;

	SPI_connect();
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	SPI_finish();
	AtEOXact_GUC(false, nest);
}

static void
require_rollup(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the rollup must not be null")));
}

static void
note_missing(const char *name)
{
	ereport(NOTICE,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("rollup \"%s\" does not exist, skipping", name)));
}

/* gymstream.drop_rollup(rollup text, if_exists boolean, cascade boolean) returns void */
Datum
gs_drop_rollup(PG_FUNCTION_ARGS)
{
	bool		if_exists = argument_switch(fcinfo, 1, "if_exists");
	bool		cascade = argument_switch(fcinfo, 2, "cascade");
	RangeVar   *name;
	Oid			rollup;

	require_rollup(fcinfo);
	name = define_parse_name(PG_GETARG_TEXT_PP(0));
	rollup = RangeVarGetRelidExtended(name, AccessExclusiveLock, if_exists ? RVR_MISSING_OK : 0,
									  check_before_lock, NULL);
	if (OidIsValid(rollup))
		drop_view(rollup, cascade);
	else
		note_missing(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}

/* gymstream.drop_rollup(rollup regclass, if_exists boolean, cascade boolean) returns void */
Datum
gs_drop_rollup_by_oid(PG_FUNCTION_ARGS)
{
	bool		if_exists = argument_switch(fcinfo, 1, "if_exists");
	bool		cascade = argument_switch(fcinfo, 2, "cascade");
	Oid			rollup;

	require_rollup(fcinfo);
	rollup = PG_GETARG_OID(0);
	check_droppable(rollup);
	LockRelationOid(rollup, AccessExclusiveLock);
	/* it may have been dropped, or its owner changed, while another session had the lock */
	check_droppable(rollup);
	if (get_rel_name(rollup))
		drop_view(rollup, cascade);
	else if (if_exists)
		note_missing(psprintf("%u", rollup));
	else
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", rollup)));
	PG_RETURN_VOID();
}
