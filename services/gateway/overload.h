/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a worker has too much: memory beyond its maximum, or a loop that comes late. Each state
 * begins above its limit and ends well below it, so that it does not flicker. Pure: it is told the
 * numbers and the time; what follows from a state is its user's business.
 */
#ifndef SERVICES_GATEWAY_OVERLOAD_H
#define SERVICES_GATEWAY_OVERLOAD_H

#include <stdbool.h>
#include <stdint.h>

#define OVERLOAD_LONG_MS 5000u /* a state that lasts longer calls for more */

struct overload {
    uint64_t memory_max; /* bytes; 0: no limit */
    uint64_t lag_max_us; /* 0: no limit */
    uint64_t full_since_ms, late_since_ms;
    bool is_full; /* from memory_max until below 90 % of it */
    bool is_late; /* from lag_max until below half of it */
};

void overload_init(struct overload *overload, uint64_t memory_max, uint64_t lag_max_ms);
/* Each returns true if its state has changed. */
bool overload_tell_memory(struct overload *overload, uint64_t used, uint64_t now_ms);
bool overload_tell_lag(struct overload *overload, uint64_t lag_us, uint64_t now_ms);
/* Memory has been full for long: how much must go; 0: nothing. */
uint64_t overload_excess(const struct overload *overload, uint64_t used, uint64_t now_ms);
/* Either state has lasted for long. */
bool overload_is_long(const struct overload *overload, uint64_t now_ms);

#endif
