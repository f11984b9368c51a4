/*
 * progress.c: takes the rows of a source as a rollup is filled from them, and shows others how many
 * there were, in this backend's entry among the server's statistics of activity, where the server's
 * own commands show theirs.
 *
 * progress() in the WHERE of the statement that fills a rollup counts the rows. It is harmless in
 * any hands: where no rollup is being filled it counts nothing.
 */
#include "rollup/define/progress.h"

#include "access/table.h"
#include "catalog/pg_authid.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "utils/acl.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "rollup/model/source.h"

/* No command of the server's own has this number; it knows no name of it, and shows it nowhere. */
#define PROGRESS_COMMAND ((ProgressCommandType) 0x47796d)

/* what is told */
#define PARAM_ROLLUP 0
#define PARAM_DONE 1
#define PARAM_TOTAL 2

/* tell after so many rows: a power of two */
#define ROWS_A_TIME 4096

static bool counting = false;
static int64 rows_done = 0;

static int64
estimate_rows(Oid source)
{
	double		total = 0;
	ListCell   *cell;

	foreach(cell, source_tables(source, AccessShareLock))
	{
		Relation	relation = table_open(lfirst_oid(cell), AccessShareLock);
		BlockNumber pages;
		double		rows = 0;
		double		allvisible;

		if (relation->rd_rel->relkind == RELKIND_RELATION)
			estimate_rel_size(relation, NULL, &pages, &rows, &allvisible);
		total += rows;
		table_close(relation, NoLock);
	}
	return (int64) total;
}

void
progress_begin(Oid rollup, Oid source)
{
	static const int params[] = {PARAM_ROLLUP, PARAM_DONE, PARAM_TOTAL};
	int64		values[] = {rollup, 0, estimate_rows(source)};

	counting = true;
	rows_done = 0;
	pgstat_progress_start_command(PROGRESS_COMMAND, source);
	pgstat_progress_update_multi_param(lengthof(params), params, values);
}

void
progress_end(void)
{
	counting = false;
	pgstat_progress_end_command();
}

/* progress() returns boolean: always true */
PG_FUNCTION_INFO_V1(gs_progress);
Datum
gs_progress(PG_FUNCTION_ARGS)
{
	if (counting && ++rows_done % ROWS_A_TIME == 0)
	{
		/* the end of an earlier transaction may have ended it */
		if (MyBEEntry && MyBEEntry->st_progress_command == PROGRESS_COMMAND)
			pgstat_progress_update_param(PARAM_DONE, rows_done);
		else
			counting = false;
	}
	PG_RETURN_BOOL(true);
}

/* create_progress_rows(): a row for each backend of this database that makes a rollup */
PG_FUNCTION_INFO_V1(gs_create_progress);
Datum
gs_create_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool		sees_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 1; i <= pgstat_fetch_stat_numbackends(); i++)
	{
		PgBackendStatus *backend = &gs_backend_status(i)->backendStatus;
		Datum		values[5];
		bool		nulls[5] = {false};

		if (backend->st_progress_command != PROGRESS_COMMAND ||
			backend->st_databaseid != MyDatabaseId ||
			!(sees_all || has_privs_of_role(GetUserId(), backend->st_userid)))
			continue;
		values[0] = Int32GetDatum(backend->st_procpid);
		values[1] = ObjectIdGetDatum((Oid) backend->st_progress_param[PARAM_ROLLUP]);
		values[2] = ObjectIdGetDatum(backend->st_progress_command_target);
		values[3] = Int64GetDatum(backend->st_progress_param[PARAM_DONE]);
		values[4] = Int64GetDatum(backend->st_progress_param[PARAM_TOTAL]);
		nulls[4] = backend->st_progress_param[PARAM_TOTAL] == 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
