/* SPDX-License-Identifier: Apache-2.0 */
/* See idmap.h. Open addressing with linear probing; removal moves entries back, so there are no
 * tombstones. Ids are scattered by a multiplication: with sequential ids kept in order, each
 * removal would walk the whole run. */
#include "services/gateway/idmap.h"

#include <stddef.h>

#include "common/mem.h"

#define FIRST_SIZE 8u

static uint32_t
home(const struct idmap *map, uint16_t id)
{
    return (uint32_t)(id * UINT32_C(2654435769)) >> 16 & (map->size - 1);
}

void
idmap_fini(struct idmap *map)
{
    mem_free(map->entries);
    *map = (struct idmap){0};
}

struct idmap_entry *
idmap_get(const struct idmap *map, uint16_t id)
{
    if (map->count == 0)
        return NULL;
    uint32_t at = home(map, id);
    while (map->entries[at].id != 0) {
        if (map->entries[at].id == id)
            return &map->entries[at];
        at = (at + 1) & (map->size - 1);
    }
    return NULL;
}

static struct idmap_entry *
place(struct idmap *map, uint16_t id)
{
    uint32_t at = home(map, id);
    while (map->entries[at].id != 0)
        at = (at + 1) & (map->size - 1);
    map->entries[at].id = id;
    map->count++;
    return &map->entries[at];
}

static void
grow(struct idmap *map)
{
    struct idmap old = *map;
    map->size = old.size == 0 ? FIRST_SIZE : old.size * 2;
    map->entries = mem_zalloc_array(map->size, sizeof(*map->entries));
    map->count = 0;
    for (uint32_t i = 0; i < old.size; i++) {
        if (old.entries[i].id != 0)
            *place(map, old.entries[i].id) = old.entries[i];
    }
    mem_free(old.entries);
}

struct idmap_entry *
idmap_add(struct idmap *map, uint16_t id)
{
    struct idmap_entry *entry = idmap_get(map, id);
    if (entry != NULL)
        return entry;
    if (map->count * 2 >= map->size)
        grow(map);
    entry = place(map, id);
    entry->value = 0;
    entry->state = 0;
    return entry;
}

void
idmap_remove(struct idmap *map, uint16_t id)
{
    struct idmap_entry *entry = idmap_get(map, id);
    if (entry == NULL)
        return;
    uint32_t mask = map->size - 1;
    uint32_t hole = (uint32_t)(entry - map->entries);
    for (uint32_t at = (hole + 1) & mask; map->entries[at].id != 0; at = (at + 1) & mask) {
        uint32_t want = home(map, map->entries[at].id);
        /* An entry may move to the hole unless its home lies behind the hole. */
        if (((at - want) & mask) >= ((at - hole) & mask)) {
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole] = (struct idmap_entry){0};
    map->count--;
}
