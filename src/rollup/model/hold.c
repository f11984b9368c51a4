/*
 * hold.c: takes the OID of a rollup and keeps the rollup as it is while somebody looks at it, who
 * locks nothing otherwise: a rollup may be dropped between any two looks at the catalogs. Locks,
 * and changes nothing.
 */
#include "rollup/model/hold.h"

#include "storage/lmgr.h"

#include "rollup/model/rollup.h"

#define HELD 4

/* What is locked, in this order: that of writers, of readers, and of DROP. */
static void
held_relations(const RollupHold *hold, Oid *relations)
{
	relations[0] = hold->shape->source;
	relations[1] = hold->relations.rollup;
	relations[2] = hold->relations.definition;
	relations[3] = hold->relations.partials;
}

static bool
is_same(const RollupRelations *relations)
{
	RollupRelations now;

	return catalog_relations(ROLLUP_ROLLUP, relations->rollup, &now) &&
		   now.definition == relations->definition && now.partials == relations->partials;
}

bool
hold_rollup(Oid rollup, RollupHold *hold)
{
	Oid			relations[HELD];

	if (!catalog_relations(ROLLUP_ROLLUP, rollup, &hold->relations))
		return false;
	/* Only the definition says which table is to be locked before it. */
	hold->shape = rollup_try_shape(&hold->relations);
	if (hold->shape == NULL)
		return false;
	held_relations(hold, relations);
	for (int i = 0; i < HELD; i++)
		LockRelationOid(relations[i], AccessShareLock);
	/* All of it goes in one transaction, and whoever has locked it has ended. */
	if (is_same(&hold->relations))
		return true;
	hold_release(hold);
	return false;
}

void
hold_release(const RollupHold *hold)
{
	Oid			relations[HELD];

	held_relations(hold, relations);
	for (int i = HELD - 1; i >= 0; i--)
		UnlockRelationOid(relations[i], AccessShareLock);
}
