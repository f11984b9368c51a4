/*
 * protect.c: takes what is about to write partials by a statement of SQL, and refuses it, whoever
 * it is, unless it is gymstream itself that truncates them. All that gymstream writes goes through
 * the heap, where no trigger is.
 *
 * Rows that COPY or a logical subscription brings are skipped: those are a dump's, or of another
 * server, where they were computed from a source whose rows come too. Here they would be counted
 * twice. An INSERT of a restore and one by hand look the same: it is refused.
 *
 * Two triggers, since a logical subscriber's apply worker fires row triggers only.
 */
#include "rollup/partials/protect.h"

#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "replication/logicalworker.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"
#include "utils/rel.h"

#include "base/name.h"
#include "rollup/model/rollup.h"

/*
 * The partials that gymstream itself is truncating at this moment; a function of the query may
 * truncate the source of others.
 */
typedef struct Writing
{
	Oid			partials;
	struct Writing *outer;
} Writing;

static Writing *innermost_writing = NULL;

void
protect_write(Oid partials, ProtectWrite write, void *argument)
{
	/* The entry is on the C stack. So an error must take it off the list, too. */
	Writing		here = {partials, innermost_writing};

	innermost_writing = &here;
	PG_TRY();
	{
		write(argument);
	}
	PG_CATCH();
	{
		innermost_writing = innermost_writing->outer;
		PG_RE_THROW();
	}
	PG_END_TRY();
	innermost_writing = innermost_writing->outer;
}

static char *
hint_for(Oid partials)
{
	RollupRelations relations;

	if (!catalog_relations(ROLLUP_PARTIALS, partials, &relations))
		return pstrdup("Write the source of the rollup instead. If this is a restore, leave the "
					   "table out of it, with "
					   "pg_dump --exclude-table-data.");
	return psprintf("Write %s instead. gymstream.rebuild_rollup(%s) computes the rollup anew. "
					"If this is a restore of data alone, leave the table out of it, with pg_dump "
					"--exclude-table-data=%s.",
					name_of_relation(rollup_shape(&relations)->source),
					quote_literal_cstr(name_of_relation(relations.rollup)),
					quote_literal_cstr(psprintf("*.%s", quote_identifier(get_rel_name(partials)))));
}

/* Whether the statement that the client has sent is a COPY into the table. */
static bool
is_copied_into(Relation table)
{
	const PlannedStmt *statement = ActivePortal && list_length(ActivePortal->stmts) == 1 ?
		linitial(ActivePortal->stmts) : NULL;
	const CopyStmt *copy = statement ? (const CopyStmt *) statement->utilityStmt : NULL;

	return copy && IsA(copy, CopyStmt) && copy->is_from && copy->relation &&
		RangeVarGetRelid(copy->relation, NoLock, true) == RelationGetRelid(table);
}

static void
refuse_change(Relation partials)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("cannot change \"%s\" because it holds the partials of a rollup",
					RelationGetRelationName(partials)),
			 errdetail("They are written only by changes of the rollup's source."),
			 errhint("%s", hint_for(RelationGetRelid(partials)))));
}

static void
note_skipped(Relation partials)
{
	ereport(NOTICE,
			(errmsg("rows for \"%s\" are skipped because it holds the partials of a rollup",
					RelationGetRelationName(partials)),
			 errdetail("They are computed from the rows of the rollup's source.")));
}

/* gymstream_internal.guard_partials(): trigger on partials, before any statement and row */
PG_FUNCTION_INFO_V1(gs_guard_partials);
Datum
gs_guard_partials(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Relation	partials;
	bool		truncates;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger before a change",
						"gymstream_internal.guard_partials")));
	partials = trigger->tg_relation;
	truncates = TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event);
	if (truncates && innermost_writing && innermost_writing->partials == RelationGetRelid(partials))
		return PointerGetDatum(NULL);
	if (!IsLogicalWorker() && !is_copied_into(partials))
		refuse_change(partials);
	if (truncates)
		refuse_change(partials);
	/* A NULL from a row trigger skips the row. A statement goes on, but none of its rows does. */
	if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event))
		note_skipped(partials);
	return PointerGetDatum(NULL);
}

/*
 * gymstream_internal.skip_row(): trigger before each row of a table of gymstream's that only C
 * writes. What the first copy of a subscription to all tables brings is another server's, and means
 * nothing here.
 */
PG_FUNCTION_INFO_V1(gs_skip_row);
Datum
gs_skip_row(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger",
						"gymstream_internal.skip_row")));
	return PointerGetDatum(IsLogicalWorker() ? NULL :
											   ((TriggerData *) fcinfo->context)->tg_trigtuple);
}

/*
 * gymstream_internal.guards(rollup regclass, definition regclass) returns boolean: says of what
 * partials are; always true
 */
PG_FUNCTION_INFO_V1(gs_guards);
Datum
gs_guards(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(true);
}
