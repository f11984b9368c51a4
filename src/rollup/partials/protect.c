/*
 * protect.c: takes what is about to write partials by a statement of SQL, and refuses it, whoever it is, unless it is
 * gymstream itself that fills or truncates them. Writers of a source go through the heap, where no trigger is.
 *
 * Two triggers, since a logical subscriber's apply worker and a parent table's UPDATE fire row triggers only. Both are
 * dumped after the data, like any trigger, so a restore of everything brings the partials; where they are there before, the
 * rollup is kept by the source's triggers while that is restored, and partials from the dump would count all of it twice.
 */
#include "rollup/partials/protect.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/name.h"
#include "rollup/model/rollup.h"

/* The partials that gymstream itself is writing just now; a function of the query may truncate the source of others. */
typedef struct Writing
{
	Oid			partials;
	struct Writing *outer;
} Writing;

static Writing *writing = NULL;

void
protect_write(Oid partials, ProtectWrite write, void *argument)
{
	Writing		here = {partials, writing};

	writing = &here;
	PG_TRY();
	{
		write(argument);
	}
	PG_CATCH();
	{
		writing = writing->outer;
		PG_RE_THROW();
	}
	PG_END_TRY();
	writing = writing->outer;
}

static char *
hint_for(Oid partials)
{
	RollupRelations relations;

	if (!catalog_relations(ROLLUP_PARTIALS, partials, &relations))
		return pstrdup("If the schema was restored from a dump without data, restore the rows of the table "
					   "gymstream_internal.rollup, and then the rollup's source, but not its partials.");
	return psprintf("Write %s instead. gymstream.rebuild_rollup(%s) computes the rollup anew. "
					"If this is a restore of data alone, leave the partials out of it, with pg_dump --exclude-table-data=%s.",
					name_of_relation(rollup_shape(&relations)->source),
					quote_literal_cstr(name_of_relation(relations.rollup)),
					quote_literal_cstr(get_rel_name(partials)));
}

/* guard_partials(): trigger on partials, before any statement and row */
PG_FUNCTION_INFO_V1(gs_guard_partials);
Datum
gs_guard_partials(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger before a change", "gymstream_internal.guard_partials")));
	if (writing == NULL || writing->partials != RelationGetRelid(trigger->tg_relation))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("cannot change \"%s\" because it holds the partials of a rollup",
						RelationGetRelationName(trigger->tg_relation)),
				 errdetail("They are written only by changes of the rollup's source."),
				 errhint("%s", hint_for(RelationGetRelid(trigger->tg_relation)))));
	if (TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple);
	return PointerGetDatum(NULL);
}
