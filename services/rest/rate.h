/* SPDX-License-Identifier: Apache-2.0 */
/* How often somebody may ask: so many requests in a time, with a burst, for each of many names
 * (addresses, keys). Fixed memory: names share a place only when it is crowded, and then count
 * together. Pure but for its table of atomics: any thread may ask, the clock is told. */
#ifndef SLUICE_SERVICES_REST_RATE_H
#define SLUICE_SERVICES_REST_RATE_H

#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct rate;

/* New. count requests in period_ms on average, burst at once (at least 1). count 0: no limit. */
struct rate *rate_new(uint64_t count, uint64_t period_ms, uint64_t burst);
void rate_free(struct rate *rate);

/* One request of `name`. False: too many; *retry_ms says when one will be taken again. */
bool rate_take(struct rate *rate, struct slice name, uint64_t now_ms, uint64_t *retry_ms);

#endif
