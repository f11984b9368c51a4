/*
 * event_key.c: takes a row and gives the values of its key's columns, in the form that all equal
 * keys have: as a JSON object, as a hash, and as a part of a channel's name. The hash and the name
 * are of the values alone, so that a column may be renamed; they depend on no server or machine.
 */
#include "decode/event_key.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "rollup/model/canonical.h"

void
event_key_init(EventKey *key, TupleDesc desc, List *attributes, const Bitmapset *identity,
			   MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	int			n = list_length(attributes);

	MemSet(key, 0, sizeof(*key));
	key->n = n;
	key->in_old = key->contained = true;
	key->desc = CreateTemplateTupleDesc(Max(n, 1));
	key->indexes = palloc(sizeof(int) * Max(n, 1));
	key->columns = palloc(sizeof(JsonColumn) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		AttrNumber	attribute = list_nth_int(attributes, i);

		TupleDescCopyEntry(key->desc, i + 1, desc, attribute);
		key->indexes[i] = attribute - 1;
		json_column_init(&key->columns[i], TupleDescAttr(desc, attribute - 1), context);
		key->contained &= key->columns[i].contained;
		key->in_old &= identity == NULL || bms_is_member(attribute, identity);
	}
	if (n > 0)
		gs_tuple_desc_finish(key->desc);
	key->alike = canonical_find(key->desc, n);
	MemoryContextSwitchTo(old);
}

/* The number of the column of this name; 0: there is none. */
static AttrNumber
find_column(TupleDesc desc, const char *name)
{
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (event_shows_column(attribute) && strcmp(NameStr(attribute->attname), name) == 0)
			return attribute->attnum;
	}
	return InvalidAttrNumber;
}

List *
event_key_named(TupleDesc desc, HeapTuple topic, TupleDesc catalog, AttrNumber column)
{
	List	   *attributes = NIL;
	Datum	   *names;
	int			n;
	bool		isnull = true;
	Datum		value = (Datum) 0;

	/* The catalog of an older version has no such column. */
	if (column <= catalog->natts)
		value = heap_getattr(topic, column, catalog, &isnull);
	if (isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(value), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names,
					  NULL, &n);
	for (int i = 0; i < n; i++)
	{
		AttrNumber	attribute = find_column(desc, NameStr(*DatumGetName(names[i])));

		if (attribute == InvalidAttrNumber)
			return NIL;
		attributes = lappend_int(attributes, attribute);
	}
	return attributes;
}

/* A row's values of the key, in their canonical form. */
typedef struct KeyValues
{
	EventKey   *key;
	Datum	   *values;
	bool	   *nulls;
	bool		varies;			/* equal keys may have other texts */
	uint64		hash;
} KeyValues;

/* False where a value is not known: it stayed in the TOAST table and did not come along. */
static bool
take_values(KeyValues *taken, EventKey *key, const EventRow *row)
{
	taken->key = key;
	taken->values = palloc(sizeof(Datum) * key->n);
	taken->nulls = palloc(sizeof(bool) * key->n);
	for (int i = 0; i < key->n; i++)
	{
		taken->values[i] = row->values[key->indexes[i]];
		taken->nulls[i] = row->nulls[key->indexes[i]];
		if (!taken->nulls[i] && TupleDescAttr(key->desc, i)->attlen == -1 &&
			VARATT_IS_EXTERNAL_ONDISK(DatumGetPointer(taken->values[i])))
			return false;
	}
	return true;
}

/*
 * The 64-bit hash of Fowler, Noll and Vo: by bytes, the same on every machine, which the server's
 * own is not.
 */
#define HASH_BASIS UINT64CONST(0xcbf29ce484222325)
#define HASH_PRIME UINT64CONST(0x100000001b3)

static uint64
add_to_hash(uint64 hash, const char *bytes, Size size)
{
	for (Size i = 0; i < size; i++)
		hash = (hash ^ (unsigned char) bytes[i]) * HASH_PRIME;
	return hash;
}

/* The work of an attempt. */
static void
render_key(StringInfo out, void *argument)
{
	KeyValues  *taken = argument;
	EventKey   *key = taken->key;

	taken->varies =
		canonical_keys(key->alike, key->desc, taken->values, taken->nulls) != NULL;
	taken->hash = HASH_BASIS;
	for (int i = 0; i < key->n; i++)
	{
		int			start;

		appendStringInfoChar(out, i == 0 ? '{' : ',');
		appendBinaryStringInfo(out, key->columns[i].label, key->columns[i].label_len);
		start = out->len;
		if (taken->nulls[i])
			appendStringInfoString(out, "null");
		else
			(void) json_append_value(out, &key->columns[i], taken->values[i]);
		/* The byte behind a value is in no JSON, so that no two keys run together alike. */
		taken->hash = add_to_hash(taken->hash, out->data + start, out->len - start);
		taken->hash = add_to_hash(taken->hash, "", 1);
	}
	appendStringInfoChar(out, '}');
}

