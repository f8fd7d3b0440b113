/* SPDX-License-Identifier: Apache-2.0 */
/* See keeps.h: one table by number, and a list for each place. */
#include "services/core/keeps.h"

#include "common/mem.h"
#include "services/core/routes.h"
#include "services/core/waits.h"
#include <assert.h>
#include <string.h>

struct keeps {
    struct keep *table;
    struct keep *first[ROUTES_PLACES_MAX], *last[ROUTES_PLACES_MAX];
    uint64_t next;
    size_t count, bytes, max_bytes;
};

static size_t
cost(const struct keep *keep)
{
    return sizeof(*keep) + keep->share_len + keep->len;
}

struct keeps *
keeps_new(size_t max_bytes, uint64_t base)
{
    struct keeps *keeps = mem_zalloc(sizeof(*keeps));
    keeps->max_bytes = max_bytes;
    keeps->next = base;
    return keeps;
}

void
keeps_free(struct keeps *keeps)
{
    struct keep *keep, *next;
    if (keeps == NULL)
        return;
    HASH_ITER(hh, keeps->table, keep, next)
    {
        HASH_DEL(keeps->table, keep);
        mem_free(keep);
    }
    mem_free(keeps);
}

struct keep *
keeps_add(struct keeps *keeps, uint32_t place, struct slice share, struct slice record,
          uint8_t hops)
{
    size_t room = keeps->max_bytes - keeps->bytes;
    struct keep *keep;
    assert(place < ROUTES_PLACES_MAX);
    if (sizeof(*keep) + share.len > room || record.len > room - sizeof(*keep) - share.len)
        return NULL;
    keep = mem_alloc(sizeof(*keep) + share.len + record.len);
    memset(keep, 0, sizeof(*keep));
    keep->number = ++keeps->next;
    keep->place = place;
    keep->wait = WAITS_NONE;
    keep->hops = hops;
    keep->share_len = (uint32_t)share.len;
    keep->len = (uint32_t)record.len;
    memcpy(keep->bytes, share.data, share.len);
    memcpy(keep->bytes + share.len, record.data, record.len);
    keep->prev = keeps->last[place];
    if (keep->prev != NULL)
        keep->prev->next = keep;
    else
        keeps->first[place] = keep;
    keeps->last[place] = keep;
    HASH_ADD(hh, keeps->table, number, sizeof(keep->number), keep);
    keeps->count++;
    keeps->bytes += cost(keep);
    return keep;
}

struct keep *
keeps_get(struct keeps *keeps, uint64_t number)
{
    struct keep *keep;
    HASH_FIND(hh, keeps->table, &number, sizeof(number), keep);
    return keep;
}

void
keeps_remove(struct keeps *keeps, struct keep *keep)
{
    if (keep->prev != NULL)
        keep->prev->next = keep->next;
    else
        keeps->first[keep->place] = keep->next;
    if (keep->next != NULL)
        keep->next->prev = keep->prev;
    else
        keeps->last[keep->place] = keep->prev;
    assert(keeps->table != NULL);
    HASH_DEL(keeps->table, keep);
    keeps->count--;
    keeps->bytes -= cost(keep);
    mem_free(keep);
}

uint64_t
keeps_last(const struct keeps *keeps)
{
    return keeps->next;
}

struct keep *
keeps_first(const struct keeps *keeps, uint32_t place)
{
    return keeps->first[place];
}

struct slice
keep_share(const struct keep *keep)
{
    return slice_of(keep->bytes, keep->share_len);
}

struct slice
keep_record(const struct keep *keep)
{
    return slice_of(keep->bytes + keep->share_len, keep->len);
}

size_t
keeps_count(const struct keeps *keeps)
{
    return keeps->count;
}

size_t
keeps_bytes(const struct keeps *keeps)
{
    return keeps->bytes;
}
