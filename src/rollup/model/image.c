/*
 * image.c: takes a value of any type and gives its image: bytes that are the same for values that
 * nobody can tell apart.
 *
 * Mostly these are the value's own bytes, once it is neither compressed nor stored elsewhere.
 * Within a composite value the fields may be either, also in an array or a range of such values,
 * and a field may have been added or dropped since: there the image is made of the images of the
 * fields. So a row has the same image whenever it is looked at, which is what counting rows by
 * image rests on.
 */
#include "rollup/model/image.h"

#include "access/htup_details.h"
#include "access/tupmacs.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

static void append_image(StringInfo bytes, const KeyImage *image, Datum value);

/* Whether composite values may be found in a value of the type. */
static bool
is_composed(Oid type)
{
	Oid			base = getBaseType(type);

	if (type_is_rowtype(base))
		return true;
	/* A multirange is looked at as its range, and a range as its subtype. */
	if (type_is_multirange(base))
		base = get_multirange_range(base);
	if (type_is_range(base))
		return is_composed(get_range_subtype(base));
	return OidIsValid(get_element_type(base)) && is_composed(get_element_type(base));
}

void
image_init(KeyImage *image, Oid type)
{
	image->type = type;
	get_typlenbyval(type, &image->typlen, &image->typbyval);
	image->composed = is_composed(type);
}

/*
 * Images as bytes. Each part stands behind its length, or behind -1 where it is null.
 */
static void
append_part(StringInfo bytes, Oid type, Datum value, bool isnull)
{
	KeyImage	image;
	int32		length = -1;
	int			place = bytes->len;

	/* Types may be nested as deep as somebody likes. */
	check_stack_depth();
	appendBinaryStringInfo(bytes, (char *) &length, sizeof(length));
	if (isnull)
		return;
	image_init(&image, type);
	append_image(bytes, &image, value);
	/*
	 * The length is known once the part is written, and replaces -1. The bytes may have moved, so
	 * their place is an offset.
	 */
	length = bytes->len - place - (int) sizeof(length);
	memcpy(bytes->data + place, &length, sizeof(length));
}

static void
append_row(StringInfo bytes, Datum value)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc desc =
		lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),.t_data = header};
	Datum	   *values = palloc(desc->natts * sizeof(Datum));
	bool	   *isnull = palloc(desc->natts * sizeof(bool));

	/*
	 * A row may be older than its type. heap_deform_tuple gives the fields that it lacks; dropped
	 * ones are passed over, so that the image stays the same.
	 */
	ItemPointerSetInvalid(&tuple.t_self);
	heap_deform_tuple(&tuple, desc, values, isnull);
	for (int i = 0; i < desc->natts; i++)
		if (!TupleDescAttr(desc, i)->attisdropped)
			append_part(bytes, TupleDescAttr(desc, i)->atttypid, values[i], isnull[i]);
	ReleaseTupleDesc(desc);
}

static void
append_array(StringInfo bytes, Datum value)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	Datum	   *values;
	bool	   *isnull;
	int			n;
	int16		typlen;
	bool		typbyval;
	char		typalign;

	/* The elements' type is the one in the value, which knows it. */
	get_typlenbyvalalign(ARR_ELEMTYPE(array), &typlen, &typbyval, &typalign);
	deconstruct_array(array, ARR_ELEMTYPE(array), typlen, typbyval, typalign, &values, &isnull, &n);
	/* Arrays with the same elements can differ in dimensions and lower bounds. */
	appendBinaryStringInfo(bytes, (char *) &ARR_NDIM(array), sizeof(ARR_NDIM(array)));
	appendBinaryStringInfo(bytes, (char *) ARR_DIMS(array), ARR_NDIM(array) * sizeof(int));
	appendBinaryStringInfo(bytes, (char *) ARR_LBOUND(array), ARR_NDIM(array) * sizeof(int));
	for (int i = 0; i < n; i++)
		append_part(bytes, ARR_ELEMTYPE(array), values[i], isnull[i]);
}

static void
append_range(StringInfo bytes, const RangeType *range)
{
	TypeCacheEntry *type = lookup_type_cache(RangeTypeGetOid(range), TYPECACHE_RANGE_INFO);
	RangeBound	lower,
				upper;
	bool		empty;

	range_deserialize(type, range, &lower, &upper, &empty);
	appendStringInfoCharMacro(bytes, empty);
	if (empty)
		return;
	/* An infinite bound has no value, and is written as a null. */
	appendStringInfoCharMacro(bytes, lower.inclusive);
	append_part(bytes, type->rngelemtype->type_id, lower.val, lower.infinite);
	appendStringInfoCharMacro(bytes, upper.inclusive);
	append_part(bytes, type->rngelemtype->type_id, upper.val, upper.infinite);
}

