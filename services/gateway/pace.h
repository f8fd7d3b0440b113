/* SPDX-License-Identifier: Apache-2.0 */
/*
 * So many per second, no more than a tenth of a second's worth at once: what keeps a storm of TLS
 * handshakes from taking the whole processor. Pure: the clock is told.
 */
#ifndef SERVICES_GATEWAY_PACE_H
#define SERVICES_GATEWAY_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct pace {
    uint32_t rate; /* per second; 0: no limit */
    uint64_t
        due_ms_x_rate; /* when the next one is due, in ms times rate, so that no part is lost */
};

void pace_init(struct pace *pace, uint32_t rate);
/* True: one may go now, and is counted. */
bool pace_take(struct pace *pace, uint64_t now_ms);
/* How many ms until pace_take says yes; 0: now. */
uint64_t pace_wait_ms(const struct pace *pace, uint64_t now_ms);

#endif
