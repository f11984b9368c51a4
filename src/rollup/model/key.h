/*
 * key.h: what a grouping key's type can do: be hashed, be ordered, fit into an index.
 */
#ifndef GS_KEY_H
#define GS_KEY_H

#include "base/base.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "storage/lockdefs.h"
#include "utils/relcache.h"

#include "rollup/model/image.h"

/* The keys of a btree are together no longer than this. */
#define KEY_INDEX_SIZE (BLCKSZ / 3 - 130)

/* How values of a key are hashed: equal ones alike, or identical ones. */
typedef struct KeyHash
{
	FmgrInfo	function;		/* no fn_oid: the type has none */
	Oid			collation;
	/* then by the image, where equal values have the same one; otherwise all alike */
	bool		by_image;
	KeyImage	image;
} KeyHash;

extern void key_hash_init(KeyHash *hash, Oid type, Oid collation, MemoryContext context);

/* Identical values alike, and only those. */
extern void key_hash_init_by_image(KeyHash *hash, Oid type);

/* Add a key to the hash of those before it, which begins as 0; at the end, mix the bits. */
extern uint32 key_hash_add(uint32 before, KeyHash *hash, Datum value, bool isnull);
extern uint32 key_hash_end(uint32 hash);

/* Whether values that GROUP BY calls equal are the same to the last bit. */
extern bool key_equal_is_identical(Oid type, Oid collation);

/* The same of the values that an expression can have. */
extern bool key_is_identical(const Node *expression);

extern bool key_has_order(Oid type);
extern bool key_has_hash(Oid type);

/* Bytes that a value takes in an index at most; -1: any number. */
extern int	key_max_size(Oid type, int32 typmod);

/* An index on partials, open. */
typedef struct KeyIndex
{
	Relation	relation;
	bool		on_hash;		/* of all keys, as key_hash computes it */
	/* partials can be searched by it; what is found by a hash must be compared with the keys */
	bool		serves;
	IndexInfo  *info;			/* made with its first entry */
	AttrNumber	null_column;	/* has entries only where this column is null; 0: of all partials */
} KeyIndex;

/* Allocates in CurrentMemoryContext. */
extern KeyIndex *key_index_open(Oid index, int nkeys, LOCKMODE lock);

/* Whether it is of the kinds that partials have, which are all that their writers fill. */
extern bool key_index_is_ours(Oid index, int nkeys);

/* Add the entry for a partial whose keys have this hash. Error if the index is not of our kinds. */
extern void key_index_insert(KeyIndex *index, Relation partials, TupleTableSlot *partial,
							 uint32 hash);

#endif							/* GS_KEY_H */
