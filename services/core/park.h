/* SPDX-License-Identifier: Apache-2.0 */
/* A first-in first-out of copied records that cannot go on yet: for a full destination, or from a
 * source while we are stalled. Knows no cap: its owner compares park_bytes before it puts more in.
 */
#ifndef SLUICE_CORE_PARK_H
#define SLUICE_CORE_PARK_H

#include "common/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct park_item {
    struct park_item *next;
    uint64_t tag; /* the owner's */
    uint32_t len;
    uint8_t type;
    uint8_t bytes[];
};

struct park {
    struct park_item *head;
    struct park_item **tail;
    size_t count;
    size_t bytes; /* of items, with their heads */
};

void park_init(struct park *park);
/* Drops everything. */
void park_fini(struct park *park);
void park_put(struct park *park, uint8_t type, uint64_t tag, const struct slice *parts, size_t n);
/* Moves all items of `from` behind those of `park`. */
void park_join(struct park *park, struct park *from);
/* Frees the oldest item (there is one: asserted). */
void park_drop(struct park *park);

/* The oldest, borrowed until park_drop; NULL when empty. */
static inline const struct park_item *
park_first(const struct park *park)
{
    return park->head;
}

#endif
