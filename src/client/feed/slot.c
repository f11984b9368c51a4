/*
 * slot.c: making and dropping a logical replication slot.
 *
 * Takes a replication connection and the slot's name, and does it; what is wrong is told on stderr.
 */
#include "postgres_fe.h"

#include "client/base/loop.h"
#include "client/feed/slot.h"
#include "client/feed/stream.h"

#define DUPLICATE_OBJECT	"42710"

/*
 * Run a command of the replication protocol about the slot. An error with the SQLSTATE "passed"
 * is none.
 */
static bool
slot_command(Connection *c, const char *verb, const char *name, const char *rest,
			 const char *passed)
{
	PQExpBufferData sql;
	PGresult   *result;
	const char *sqlstate;
	bool		done;

	initPQExpBuffer(&sql);
	appendPQExpBufferStr(&sql, verb);
	stream_quote(&sql, name, '"');
	appendPQExpBufferStr(&sql, rest);
	result = connection_query(c, sql.data, 0, NULL);
	termPQExpBuffer(&sql);
	sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	done = PQresultStatus(result) == PGRES_COMMAND_OK ||
		PQresultStatus(result) == PGRES_TUPLES_OK ||
		(passed && sqlstate && strcmp(sqlstate, passed) == 0);
	if (!done)
		connection_complain(c, result);
	PQclear(result);
	return done;
}

bool
slot_create(Connection *c, const char *name, bool two_phase, bool failover, bool if_not_exists)
{
	char	   *rest = psprintf(" LOGICAL \"gymstream\" (SNAPSHOT 'nothing'%s%s)",
								two_phase ? ", TWO_PHASE" : "",
								failover ? ", FAILOVER" : "");
	bool		done = slot_command(c, "CREATE_REPLICATION_SLOT ", name, rest,
									if_not_exists ? DUPLICATE_OBJECT : NULL);

	/* the server's own words are "unrecognized option: failover" */
	if (!done && failover && !loop_stopping())
		fprintf(stderr,
				"HINT:  PostgreSQL 17 and later can make a slot with --failover, and only a "
				"primary can.\n");
	free(rest);
	return done;
}

bool
slot_drop(Connection *c, const char *name)
{
	return slot_command(c, "DROP_REPLICATION_SLOT ", name, "", NULL);
}
