/*
 * debezium_schema.c: takes a column and gives the schema, in Kafka Connect's words, of the values
 * that debezium.c makes.
 */
#include "decode/debezium.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/*
 * "a,b,c" of an enum's labels, in order; read under the snapshot in force, as all of the catalog
 * while decoding
 */
static void
append_labels(StringInfo out, Oid type)
{
	Relation	catalog = table_open(EnumRelationId, AccessShareLock);
	Relation	index = index_open(EnumTypIdSortOrderIndexId, AccessShareLock);
	StringInfoData labels;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	initStringInfo(&labels);
	ScanKeyInit(&key, Anum_pg_enum_enumtypid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(type));
	scan = systable_beginscan_ordered(catalog, index, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
		appendStringInfo(&labels, "%s%s", labels.len > 0 ? "," : "",
						 NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(catalog, AccessShareLock);
	json_append_string(out, labels.data, labels.len);
}

static void
append_plain(StringInfo out, const char *type, const char *optional)
{
	appendStringInfo(out, "\"type\":\"%s\",\"optional\":%s", type, optional);
}

static void
append_named(StringInfo out, const char *type, const char *optional, const char *name)
{
	append_plain(out, type, optional);
	appendStringInfo(out, ",\"name\":\"%s\",\"version\":1", name);
}

static void
append_struct(StringInfo out, const char *fields, const char *optional, const char *name,
			  const char *doc)
{
	appendStringInfo(out,
					 "\"type\":\"struct\",\"fields\":[%s],\"optional\":%s,\"name\":\"%s\","
					 "\"version\":1,\"doc\":\"%s\"",
					 fields, optional, name, doc);
}

/*
 * The names that Debezium gives to what is a string to Kafka Connect. Called when a relation is
 * prepared, where catalogs can be read.
 */
static void
append_string_type(StringInfo out, const DebeziumColumn *column, const char *optional)
{
	Oid			type = column->type;

	if (type == UUIDOID)
		append_named(out, "string", optional, "io.debezium.data.Uuid");
	else if (type == JSONOID || type == JSONBOID || column->kind == DEBEZIUM_HSTORE)
		append_named(out, "string", optional, "io.debezium.data.Json");
	else if (type == XMLOID)
		append_named(out, "string", optional, "io.debezium.data.Xml");
	else if (type == TSVECTOROID)
		append_named(out, "string", optional, "io.debezium.data.Tsvector");
	else if (column->kind == DEBEZIUM_TEXT && debezium_is_printed_by(type, "ltree_out"))
		append_named(out, "string", optional, "io.debezium.data.Ltree");
	else if (get_typtype(type) == TYPTYPE_ENUM)
	{
		append_named(out, "string", optional, "io.debezium.data.Enum");
		appendStringInfoString(out, ",\"parameters\":{\"allowed\":");
		append_labels(out, type);
		appendStringInfoChar(out, '}');
	}
	else
		append_plain(out, "string", optional);
}

static const char *
plain_type(Oid type)
{
	return type == BOOLOID ? "boolean" : type == INT2OID ? "int16" : type == INT4OID ? "int32" :
		type == FLOAT4OID ? "float" : type == FLOAT8OID ? "double" : "int64";
}

/*
 * The type modifier is -1 where the column has none: bits then have no length, and the largest
 * number stands for it.
 */
static void
append_type(StringInfo out, const DebeziumColumn *column, const char *optional)
{
	switch (column->kind)
	{
		case DEBEZIUM_PLAIN:
		case DEBEZIUM_FLOAT:
		case DEBEZIUM_OID:
			append_plain(out, plain_type(column->type), optional);
			break;
		case DEBEZIUM_DECIMAL:
			append_named(out, "bytes", optional, "org.apache.kafka.connect.data.Decimal");
			appendStringInfo(
				out, ",\"parameters\":{\"scale\":\"%d\",\"connect.decimal.precision\":\"%d\"}",
				DEBEZIUM_SCALE(column->typmod), DEBEZIUM_PRECISION(column->typmod));
			break;
		case DEBEZIUM_MONEY:
			append_named(out, "bytes", optional, "org.apache.kafka.connect.data.Decimal");
			appendStringInfoString(out, ",\"parameters\":{\"scale\":\"2\"}");
			break;
		case DEBEZIUM_VARIABLE_DECIMAL:
			append_struct(out,
						  "{\"type\":\"int32\",\"optional\":false,\"field\":\"scale\"},"
						  "{\"type\":\"bytes\",\"optional\":false,\"field\":\"value\"}",
						  optional, "io.debezium.data.VariableScaleDecimal",
						  "Variable scaled decimal");
			break;
		case DEBEZIUM_DECIMAL_DOUBLE:
		case DEBEZIUM_MONEY_DOUBLE:
			append_plain(out, "double", optional);
			break;
		case DEBEZIUM_DATE:
			append_named(out, "int32", optional, "io.debezium.time.Date");
			break;
		case DEBEZIUM_TIME:
			append_named(out, "int64", optional, "io.debezium.time.MicroTime");
			break;
		case DEBEZIUM_TIME_MS:
			append_named(out, "int32", optional, "io.debezium.time.Time");
			break;
		case DEBEZIUM_TIMETZ:
			append_named(out, "string", optional, "io.debezium.time.ZonedTime");
			break;
		case DEBEZIUM_TIMESTAMP:
			append_named(out, "int64", optional, "io.debezium.time.MicroTimestamp");
			break;
		case DEBEZIUM_TIMESTAMP_MS:
			append_named(out, "int64", optional, "io.debezium.time.Timestamp");
			break;
		case DEBEZIUM_TIMESTAMPTZ:
			append_named(out, "string", optional, "io.debezium.time.ZonedTimestamp");
			break;
		case DEBEZIUM_INTERVAL:
			append_named(out, "int64", optional, "io.debezium.time.MicroDuration");
			break;
		case DEBEZIUM_BYTES:
			append_plain(out, "bytes", optional);
			break;
		case DEBEZIUM_BIT:
			append_plain(out, "boolean", optional);
			break;
		case DEBEZIUM_BITS:
			append_named(out, "bytes", optional, "io.debezium.data.Bits");
			appendStringInfo(out, ",\"parameters\":{\"length\":\"%d\"}",
							 column->typmod >= 0 ? column->typmod : PG_INT32_MAX);
			break;
		case DEBEZIUM_POINT:
			append_struct(out, "{\"type\":\"double\",\"optional\":false,\"field\":\"x\"},"
						  "{\"type\":\"double\",\"optional\":false,\"field\":\"y\"},"
						  "{\"type\":\"bytes\",\"optional\":true,\"field\":\"wkb\"},"
						  "{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}",
						  optional, "io.debezium.data.geometry.Point", "Geometry (POINT)");
			break;
		case DEBEZIUM_ARRAY:
			appendStringInfoString(out, "\"type\":\"array\",\"items\":");
			debezium_append_schema(out, column->element, NULL, true);
			appendStringInfo(out, ",\"optional\":%s", optional);
			break;
		default:
			append_string_type(out, column, optional);
			break;
	}
}

void
debezium_append_schema(StringInfo out, const DebeziumColumn *column, const char *name,
					   bool optional)
{
	appendStringInfoChar(out, '{');
	append_type(out, column, optional ? "true" : "false");
	if (name != NULL)
	{
		appendStringInfoString(out, ",\"field\":");
		json_append_string(out, name, strlen(name));
	}
	appendStringInfoChar(out, '}');
}
