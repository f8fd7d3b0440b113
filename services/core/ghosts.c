/* SPDX-License-Identifier: Apache-2.0 */
/* See ghosts.h: one entry a group, by the hash of its share. */
#include "services/core/ghosts.h"

#include "common/mem.h"
#include "common/table.h"

struct entry {
    UT_hash_handle hh; /* oldest first */
    uint64_t share;    /* hash: two groups in one entry only make us more careful */
    uint64_t newest_ms;
    uint32_t count, next;
    struct ghost *list; /* count, then a ring */
};

struct ghosts {
    struct entry *table;
};

struct ghosts *
ghosts_new(void)
{
    return mem_zalloc(sizeof(struct ghosts));
}

static struct entry *
find(const struct ghosts *ghosts, uint64_t share)
{
    struct entry *entry;
    if (ghosts->table == NULL)
        return NULL;
    HASH_FIND(hh, ghosts->table, &share, sizeof(share), entry);
    return entry;
}

static void
drop(struct ghosts *ghosts, struct entry *entry)
{
    HASH_DEL(ghosts->table, entry);
    mem_free(entry->list);
    mem_free(entry);
}

void
ghosts_free(struct ghosts *ghosts)
{
    if (ghosts == NULL)
        return;
    while (ghosts->table != NULL)
        drop(ghosts, ghosts->table);
    mem_free(ghosts);
}

/* Where the ghost goes. */
static struct ghost *
slot_for(struct entry *entry, const struct ghost *ghost)
{
    uint32_t i;
    for (i = 0; i < entry->count; i++) {
        if (entry->list[i].place == ghost->place &&
            entry->list[i].incarnation == ghost->incarnation)
            return &entry->list[i];
    }
    if (entry->count == GHOSTS_MAX) {
        i = entry->next;
        entry->next = (entry->next + 1) % GHOSTS_MAX;
        return &entry->list[i];
    }
    entry->list = mem_realloc(entry->list, (entry->count + 1) * sizeof(*ghost));
    return &entry->list[entry->count++];
}

void
ghosts_add(struct ghosts *ghosts, struct slice share, const struct ghost *ghost)
{
    uint64_t hash = hash_stable(share);
    struct entry *entry = find(ghosts, hash);
    if (entry == NULL) {
        if (HASH_COUNT(ghosts->table) >= GHOSTS_GROUPS_MAX)
            drop(ghosts, ghosts->table);
        entry = mem_zalloc(sizeof(*entry));
        entry->share = hash;
        HASH_ADD(hh, ghosts->table, share, sizeof(entry->share), entry);
    }
    *slot_for(entry, ghost) = *ghost;
    if (ghost->until_ms > entry->newest_ms)
        entry->newest_ms = ghost->until_ms;
}

size_t
ghosts_of(const struct ghosts *ghosts, struct slice share, const struct ghost **out)
{
    const struct entry *entry = find(ghosts, hash_stable(share));
    if (entry == NULL)
        return 0;
    *out = entry->list;
    return entry->count;
}

void
ghosts_sweep(struct ghosts *ghosts, uint64_t before_ms)
{
    struct entry *entry, *next;
    HASH_ITER(hh, ghosts->table, entry, next)
    {
        if (entry->newest_ms < before_ms)
            drop(ghosts, entry);
    }
}

size_t
ghosts_count(const struct ghosts *ghosts)
{
    return HASH_COUNT(ghosts->table);
}
