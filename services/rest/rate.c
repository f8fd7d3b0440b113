/* SPDX-License-Identifier: Apache-2.0 */
/* See rate.h. For each place one number: the time at which its last request would have been due if
 * requests came evenly (the "generic cell rate algorithm"), with some bits that tell names apart.
 * One number can be changed by compare and swap, so there is no lock. */
#include "services/rest/rate.h"

#include "common/hash.h"
#include "common/mem.h"

#include <stdatomic.h>

#define PLACES    8192u
#define PROBES    4u
#define TAG_SHIFT 44u
#define TIME_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)
#define UNITS     16u /* of time in a millisecond */

struct rate {
    uint64_t interval; /* units between requests; 0: no limit */
    uint64_t burst;    /* units that may be borrowed */
    _Atomic uint64_t places[PLACES];
};

struct rate *
rate_new(uint64_t count, uint64_t period_ms, uint64_t burst)
{
    struct rate *rate = mem_zalloc(sizeof *rate);
    if (count != 0) {
        rate->interval = period_ms * UNITS / count;
        if (rate->interval == 0)
            rate->interval = 1;
    }
    rate->burst = rate->interval * (burst != 0 ? burst : 1);
    return rate;
}

void
rate_free(struct rate *rate)
{
    mem_free(rate);
}

/* The place of this tag, else one whose name is idle, else the first. */
static _Atomic uint64_t *
find(struct rate *rate, uint64_t hash, uint64_t tag, uint64_t now)
{
    _Atomic uint64_t *idle = NULL;
    for (unsigned i = 0; i < PROBES; i++) {
        _Atomic uint64_t *place = &rate->places[(hash + i) % PLACES];
        uint64_t value = atomic_load_explicit(place, memory_order_relaxed);
        if (value >> TAG_SHIFT == tag)
            return place;
        if (idle == NULL && (value & TIME_MASK) <= now)
            idle = place;
    }
    return idle != NULL ? idle : &rate->places[hash % PLACES];
}

bool
rate_take(struct rate *rate, struct slice name, uint64_t now_ms, uint64_t *retry_ms)
{
    uint64_t hash = hash_local(name.data, name.len);
    uint64_t tag = hash >> TAG_SHIFT, now = now_ms * UNITS & TIME_MASK;
    if (rate->interval == 0)
        return true;
    _Atomic uint64_t *place = find(rate, hash, tag, now);
    uint64_t value = atomic_load_explicit(place, memory_order_relaxed), due;
    do {
        due = value & TIME_MASK;
        if (due < now)
            due = now;
        if (due + rate->interval > now + rate->burst) {
            *retry_ms = (due + rate->interval - now - rate->burst + UNITS - 1) / UNITS;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(place, &value,
                                                    tag << TAG_SHIFT | (due + rate->interval),
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}
