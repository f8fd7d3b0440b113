/* SPDX-License-Identifier: Apache-2.0 */
/* See barrier.h. */
#include "services/gateway/barrier.h"

#include <assert.h>

#include "common/mem.h"
#include "services/gateway/post.h"

#define RING_START 256u

struct barrier {
    struct barrier_change *ring; /* version v sits at v & (size - 1) */
    size_t size;                 /* a power of two */
    uint64_t first;              /* oldest version that may be open */
    uint64_t next;               /* next version to give out */
    size_t open;
    unsigned workers;
    uint64_t acked[WORKERS_MAX];
    barrier_fn fn;
    void *arg;
};

struct barrier *
barrier_new(unsigned workers, barrier_fn fn, void *arg)
{
    assert(workers <= WORKERS_MAX);
    struct barrier *barrier = mem_zalloc(sizeof(*barrier));
    barrier->size = RING_START;
    barrier->ring = mem_zalloc_array(barrier->size, sizeof(*barrier->ring));
    barrier->first = 1;
    barrier->next = 1;
    barrier->workers = workers;
    barrier->fn = fn;
    barrier->arg = arg;
    return barrier;
}

void
barrier_free(struct barrier *barrier)
{
    if (barrier == NULL)
        return;
    mem_free(barrier->ring);
    mem_free(barrier);
}

static struct barrier_change *
change_at(struct barrier *barrier, uint64_t version)
{
    return &barrier->ring[version & (barrier->size - 1)];
}

static void
resize(struct barrier *barrier, size_t size)
{
    struct barrier_change *ring = mem_zalloc_array(size, sizeof(*ring));
    for (uint64_t v = barrier->first; v < barrier->next; v++)
        ring[v & (size - 1)] = *change_at(barrier, v);
    mem_free(barrier->ring);
    barrier->ring = ring;
    barrier->size = size;
}

static void
move_first(struct barrier *barrier)
{
    while (barrier->first < barrier->next && change_at(barrier, barrier->first)->waits == 0)
        barrier->first++;
    /* After a storm of subscriptions the ring goes back to its small size. */
    if (barrier->first == barrier->next && barrier->size > RING_START * 64)
        resize(barrier, RING_START);
}

static uint64_t
take_version(struct barrier *barrier, const struct barrier_change *change)
{
    move_first(barrier);
    uint64_t used = barrier->next - barrier->first;
    if (used == barrier->size)
        resize(barrier, barrier->size * 2);
    uint64_t version = barrier->next++;
    *change_at(barrier, version) = *change;
    return version;
}

uint64_t
barrier_add(struct barrier *barrier, const struct barrier_change *change)
{
    assert(change->kind != 0 && change->waits != 0);
    uint64_t version = take_version(barrier, change);
    barrier->open++;
    return version;
}

uint64_t
barrier_skip(struct barrier *barrier)
{
    static const struct barrier_change nothing = {0};
    return take_version(barrier, &nothing);
}

static void
answer(struct barrier *barrier, struct barrier_change *change, enum err result)
{
    struct barrier_change copy = *change;
    change->waits = 0;
    barrier->open--;
    barrier->fn(barrier->arg, &copy, result);
}

void
barrier_clear(struct barrier *barrier, uint64_t version, uint64_t bits)
{
    if (version < barrier->first || version >= barrier->next)
        return;
    struct barrier_change *change = change_at(barrier, version);
    if (change->waits == 0)
        return;
    if ((change->waits & ~bits) == 0)
        answer(barrier, change, OK);
    else
        change->waits &= ~bits;
}

void
barrier_fail(struct barrier *barrier, uint64_t version, enum err why)
{
    if (version >= barrier->first && version < barrier->next &&
        change_at(barrier, version)->waits != 0)
        answer(barrier, change_at(barrier, version), why);
}

void
barrier_ack(struct barrier *barrier, unsigned worker, uint64_t version)
{
    if (worker >= barrier->workers || version <= barrier->acked[worker] || version >= barrier->next)
        return;
    uint64_t from = barrier->acked[worker] + 1;
    barrier->acked[worker] = version;
    if (from < barrier->first)
        from = barrier->first;
    for (uint64_t v = from; v <= version; v++)
        barrier_clear(barrier, v, UINT64_C(1) << worker);
    move_first(barrier);
}

void
barrier_expire(struct barrier *barrier, uint64_t now_ms)
{
    uint64_t end = barrier->next;
    for (uint64_t v = barrier->first; v < end && barrier->open > 0; v++) {
        struct barrier_change *change = change_at(barrier, v);
        if (change->waits != 0 && change->deadline_ms != 0 && change->deadline_ms <= now_ms)
            answer(barrier, change, ERR_TIMEOUT);
    }
    move_first(barrier);
}

size_t
barrier_span(const struct barrier *barrier)
{
    return (size_t)(barrier->next - barrier->first);
}

size_t
barrier_open_count(const struct barrier *barrier)
{
    return barrier->open;
}
