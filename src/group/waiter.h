/*
 * waiter.h: those who wait for something to be had from a group.
 */
#ifndef GS_WAITER_H
#define GS_WAITER_H

#include "base/base.h"

#include "group/group.h"

/* Enter this process, and leave. While it is entered it can be woken by its latch. */
extern void waiter_enter(const ConsumerGroup *group, const List *topics);
extern void waiter_leave(void);

/* Whether it was woken since it entered. False forever where there was no room for it. */
extern bool waiter_is_woken(void);
extern bool waiter_is_entered(void);

/* Wake one who waits for the group, if there is one. Never fails. */
extern void waiter_wake(int32 group);

/* Wake all of them: the group has changed. */
extern void waiter_wake_all(int32 group);

extern void waiter_init(void);

#endif							/* GS_WAITER_H */
