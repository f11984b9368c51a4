/*
 * canonical.c: takes the values of a group's keys, as some change had them, and gives those by
 * which all events name the group. Equal values of some types look different: 1.0 and 1.00, 0 and
 * -0, a day and 24 hours, 'a' and 'A' as citext. Of these the shortest is canonical: no zeros at
 * the end, no sign of zero, whole months and days first, lower case. Such values are found in
 * arrays, ranges, rows and jsonb too, at any depth.
 *
 * Some values have no canonical one: texts under a collation that is not deterministic, and types
 * of which nobody knows how their equal values differ. Those stay as they are, and the caller is
 * told so. Reads catalogs; calls nothing but the server's own functions.
 */
#include "rollup/model/canonical.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "common/int128.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/formatting.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

/* A longer value is taken as it is. Taken apart it may need several times as much memory. */
#define LONG_VALUE (1024 * 1024)

static Datum canonical_value(Oid type, Oid collation, Datum value, bool *varies);

/* Months of 30 days, days of 24 hours, as intervals are compared. */
static Datum
canonical_interval(Interval *interval)
{
	const int128 day = USECS_PER_DAY;
	int128		span;
	int128		months;
	Interval   *result;

	if (!gs_interval_is_finite(interval))
		return IntervalPGetDatum(interval);
	/* 128 bits hold any interval in microseconds. */
	span = interval->time + ((int128) interval->month * DAYS_PER_MONTH + interval->day) * day;
	months = span / (day * DAYS_PER_MONTH);
	/*
	 * What does not fit stays as it is. The ends are left out, since they mark infinity in later
	 * versions.
	 */
	if (months >= PG_INT32_MAX || months <= PG_INT32_MIN)
		return IntervalPGetDatum(interval);
	result = palloc(sizeof(Interval));
	result->month = (int32) months;
	/* What is left of the months has the sign of the span, so that all fields have one sign. */
	span -= months * DAYS_PER_MONTH * day;
	result->day = (int32) (span / day);
	result->time = (TimeOffset) (span % day);
	return IntervalPGetDatum(result);
}

/* What was given without its length is compared without the blanks at its end. */
static Datum
canonical_bpchar(BpChar *value)
{
	char	   *bytes = VARDATA_ANY(value);
	int			length = bpchartruelen(bytes, VARSIZE_ANY_EXHDR(value));

	return PointerGetDatum(cstring_to_text_with_len(bytes, length));
}

static Datum
canonical_citext(text *value)
{
	/* citext compares under the default collation, whatever the column's is. */
	char *lower = str_tolower(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value), DEFAULT_COLLATION_OID);

	return CStringGetTextDatum(lower);
}

/*
 * The extension's type, by its name and its category, in whatever schema: its values are stored as
 * text is.
 */
static bool
is_citext(Oid type)
{
	HeapTuple	tuple;
	bool		result = false;

	/* The server's own types need no look into the catalogs. */
	if (type < FirstNormalObjectId)
		return false;
	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	if (HeapTupleIsValid(tuple))
	{
		result = strcmp(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname), "citext") == 0 &&
			((Form_pg_type) GETSTRUCT(tuple))->typcategory == TYPCATEGORY_STRING;
		ReleaseSysCache(tuple);
	}
	return result;
}

static bool
is_loose(Oid collation)
{
	return OidIsValid(collation) && !get_collation_isdeterministic(collation);
}

/*
 * Whether a value is canonical as it is, or nothing is known of it: then it varies. The server's
 * own types are known. Of others one would ask their operator class, but looking for that fails
 * while a transaction is decoded that is not committed.
 */
static bool
is_simple(Oid type, Oid collation, bool *varies)
{
	switch (type)
	{
		case NUMERICOID:
		case FLOAT4OID:
		case FLOAT8OID:
		case INTERVALOID:
		case BPCHAROID:
		case JSONBOID:
			return false;
	}
	if (type_is_array(type) || type_is_range(type) || type_is_multirange(type) ||
		type_is_rowtype(type) || is_citext(type))
		return false;
	if (is_loose(collation) || type == TSQUERYOID ||
		(type >= FirstNormalObjectId && !type_is_enum(type)))
		*varies = true;
	return true;
}

/* Equal arrays have equal elements at the same places, and the same bounds. */
static Datum
canonical_array(ArrayType *array, Oid collation, bool *varies)
{
	Oid			type = ARR_ELEMTYPE(array);
	int16		length;
	bool		byval;
	char		align;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	if (is_simple(getBaseType(type), collation, varies))
		return PointerGetDatum(array);
	get_typlenbyvalalign(type, &length, &byval, &align);
	deconstruct_array(array, type, length, byval, align, &elements, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			elements[i] = canonical_value(type, collation, elements[i], varies);
	return PointerGetDatum(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array),
											  ARR_LBOUND(array), type, length, byval, align));
}

