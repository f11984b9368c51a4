/*
 * refuse.c: takes what a rollup cannot have and where in its query it stands, and gives the error.
 * The statement that fails is the call of create_rollup, so a place in the query becomes an
 * internal one. Outside of refuse_begin and refuse_end, where the query comes from the catalogs,
 * errors have no place.
 */
#include "rollup/model/refuse.h"

#include "mb/pg_wchar.h"
#include "nodes/nodeFuncs.h"

static void
point_at(const RefuseQuery *query, int position)
{
	/* The statement at hand is the call of create_rollup, and a place in that would mislead. */
	errposition(0);
	internalerrposition(position);
	internalerrquery(query->text);
}

static void
point_in_characters(void *arg)
{
	/* The parser and the analysis count characters from 1. */
	if (geterrposition() > 0)
		point_at(arg, geterrposition());
}

static void
point_in_bytes(void *arg)
{
	RefuseQuery *query = arg;
	/*
	 * refuse_at counts bytes from 1. An error without a place gets the query's, which may be -1 for
	 * none.
	 */
	int			place = geterrposition() > 0 ? geterrposition() - 1 : query->place;

	if (place >= 0)
		point_at(query, pg_mbstrlen_with_len(query->text, place) + 1);
}

static void
begin_query(RefuseQuery *query, const char *text, int place, void (*callback) (void *))
{
	query->text = text;
	query->place = place;
	query->callback.callback = callback;
	query->callback.arg = query;
	/*
	 * The server's stack points into query until refuse_end, or until an error takes the stack
	 * down.
	 */
	query->callback.previous = error_context_stack;
	error_context_stack = &query->callback;
}

void
refuse_begin_analysis(RefuseQuery *query, const char *text)
{
	begin_query(query, text, -1, point_in_characters);
}

void
refuse_begin(RefuseQuery *query, const char *text, int place)
{
	begin_query(query, text, place, point_in_bytes);
}

void
refuse_end(RefuseQuery *query)
{
	error_context_stack = query->callback.previous;
}

int
refuse_place(const void *node)
{
	return node ? exprLocation((const Node *) node) : -1;
}

static bool
leftmost_walker(Node *node, int *leftmost)
{
	int			place;

	if (node == NULL)
		return false;
	/* The place of an operator is its sign, and its left operand begins further left. */
	place = exprLocation(node);
	if (place >= 0 && (*leftmost < 0 || place < *leftmost))
		*leftmost = place;
	return raw_expression_tree_walker(node, leftmost_walker, leftmost);
}

int
refuse_place_raw(const void *node)
{
	int			leftmost = -1;

	leftmost_walker((Node *) node, &leftmost);
	return leftmost;
}

int
refuse_at(int place)
{
	/* The callback takes the byte for a place in the query, and moves it. */
	if (place >= 0)
		errposition(place + 1);
	return 0;
}

void
refuse_construct(int place, const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a rollup cannot have %s", what),
			 hint ? errhint("%s", hint) : 0,
			 refuse_at(place)));
}

void
refuse_lack(const char *what, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a rollup needs %s", what),
			 errhint("%s", hint)));
}
