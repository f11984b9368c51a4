/*
 * canonical.c: takes the values of a group's keys, as some change had them, and gives those by
 * which all events name the group. Equal values of some types look different: 1.0 and 1.00, 0 and
 * -0, a day and 24 hours, 'a' and 'A' as citext. Of these the shortest is canonical: no zeros at
 * the end, no sign of zero, whole months and days first, lower case.
 *
 * The other types whose equal values may differ have no canonical image: jsonb, ranges and rows
 * with such values in them, and texts under a collation that is not deterministic. Nor has what
 * cannot be computed: then the value stays as it is.
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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* A longer value is taken as it is. */
#define LONG_VALUE (64 * 1024)

static Datum canonical_value(Oid type, Datum value);

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

static Datum
canonical_array(ArrayType *array)
{
	Oid			type = ARR_ELEMTYPE(array);
	int16		length;
	bool		byval;
	char		align;
	Datum	   *elements;
	bool	   *nulls;
	int			n;

	get_typlenbyvalalign(type, &length, &byval, &align);
	deconstruct_array(array, type, length, byval, align, &elements, &nulls, &n);
	/* Equal arrays have equal elements at the same places. */
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			elements[i] = canonical_value(type, elements[i]);
	return PointerGetDatum(construct_md_array(elements, nulls, ARR_NDIM(array), ARR_DIMS(array),
											  ARR_LBOUND(array), type, length, byval, align));
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

static Datum
canonical_value(Oid type, Datum value)
{
	/* A domain's values are those of its base type. */
	type = getBaseType(type);
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
			return canonical_bpchar(DatumGetBpCharPP(value));
	}
	if (type_is_array(type))
		return canonical_array(DatumGetArrayTypeP(value));
	if (is_citext(type))
		return canonical_citext(DatumGetTextPP(value));
	return value;
}

static bool
is_long(Form_pg_attribute key, Datum value)
{
	/* Only types of variable length can be long. The length is read without fetching the value. */
	return key->attlen == -1 && toast_raw_datum_size(value) > LONG_VALUE;
}

void
canonical_keys(TupleDesc desc, int nkeys, Datum *values, const bool *nulls)
{
	for (int i = 0; i < nkeys; i++)
		if (!nulls[i] && !is_long(TupleDescAttr(desc, i), values[i]))
			values[i] = canonical_value(TupleDescAttr(desc, i)->atttypid, values[i]);
}