/* Equal ranges have equal bounds, both of them inclusive or neither. */
static RangeType *
canonical_range(const RangeType *range, bool *varies)
{
	TypeCacheEntry *type = lookup_type_cache(RangeTypeGetOid(range), TYPECACHE_RANGE_INFO);
	Oid			bound = type->rngelemtype->type_id;
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;

	range_deserialize(type, range, &lower, &upper, &empty);
	if (!empty && !lower.infinite)
		lower.val = canonical_value(bound, type->rng_collation, lower.val, varies);
	if (!empty && !upper.infinite)
		upper.val = canonical_value(bound, type->rng_collation, upper.val, varies);
	return gs_range_serialize(type, &lower, &upper, empty);
}

static Datum
canonical_multirange(MultirangeType *multirange, bool *varies)
{
	Oid			oid = MultirangeTypeGetOid(multirange);
	TypeCacheEntry *type = lookup_type_cache(oid, TYPECACHE_MULTIRANGE_INFO);
	RangeType **ranges;
	int32		n;

	multirange_deserialize(type->rngtype, multirange, &n, &ranges);
	for (int i = 0; i < n; i++)
		ranges[i] = canonical_range(ranges[i], varies);
	return MultirangeTypePGetDatum(make_multirange(oid, type->rngtype, n, ranges));
}

/* Equal rows have equal fields, each as its own type and collation have it. */
static Datum
canonical_row(HeapTupleHeader row, bool *varies)
{
	/* A copy, so that an error leaves no reference behind. */
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(row),
												   HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row),.t_data = row};
	Datum	   *values = palloc(sizeof(Datum) * desc->natts);
	bool	   *nulls = palloc(sizeof(bool) * desc->natts);

	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute field = TupleDescAttr(desc, i);

		if (field->attisdropped)
			nulls[i] = true;
		else if (!nulls[i])
			values[i] = canonical_value(field->atttypid, field->attcollation, values[i], varies);
	}
	return HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
}

/* Equal values have the same names and elements, and equal numbers. */
static Datum
canonical_jsonb(Jsonb *jsonb)
{
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	GsJsonbState state = {0};
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		bool		scalar = token == WJB_BEGIN_ARRAY && value.val.array.rawScalar;
		bool		has_value = token == WJB_KEY || token == WJB_VALUE || token == WJB_ELEM;

		if (has_value && value.type == jbvNumeric)
			value.val.numeric = DatumGetNumeric(
				DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(value.val.numeric)));
		gs_jsonb_push(&state, token, has_value || scalar ? &value : NULL);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(state.result));
}

static Datum
canonical_container(Oid type, Oid collation, Datum value, bool *varies)
{
	/* Types may be nested as deep as somebody likes. */
	check_stack_depth();
	if (type_is_array(type))
		return canonical_array(DatumGetArrayTypeP(value), collation, varies);
	if (type_is_range(type))
		return RangeTypePGetDatum(canonical_range(DatumGetRangeTypeP(value), varies));
	if (type_is_multirange(type))
		return canonical_multirange(DatumGetMultirangeTypeP(value), varies);
	return canonical_row(DatumGetHeapTupleHeader(value), varies);
}

static Datum
canonical_value(Oid type, Oid collation, Datum value, bool *varies)
{
	/* A domain's values are those of its base type. */
	type = getBaseType(type);
	if (is_simple(type, collation, varies))
		return value;
	switch (type)
	{
		case NUMERICOID:
			return DirectFunctionCall1(numeric_trim_scale, value);
		case FLOAT4OID:
			return DatumGetFloat4(value) == 0 ? Float4GetDatum(0) : value;
		case FLOAT8OID:
			return DatumGetFloat8(value) == 0 ? Float8GetDatum(0) : value;
		case INTERVALOID:
			return canonical_interval(DatumGetIntervalP(value));
		case BPCHAROID:
			*varies = *varies || is_loose(collation);
			return canonical_bpchar(DatumGetBpCharPP(value));
		case JSONBOID:
			return canonical_jsonb(DatumGetJsonbP(value));
	}
	if (is_citext(type))
		return canonical_citext(DatumGetTextPP(value));
	return canonical_container(type, collation, value, varies);
}

static bool
is_long(Form_pg_attribute key, Datum value)
{
	/* Only types of variable length can be long. The length is read without fetching the value. */
	return key->attlen == -1 && toast_raw_datum_size(value) > LONG_VALUE;
}

Bitmapset *
canonical_find(TupleDesc desc, int nkeys)
{
	Bitmapset  *found = NULL;

	for (int i = 0; i < nkeys; i++)
	{
		Form_pg_attribute key = TupleDescAttr(desc, i);
		bool		varies = false;

		if (!is_simple(getBaseType(key->atttypid), key->attcollation, &varies) || varies)
			found = bms_add_member(found, i);
	}
	return found;
}

Bitmapset *
canonical_keys(const Bitmapset *found, TupleDesc desc, Datum *values, const bool *nulls)
{
	Bitmapset  *varying = NULL;

	for (int i = -1; (i = bms_next_member(found, i)) >= 0;)
	{
		Form_pg_attribute key = TupleDescAttr(desc, i);
		bool		varies;

		if (nulls[i])
			continue;
		varies = is_long(key, values[i]);
		if (!varies)
			values[i] = canonical_value(key->atttypid, key->attcollation, values[i], &varies);
		if (varies)
			varying = bms_add_member(varying, i);
	}
	return varying;
}
