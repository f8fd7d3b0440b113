/* SPDX-License-Identifier: Apache-2.0 */
/* See pace.h: a leaky bucket that remembers when the next one is due. */
#include "services/gateway/pace.h"

#define BURST_MS 100u

void
pace_init(struct pace *pace, uint32_t rate)
{
    *pace = (struct pace){.rate = rate};
}

uint64_t
pace_wait_ms(const struct pace *pace, uint64_t now_ms)
{
    /* Early by at most the burst, but never so little that a slow pace would not begin. */
    uint64_t limit = (now_ms + BURST_MS) * pace->rate;
    if (pace->rate == 0 || pace->due_ms_x_rate <= limit)
        return 0;
    return (pace->due_ms_x_rate - limit + pace->rate - 1) / pace->rate;
}

bool
pace_take(struct pace *pace, uint64_t now_ms)
{
    if (pace_wait_ms(pace, now_ms) > 0)
        return false;
    if (pace->due_ms_x_rate < now_ms * pace->rate)
        pace->due_ms_x_rate = now_ms * pace->rate;
    pace->due_ms_x_rate += 1000;
    return true;
}
