/*
 * json_size.c: takes a value and says how long its text is at least, before a type's output
 * function makes it: a numeric of ten bytes may have 130,000 digits, and an array, a row or a jsonb
 * may hold many of them.
 */
#include "decode/json.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/numeric.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

/* ---- which types ---- */

/*
 * The descriptor is pinned in the type cache, and is released here. After an error the
 * subtransaction releases it: columns of rows are not contained.
 */
static bool
row_expands(Oid type)
{
	TupleDesc	desc = lookup_rowtype_tupdesc(type, -1);
	bool		expands = false;

	for (int i = 0; i < desc->natts && !expands; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		expands = !attribute->attisdropped && json_type_expands(attribute->atttypid);
	}
	ReleaseTupleDesc(desc);
	return expands;
}

/*
 * Types may be nested deeply, through arrays of rows of arrays: the depth of the stack is checked.
 * Catalogs are read through caches.
 */
bool
json_type_expands(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			inner = get_element_type(base);

	check_stack_depth();
	if (base == NUMERICOID || base == JSONBOID)
		return true;
	if (!OidIsValid(inner))
		inner = get_range_subtype(base);
	if (!OidIsValid(inner))
		inner = get_multirange_range(base);
	if (OidIsValid(inner))
		return json_type_expands(inner);
	/* what is in a record of no type is known by its rows alone */
	return base == RECORDOID || (get_typtype(base) == TYPTYPE_COMPOSITE && row_expands(base));
}

/* ---- how long ---- */

/*
 * Strings count without their escapes, and punctuation does not count: the size is a lower bound.
 * No number is made into text.
 */
static uint64
jsonb_size(Datum value)
{
	JsonbIterator *iterator = JsonbIteratorInit(&DatumGetJsonbP(value)->root);
	JsonbIteratorToken token;
	JsonbValue	part;
	uint64		size = 0;

	while ((token = JsonbIteratorNext(&iterator, &part, false)) != WJB_DONE)
	{
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		if (part.type == jbvString)
			size += part.val.string.len;
		else if (part.type == jbvNumeric)
			size += json_numeric_size(NumericGetDatum(part.val.numeric));
	}
	return size;
}

/* Each element has a comma behind it, or the closing brace. */
static uint64
array_size(Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Oid			type = ARR_ELEMTYPE(array);
	ArrayIterator iterator = array_create_iterator(array, 0, NULL);
	uint64		size = 0;
	Datum		element;
	bool		isnull;

	while (array_iterate(iterator, &element, &isnull))
		size += 1 + (isnull ? 0 : json_least_size(type, element));
	array_free_iterator(iterator);
	return size;
}

/*
 * The row itself tells its type, also where the column's type is record. A dropped column is not
 * shown and does not count.
 */
static uint64
row_size(Datum value)
{
	HeapTupleHeader row = DatumGetHeapTupleHeader(value);
	TupleDesc desc =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *nulls = palloc(desc->natts * sizeof(bool));
	uint64		size = 0;

	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && !nulls[i])
			size += json_least_size(attribute->atttypid, values[i]);
	}
	ReleaseTupleDesc(desc);
	return size;
}

/* An empty range has no bounds that could be read, and an infinite bound has no value. */
static uint64
range_size(Datum value)
{
	RangeType  *range = DatumGetRangeTypeP(value);
	TypeCacheEntry *type = lookup_type_cache(RangeTypeGetOid(range), TYPECACHE_RANGE_INFO);
	RangeBound	bounds[2];
	bool		empty;
	uint64		size = 0;

	range_deserialize(type, range, &bounds[0], &bounds[1], &empty);
	for (int i = 0; i < lengthof(bounds) && !empty; i++)
	{
		if (!bounds[i].infinite)
			size += json_least_size(type->rngelemtype->type_id, bounds[i].val);
	}
	return size;
}

static uint64
multirange_size(Datum value)
{
	MultirangeType *multirange = DatumGetMultirangeTypeP(value);
	TypeCacheEntry *type =
		lookup_type_cache(MultirangeTypeGetOid(multirange), TYPECACHE_MULTIRANGE_INFO);
	int32		n;
	RangeType **ranges;
	uint64		size = 0;

	multirange_deserialize(type->rngtype, multirange, &n, &ranges);
	for (int i = 0; i < n; i++)
		size += range_size(RangeTypePGetDatum(ranges[i]));
	return size;
}

/*
 * A lower bound is enough: what is refused by it would be too long in any case. What passes may
 * still turn out too long, and is refused while it is appended. For types that do not expand zero
 * will do, since their text is not much longer than they are.
 */
uint64
json_least_size(Oid type, Datum value)
{
	Oid			base = getBaseType(type);

	check_stack_depth();
	switch (base)
	{
		case NUMERICOID:
			return json_numeric_size(value);
		case JSONBOID:
			return jsonb_size(value);
		case TEXTOID:
		case VARCHAROID:
		case JSONOID:
			return toast_raw_datum_size(value) - VARHDRSZ;
		case BYTEAOID:
			return 2 * (toast_raw_datum_size(value) - VARHDRSZ);
		default:
			break;
	}
	if (!json_type_expands(base))
		return 0;
	if (OidIsValid(get_element_type(base)))
		return array_size(value);
	if (type_is_range(base))
		return range_size(value);
	return type_is_multirange(base) ? multirange_size(value) : row_size(value);
}
