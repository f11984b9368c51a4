/*
 * trigger.h: the triggers that a rollup has on its source and on its partials, as the catalogs have
 * them.
 */
#ifndef GS_TRIGGER_H
#define GS_TRIGGER_H

#include "base/base.h"

#include "nodes/primnodes.h"
#include "utils/relcache.h"
#include "utils/reltrigger.h"

#include "base/catalog.h"

/* with what their names begin */
#define TRIGGER_PREFIX "!gymstream "

typedef enum TriggerKind
{
	KIND_OTHER,					/* nothing to do with rollups */
	KIND_WRONG,					/* calls what a rollup's triggers call, but is none of them */
	KIND_INSERT,				/* on the source and its partitions, each once */
	KIND_DELETE,
	KIND_UPDATE,
	KIND_FLUSH,
	KIND_TRUNCATE,				/* on the source */
	KIND_TRUNCATING,			/* on a partitioned source and its partitions */
	KIND_GUARD,					/* on the partials */
	KIND_GUARD_ROW
} TriggerKind;
#define TRIGGER_KINDS (KIND_GUARD_ROW + 1)
#define TRIGGER_BIT(kind) (1u << (kind))

typedef struct TriggerCount
{
	int			all;
	int			always;			/* of these, those that fire whatever session_replication_role is */
} TriggerCount;

/* The word for it in the trigger's name. */
extern const char *trigger_kind_name(TriggerKind kind);

/*
 * The triggers of an open table, or NULL: a copy. The functions below read catalogs, and whenever
 * something is read the server may free what it keeps of the table itself, its triggers among it.
 */
extern TriggerDesc *trigger_list(Relation table);

/*
 * What the trigger is on the table, and of which partials. Compiles the rollup, where the catalog
 * knows it.
 */
extern TriggerKind trigger_kind(const Trigger *trigger, Oid table, Oid *partials);

/* Whether it is one of gymstream's functions of that name. */
extern bool trigger_condition_calls(const FuncExpr *call, const char *name);

/* Whether it is a function that the conditions of rollups' triggers call, and nothing else may. */
extern bool trigger_only_calls(Oid function);

/* Whether it is one of those that a source has, or a table below it: it may flush. */
extern bool trigger_flushes(const Trigger *trigger);

/* Whether it is one of those that partials have. */
extern bool trigger_guards(const Trigger *trigger);

/*
 * The guard of partials, a trigger for statements, says in its WHEN which rollup they are of, and
 * which definition: with that and the triggers on the source, which say which partials they write,
 * a dump carries what makes a rollup one. False if the trigger says no such thing.
 */
extern bool trigger_guarded(const Trigger *trigger, Oid partials, RollupRelations *found);

/* What the guard of these partials says; false: they have none, or it says nothing. */
extern bool trigger_guard_of(Oid partials, RollupRelations *found);

/*
 * The guards that are there say something else than this: drop those for statements. The caller
 * makes a new one.
 */
extern void trigger_guard_renew(const RollupRelations *relations);

/*
 * Let nobody ask for CASCADE who drops the rollup or its definition on account of the guard: it
 * goes with them. The server itself takes it for one that must be dropped first.
 */
extern void trigger_guard_yield(const RollupRelations *relations);

/* The tables that have triggers which depend on the relation, each once. */
extern List *trigger_tables(Oid relation);

/* How many triggers of each kind the table has for these partials. */
extern void trigger_count(Oid table, Oid partials, TriggerCount *counts);

/*
 * Let the triggers that the table has for these partials, or InvalidOid: for any, fire whatever
 * session_replication_role says, if they are enabled. ALTER TABLE could say so too, but only for
 * the table's owner; and it says the contrary when it enables all triggers. Whether it was so for
 * any of them.
 */
extern bool trigger_set_always(Oid table, Oid partials, bool also_disabled);

#endif							/* GS_TRIGGER_H */
