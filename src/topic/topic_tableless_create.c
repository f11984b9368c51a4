/*
 * topic_tableless_create.c: takes a name and gives a topic of no table: a table that keeps no rows,
 * its trigger, and a topic on it. All is done as the caller, who becomes the owner.
 */
#include "topic/topic.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/argument.h"
#include "base/name.h"
#include "base/owner.h"
#include "base/shared.h"

PG_FUNCTION_INFO_V1(gs_create_event_topic);

/* What the topic's table is to be called, whether or not there is such a relation. */
static QualifiedName
new_name(text *given)
{
	RangeVar   *name = name_parse(given, "topic");
	QualifiedName result = {RangeVarGetCreationNamespace(name), name->relname};

	if (isAnyTempNamespace(result.schema))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_SCHEMA_NAME),
				 errmsg("a topic cannot be in a temporary schema")));
	return result;
}

static void
run(const char *sql)
{
	int			result = SPI_execute(sql, false, 0);

	if (result < 0)
		elog(ERROR, "could not run \"%s\": %s", sql, SPI_result_code_string(result));
}

static void
create_table(const QualifiedName *name)
{
	const char *table = name_qualified(name);

	run(psprintf("CREATE TABLE %s (key pg_catalog.text, value pg_catalog.jsonb, "
				 "headers pg_catalog.jsonb)", table));
	run(psprintf("COMMENT ON TABLE %s IS 'a topic of gymstream: what is inserted is published, and "
				 "no row is kept'", table));
	/* Triggers of the owner's with a name before this one may change what is published. */
	run(psprintf("CREATE TRIGGER gymstream_publish BEFORE INSERT ON %s FOR EACH ROW "
				 "EXECUTE FUNCTION " GS_INTERNAL ".publish_row()", table));
	run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER gymstream_publish", table));
}

/* Let create_topic do its part, with our arguments: they are checked there. */
static Datum
create_topic(FunctionCallInfo fcinfo, Oid relation, bool if_not_exists)
{
	LOCAL_FCINFO(call, 7);
	Datum		name = DirectFunctionCall1(namein, CStringGetDatum("key"));
	ArrayType  *key = construct_array(&name, 1, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR);

	InitFunctionCallInfoData(*call, fcinfo->flinfo, 7, InvalidOid, NULL, NULL);
	call->args[0] = (NullableDatum) {ObjectIdGetDatum(relation), false};
	/* notify, retain and retain_bytes stand in the same places */
	for (int i = 1; i <= 3; i++)
		call->args[i] = fcinfo->args[i];
	call->args[4] = (NullableDatum) {PointerGetDatum(key), false};
	call->args[5] = fcinfo->args[4];
	call->args[6] = (NullableDatum) {BoolGetDatum(if_not_exists), false};
	return gs_create_topic(call);
}

/* An error unless the relation is the table of a topic of no table. */
static void
require_tableless(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);

	if (!topic_is_tableless(rel))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", RelationGetRelationName(rel)),
				 errdetail("It is not a topic of no table."),
				 errhint("Choose another name.")));
	relation_close(rel, NoLock);
}

/*
 * create_event_topic(name text, notify text, retain interval, retain_bytes bigint, channel_by
 * name[], if_not_exists boolean) returns text: the channel
 */
Datum
gs_create_event_topic(PG_FUNCTION_ARGS)
{
	bool		if_not_exists = argument_switch(fcinfo, 5, "if_not_exists");
	QualifiedName name;
	Oid			relid;
	Datum		channel;
	int			nest;

	argument_writes("gymstream.create_event_topic");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("name must not be null")));
	topic_check_server();
	name = new_name(PG_GETARG_TEXT_PP(0));
	relid = get_relname_relid(name.name, name.schema);
	if (OidIsValid(relid) && if_not_exists)
	{
		require_tableless(relid);
		return create_topic(fcinfo, relid, true);
	}
	if (OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation \"%s\" already exists", name.name),
				 errhint("Choose another name, or change the topic with gymstream.alter_topic.")));

	/* A new decoder waits for who has written, as this transaction is about to. */
	(void) shared_prepare_decoder();
	/* From here on nothing is found by the caller's search_path. */
	nest = owner_fix_search_path();
	SPI_connect();
	create_table(&name);
	SPI_finish();
	channel = create_topic(fcinfo, get_relname_relid(name.name, name.schema), false);
	AtEOXact_GUC(false, nest);
	PG_RETURN_DATUM(channel);
}

bool
topic_drop_tableless(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		tableless = rel != NULL && topic_is_tableless(rel);
	int			nest;

	if (rel != NULL)
		relation_close(rel, NoLock);
	if (!tableless)
		return false;
	nest = owner_fix_search_path();
	SPI_connect();
	/* The event trigger for drops takes the topic with it. */
	run(psprintf("DROP TABLE %s", name_of_relation(relid)));
	SPI_finish();
	AtEOXact_GUC(false, nest);
	return true;
}
