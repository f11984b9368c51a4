/*
 * event_gaps.c: takes what renders an event and gives the event, or why it could not be rendered
 * and what of it can be told.
 *
 * An error in rendering one value must not end a slot, which would meet the same value again and
 * again. A value may be too long, damaged, or of a type whose output function fails. What is over
 * when the reason is, must end decoding: a transaction that was rolled back meanwhile, a cancel, a
 * lack of memory or of a file. Then the slot comes back to the same place.
 *
 * Catching an error without aborting a subtransaction is safe only where the code that failed holds
 * nothing but memory. That is so for formatters of ours, for output functions of the server's that
 * only compute, and for detoasting what decoding has already put together in memory: such columns
 * are "contained", and most are. All others are rendered in a subtransaction. The server decodes in
 * one itself where SQL asks for it: in a historic snapshot nothing is different, but that its abort
 * forgets which transaction in progress is being streamed.
 */
#include "decode/event.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "storage/lwlock.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* of an error's message as much is told */
#define MESSAGE_BYTES 500

/* set aside for what stands around the columns, where there is as much */
#define AROUND_BYTES 4096

/* an event that is put together piece by piece has this part of the size for the pieces */
#define PIECES_SHARE(size) ((size) - (size) / 8)

/* ---- trying ---- */

/*
 * Whether an error has its reason in what is rendered, so that it would come again. The class of
 * the code decides. A wrong yes leaves a value out that could have been told. A wrong no ends
 * decoding, and the slot comes back to the same place.
 */
static bool
comes_again(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK):
		case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
		case ERRCODE_TO_CATEGORY(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE):
		case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):
		case ERRCODE_TO_CATEGORY(ERRCODE_IO_ERROR):
			return false;
		default:
			return true;
	}
}

/* What has to be as before when an error was caught. */
typedef struct Before
{
	MemoryContext context;
	ResourceOwner owner;
	TransactionId streamed;		/* see SetupCheckXidLive */
	bool		scanning;
	int			len;
	JsonLimit	limit;
	bool		subtransaction;
} Before;

/*
 * No room is promised beyond what a buffer can have. Outside of a transaction no subtransaction can
 * be begun: what is tried there is messages, which are contained. Beginning one switches the memory
 * context, which is put back.
 */
static Before
try_begin(StringInfo out, bool contained, int size)
{
	Before before = {CurrentMemoryContext, CurrentResourceOwner, CheckXidAlive, bsysscan, out->len};
	int			room = MaxAllocSize - 1 - out->len;

	before.limit = json_limit;
	json_limit.length = out->len + Min(size, room);
	json_limit.size = size;
	before.subtransaction = !contained && IsTransactionState();
	if (before.subtransaction)
	{
		/* settings made within would have to be made again each time */
		json_pin_settings();
		BeginInternalSubTransaction(NULL);
		MemoryContextSwitchTo(before.context);
	}
	return before;
}

static void
try_end(const Before *before)
{
	MemoryContextSwitchTo(before->context);
	if (before->subtransaction)
	{
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(before->context);
		CurrentResourceOwner = before->owner;
	}
	json_limit = before->limit;
}

/*
 * Take the error that was thrown away, and what it has left. The error is copied out of the error
 * context before anything is aborted, into the context in force before. The abort of a
 * subtransaction forgets which transaction is being streamed: both variables are put back. What was
 * appended is cut off, so that the buffer is as it was.
 */
static ErrorData *
try_failed(const Before *before, StringInfo out)
{
	ErrorData  *error;

	MemoryContextSwitchTo(before->context);
	error = CopyErrorData();
	FlushErrorState();
	if (before->subtransaction)
		RollbackAndReleaseCurrentSubTransaction();
	else
		LWLockReleaseAll();		/* of an enum's label it may look into a catalog */
	MemoryContextSwitchTo(before->context);
	CurrentResourceOwner = before->owner;
	CheckXidAlive = before->streamed;
	bsysscan = before->scanning;
	json_limit = before->limit;
	out->len = before->len;
	out->data[out->len] = '\0';
	return error;
}

/*
 * The message is cut at a whole character, and lives in the current context as long as the event.
 */
