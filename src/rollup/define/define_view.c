/*
 * define_view.c: takes a rollup and makes the view that users read what create_rollup would make
 * it; brings the views and guards of an older version to this one.
 */
#include "rollup/define/define.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/extension.h"
#include "commands/view.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "rewrite/rewriteDefine.h"
#include "rewrite/rewriteHandler.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "base/quiet.h"
#include "rollup/define/renew.h"
#include "rollup/model/sql.h"

static Query *
read_view(Oid view)
{
	Relation	relation = relation_open(view, AccessShareLock);
	Query	   *query = copyObject(get_view_query(relation));

	relation_close(relation, NoLock);
	return query;
}

/*
 * What a column is called in the query is what it was called when the view was made: it may have
 * been renamed since.
 */
static void
name_columns(Query *query, Oid view)
{
	ListCell   *cell;

	foreach(cell, query->targetList)
	{
		TargetEntry *target = lfirst_node(TargetEntry, cell);

		if (!target->resjunk)
			target->resname = get_attname(view, target->resno, false);
	}
}

/* With further entries, since columns are named with their table where there is more than one. */
static char *
query_text(const Query *query, Oid view, const List *entries)
{
	Query	   *named = copyObject((Query *) query);

	name_columns(named, view);
	named->rtable = list_concat(named->rtable, entries);
	return pg_get_querydef(named, false);
}

/*
 * A view that a dump has brought may say the same in other words. It is made anew then too: so a
 * view that its owner has put in the place of the rollup's is none of a rollup afterwards.
 */
void
define_mend_view(const RollupRelations *relations, const RollupShape *shape)
{
	char	   *sql = sql_view(relations->partials, shape);
	Query *wanted = parse_analyze_fixedparams(
		linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)), sql, NULL, 0, NULL);
	Query	   *made = read_view(relations->rollup);

	List	   *entries = list_copy_head(made->rtable, GS_VIEW_ENTRIES);

	if (list_length(made->targetList) == list_length(wanted->targetList) &&
		strcmp(query_text(made, relations->rollup, NIL),
			   query_text(wanted, relations->rollup, entries)) == 0)
		return;
	name_columns(wanted, relations->rollup);
	StoreViewQuery(relations->rollup, wanted, true);
	CommandCounterIncrement();
}

/*
 * Upgrades
 */

/* The conditions that a view has in this version, put into it wherever it reads the partials. */
typedef struct ViewRenewal
{
	Oid			partials;
	Oid			function;
	bool		has;			/* it has it already */
	Oid			total;			/* the aggregate, of which */
	Oid			more;			/* an operator asks whether it is more than 0 */
} ViewRenewal;

static bool
reads_partials(const Query *query, Oid partials)
{
	ListCell   *cell;

	foreach(cell, query->rtable)
		if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_RELATION &&
			lfirst_node(RangeTblEntry, cell)->relid == partials)
			return true;
	return false;
}

/* The first condition of HAVING: it asks whether the group has rows. */
static void
renew_group_test(Query *query, const ViewRenewal *renewal)
{
	Node	   *having = query->havingQual;
	Node	   *first = is_andclause(having) ? linitial(((BoolExpr *) having)->args) : having;
	OpExpr	   *test = (OpExpr *) first;

	if (query->groupClause != NIL && test && IsA(test, OpExpr) && test->opfuncid == F_INT84GT &&
		IsA(linitial(test->args), Aggref) &&
		linitial_node(Aggref, test->args)->aggfnoid == renewal->total)
		test->opno = renewal->more;
}

static bool
renew_walker(Node *node, ViewRenewal *renewal)
{
	if (node == NULL)
		return false;
	if (IsA(node, FuncExpr) && ((FuncExpr *) node)->funcid == renewal->function)
		renewal->has = true;
	if (!IsA(node, Query))
		return expression_tree_walker(node, renew_walker, renewal);
	renew_group_test((Query *) node, renewal);
	(void) query_tree_walker((Query *) node, renew_walker, renewal, 0);
	if (!renewal->has && reads_partials((Query *) node, renewal->partials))
	{
		Query	   *query = (Query *) node;
		Const *partials = makeConst(REGCLASSOID, -1, InvalidOid, sizeof(Oid),
									ObjectIdGetDatum(renewal->partials), false, true);
		FuncExpr *call = makeFuncExpr(renewal->function, BOOLOID, list_make1(partials), InvalidOid,
									  InvalidOid, COERCE_EXPLICIT_CALL);

		query->jointree->quals = make_and_qual(query->jointree->quals, (Node *) call);
		renewal->has = true;
	}
	return false;
}

/*
 * Nothing is parsed: what a text says may be somebody's own functions, and an upgrade is run by a
 * superuser.
 */
static void
renew_view(const RollupRelations *relations)
{
	char	   *schema = get_namespace_name(catalog_schema());
	List	   *more = list_make2(makeString(schema), makeString("?>"));
	ViewRenewal renewal = {relations->partials, catalog_function("readable"), false,
						   catalog_function("total"), OpernameGetOprid(more, INT8OID, INT4OID)};
	Query	   *query = read_view(relations->rollup);

	(void) renew_walker((Node *) query, &renewal);
	name_columns(query, relations->rollup);
	DefineQueryRewrite("_RETURN", relations->rollup, NULL, CMD_SELECT, true, true,
					   list_make1(query));
}

/* Whoever writes one now may have logged its rows for decoding still: no matter. */
static void
quiet_catalogs(void)
{
	static const char *const tables[] = {CATALOG_ROLLUP, CATALOG_UNCOUNTED, CATALOG_TOPIC,
										 CATALOG_EPOCH, CATALOG_SEGMENT, CATALOG_GROUP_DEFINITION,
										 CATALOG_GROUP_TOPIC, CATALOG_GROUP_BOOKMARK,
										 CATALOG_GROUP_LAYOUT, CATALOG_GROUP_EVENT};

	for (int i = 0; i < lengthof(tables); i++)
	{
		Oid			table = get_relname_relid(tables[i], catalog_schema());

		if (OidIsValid(table))
			quiet_relation(table);
	}
}

static void
renew_rollups(void)
{
	ListCell   *cell;
	int			nest = define_begin();

	foreach(cell, catalog_relations_all())
	{
		const RollupRelations *relations = lfirst(cell);

		if (!OidIsValid(catalog_owner(relations->partials)) ||
			!OidIsValid(catalog_owner(relations->rollup)))
			continue;
		renew_view(relations);
		quiet_relation(relations->partials);
		define_create_guards(relations);
		renew_warn(relations);
	}
	quiet_catalogs();
	define_end(nest);
}

/*
 * gymstream_internal.renew_rollups() returns void: brings what all rollups are made of to this
 * version, as the last step of making or upgrading the extension, and after pg_upgrade, which does
 * not keep all of it. What is made is not the extension's.
 */
PG_FUNCTION_INFO_V1(gs_renew_rollups);
Datum
gs_renew_rollups(PG_FUNCTION_ARGS)
{
	bool		creating = creating_extension;

	creating_extension = false;
	PG_TRY();
	{
		renew_rollups();
	}
	PG_CATCH();
	{
		creating_extension = creating;
		PG_RE_THROW();
	}
	PG_END_TRY();
	creating_extension = creating;
	PG_RETURN_VOID();
}
