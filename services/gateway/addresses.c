/* SPDX-License-Identifier: Apache-2.0 */
/* See addresses.h. */
#include "services/gateway/addresses.h"

#include <stdatomic.h>
#include <string.h>

#include "common/hash.h"
#include "common/mem.h"

#define COUNT_BITS 24
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)
#define PROBES     32u /* places looked at: with a table half full, all taken is beyond luck */

struct addresses {
    uint32_t mask; /* of places, a power of two of them */
    _Atomic uint64_t words[];
};

struct addresses *
addresses_new(size_t connections)
{
    uint32_t size = 64;
    while (size / 2 < connections && size < UINT32_C(1) << 31)
        size *= 2;
    struct addresses *addresses = mem_zalloc(sizeof(*addresses) + size * sizeof(uint64_t));
    addresses->mask = size - 1;
    return addresses;
}

void
addresses_free(struct addresses *addresses)
{
    mem_free(addresses);
}

/* The place of the address, or one that is free; ADDRESSES_NO_PLACE: neither. */
static uint32_t
find(struct addresses *addresses, uint32_t first, uint64_t key, uint64_t *word)
{
    uint32_t found = ADDRESSES_NO_PLACE;
    for (uint32_t i = 0; i < PROBES; i++) {
        uint32_t place = (first + i) & addresses->mask;
        uint64_t here = atomic_load_explicit(&addresses->words[place], memory_order_relaxed);
        bool is_free = (here & COUNT_MASK) == 0;
        if (!is_free && here >> COUNT_BITS == key) {
            *word = here;
            return place;
        }
        if (is_free && found == ADDRESSES_NO_PLACE) {
            *word = here;
            found = place;
        }
    }
    return found;
}

uint32_t
addresses_enter(struct addresses *addresses, const struct address *address, uint32_t *place)
{
    *place = ADDRESSES_NO_PLACE;
    if (address->family == ADDRESS_NONE)
        return 0;
    uint64_t hash = hash_local(address->bytes, address->family == ADDRESS_V6 ? 8 : 4);
    uint64_t key = hash >> COUNT_BITS;
    uint32_t first = (uint32_t)hash_mix64(hash + address->family);
    for (;;) {
        uint64_t word;
        uint32_t at = find(addresses, first, key, &word);
        if (at == ADDRESSES_NO_PLACE)
            return 0;
        uint64_t count = (word & COUNT_MASK) + 1;
        if (count > COUNT_MASK)
            return (uint32_t)COUNT_MASK;
        if (atomic_compare_exchange_strong_explicit(&addresses->words[at], &word,
                                                    key << COUNT_BITS | count, memory_order_relaxed,
                                                    memory_order_relaxed)) {
            *place = at;
            return (uint32_t)count;
        }
    }
}

void
addresses_leave(struct addresses *addresses, uint32_t place)
{
    /* Nobody else takes the place while it counts us. */
    if (place != ADDRESSES_NO_PLACE)
        atomic_fetch_sub_explicit(&addresses->words[place], 1, memory_order_relaxed);
}
