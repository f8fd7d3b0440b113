/* SPDX-License-Identifier: Apache-2.0 */
/* A slab of waits with a free list, and per lane a ring of (position, wait). */
#include "services/core/waits.h"

#include "common/mem.h"
#include <assert.h>

enum { SLAB_MIN = 1024, RING_MIN = 256 };

struct wait {
    uint64_t number;
    uint64_t session;
    uint32_t owner;
    uint32_t pending; /* holds, lanes, and one until commit; in a free wait: next free */
    uint8_t flags;
    bool failed;
};

struct lane_item {
    uint64_t position;
    uint32_t wait;
};

struct lane {
    struct lane_item *items;
    size_t start, count, size; /* size: a power of two or 0 */
    uint64_t last;
};

struct waits {
    waits_fn fn;
    void *arg;
    struct wait *slab;
    size_t slab_size, cap, count;
    uint32_t free_head;
    struct lane *lanes;
    size_t lane_count;
};

struct waits *
waits_new(size_t cap, waits_fn fn, void *arg)
{
    struct waits *waits = mem_zalloc(sizeof(*waits));
    assert(cap < WAITS_NONE);
    waits->fn = fn;
    waits->arg = arg;
    waits->cap = cap;
    waits->free_head = WAITS_NONE;
    return waits;
}

void
waits_free(struct waits *waits)
{
    size_t i;
    if (waits == NULL)
        return;
    for (i = 0; i < waits->lane_count; i++)
        mem_free(waits->lanes[i].items);
    mem_free(waits->lanes);
    mem_free(waits->slab);
    mem_free(waits);
}

static void
slab_grow(struct waits *waits)
{
    size_t size = waits->slab_size == 0 ? SLAB_MIN : waits->slab_size * 2, i;
    if (size > waits->cap)
        size = waits->cap;
    waits->slab = mem_realloc_array(waits->slab, size, sizeof(*waits->slab));
    for (i = size; i-- > waits->slab_size;) {
        waits->slab[i].pending = waits->free_head;
        waits->free_head = (uint32_t)i;
    }
    waits->slab_size = size;
}

uint32_t
waits_begin(struct waits *waits, uint32_t owner, uint64_t session, uint64_t number)
{
    uint32_t index;
    if (waits->count >= waits->cap)
        return WAITS_NONE;
    if (waits->free_head == WAITS_NONE)
        slab_grow(waits);
    index = waits->free_head;
    waits->free_head = waits->slab[index].pending;
    waits->slab[index] =
        (struct wait){.number = number, .session = session, .owner = owner, .pending = 1};
    waits->count++;
    return index;
}

void
waits_flags(struct waits *waits, uint32_t wait, uint8_t flags)
{
    waits->slab[wait].flags = flags;
}

void
waits_hold(struct waits *waits, uint32_t wait)
{
    waits->slab[wait].pending++;
}

void
waits_release(struct waits *waits, uint32_t index)
{
    struct wait wait;
    assert(index < waits->slab_size && waits->slab[index].pending != 0);
    if (--waits->slab[index].pending != 0)
        return;
    wait = waits->slab[index];
    waits->slab[index].pending = waits->free_head;
    waits->free_head = index;
    waits->count--;
    if (!wait.failed)
        waits->fn(waits->arg, wait.owner, wait.session, wait.number, wait.flags);
}

void
waits_commit(struct waits *waits, uint32_t wait)
{
    waits_release(waits, wait);
}

static struct lane *
lane_get(struct waits *waits, uint32_t index)
{
    if (index >= waits->lane_count) {
        size_t count = (size_t)index + 1;
        waits->lanes = mem_realloc_array(waits->lanes, count, sizeof(*waits->lanes));
        for (; waits->lane_count < count; waits->lane_count++)
            waits->lanes[waits->lane_count] = (struct lane){0};
    }
    return &waits->lanes[index];
}

void
waits_lane(struct waits *waits, uint32_t wait, uint32_t index, uint64_t position)
{
    struct lane *lane = lane_get(waits, index);
    assert(position >= lane->last);
    if (lane->count == lane->size) {
        size_t size = lane->size == 0 ? RING_MIN : lane->size * 2, i;
        struct lane_item *items = mem_zalloc_array(size, sizeof(*items));
        for (i = 0; i < lane->count; i++)
            items[i] = lane->items[(lane->start + i) & (lane->size - 1)];
        mem_free(lane->items);
        lane->items = items;
        lane->start = 0;
        lane->size = size;
    }
    lane->last = position;
    lane->items[(lane->start + lane->count++) & (lane->size - 1)] =
        (struct lane_item){position, wait};
}

/* Takes the oldest off the lane; the lane may move in memory when its wait is released. */
static uint32_t
lane_pop(struct lane *lane)
{
    uint32_t wait = lane->items[lane->start].wait;
    lane->start = (lane->start + 1) & (lane->size - 1);
    lane->count--;
    return wait;
}

void
waits_reach(struct waits *waits, uint32_t index, uint64_t position)
{
    for (;;) {
        struct lane *lane = lane_get(waits, index);
        if (lane->count == 0 || lane->items[lane->start].position > position)
            return;
        waits_release(waits, lane_pop(lane));
    }
}

void
waits_void(struct waits *waits, uint32_t index)
{
    waits_reach(waits, index, UINT64_MAX);
    lane_get(waits, index)->last = 0;
}

void
waits_unlane(struct waits *waits, uint32_t index, void (*fn)(void *arg, uint32_t wait), void *arg)
{
    struct lane *lane = lane_get(waits, index);
    while (lane->count != 0)
        fn(arg, lane_pop(lane));
    lane->last = 0;
}

size_t
waits_fail(struct waits *waits, uint32_t index)
{
    struct lane *lane = lane_get(waits, index);
    size_t count = lane->count, i;
    for (i = 0; i < count; i++)
        waits->slab[lane->items[(lane->start + i) & (lane->size - 1)].wait].failed = true;
    waits_void(waits, index);
    return count;
}

size_t
waits_count(const struct waits *waits)
{
    return waits->count;
}

bool
waits_is_full(const struct waits *waits)
{
    return waits->count >= waits->cap;
}

size_t
waits_in_lane(const struct waits *waits, uint32_t lane)
{
    return lane < waits->lane_count ? waits->lanes[lane].count : 0;
}
