/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much per second may be read, of one client or of all clients of a listener. What was read is
 * counted afterwards, so it may owe; who owes waits. A quarter of a second's worth may come at
 * once. Several threads may share one: it is a single atomic number. Pure: the clock is told, and
 * who waits is the caller's business.
 */
#ifndef SERVICES_GATEWAY_THROTTLE_H
#define SERVICES_GATEWAY_THROTTLE_H

#include <stdatomic.h>
#include <stdint.h>

#define THROTTLE_BURST_MS 250u

struct throttle {
    uint64_t rate;           /* per second; 0: no limit */
    _Atomic uint64_t due_ns; /* when all that was counted would have come at this rate */
};

void throttle_init(struct throttle *throttle, uint64_t rate);
/* n more came; n * 1e9 must fit 64 bits. */
void throttle_spend(struct throttle *throttle, uint64_t n, uint64_t now_ms);
/* How many ms until more may come; 0: now. */
uint64_t throttle_wait_ms(const struct throttle *throttle, uint64_t now_ms);

#endif
