/*
 * rollup.h: a rollup as collect and apply use it: compiled, and cached in each backend.
 */
#ifndef GS_ROLLUP_H
#define GS_ROLLUP_H

#include "base/base.h"

#include "executor/executor.h"
#include "fmgr.h"
#include "utils/hsearch.h"

#include "base/catalog.h"
#include "rollup/model/key.h"
#include "rollup/model/marked.h"
#include "rollup/model/shape.h"

/*
 * The most columns of a source that a rollup can use: collect takes each twice, beside two
 * arguments more.
 */
#define ROLLUP_MAX_COLUMNS ((FUNC_MAX_ARGS - 2) / 2)

/* A value computed from a source row. */
typedef struct RollupValue
{
	int			column;			/* where the row's used columns hold it, or -1: evaluate */
	Expr	   *planned;
	ExprState  *expression;
	Oid			type;
} RollupValue;

typedef struct RollupKey
{
	RollupValue value;
	int16		typlen;
	bool		typbyval;
	Oid			collation;
	bool		by_image;		/* equal values may differ, and are told apart */
	KeyHash		hash;			/* of groups: identical values alike where equal ones may differ */
	FmgrInfo	equal;			/* compares in the same way */
	KeyHash		index_hash;		/* as the index on the hash has it: equal values alike */
	RegProcedure search;		/* equality, for the index on the partials */
} RollupKey;

typedef struct RollupState
{
	StateKind	kind;
	Oid			type;			/* of the partials' column */
	int			input;			/* into inputs, or -1: each row counts */
	int			input2;			/* into inputs, or -1: there is none */
	uint64		reads;			/* which of the used columns the value depends on, as bits */
	ExtremeOrder *order;		/* of a state of min or max */
} RollupState;

typedef struct Rollup
{
	Oid			rollup;
	Oid			definition;
	Oid			partials;
	Oid			source;
	Oid			owner;
	bool		has_topic;
	/* the owner may not read the source: nothing is collected, nor compiled */
	bool		stopped;
	bool		inherits;		/* a statement on another table may write the source */

	int			ncolumns;		/* the columns of the source that it uses, in ascending order */
	AttrNumber *columns;
	HTAB	   *tables;			/* where others that hold its rows have them: of rollup_table.c */
	uint64		forgotten;		/* how often that had to be looked up anew */
	TupleTableSlot *old_row;	/* rows of them, virtual */
	TupleTableSlot *new_row;
	ExprContext *econtext;		/* in the memory of states, as all that functions remember */
	bool		calls_functions;	/* that are not the server's own: they run as the owner */

	uint64		group_reads;	/* which of the used columns the filter and the keys read */
	List	   *planned_filter;
	ExprState  *filter;			/* NULL: all rows */
	int			nkeys;
	RollupKey  *keys;
	/* some are by image: then what is a group here is one of identical keys */
	bool		by_image;
	int			ninputs;
	RollupValue *inputs;
	int			nstates;
	RollupState *states;
	bool		can_be_marked;	/* has states that are no sums */

	bool		unfinished;		/* somebody is in, or was when an error came: see rollup_enter.c */
	struct Hints *hints;		/* of its partials; NULL: none yet */

	/* of the cache */
	MemoryContext context;
	MemoryContext states_context;	/* a child */
	int			references;
	bool		stale;
	bool		checked;		/* the partials have fitted: see rollup_check_partials */
} Rollup;

/*
 * The rollup with these partials. Error if there is none. It stays valid until rollup_release,
 * whatever DDL comes; what is changed under it can only be what does not matter to it while the
 * caller holds a lock on the source.
 */
extern Rollup *rollup_acquire(Oid partials);

/*
 * The same, but NULL if there is none: of a rollup that a dump has brought in part, triggers may be
 * there alone.
 */
extern Rollup *rollup_find(Oid partials);

extern void rollup_release(Rollup *rollup);

/* Release it when the context is reset or deleted. */
extern void rollup_release_with(Rollup *rollup, MemoryContext context);

/*
 * Between these two functions of the query and of the keys' types may be called, and nobody else
 * comes in; see rollup_enter.c. An error leaves as well. The partials alone, where no rollup is
 * there yet; InvalidOid stands for the pending deltas of all rollups.
 */
extern void rollup_enter(Rollup *rollup);
extern void rollup_leave(Rollup *rollup);
extern void rollup_enter_partials(Oid partials);
extern void rollup_leave_partials(Oid partials);
extern bool rollup_is_entered(Oid partials);

/* Error if somebody is in. To be called before anything of the rollup is touched. */
extern void rollup_refuse_entered(Oid partials);

/* Make what its functions remember anew. Between rollup*.c. */
extern void rollup_make_states(Rollup *rollup);

/* Whether the partials have the columns that the rollup writes. */
extern bool rollup_fits(const Rollup *rollup, TupleDesc partials);

/*
 * Error if the columns of the partials are not those that the rollup writes: somebody altered them
 * or the definition.
 */
extern void rollup_check_partials(Rollup *rollup, Relation partials);

/* Hash of a group's keys. */
extern uint32 rollup_hash_keys(const Rollup *rollup, const Datum *keys, const bool *isnull);

/* The same as the partials' index on it has it: alike for equal keys, also of several groups. */
extern uint32 rollup_hash_index(const Rollup *rollup, const Datum *keys, const bool *isnull);

/*
 * Where a table has the columns that the rollup uses, in their order. NULL: it is neither the
 * source nor below it. Remembered with the rollup, for as long as the table stays as it is.
 */
extern const AttrNumber *rollup_table_columns(Rollup *rollup, Oid table);

/* The same of any table that has columns of their names. In CurrentMemoryContext. */
extern AttrNumber *rollup_table_map(const Rollup *rollup, Oid table);

/* The table, or InvalidOid for any, is not what it was. Between rollup*.c. */
extern void rollup_table_forget(Rollup *rollup, Oid table);

/* The definition's shape; error if the rollup was dropped meanwhile, or NULL. */
extern RollupShape *rollup_shape(const RollupRelations *relations);
extern RollupShape *rollup_try_shape(const RollupRelations *relations);

extern void rollup_init(void);
extern void rollup_enter_init(void);

#endif							/* GS_ROLLUP_H */
