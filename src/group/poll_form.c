/*
 * poll_form.c: takes the call of poll_group and looks at the statement that it stands in. Refuses
 * one whose transaction would ack events that its caller has not seen.
 *
 * A statement that begins and ends its own transaction commits before the client has the rows: it
 * may poll only if it does something with them in the database, or a function does. A function is
 * taken to be the consumer: what it does with the rows is its own affair.
 */
#include "group/poll.h"

#include "access/xact.h"
#include "nodes/execnodes.h"
#include "nodes/parsenodes.h"
#include "nodes/plannodes.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

static void
refuse_form(const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("poll_group cannot be called here"),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

/* ---- LIMIT ---- */

typedef struct LimitSearch
{
	const PlannedStmt *plan;
	Oid			function;
} LimitSearch;

static bool limits_poll(const LimitSearch *search, const Plan *plan, bool limited);

static bool
list_limits_poll(const LimitSearch *search, const List *plans, bool limited)
{
	ListCell   *cell;

	foreach(cell, plans)
		if (limits_poll(search, lfirst(cell), limited))
			return true;
	return false;
}

static bool
scan_is_poll(const LimitSearch *search, const FunctionScan *scan)
{
	ListCell   *cell;

	foreach(cell, scan->functions)
	{
		const Node *call = lfirst_node(RangeTblFunction, cell)->funcexpr;

		if (IsA(call, FuncExpr) && ((const FuncExpr *) call)->funcid == search->function)
			return true;
	}
	return false;
}

/* Whether a LIMIT stands above a poll in the plan. */
static bool
limits_poll(const LimitSearch *search, const Plan *plan, bool limited)
{
	if (plan == NULL)
		return false;
	switch (nodeTag(plan))
	{
		case T_Limit:
			limited = true;
			break;
		case T_FunctionScan:
			return limited && scan_is_poll(search, (const FunctionScan *) plan);
		case T_SubqueryScan:
			return limits_poll(search, ((const SubqueryScan *) plan)->subplan, limited);
		case T_Append:
			return list_limits_poll(search, ((const Append *) plan)->appendplans, limited);
		case T_MergeAppend:
			return list_limits_poll(search, ((const MergeAppend *) plan)->mergeplans, limited);
		case T_CteScan:
			/* The CTE's own LIMITs are met where its plan is looked at. */
			return limited &&
				limits_poll(search,
							list_nth(search->plan->subplans,
									 ((const CteScan *) plan)->ctePlanId - 1),
							true);
		default:
			break;
	}
	return limits_poll(search, plan->lefttree, limited) ||
		limits_poll(search, plan->righttree, limited);
}

static void
check_limit(const PlannedStmt *plan, Oid function)
{
	LimitSearch search = {plan, function};

	if (limits_poll(&search, plan->planTree, false) ||
		list_limits_poll(&search, plan->subplans, false))
		refuse_form("LIMIT would leave out events that the commit acks.",
					"Pass the number of events as max_events.");
}

/* ---- the portal ---- */

/* The utility command that is run, or NULL. */
static const Node *
running_command(Portal portal)
{
	if (portal == NULL || portal->stmts == NIL)
		return NULL;
	return linitial_node(PlannedStmt, portal->stmts)->utilityStmt;
}

/*
 * Whether somebody has begun a transaction. Statements that came as one text are in a block, too,
 * which ends with the last of them: that is over before the client has any row.
 */
static bool
is_begun(void)
{
	bool		begun;

	if (!IsTransactionBlock())
		return false;
	EndImplicitTransactionBlock();
	begun = IsTransactionBlock();
	if (!begun)
		BeginImplicitTransactionBlock();
	return begun;
}

/* A loop of a function over a query has a portal, too, which gets a name by itself and is seen. */
static bool
is_functions(Portal portal)
{
	return portal->visible && strncmp(portal->name, "<unnamed portal", 15) == 0;
}

static void
check_portal(const PlannedStmt *plan)
{
	Portal		portal = ActivePortal;
	const Node *command = running_command(portal);
	bool		ours = portal && portal->queryDesc && portal->queryDesc->plannedstmt == plan;

	if (command && IsA(command, ExplainStmt))
		refuse_form("EXPLAIN ANALYZE would ack events that nobody gets.",
					"Run EXPLAIN without ANALYZE.");
	/* Only who declares a cursor asks for a fast plan. */
	if (ours && (portal->cursorOptions & CURSOR_OPT_FAST_PLAN) != 0)
		refuse_form("The commit would ack events that were not fetched from the cursor.",
					"Run the query without a cursor, and pass the number of events as "
					"max_events.");
	if (portal && list_length(portal->stmts) > 1 && list_member_ptr(portal->stmts, plan))
		refuse_form("The table that is written has rules: each of the statements that they make "
					"of this one would poll on its own.",
					"Use a trigger in the place of the rule, or poll into a temporary table "
					"first.");
	if (is_begun())
		return;
	if ((ours && portal->strategy == PORTAL_ONE_SELECT && !is_functions(portal)) ||
		(command && IsA(command, CopyStmt)))
		refuse_form("The statement is its own transaction: it would ack the events before the "
					"client has seen them.",
					"Begin a transaction, poll, do the work, and commit. Or let the statement "
					"do the work: INSERT ... SELECT ... FROM gymstream.poll_group(...).");
}

/*
 * A row that the statement changes was changed by somebody else meanwhile, and its subqueries are
 * computed once more: they would get other events, and those of the first time would be acked.
 */
static void
check_repeated(FmgrInfo *call, const EState *estate)
{
	static bool called;

	/* MERGE does that in the same plan, where it looks like another row's turn. */
	if (estate->es_plannedstmt->commandType == CMD_MERGE)
	{
		if (call->fn_extra != NULL)
			refuse_form("MERGE may compute the subqueries of an action more than once for a row.",
						"Poll in what stands after USING.");
		call->fn_extra = &called;
	}
	if (estate->es_epq_active != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errdetail("A row that was updated meanwhile asks for another poll_group in the "
						   "same statement."),
				 errhint("The transaction might succeed if retried.")));
}

void
poll_check_form(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EState	   *estate;

	if (result == NULL || !IsA(result, ReturnSetInfo) ||
		(result->allowedModes & SFRM_Materialize_Preferred) == 0)
		refuse_form("It is called in the list of what is selected, where it may be called more "
					"than once.",
					"Write SELECT ... FROM gymstream.poll_group(...).");
	estate = result->econtext->ecxt_estate;
	if (estate == NULL || estate->es_plannedstmt == NULL)
		return;
	check_repeated(fcinfo->flinfo, estate);
	check_limit(estate->es_plannedstmt, fcinfo->flinfo->fn_oid);
	check_portal(estate->es_plannedstmt);
}
