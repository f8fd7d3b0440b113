/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records for a peer that cannot take them now (away, in its resync, or full): a queue in order,
 * bounded in bytes. It does not send.
 */
#ifndef SLUICE_SERVICES_GATEWAY_HELD_H
#define SLUICE_SERVICES_GATEWAY_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

struct held_record {
    struct held_record *next;
    uint32_t len;
    uint8_t type;
    bool control; /* may use the reserve of a full feed */
    uint8_t body[];
};

/* Owned by whoever ran held_init. */
struct held {
    struct held_record *head;
    struct held_record **tail;
    size_t bytes;
    size_t cap;
    size_t count;
};

void held_init(struct held *held, size_t cap_bytes);
void held_fini(struct held *held);
/* Copies the parts. ERR_BUSY: beyond the cap (control records may go to twice the cap). */
ERR_MUST_USE enum err held_add(struct held *held, uint8_t type, bool control,
                               const struct slice *parts, size_t n);
/* Oldest record, borrowed until held_pop; NULL when empty. */
const struct held_record *held_first(const struct held *held);
void held_pop(struct held *held);
/* Puts all of front before what is held, whatever the cap; front is empty afterwards. */
void held_put_before(struct held *held, struct held *front);
/* Above half of the cap: whoever fills it should be stopped. */
bool held_is_heavy(const struct held *held);

#endif
