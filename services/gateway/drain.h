/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order in which a gateway goes down when it is told to: first it is not ready, so that a
 * balancer sends nobody new; then its clients are sent away, paced; then what they left reaches the
 * stores; then it ends. Every step has a deadline. Pure: the clock and the facts are told, the
 * steps are done by the caller.
 */
#ifndef SLUICE_SERVICES_GATEWAY_DRAIN_H
#define SLUICE_SERVICES_GATEWAY_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

enum drain_state {
    DRAIN_NONE,    /* serving */
    DRAIN_WAIT,    /* not ready, clients are still served */
    DRAIN_CLOSING, /* clients are being sent away */
    DRAIN_FLUSH,   /* what they left is on its way to the stores */
    DRAIN_OVER
};

/* What the caller has to do now. */
enum drain_step { DRAIN_STEP_NONE, DRAIN_STEP_CLOSE, DRAIN_STEP_END };

struct drain {
    enum drain_state state;
    uint64_t wait_ms; /* from not ready to closing */
    uint64_t rate;    /* connections per second; 0: no pace */
    uint64_t until_ms;
    uint32_t spread_ms; /* for DRAIN_STEP_CLOSE: how long closing may take */
};

#define DRAIN_GRACE_MS 5000u /* beyond the spread, for the last clients */
#define DRAIN_FLUSH_MS 3000u /* for what they left */

void drain_init(struct drain *drain, uint64_t wait_ms, uint64_t rate);
/* The first call begins; a second one ends without further waiting. */
void drain_begin(struct drain *drain, uint64_t now_ms);
/* Moves on. connections: open ones; closed: all workers said so; quiet: nothing is on its way. */
enum drain_step drain_next(struct drain *drain, uint64_t now_ms, uint64_t connections, bool closed,
                           bool quiet);
bool drain_is_begun(const struct drain *drain);

#endif
