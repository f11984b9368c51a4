/*
 * key.h: what a grouping key's type can do: be hashed, be ordered, fit into an index.
 */
#ifndef GS_KEY_H
#define GS_KEY_H

#include "gymstream.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "utils/relcache.h"

/* The keys of a btree are together no longer than this. */
#define KEY_INDEX_SIZE (BLCKSZ / 3 - 130)

/* How values of a key are hashed: equal ones alike. */
typedef struct KeyHash
{
	FmgrInfo	function;		/* no fn_oid: the type has none */
	Oid			collation;
	bool		by_image;		/* then by the bytes, where those of equal values are the same; else all alike */
	int16		typlen;
	bool		typbyval;
} KeyHash;

extern void key_hash_init(KeyHash *hash, Oid type, Oid collation, MemoryContext context);

/* Add a key to the hash of those before it, which begins as 0; at the end, mix the bits. */
extern uint32 key_hash_add(uint32 before, KeyHash *hash, Datum value, bool isnull);
extern uint32 key_hash_end(uint32 hash);

/* Whether values that GROUP BY calls equal are the same to the last bit. */
extern bool key_equal_is_identical(Oid type, Oid collation);

extern bool key_has_order(Oid type);
extern bool key_has_hash(Oid type);

/* Bytes that a value takes in an index at most; -1: any number. */
extern int	key_max_size(Oid type, int32 typmod);

/*
 * Whether partials can be searched by the index: it is on the keys, which are their first columns, or on their hash as
 * gymstream.key_hash computes it; what is found by that must be compared with the keys.
 */
extern bool key_index_serves(Relation index, int nkeys, bool *by_hash);

/* The entry in an index for a partial whose keys have this hash. False: it has none. Error for an index not of our kinds. */
extern bool key_index_entry(Relation index, IndexInfo *info, TupleTableSlot *partial, int nkeys, uint32 hash,
							Datum *values, bool *isnull);

#endif							/* GS_KEY_H */
