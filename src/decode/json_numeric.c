/*
 * json_numeric.c: takes a numeric as it is stored and gives its digits, as numeric_out does,
 * without a copy of it in between.
 *
 * The format on disk: a header of two bytes (short) or four (long), which tells sign, number of
 * digits to be shown after the point and weight of the first group; then groups of four decimal
 * digits, without leading and trailing groups of zero.
 */
#include "decode/json.h"

#include "utils/numeric.h"

#include "decode/buffer.h"

#define GROUP_DIGITS 4

#define HEADER_KIND 0xC000		/* the two bits that tell the kinds apart */
#define HEADER_SHORT 0x8000
#define HEADER_SPECIAL 0xC000
#define HEADER_NEGATIVE 0x4000
#define SHORT_NEGATIVE 0x2000
#define SHORT_SCALE(header) (((header) >> 7) & 0x3F)
#define SHORT_WEIGHT(header) ((int) ((header) & 0x3F) - (int) ((header) & 0x40))
#define LONG_SCALE(header) ((header) & 0x3FFF)

typedef struct Groups
{
	const char *bytes;			/* not aligned */
	int			count;
	int			weight;
	int			scale;
	bool		negative;
} Groups;

/*
 * Zero outside of the groups that are stored: groups of zero at both ends are not stored. The place
 * may have any alignment, since a short varlena has a header of one byte.
 */
static inline int
group_at(const Groups *groups, int i)
{
	int16		group;

	if (i < 0 || i >= groups->count)
		return 0;
	memcpy(&group, groups->bytes + i * sizeof(group), sizeof(group));
	return group;
}

/*
 * False for NaN and the infinities, which have no groups. A compressed or distant value is
 * detoasted into the current context, and the groups point into it: they are good as long as the
 * value and that context. Nearly all values are stored as they are, and need no call.
 */
static pg_attribute_always_inline bool
groups_read(Groups *groups, Datum value)
{
	struct varlena *numeric = (struct varlena *) DatumGetPointer(value);
	const char *bytes;
	Size		size;
	uint16		header;
	int16		weight;

	if (unlikely(VARATT_IS_COMPRESSED(numeric) || VARATT_IS_EXTERNAL(numeric)))
		numeric = pg_detoast_datum_packed(numeric);
	bytes = VARDATA_ANY(numeric);
	size = VARSIZE_ANY_EXHDR(numeric);
	memcpy(&header, bytes, sizeof(header));
	bytes += sizeof(header);
	size -= sizeof(header);
	switch (header & HEADER_KIND)
	{
		case HEADER_SPECIAL:
			return false;
		case HEADER_SHORT:
			groups->negative = (header & SHORT_NEGATIVE) != 0;
			groups->scale = SHORT_SCALE(header);
			groups->weight = SHORT_WEIGHT(header);
			break;
		default:
			memcpy(&weight, bytes, sizeof(weight));
			bytes += sizeof(weight);
			size -= sizeof(weight);
			groups->negative = (header & HEADER_KIND) == HEADER_NEGATIVE;
			groups->scale = LONG_SCALE(header);
			groups->weight = weight;
			break;
	}
	groups->bytes = bytes;
	groups->count = size / sizeof(int16);
	return true;
}

static inline char *
put_group(char *p, int group)
{
	p[0] = '0' + group / 1000;
	p[1] = '0' + group / 100 % 10;
	p[2] = '0' + group / 10 % 10;
	p[3] = '0' + group % 10;
	return p + GROUP_DIGITS;
}

/*
 * Without leading zeros. A group of zero is one zero: a number below one has it before the point.
 */
static char *
put_first_group(char *p, int group)
{
	int			divisor = group >= 1000 ? 1000 : group >= 100 ? 100 : group >= 10 ? 10 : 1;

	for (; divisor > 0; divisor /= 10)
		*p++ = '0' + group / divisor % 10;
	return p;
}

/*
 * Counts by the header alone: the digits before the point follow from the weight, those behind it
 * from the scale. The first group may have fewer digits than four: it counts as one.
 */
uint64
json_numeric_size(Datum value)
{
	Groups		groups;
	uint64		size = 1;

	/* NaN, or an infinity */
	if (!groups_read(&groups, value))
		return strlen("NaN");
	if (groups.weight > 0)
		size += groups.weight * GROUP_DIGITS;
	return groups.scale > 0 ? size + 1 + groups.scale : size;
}

bool
json_append_numeric(StringInfo out, Datum value)
{
	Groups		groups;
	char	   *p;

	if (!groups_read(&groups, value))
		return false;

	/*
	 * Room for the whole part with one group at least, for the fraction, and for a sign and a
	 * point. The last group of the fraction may reach beyond the scale by three digits: it has a
	 * group more.
	 */
	buffer_need(out, (Max(groups.weight, 0) + 1) * GROUP_DIGITS + groups.scale + GROUP_DIGITS + 3);
	p = out->data + out->len;
	if (groups.negative)
		*p++ = '-';
	p = put_first_group(p, groups.weight < 0 ? 0 : group_at(&groups, 0));
	for (int i = 1; i <= groups.weight; i++)
		p = put_group(p, group_at(&groups, i));
	if (groups.scale > 0)
	{
		char	   *end = p + 1 + groups.scale;

		*p++ = '.';

		/*
		 * A number may begin far behind the point: the index is below zero then, and the groups are
		 * zeros. What is written beyond the scale is cut off: a stored numeric has only zeros
		 * there.
		 */
		for (int i = groups.weight + 1; p < end; i++)
			p = put_group(p, group_at(&groups, i));
		p = end;
	}
	/* the text has no zero byte behind it: who reads it as a C string appends one */
	out->len = p - out->data;
	return true;
}
