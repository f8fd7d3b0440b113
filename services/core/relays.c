/* SPDX-License-Identifier: Apache-2.0 */
/* See relays.h. A table of fixed size: the number is its turn and slot, so that a late answer finds
 * nothing. */
#include "services/core/relays.h"

#include "common/mem.h"
#include <stdbool.h>

struct relay {
    uint64_t id; /* 0: free */
    uint64_t until_ms;
    struct call_request request;
    uint32_t place;
};

struct relays {
    uint64_t next;
    size_t count;
    struct relay slots[RELAYS_MAX];
};

struct relays *
relays_new(void)
{
    struct relays *relays = mem_zalloc(sizeof(*relays));
    relays->next = 1;
    return relays;
}

void
relays_free(struct relays *relays)
{
    mem_free(relays);
}

enum err
relays_add(struct relays *relays, uint32_t place, struct call_request request, uint64_t until_ms,
           uint64_t *id)
{
    if (relays->count == RELAYS_MAX)
        return ERR_BUSY;
    while (relays->slots[relays->next % RELAYS_MAX].id != 0)
        relays->next++;
    *id = relays->next++;
    relays->slots[*id % RELAYS_MAX] = (struct relay){*id, until_ms, request, place};
    relays->count++;
    return OK;
}

static void
take(struct relays *relays, struct relay *relay, struct call_request *request)
{
    *request = relay->request;
    relay->id = 0;
    relays->count--;
}

enum err
relays_take(struct relays *relays, uint64_t id, uint32_t place, struct call_request *request)
{
    struct relay *relay = &relays->slots[id % RELAYS_MAX];
    if (id == 0 || relay->id != id || relay->place != place)
        return ERR_NOT_FOUND;
    take(relays, relay, request);
    return OK;
}

enum err
relays_take_of(struct relays *relays, uint32_t place, struct call_request *request)
{
    size_t i;
    for (i = 0; relays->count != 0 && i < RELAYS_MAX; i++) {
        if (relays->slots[i].id == 0 || relays->slots[i].place != place)
            continue;
        take(relays, &relays->slots[i], request);
        return OK;
    }
    return ERR_NOT_FOUND;
}

enum err
relays_take_due(struct relays *relays, uint64_t now_ms, struct call_request *request)
{
    size_t i;
    for (i = 0; relays->count != 0 && i < RELAYS_MAX; i++) {
        if (relays->slots[i].id == 0 || relays->slots[i].until_ms > now_ms)
            continue;
        take(relays, &relays->slots[i], request);
        return OK;
    }
    return ERR_NOT_FOUND;
}

size_t
relays_count(const struct relays *relays)
{
    return relays->count;
}
