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
#include "rollup/model/rollup.h"
#include "rollup/model/source.h"

PG_FUNCTION_INFO_V1(gs_drop_rollup);
PG_FUNCTION_INFO_V1(gs_drop_rollup_by_oid);

void
define_lock_whole(const RollupRelations *relations, bool to_drop)
{
	RollupShape *shape = rollup_try_shape(relations);
	Oid			source;
	List	   *tables;
	ListCell   *cell;

	/* There is nothing to lock of what has been dropped meanwhile. */
	if (shape == NULL)
		return;
	source = shape->source;
	LockRelationOid(source, ShareRowExclusiveLock);
	tables = source_tables(source, ShareRowExclusiveLock);
	LockRelationOid(relations->rollup, AccessExclusiveLock);
	LockRelationOid(relations->definition, AccessExclusiveLock);
	LockRelationOid(relations->partials, AccessExclusiveLock);
	foreach(cell, tables)
		if (to_drop)
			LockRelationOid(lfirst_oid(cell), AccessExclusiveLock);
}

static bool
owns_source(const RollupRelations *relations)
{
	return gs_owns_relation(rollup_shape(relations)->source, GetUserId());
}

static bool
owns_view(Oid rollup)
{
	return gs_owns_relation(rollup, GetUserId()) ||
		gs_owns_schema(get_rel_namespace(rollup), GetUserId());
}

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
	if (!owns_view(relid) && !owns_source(&relations))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_VIEW, name);
}

/*
 * By the statement, so that event triggers see it. The view is locked: no other can have its name.
 */
static void
drop_view(Oid rollup, bool cascade)
{
	char *sql = psprintf("DROP VIEW %s%s", name_of_relation(rollup), cascade ? " CASCADE" : "");
	int			nest = owner_fix_search_path();
	int			result;

	SPI_connect();
	result = SPI_execute(sql, false, 0);
	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
	SPI_finish();
	AtEOXact_GUC(false, nest);
}

/* Who owns the source only, drops it in the name of its owner. */
static void
drop_by_right(Oid rollup, bool cascade)
{
	Oid			user;
	int			security;

	GetUserIdAndSecContext(&user, &security);
	if (!owns_view(rollup))
		SetUserIdAndSecContext(catalog_owner(rollup), security | SECURITY_LOCAL_USERID_CHANGE);
	drop_view(rollup, cascade);
	SetUserIdAndSecContext(user, security);
}

/* False if it is not there, or has gone meanwhile. */
static bool
drop_rollup(Oid rollup, bool cascade)
{
	RollupRelations relations;

	check_droppable(rollup);
	if (get_rel_name(rollup) == NULL)
		return false;
	argument_rollup(rollup, &relations);
	define_lock_whole(&relations, true);
	/* it may have been dropped, or its owner changed, while another session had the locks */
	check_droppable(rollup);
	if (get_rel_name(rollup) == NULL)
		return false;
	drop_by_right(rollup, cascade);
	return true;
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

static void
report_missing(const char *name, bool if_exists)
{
	if (!if_exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("rollup \"%s\" does not exist", name)));
	note_missing(name);
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
	argument_writes("gymstream.drop_rollup");
	name = name_parse(PG_GETARG_TEXT_PP(0), "rollup");
	rollup = RangeVarGetRelid(name, NoLock, if_exists);
	if (!OidIsValid(rollup))
		note_missing(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	else if (!drop_rollup(rollup, cascade))
		report_missing(text_to_cstring(PG_GETARG_TEXT_PP(0)), if_exists);
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
	argument_writes("gymstream.drop_rollup");
	rollup = PG_GETARG_OID(0);
	if (!drop_rollup(rollup, cascade))
		report_missing(psprintf("%u", rollup), if_exists);
	PG_RETURN_VOID();
}
