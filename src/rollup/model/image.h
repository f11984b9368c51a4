/*
 * image.h: what a value is to the last bit, where equality may be wider: 1.0 and 1.00 are equal and
 * have two images.
 */
#ifndef GS_IMAGE_H
#define GS_IMAGE_H

#include "base/base.h"

#include "fmgr.h"

/* How images of a type's values are compared. */
typedef struct KeyImage
{
	Oid			type;
	int16		typlen;
	bool		typbyval;
	/* there are composite values in it, whose bytes may differ without a difference to be seen */
	bool		composed;
} KeyImage;

extern void image_init(KeyImage *image, Oid type);

/* Leave no garbage in CurrentMemoryContext. */
extern bool image_equal(const KeyImage *image, Datum a, Datum b);
extern uint32 image_hash(const KeyImage *image, Datum value);

/*
 * The comparison as a function of two values, to be called as any other. What it needs is kept in
 * the context.
 */
extern void image_equality_init(FmgrInfo *function, Oid type, MemoryContext context);

#endif							/* GS_IMAGE_H */
