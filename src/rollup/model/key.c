/*
 * key.c: takes the type of a grouping key and gives what it can do. A type that can be grouped has
 * an order, or a hash function, or both. Where there is no hash function, the bytes are hashed if
 * equal values have the same; where they may differ all values hash alike, which is right and slow.
 */
#include "rollup/model/key.h"

#include "access/genam.h"
#include "access/nbtree.h"
#include "catalog/index.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "nodes/nodeFuncs.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "base/catalog.h"

void
key_hash_init(KeyHash *hash, Oid type, Oid collation, MemoryContext context)
{
	TypeCacheEntry *cached = lookup_type_cache(type, TYPECACHE_HASH_PROC);

	memset(hash, 0, sizeof(*hash));
	hash->collation = collation;
	image_init(&hash->image, type);
	if (OidIsValid(cached->hash_proc))
		fmgr_info_cxt(cached->hash_proc, &hash->function, context);
	else
		hash->by_image = key_equal_is_identical(type, collation);
}

void
key_hash_init_by_image(KeyHash *hash, Oid type)
{
	memset(hash, 0, sizeof(*hash));
	image_init(&hash->image, type);
	hash->by_image = true;
}

uint32
key_hash_add(uint32 before, KeyHash *hash, Datum value, bool isnull)
{
	uint32		rotated = pg_rotate_left32(before, 1);

	if (isnull)
		return rotated;
	if (OidIsValid(hash->function.fn_oid))
		return rotated ^ DatumGetUInt32(FunctionCall1Coll(&hash->function, hash->collation, value));
	if (hash->by_image)
		return rotated ^ image_hash(&hash->image, value);
	return rotated;
}

uint32
key_hash_end(uint32 hash)
{
	return murmurhash32(hash);
}

bool
key_equal_is_identical(Oid type, Oid collation)
{
	TypeCacheEntry *cached = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
	Oid support = get_opfamily_proc(cached->btree_opf, cached->btree_opintype,
									cached->btree_opintype, BTEQUALIMAGE_PROC);

	return OidIsValid(support) &&
		   DatumGetBool(
			   OidFunctionCall1Coll(support, collation, ObjectIdGetDatum(cached->btree_opintype)));
}

bool
key_is_identical(const Node *expression)
{
	int32		typmod = exprTypmod(expression);
	Oid			base = getBaseTypeAndTypmod(exprType(expression), &typmod);

	switch (base)
	{
		case NUMERICOID:
			/* as many digits behind the point in each value */
			return typmod >= 0;
		case BPCHAROID:
			/* as many blanks at the end; PostgreSQL takes those without a length for the same */
			return typmod >= 0 && key_equal_is_identical(base, exprCollation(expression));
		case INT4RANGEOID:
		case INT8RANGEOID:
		case DATERANGEOID:
		case TSRANGEOID:
		case TSTZRANGEOID:
			/* equal ones have the same bounds, and both inclusive or neither */
			return true;
		default:
			return key_equal_is_identical(base, exprCollation(expression));
	}
}

bool
key_has_order(Oid type)
{
	return OidIsValid(lookup_type_cache(type, TYPECACHE_CMP_PROC)->cmp_proc);
}

bool
key_has_hash(Oid type)
{
	return OidIsValid(lookup_type_cache(type, TYPECACHE_HASH_PROC)->hash_proc);
}

int
key_max_size(Oid type, int32 typmod)
{
	Oid			base = getBaseTypeAndTypmod(type, &typmod);
	int			bound;

	if (get_typlen(base) > 0)
		return get_typlen(base);
	if (base == INETOID || base == CIDROID)
		return 32;
	if (type_is_range(base) && get_typtype(base) == TYPTYPE_RANGE)
	{
		bound = key_max_size(get_range_subtype(base), -1);
		return bound < 0 ? -1 : 2 * MAXALIGN(bound) + 16;
	}
	return type_maximum_size(base, typmod);
}

/*
 * key_hash(VARIADIC "any") returns integer: the index on it finds a group's partials where the keys
 * themselves have no place in a btree
 */
static KeyHash *
call_hashes(FunctionCallInfo fcinfo)
{
	FuncExpr   *call = (FuncExpr *) fcinfo->flinfo->fn_expr;
	KeyHash    *hashes;

	if (call == NULL || !IsA(call, FuncExpr) || call->funcvariadic ||
		list_length(call->args) != PG_NARGS())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("gymstream_internal.key_hash takes the keys of a group one by one")));
	hashes = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, PG_NARGS() * sizeof(KeyHash));
	for (int i = 0; i < PG_NARGS(); i++)
	{
		Node	   *arg = list_nth(call->args, i);

		key_hash_init(&hashes[i], exprType(arg), exprCollation(arg), fcinfo->flinfo->fn_mcxt);
	}
	return hashes;
}

