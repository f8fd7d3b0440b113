/* SPDX-License-Identifier: Apache-2.0 */
/* Slot = (deadline's tick) mod slots. A node whose round has not come stays in its slot, which is
 * why delays beyond one round cost one look per round. */
#include "common/wheel.h"

#include "common/mem.h"

#include <assert.h>

void
wheel_init(struct wheel *wheel, uint64_t tick_ms, size_t slot_count, uint64_t now_ms)
{
    size_t count = 1;
    assert(tick_ms > 0 && slot_count <= (size_t)1 << 24);
    while (count < slot_count)
        count *= 2;
    *wheel = (struct wheel){.slots = mem_zalloc_array(count, sizeof(*wheel->slots)),
                            .slot_count = count,
                            .tick_ms = tick_ms,
                            .done_tick = now_ms / tick_ms};
}

void
wheel_fini(struct wheel *wheel)
{
    mem_free(wheel->slots);
    *wheel = (struct wheel){0};
}

/* The first tick whose start is not before the deadline: never early. */
static uint64_t
wheel_tick_of(const struct wheel *wheel, uint64_t deadline_ms)
{
    return deadline_ms / wheel->tick_ms + (deadline_ms % wheel->tick_ms != 0 ? 1 : 0);
}

static void
wheel_unlink(struct wheel_node *node)
{
    *node->link = node->next;
    if (node->next != NULL)
        node->next->link = node->link;
    node->link = NULL;
    node->next = NULL;
}

static void
wheel_push(struct wheel_node **head, struct wheel_node *node)
{
    node->next = *head;
    if (node->next != NULL)
        node->next->link = &node->next;
    node->link = head;
    *head = node;
}

void
wheel_arm(struct wheel *wheel, struct wheel_node *node, uint64_t deadline_ms)
{
    uint64_t tick = wheel_tick_of(wheel, deadline_ms);
    if (tick <= wheel->done_tick)
        tick = wheel->done_tick + 1;
    if (node->link != NULL)
        wheel_unlink(node);
    else
        wheel->count++;
    node->deadline_ms = deadline_ms;
    wheel_push(&wheel->slots[tick & (wheel->slot_count - 1)], node);
}

void
wheel_cancel(struct wheel *wheel, struct wheel_node *node)
{
    if (node->link == NULL)
        return;
    wheel_unlink(node);
    wheel->count--;
}

/* What is due is first moved to a list of its own, so that fn may cancel nodes that are next and
 * arm nodes into this very slot. */
static size_t
wheel_run_slot(struct wheel *wheel, size_t slot, uint64_t tick, wheel_fn fn, void *arg)
{
    struct wheel_node *due = NULL;
    struct wheel_node *node = wheel->slots[slot];
    size_t fired = 0;
    while (node != NULL) {
        struct wheel_node *next = node->next;
        if (wheel_tick_of(wheel, node->deadline_ms) <= tick) {
            wheel_unlink(node);
            wheel_push(&due, node);
        }
        node = next;
    }
    while (due != NULL) {
        node = due;
        wheel_unlink(node);
        wheel->count--;
        fired++;
        fn(arg, node);
    }
    return fired;
}

/* done_tick is moved before anything fires, so that what fn arms lands after now. */
size_t
wheel_advance(struct wheel *wheel, uint64_t now_ms, wheel_fn fn, void *arg)
{
    uint64_t target = now_ms / wheel->tick_ms;
    uint64_t first = wheel->done_tick + 1;
    size_t fired = 0;
    uint64_t i;
    uint64_t steps;
    if (target < first)
        return 0;
    steps = target - wheel->done_tick;
    if (steps > wheel->slot_count)
        steps = wheel->slot_count;
    wheel->done_tick = target;
    for (i = 0; i < steps && wheel->count != 0; i++)
        fired +=
            wheel_run_slot(wheel, (size_t)(first + i) & (wheel->slot_count - 1), target, fn, arg);
    return fired;
}
