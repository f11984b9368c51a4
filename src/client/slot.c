/*
 * slot.c: making and dropping a logical replication slot.
 *
 * Takes a replication connection and the slot's name, and does it; what is wrong is told on stderr.
 */
#include "postgres_fe.h"

#include "loop.h"
#include "slot.h"
#include "stream.h"

#define DUPLICATE_OBJECT	"42710"

/* Run a command of the replication protocol. An error with the SQLSTATE "passed" is none. */
static bool
slot_command(Connection *c, const char *sql, const char *passed)
{
	PGresult   *result = connection_query(c, sql, 0, NULL);
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	bool		done = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK ||
		(passed && sqlstate && strcmp(sqlstate, passed) == 0);

	if (!done && !loop_stopping())
		fprintf(stderr, "gymstream: %s\n", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) ?
				PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : PQerrorMessage(c->pg));
	PQclear(result);
	return done;
}

/* May wait until transactions that are running have ended. */
bool
slot_create(Connection *c, const char *name, bool two_phase, bool if_not_exists)
{
	PQExpBufferData sql;
	bool		done;

	initPQExpBuffer(&sql);
	appendPQExpBufferStr(&sql, "CREATE_REPLICATION_SLOT ");
	stream_quote(&sql, name, '"');
	appendPQExpBuffer(&sql, " LOGICAL \"gymstream\" (SNAPSHOT 'nothing'%s)", two_phase ? ", TWO_PHASE" : "");
	done = slot_command(c, sql.data, if_not_exists ? DUPLICATE_OBJECT : NULL);
	termPQExpBuffer(&sql);
	return done;
}

bool
slot_drop(Connection *c, const char *name)
{
	PQExpBufferData sql;
	bool		done;

	initPQExpBuffer(&sql);
	appendPQExpBufferStr(&sql, "DROP_REPLICATION_SLOT ");
	stream_quote(&sql, name, '"');
	done = slot_command(c, sql.data, NULL);
	termPQExpBuffer(&sql);
	return done;
}
