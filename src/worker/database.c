/*
 * database.c: takes utility commands before they run. Those that need a database without
 * connections or active slots first have its workers ended; they come back at the end of the
 * transaction, if the database is still there. After a DROP or CREATE EXTENSION the workers look at
 * their catalogs again.
 */
#include "worker/database.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/syscache.h"

#include "base/settings.h"
#include "base/shared.h"
#include "base/utility.h"

static bool
database_may_create(Oid role)
{
	HeapTuple	tuple;
	bool		result = false;

	if (superuser_arg(role))
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	if (HeapTupleIsValid(tuple))
	{
		result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return result;
}

/*
 * Nobody may end the workers of a database with a command that is then refused for lack of rights.
 */
static bool
database_may_hold(Oid database, bool as_template)
{
	HeapTuple	tuple;
	bool		result;

	if (gs_owns_database(database, GetUserId()))
		return true;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return false;
	result = as_template && ((Form_pg_database) GETSTRUCT(tuple))->datistemplate &&
			 database_may_create(GetUserId());
	ReleaseSysCache(tuple);
	return result;
}

/*
 * A name that no database has, or a right that is missing, is not complained of here: the command
 * that follows does that.
 */
static void
database_hold(const char *name, bool as_template)
{
	Oid			database = name ? get_database_oid(name, true) : InvalidOid;

	if (OidIsValid(database) && database_may_hold(database, as_template))
		shared_hold_database(database);
}

/* The value of an option of CREATE or ALTER DATABASE, or NULL. */
static char *
database_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

/*
 * Runs before the command has checked anything. The holds end with the transaction, whether the
 * command succeeds or fails.
 */
static void
database_before(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			database_hold(((DropdbStmt *) statement)->dbname, false);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				database_hold(((RenameStmt *) statement)->subname, false);
			break;
		case T_AlterDatabaseStmt:
			if (database_option(((AlterDatabaseStmt *) statement)->options, "tablespace") != NULL)
				database_hold(((AlterDatabaseStmt *) statement)->dbname, false);
			break;
		/* The server copies a template only while nobody is connected to it. */
		case T_CreatedbStmt:
			{
				char *source = database_option(((CreatedbStmt *) statement)->options, "template");

				database_hold(source ? source : "template1", true);
				break;
			}

		/*
		 * What is dropped may be a topic, its relation or the extension: the publisher finds out.
		 */
		case T_DropStmt:
		case T_DropOwnedStmt:
			shared_poke_at_commit();
			break;
		/* Whatever extension it is: the launcher has a look, and gives the place free again. */
		case T_CreateExtensionStmt:
			shared_try_at_commit(MyDatabaseId);
			break;
		default:
			break;
	}
}

/*
 * What a COMMIT PREPARED has committed may be a topic or the extension itself: there is no way to
 * tell.
 */
static void
database_after_prepared(void)
{
	if (pg_atomic_read_u32(&shared_state->prepared_poke) == 0)
		return;
	shared_poke_at_commit();
	/* A database without a place takes one only if it has the extension by now. */
	if (shared_mine() == NULL && OidIsValid(get_extension_oid(GS_SCHEMA, true)))
		shared_try_at_commit(MyDatabaseId);
}

static void
database_after(Node *statement, bool prepared)
{
	if (prepared)
		database_after_prepared();
	if (statement == NULL)
		return;
	switch (nodeTag(statement))
	{
		/* A copy has the extension where its template has it. */
		case T_CreatedbStmt:
			shared_try_at_commit(get_database_oid(((CreatedbStmt *) statement)->dbname, true));
			break;
		case T_AlterDatabaseStmt:
			if (database_option(((AlterDatabaseStmt *) statement)->options, "allow_connections") !=
				NULL)
				shared_try_at_commit(
					get_database_oid(((AlterDatabaseStmt *) statement)->dbname, true));
			break;
		default:
			break;
	}
}

void
database_init(void)
{
	static UtilityWatch watch = {database_before, database_after};

	if (settings_is_preloaded())
		utility_watch(&watch);
}
