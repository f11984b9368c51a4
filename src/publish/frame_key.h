/*
 * frame_key.h: the keys and the channels of an event on its way to the publisher.
 */
#ifndef GS_FRAME_KEY_H
#define GS_FRAME_KEY_H

#include "base/base.h"

#include "lib/stringinfo.h"

#include "decode/event_topic.h"
#include "publish/frame.h"

/*
 * Begin the body of a row's event, which is empty, with its keys, and enter them and its channels
 * in the frame. Of an insert old is NULL, of a delete new is.
 */
extern void frame_keys(Frame *frame, StringInfo body, EventTopic *topic, const EventRow *new,
					   const EventRow *old);

#endif							/* GS_FRAME_KEY_H */
