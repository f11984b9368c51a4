/*
 * debezium_schema.c: takes a column and gives the schema, in Kafka Connect's words, of the values that debezium.c makes.
 */
#include "debezium.h"

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

/* "a,b,c" of an enum's labels, in order; read under the snapshot in force, as all of the catalog while decoding */
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
	ScanKeyInit(&key, Anum_pg_enum_enumtypid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(type));
	scan = systable_beginscan_ordered(catalog, index, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext_ordered(scan, ForwardScanDirection)))
		appendStringInfo(&labels, "%s%s", labels.len > 0 ? "," : "", NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel));
	systable_endscan_ordered(scan);
	index_close(index, AccessShareLock);
	table_close(catalog, AccessShareLock);
	json_append_string(out, labels.data, labels.len);
}

/* The names that Debezium gives to what is a string to Kafka Connect. */
static void
append_string_type(StringInfo out, Oid type)
{
	appendStringInfoString(out, "\"type\":\"string\"");
	if (type == UUIDOID)
		appendStringInfoString(out, ",\"name\":\"io.debezium.data.Uuid\",\"version\":1");
	else if (type == JSONOID || type == JSONBOID)
		appendStringInfoString(out, ",\"name\":\"io.debezium.data.Json\",\"version\":1");
	else if (type == XMLOID)
		appendStringInfoString(out, ",\"name\":\"io.debezium.data.Xml\",\"version\":1");
	else if (get_typtype(type) == TYPTYPE_ENUM)
	{
		appendStringInfoString(out, ",\"name\":\"io.debezium.data.Enum\",\"version\":1,\"parameters\":{\"allowed\":");
		append_labels(out, type);
		appendStringInfoChar(out, '}');
	}
}

static void
append_plain_type(StringInfo out, Oid type)
{
	appendStringInfo(out, "\"type\":\"%s\"", type == BOOLOID ? "boolean" : type == INT2OID ? "int16" : type == INT4OID ? "int32" :
					 type == INT8OID ? "int64" : type == FLOAT4OID ? "float" : "double");
}

static void
append_named(StringInfo out, const char *type, const char *name)
{
	appendStringInfo(out, "\"type\":\"%s\",\"name\":\"%s\",\"version\":1", type, name);
}

static void
append_decimal_type(StringInfo out, int scale, int precision)
{
	append_named(out, "bytes", "org.apache.kafka.connect.data.Decimal");
	appendStringInfo(out, ",\"parameters\":{\"scale\":\"%d\",\"connect.decimal.precision\":\"%d\"}", scale, precision);
}

static void
append_type(StringInfo out, const DebeziumColumn *column)
{
	switch (column->kind)
	{
		case DEBEZIUM_PLAIN:
			append_plain_type(out, column->type);
			break;
		case DEBEZIUM_OID:
			appendStringInfoString(out, "\"type\":\"int64\"");
			break;
		case DEBEZIUM_DECIMAL:
			append_decimal_type(out, DEBEZIUM_SCALE(column->typmod), DEBEZIUM_PRECISION(column->typmod));
			break;
		case DEBEZIUM_MONEY:
			append_decimal_type(out, 2, 19);
			break;
		case DEBEZIUM_VARIABLE_DECIMAL:
			append_named(out, "struct", "io.debezium.data.VariableScaleDecimal");
			appendStringInfoString(out, ",\"fields\":[{\"type\":\"int32\",\"optional\":false,\"field\":\"scale\"},"
								   "{\"type\":\"bytes\",\"optional\":false,\"field\":\"value\"}]");
			break;
		case DEBEZIUM_DECIMAL_DOUBLE:
			appendStringInfoString(out, "\"type\":\"double\"");
			break;
		case DEBEZIUM_DATE:
			append_named(out, "int32", "io.debezium.time.Date");
			break;
		case DEBEZIUM_TIME:
			append_named(out, "int64", "io.debezium.time.MicroTime");
			break;
		case DEBEZIUM_TIME_MS:
			append_named(out, "int32", "io.debezium.time.Time");
			break;
		case DEBEZIUM_TIMETZ:
			append_named(out, "string", "io.debezium.time.ZonedTime");
			break;
		case DEBEZIUM_TIMESTAMP:
			append_named(out, "int64", "io.debezium.time.MicroTimestamp");
			break;
		case DEBEZIUM_TIMESTAMP_MS:
			append_named(out, "int64", "io.debezium.time.Timestamp");
			break;
		case DEBEZIUM_TIMESTAMPTZ:
			append_named(out, "string", "io.debezium.time.ZonedTimestamp");
			break;
		case DEBEZIUM_INTERVAL:
			append_named(out, "int64", "io.debezium.time.MicroDuration");
			break;
		case DEBEZIUM_BYTES:
			appendStringInfoString(out, "\"type\":\"bytes\"");
			break;
		case DEBEZIUM_BIT:
			appendStringInfoString(out, "\"type\":\"boolean\"");
			break;
		case DEBEZIUM_BITS:
			append_named(out, "bytes", "io.debezium.data.Bits");
			appendStringInfo(out, ",\"parameters\":{\"length\":\"%d\"}", column->typmod >= 0 ? column->typmod : PG_INT32_MAX);
			break;
		case DEBEZIUM_POINT:
			append_named(out, "struct", "io.debezium.data.geometry.Point");
			appendStringInfoString(out, ",\"fields\":[{\"type\":\"double\",\"optional\":false,\"field\":\"x\"},"
								   "{\"type\":\"double\",\"optional\":false,\"field\":\"y\"},"
								   "{\"type\":\"bytes\",\"optional\":true,\"field\":\"wkb\"},"
								   "{\"type\":\"int32\",\"optional\":true,\"field\":\"srid\"}]");
			break;
		case DEBEZIUM_ARRAY:
			appendStringInfoString(out, "\"type\":\"array\",\"items\":");
			debezium_append_schema(out, column->element, NULL, true);
			break;
		default:
			append_string_type(out, column->type);
			break;
	}
}

void
debezium_append_schema(StringInfo out, const DebeziumColumn *column, const char *name, bool optional)
{
	appendStringInfoChar(out, '{');
	append_type(out, column);
	appendStringInfo(out, ",\"optional\":%s", optional ? "true" : "false");
	if (name != NULL)
	{
		appendStringInfoString(out, ",\"field\":");
		json_append_string(out, name, strlen(name));
	}
	appendStringInfoChar(out, '}');
}
