/* SPDX-License-Identifier: Apache-2.0 */
/* See drain.h. */
#include "services/gateway/drain.h"

#define SPREAD_MAX_MS 3600000u

void
drain_init(struct drain *drain, uint64_t wait_ms, uint64_t rate)
{
    *drain = (struct drain){.wait_ms = wait_ms, .rate = rate};
}

void
drain_begin(struct drain *drain, uint64_t now_ms)
{
    if (drain->state == DRAIN_NONE) {
        drain->state = DRAIN_WAIT;
        drain->until_ms = now_ms + drain->wait_ms;
    } else {
        drain->state = DRAIN_OVER;
    }
}

static uint32_t
spread(uint64_t connections, uint64_t rate)
{
    if (rate == 0)
        return 0;
    uint64_t whole_s = connections / rate;
    if (whole_s >= SPREAD_MAX_MS / 1000)
        return SPREAD_MAX_MS;
    return (uint32_t)(whole_s * 1000 + connections % rate * 1000 / rate);
}

enum drain_step
drain_next(struct drain *drain, uint64_t now_ms, uint64_t connections, bool closed, bool quiet)
{
    switch (drain->state) {
    case DRAIN_WAIT:
        /* Without clients there is nobody to wait for. */
        if (now_ms < drain->until_ms && connections > 0)
            return DRAIN_STEP_NONE;
        drain->state = DRAIN_CLOSING;
        drain->spread_ms = spread(connections, drain->rate);
        drain->until_ms = now_ms + drain->spread_ms + DRAIN_GRACE_MS;
        return DRAIN_STEP_CLOSE;
    case DRAIN_CLOSING:
        if (!closed && now_ms < drain->until_ms)
            return DRAIN_STEP_NONE;
        drain->state = DRAIN_FLUSH;
        drain->until_ms = now_ms + DRAIN_FLUSH_MS;
        return DRAIN_STEP_NONE;
    case DRAIN_FLUSH:
        if (!quiet && now_ms < drain->until_ms)
            return DRAIN_STEP_NONE;
        drain->state = DRAIN_OVER;
        return DRAIN_STEP_END;
    case DRAIN_OVER:
        return DRAIN_STEP_END;
    case DRAIN_NONE:
        break;
    }
    return DRAIN_STEP_NONE;
}

bool
drain_is_begun(const struct drain *drain)
{
    return drain->state != DRAIN_NONE;
}