static void
append_multirange(StringInfo bytes, const MultirangeType *multirange)
{
	TypeCacheEntry *type =
		lookup_type_cache(MultirangeTypeGetOid(multirange), TYPECACHE_MULTIRANGE_INFO);
	RangeType **ranges;
	int32		n;

	/* Ranges within a multirange stand in their order, and none of them is empty. */
	multirange_deserialize(type->rngtype, multirange, &n, &ranges);
	appendBinaryStringInfo(bytes, (char *) &n, sizeof(n));
	for (int i = 0; i < n; i++)
		append_range(bytes, ranges[i]);
}

static void
append_bytes(StringInfo bytes, const KeyImage *image, Datum value)
{
	struct varlena *packed;

	/* Headers are left out, since a value can have a short or a long one. */
	if (image->typbyval)
	{
		char		room[sizeof(Datum)];

		store_att_byval(room, value, image->typlen);
		appendBinaryStringInfo(bytes, room, image->typlen);
	}
	else if (image->typlen == -1)
	{
		packed = PG_DETOAST_DATUM_PACKED(value);
		appendBinaryStringInfo(bytes, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
	}
	else if (image->typlen == -2)
		appendBinaryStringInfo(bytes, DatumGetCString(value), strlen(DatumGetCString(value)));
	else
		appendBinaryStringInfo(bytes, DatumGetPointer(value), image->typlen);
}

static void
append_image(StringInfo bytes, const KeyImage *image, Datum value)
{
	Oid			base;

	if (!image->composed)
	{
		append_bytes(bytes, image, value);
		return;
	}
	/* A value of a domain has the image that it has in the base type. */
	base = getBaseType(image->type);
	/* Fields and elements may be compressed or not in equal values, so that each is taken apart. */
	if (type_is_rowtype(base))
		append_row(bytes, value);
	else if (type_is_range(base))
		append_range(bytes, DatumGetRangeTypeP(value));
	else if (type_is_multirange(base))
		append_multirange(bytes, DatumGetMultirangeTypeP(value));
	else
		append_array(bytes, value);
}

/*
 * Comparing
 */
static MemoryContext
scratch_begin(MemoryContext *old)
{
	/*
	 * Images are made for many rows of one statement, so their memory goes after each. An error
	 * leaves it to the context above.
	 */
	MemoryContext scratch =
		AllocSetContextCreate(CurrentMemoryContext, "gymstream image", ALLOCSET_SMALL_SIZES);

	*old = MemoryContextSwitchTo(scratch);
	return scratch;
}

static void
scratch_end(MemoryContext scratch, MemoryContext old)
{
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
}

bool
image_equal(const KeyImage *image, Datum a, Datum b)
{
	MemoryContext scratch,
				old;
	StringInfoData one,
				other;
	bool		equal;

	/* Most types need no image in memory: their bytes are compared where they are. */
	if (!image->composed)
		return datum_image_eq(a, b, image->typbyval, image->typlen);
	scratch = scratch_begin(&old);
	initStringInfo(&one);
	initStringInfo(&other);
	append_image(&one, image, a);
	append_image(&other, image, b);
	equal = one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
	scratch_end(scratch, old);
	return equal;
}

uint32
image_hash(const KeyImage *image, Datum value)
{
	MemoryContext scratch,
				old;
	StringInfoData bytes;
	uint32		hash;

	/* Equal images must have equal hashes, so that both functions divide types in the same way. */
	if (!image->composed)
		return datum_image_hash(value, image->typbyval, image->typlen);
	scratch = scratch_begin(&old);
	initStringInfo(&bytes);
	append_image(&bytes, image, value);
	hash = hash_bytes((unsigned char *) bytes.data, bytes.len);
	scratch_end(scratch, old);
	return hash;
}

static Datum
call_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(image_equal(fcinfo->flinfo->fn_extra, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

void
image_equality_init(FmgrInfo *function, Oid type, MemoryContext context)
{
	KeyImage   *image = MemoryContextAlloc(context, sizeof(KeyImage));

	image_init(image, type);
	/*
	 * The function has no OID and is in no catalog: it is known by its address, and its image by
	 * fn_extra.
	 */
	memset(function, 0, sizeof(*function));
	function->fn_addr = call_equal;
	function->fn_nargs = 2;
	function->fn_strict = true;
	function->fn_mcxt = context;
	function->fn_extra = image;
}

/*
 * key_image(VARIADIC "any") returns bytea: the images of values, one after the other
 */
PG_FUNCTION_INFO_V1(gs_key_image);
Datum
gs_key_image(PG_FUNCTION_ARGS)
{
	StringInfoData bytes;

	if (get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("gymstream_internal.key_image takes the keys of a group one by one")));
	initStringInfo(&bytes);
	/* The header gets its place first, and the length once it is known. */
	appendStringInfoSpaces(&bytes, VARHDRSZ);
	for (int i = 0; i < PG_NARGS(); i++)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, i);

		if (!OidIsValid(type))
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("could not determine the type of a value")));
		append_part(&bytes, type, PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i),
					PG_ARGISNULL(i));
	}
	SET_VARSIZE(bytes.data, bytes.len);
	PG_RETURN_BYTEA_P(bytes.data);
}
