/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small map from packet ids to a number and a state: what is in flight on one connection. Grows
 * with what it holds (16 bytes an entry at load one half at most), holds nothing when empty. It
 * gives no meaning to states and has at most 65,535 entries by nature. Pure.
 */
#ifndef SERVICES_GATEWAY_IDMAP_H
#define SERVICES_GATEWAY_IDMAP_H

#include <stdint.h>

struct idmap_entry {
    uint64_t value;
    uint16_t id; /* 0: unused */
    uint8_t state;
};

/* Zeroed is empty; idmap_fini frees. */
struct idmap {
    struct idmap_entry *entries;
    uint32_t size; /* 0 or a power of two */
    uint32_t count;
};

void idmap_fini(struct idmap *map);
/* The entry of id (not 0), NULL if absent; borrowed until the next add or remove. */
struct idmap_entry *idmap_get(const struct idmap *map, uint16_t id);
/* Adds id, or finds it; the caller sets value and state. Borrowed as with get. */
struct idmap_entry *idmap_add(struct idmap *map, uint16_t id);
/* An id that is not there is no change. */
void idmap_remove(struct idmap *map, uint16_t id);

#endif
