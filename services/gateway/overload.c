/* SPDX-License-Identifier: Apache-2.0 */
/* See overload.h. */
#include "services/gateway/overload.h"

#define US_PER_MS 1000u

void
overload_init(struct overload *overload, uint64_t memory_max, uint64_t lag_max_ms)
{
    *overload = (struct overload){.memory_max = memory_max, .lag_max_us = lag_max_ms * US_PER_MS};
}

static bool
set(bool *state, uint64_t *since_ms, bool now, uint64_t now_ms)
{
    if (*state == now)
        return false;
    *state = now;
    *since_ms = now_ms;
    return true;
}

static uint64_t
low_mark(const struct overload *overload)
{
    return overload->memory_max / 10 * 9;
}

bool
overload_tell_memory(struct overload *overload, uint64_t used, uint64_t now_ms)
{
    bool is_full = overload->memory_max > 0 &&
                   used > (overload->is_full ? low_mark(overload) : overload->memory_max);
    return set(&overload->is_full, &overload->full_since_ms, is_full, now_ms);
}

bool
overload_tell_lag(struct overload *overload, uint64_t lag_us, uint64_t now_ms)
{
    uint64_t limit = overload->is_late ? overload->lag_max_us / 2 : overload->lag_max_us;
    bool is_late = overload->lag_max_us > 0 && lag_us > limit;
    return set(&overload->is_late, &overload->late_since_ms, is_late, now_ms);
}

uint64_t
overload_excess(const struct overload *overload, uint64_t used, uint64_t now_ms)
{
    if (!overload->is_full || now_ms - overload->full_since_ms < OVERLOAD_LONG_MS ||
        used <= low_mark(overload))
        return 0;
    return used - low_mark(overload);
}

bool
overload_is_long(const struct overload *overload, uint64_t now_ms)
{
    return (overload->is_full && now_ms - overload->full_since_ms >= OVERLOAD_LONG_MS) ||
           (overload->is_late && now_ms - overload->late_since_ms >= OVERLOAD_LONG_MS);
}
