/*
 * utility.c: takes utility commands and lets modules do what they want before each and after. The
 * one place that knows the server's hook for that. Hooks of libraries that were loaded earlier run
 * inside of this one.
 *
 * EXECUTE is passed over: it comes as often as rows do, and runs what PREPARE takes, which is no
 * utility command.
 */
#include "base/utility.h"

#include "nodes/parsenodes.h"
#include "tcop/utility.h"

static UtilityWatch *first_watch = NULL;
static UtilityWatch **next_watch = &first_watch;
static ProcessUtility_hook_type previous_hook = NULL;

static inline void
run_command(PlannedStmt *planned, const char *query, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo parameters,
			QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	if (previous_hook)
		previous_hook(planned, query, read_only_tree, context, parameters, environment, receiver,
					  completion);
	else
		standard_ProcessUtility(planned, query, read_only_tree, context, parameters, environment,
								receiver, completion);
}

static void
run_watched(PlannedStmt *planned, const char *query, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo parameters,
			QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;

	/*
	 * The end of a transaction, or a procedure that ends one, may free the statement. So what is
	 * asked of it later is looked up before.
	 */
	bool		ends = IsA(statement, TransactionStmt) || IsA(statement, CallStmt);
	bool		prepared = IsA(statement, TransactionStmt) &&
		((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED;

	for (const UtilityWatch *watch = first_watch; watch; watch = watch->next)
		watch->before(statement);
	run_command(planned, query, read_only_tree, context, parameters, environment, receiver,
				completion);
	for (const UtilityWatch *watch = first_watch; watch; watch = watch->next)
		if (watch->after)
			watch->after(ends ? NULL : statement, prepared);
}

static void
run_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo parameters,
			QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	if (IsA(planned->utilityStmt, ExecuteStmt))
		run_command(planned, query, read_only_tree, context, parameters, environment, receiver,
					completion);
	else
		run_watched(planned, query, read_only_tree, context, parameters, environment, receiver,
					completion);
}

void
utility_watch(UtilityWatch *watch)
{
	if (first_watch == NULL)
	{
		previous_hook = ProcessUtility_hook;
		ProcessUtility_hook = run_utility;
	}
	watch->next = NULL;
	*next_watch = watch;
	next_watch = &watch->next;
}