bool
event_key_append(StringInfo out, EventKey *key, const EventRow *row, uint32 *hash)
{
	KeyValues	taken;
	EventFault	fault;

	*hash = 0;
	key->varies = false;
	if (key->n == 0 || row == NULL || !take_values(&taken, key, row) ||
		!event_try(render_key, out, &taken, key->contained, EVENT_KEY_SIZE, &fault))
		return false;
	key->varies = taken.varies;
	*hash = murmurhash32((uint32) (taken.hash ^ (taken.hash >> 32)));
	return true;
}

/* ---- channels ---- */

/* Whether a value stands in a channel's name as it is: letters, digits and a few signs. */
static bool
is_plain(const char *text, int len)
{
	for (int i = 0; i < len; i++)
		if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'A' && text[i] <= 'Z') &&
			!(text[i] >= 'a' && text[i] <= 'z') && strchr("_.:+-", text[i]) == NULL)
			return false;
	return len > 0;
}

static void
print_hash(char *text, uint64 hash)
{
	snprintf(text, EVENT_CHANNEL_SIZE, "~%08x%08x", (uint32) (hash >> 32), (uint32) hash);
}

/* What render_channel gives, beside all values as JSON with a byte 0 behind each. */
typedef struct ChannelText
{
	KeyValues	taken;
	StringInfoData plain;		/* the values as they are, with commas between them */
	bool		is_plain;
} ChannelText;

static void
render_channel(StringInfo out, void *argument)
{
	ChannelText *text = argument;
	KeyValues  *taken = &text->taken;
	EventKey   *key = taken->key;

	taken->varies =
		canonical_keys(key->alike, key->desc, taken->values, taken->nulls) != NULL;
	for (int i = 0; i < key->n; i++)
	{
		int			start = out->len;
		char	   *value;
		int			len;

		if (taken->nulls[i])
			appendStringInfoString(out, "null");
		else
			(void) json_append_value(out, &key->columns[i], taken->values[i]);
		value = out->data + start;
		len = out->len - start;
		/* A string goes without its quotes, unless it would then look like what is no string. */
		if (len > 2 && value[0] == '"')
		{
			value++;
			len -= 2;
			text->is_plain &= len != 4 || memcmp(value, "null", 4) != 0;
		}
		text->is_plain &= is_plain(value, len);
		if (i > 0)
			appendStringInfoChar(&text->plain, ',');
		appendBinaryStringInfo(&text->plain, value, len);
		appendStringInfoChar(out, '\0');
	}
}

void
event_key_channel(char *text, EventKey *key, const EventRow *row)
{
	ChannelText channel = {.is_plain = true};
	StringInfoData json;
	EventFault	fault;

	text[0] = '\0';
	if (key->n == 0 || row == NULL || !take_values(&channel.taken, key, row))
		return;
	initStringInfo(&json);
	initStringInfo(&channel.plain);
	if (!event_try(render_channel, &json, &channel, key->contained, EVENT_KEY_SIZE, &fault) ||
		channel.taken.varies)
		return;
	if (channel.is_plain && channel.plain.len < EVENT_CHANNEL_SIZE)
		strlcpy(text, channel.plain.data, EVENT_CHANNEL_SIZE);
	else
		print_hash(text, add_to_hash(HASH_BASIS, json.data, json.len));
}

/*
 * The text stands behind the topic's channel. Where that is too long for a channel's name, a hash
 * of the text does; and the topic's number stands for its channel, where that is long itself.
 */
void
event_channel_name(char *name, const char *channel, Oid topic, const char *text)
{
	char		short_text[EVENT_CHANNEL_SIZE];

	if (text[0] == '\0')
		strlcpy(name, channel, NAMEDATALEN);
	if (text[0] == '\0' || snprintf(name, NAMEDATALEN, "%s#%s", channel, text) < NAMEDATALEN)
		return;
	if (text[0] == '~')
		strlcpy(short_text, text, sizeof(short_text));
	else
		print_hash(short_text, add_to_hash(HASH_BASIS, text, strlen(text)));
	if (snprintf(name, NAMEDATALEN, "%s#%s", channel, short_text) < NAMEDATALEN)
		return;
	snprintf(name, NAMEDATALEN, "gymstream:%u#%s", topic, short_text);
}
