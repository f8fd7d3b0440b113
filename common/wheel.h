/* SPDX-License-Identifier: Apache-2.0 */
/* A hashed timer wheel for hundreds of thousands of deadlines: arm and cancel are O(1), idle nodes
 * cost 24 bytes and nothing per tick but the slots passed. Pure: the clock is told. A node fires
 * within one tick after its deadline, never before it. */
#ifndef SLUICE_COMMON_WHEEL_H
#define SLUICE_COMMON_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the owner's struct; zeroed = not armed. Must not move or vanish while armed. */
struct wheel_node {
    struct wheel_node *next;
    struct wheel_node **link; /* what points to this node; NULL when not armed */
    uint64_t deadline_ms;
};

struct wheel {
    struct wheel_node **slots;
    size_t slot_count; /* a power of two */
    uint64_t tick_ms;
    uint64_t done_tick; /* every tick up to and with this one has been run */
    size_t count;
};

/* The node is no longer armed; fn may arm, cancel or free any node, this one too. */
typedef void (*wheel_fn)(void *arg, struct wheel_node *node);

/* tick_ms > 0; slot_count is raised to a power of two. Best when tick_ms * slot_count exceeds
 * the usual delay. */
void wheel_init(struct wheel *wheel, uint64_t tick_ms, size_t slot_count, uint64_t now_ms);
/* Armed nodes are forgotten, not fired. */
void wheel_fini(struct wheel *wheel);
/* Sets or moves the deadline. One in the past fires at the next advance that passes a tick. */
void wheel_arm(struct wheel *wheel, struct wheel_node *node, uint64_t deadline_ms);
/* No effect when not armed. */
void wheel_cancel(struct wheel *wheel, struct wheel_node *node);
/* Fires every node whose deadline <= now_ms (up to the granularity of a tick); returns how many.
 * What fn arms fires in a later advance at the earliest. A clock that goes back does nothing. */
size_t wheel_advance(struct wheel *wheel, uint64_t now_ms, wheel_fn fn, void *arg);

static inline bool
wheel_is_armed(const struct wheel_node *node)
{
    return node->link != NULL;
}

#define WHEEL_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