PG_FUNCTION_INFO_V1(gs_key_hash);
Datum
gs_key_hash(PG_FUNCTION_ARGS)
{
	KeyHash    *hashes = fcinfo->flinfo->fn_extra;
	uint32		hash = 0;

	if (hashes == NULL)
		fcinfo->flinfo->fn_extra = hashes = call_hashes(fcinfo);
	for (int i = 0; i < PG_NARGS(); i++)
		hash = key_hash_add(hash, &hashes[i], PG_GETARG_DATUM(i), PG_ARGISNULL(i));
	PG_RETURN_INT32((int32) key_hash_end(hash));
}

static bool
is_hash_function(Oid function)
{
	char	   *name = get_func_name(function);

	return name && strcmp(name, "key_hash") == 0 && catalog_is_schema(get_func_namespace(function));
}

/*
 * Indexes on partials: on keys, on the hash of all keys, and on a key where it is null
 */
static bool
index_is_on_hash(Relation index, int nkeys)
{
	Form_pg_index form = index->rd_index;
	FuncExpr   *call;

	if (form->indnkeyatts != 1 || form->indkey.values[0] != 0)
		return false;
	call = linitial(RelationGetIndexExpressions(index));
	if (!IsA(call, FuncExpr) || list_length(call->args) != nkeys || !is_hash_function(call->funcid))
		return false;
	for (int i = 0; i < nkeys; i++)
	{
		Var		   *var = list_nth(call->args, i);

		if (!IsA(var, Var) || var->varattno != i + 1)
			return false;
	}
	return true;
}

static bool
index_is_on_keys(Relation index, int nkeys)
{
	Form_pg_index form = index->rd_index;

	if (form->indnkeyatts < nkeys)
		return false;
	for (int i = 0; i < nkeys; i++)
		if (form->indkey.values[i] != i + 1)
			return false;
	return true;
}

KeyIndex *
key_index_open(Oid relid, int nkeys, LOCKMODE lock)
{
	KeyIndex   *index = palloc0(sizeof(KeyIndex));

	index->relation = index_open(relid, lock);
	index->on_hash = index_is_on_hash(index->relation, nkeys);
	index->serves = nkeys > 0 && index->relation->rd_index->indisvalid &&
					index->relation->rd_rel->relam == BTREE_AM_OID &&
					RelationGetIndexPredicate(index->relation) == NIL &&
					(index->on_hash || index_is_on_keys(index->relation, nkeys));
	return index;
}

/* The column of which the predicate says that it is null; 0: it says anything else. */
static AttrNumber
null_column(List *predicate)
{
	NullTest   *test = list_length(predicate) == 1 ? linitial(predicate) : NULL;

	if (test == NULL || !IsA(test, NullTest) || test->nulltesttype != IS_NULL || test->argisrow ||
		!IsA(test->arg, Var))
		return 0;
	return ((Var *) test->arg)->varattno;
}

/* In the memory that the index itself is in. */
static void
index_make_info(KeyIndex *index)
{
	MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(index));
	IndexInfo  *info = BuildIndexInfo(index->relation);

	index->info = info;
	index->null_column = null_column(info->ii_Predicate);
	MemoryContextSwitchTo(old);
	/* one that CREATE INDEX or REINDEX CONCURRENTLY has only named so far may be of any kind */
	if (info->ii_ReadyForInserts &&
		((info->ii_Expressions != NIL && !index->on_hash) ||
		 (info->ii_Predicate != NIL && index->null_column <= 0) || info->ii_Unique))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" on the partials of a rollup is unique, partial or on an "
						"expression",
						RelationGetRelationName(index->relation)),
				 errhint("Drop the index.")));
}

bool
key_index_is_ours(Oid relid, int nkeys)
{
	KeyIndex   *index = key_index_open(relid, nkeys, AccessShareLock);
	Form_pg_index form = index->relation->rd_index;
	List	   *predicate = RelationGetIndexPredicate(index->relation);
	bool		ours = !form->indisunique && !form->indisexclusion &&
		(index->on_hash || RelationGetIndexExpressions(index->relation) == NIL) &&
		(predicate == NIL || null_column(predicate) > 0);

	index_close(index->relation, NoLock);
	pfree(index);
	return ours;
}

void
key_index_insert(KeyIndex *index, Relation partials, TupleTableSlot *partial, uint32 hash)
{
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	if (index->info == NULL)
		index_make_info(index);
	if (!index->info->ii_ReadyForInserts ||
		(index->null_column > 0 && !partial->tts_isnull[index->null_column - 1]))
		return;
	if (index->on_hash)
	{
		values[0] = Int32GetDatum((int32) hash);
		isnull[0] = false;
	}
	else
		FormIndexDatum(index->info, partial, NULL, values, isnull);
	index_insert(index->relation, values, isnull, &partial->tts_tid, partials, UNIQUE_CHECK_NO,
				 false, index->info);
}
