/* SPDX-License-Identifier: Apache-2.0 */
/* See throttle.h. */
#include "services/gateway/throttle.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

void
throttle_init(struct throttle *throttle, uint64_t rate)
{
    throttle->rate = rate;
    atomic_init(&throttle->due_ns, 0);
}

void
throttle_spend(struct throttle *throttle, uint64_t n, uint64_t now_ms)
{
    if (throttle->rate == 0)
        return;
    uint64_t cost = n * NS_PER_S / throttle->rate;
    uint64_t due = atomic_load_explicit(&throttle->due_ns, memory_order_relaxed);
    uint64_t next;
    do {
        next = (due > now_ms * NS_PER_MS ? due : now_ms * NS_PER_MS) + cost;
    } while (!atomic_compare_exchange_weak_explicit(&throttle->due_ns, &due, next,
                                                    memory_order_relaxed, memory_order_relaxed));
}

uint64_t
throttle_wait_ms(const struct throttle *throttle, uint64_t now_ms)
{
    uint64_t due = atomic_load_explicit(&throttle->due_ns, memory_order_relaxed);
    uint64_t limit = (now_ms + THROTTLE_BURST_MS) * NS_PER_MS;
    return throttle->rate == 0 || due <= limit ? 0 : (due - limit + NS_PER_MS - 1) / NS_PER_MS;
}