static void
fault_read(EventFault *fault, const ErrorData *error)
{
	int			len = strlen(error->message);

	fault->sqlerrcode = error->sqlerrcode;
	fault->message = pnstrdup(error->message, pg_mbcliplen(error->message, len, MESSAGE_BYTES));
	fault->too_long = error->sqlerrcode == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

/*
 * The error is volatile since it is set behind a long jump. It is thrown on only behind PG_END_TRY,
 * where the handler in force before is back.
 */
bool
event_try(EventRender render, StringInfo out, void *argument, bool contained, int size,
		  EventFault *fault)
{
	Before		before = try_begin(out, contained, size);
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		render(out, argument);
		try_end(&before);
	}
	PG_CATCH();
	{
		error = try_failed(&before, out);
	}
	PG_END_TRY();
	if (likely(error == NULL))
		return true;
	if (fault == NULL || !comes_again(error->sqlerrcode))
		ReThrowError(error);
	fault_read(fault, error);
	FreeErrorData(error);
	return false;
}

/* ---- finding what cannot be told ---- */

/* A column at hand. */
typedef struct Piece
{
	EventRenderColumn render;
	void	   *argument;
	int			column;
	Datum		value;
} Piece;

static void
render_piece(StringInfo out, void *argument)
{
	const Piece *piece = argument;

	piece->render(out, piece->argument, piece->column, piece->value);
}

/* What is left of the size for columns, and a place to try them. */
typedef struct Search
{
	const EventShape *shape;
	Piece		piece;
	StringInfoData scratch;
	int			left;
} Search;

/* One long value must not hold its memory while the next one is tried. */
static void
forget_scratch(Search *search)
{
	pfree(search->scratch.data);
	initStringInfo(&search->scratch);
}

/*
 * Try the columns of a row that belong to the key, or all others; gives those that fail, with those
 * that did.
 */
static Bitmapset *
try_columns(Search *search, const EventRow *row, bool key, Bitmapset *gaps)
{
	const EventShape *shape = search->shape;

	for (int i = 0; i < shape->ncolumns && row != NULL; i++)
	{
		const EventColumn *column = &shape->columns[i];
		EventFault	fault;
		bool		fits;

		if (bms_is_member(i, shape->key) != key || row->nulls[column->index] ||
			event_is_unchanged(column, row))
			continue;
		search->piece.column = i;
		search->piece.value = row->values[column->index];

		/*
		 * Nobody knows what has failed: each column has a subtransaction. That is slow, and rare.
		 */
		fits = event_try(render_piece, &search->scratch, &search->piece, false,
						 Max(search->left, 0), &fault);
		if (fits)
			search->left -= search->scratch.len + column->json.label_len + 1;
		else
			gaps = bms_add_member(gaps, i);
		forget_scratch(search);
	}
	return gaps;
}

/*
 * Values are tried one by one, each within what those before have left of the size. What is left
 * may fall below zero by labels: then no further value fits. The sets are allocated in the current
 * context.
 */
void
event_find_gaps(EventGaps *gaps, const EventShape *shape, const EventRow *new, const EventRow *old,
				EventRenderColumn render, void *argument, int size)
{
	Search		search = {shape, {render, argument}};

	initStringInfo(&search.scratch);
	search.left = PIECES_SHARE(size);
	if (search.left > 2 * AROUND_BYTES)
		search.left -= AROUND_BYTES;
	/* what tells rows apart goes first: it shall have room */
	for (int key = 1; key >= 0; key--)
	{
		gaps->old = try_columns(&search, old, key, gaps->old);
		gaps->new = try_columns(&search, new, key, gaps->new);
	}
	pfree(search.scratch.data);
}

void
event_all_gaps(EventGaps *gaps, const EventShape *shape)
{
	if (shape->ncolumns == 0)
		return;
	gaps->new = bms_add_range(gaps->new, 0, shape->ncolumns - 1);
	gaps->old = bms_add_range(gaps->old, 0, shape->ncolumns - 1);
}

/* A message has no columns, and no shape: its gaps are empty, so that the shape is not read. */
void
event_append_gaps(StringInfo out, const EventGaps *gaps, const EventShape *shape)
{
	Bitmapset  *columns = bms_union(gaps->new, gaps->old);
	char		separator = '[';

	appendStringInfo(out,
					 "{\"code\":\"%s\",\"message\":", unpack_sql_state(gaps->fault.sqlerrcode));
	json_append_string(out, gaps->fault.message, strlen(gaps->fault.message));
	appendStringInfoString(out, ",\"columns\":");
	for (int i = -1; (i = bms_next_member(columns, i)) >= 0; separator = ',')
	{
		appendStringInfoChar(out, separator);
		appendBinaryStringInfo(out, shape->columns[i].json.label,
							   shape->columns[i].json.label_len - 1);
	}
	appendStringInfoString(out, separator == '[' ? "[]}" : "]}");
}
