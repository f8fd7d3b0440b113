/* SPDX-License-Identifier: Apache-2.0 */
/* See quotas.h. */
#include "services/gateway/quotas.h"

#include "common/mem.h"
#include "services/gateway/addresses.h"

/* A number of connections that does not pass its maximum; 0: any. */
struct quota {
    uint64_t max;
    _Atomic uint64_t count;
};

struct quotas {
    struct quota all;
    uint64_t of_address;
    struct addresses *addresses; /* NULL: not limited */
    struct {
        struct quota connections;
        struct throttle messages, bytes;
    } listeners[LISTENER_KINDS];
};

struct quotas *
quotas_new(uint64_t connections, uint64_t of_address,
           const struct listener_options listeners[LISTENER_KINDS])
{
    struct quotas *quotas = mem_zalloc(sizeof(*quotas));
    quotas->all.max = connections;
    quotas->of_address = of_address;
    if (of_address > 0)
        quotas->addresses = addresses_new(connections);
    for (unsigned kind = 0; kind < LISTENER_KINDS; kind++) {
        quotas->listeners[kind].connections.max = listeners[kind].connections;
        throttle_init(&quotas->listeners[kind].messages, listeners[kind].messages);
        throttle_init(&quotas->listeners[kind].bytes, listeners[kind].bytes);
    }
    return quotas;
}

void
quotas_free(struct quotas *quotas)
{
    if (quotas == NULL)
        return;
    addresses_free(quotas->addresses);
    mem_free(quotas);
}

static bool
enter(struct quota *quota)
{
    uint64_t before = atomic_fetch_add_explicit(&quota->count, 1, memory_order_relaxed);
    if (quota->max == 0 || before < quota->max)
        return true;
    atomic_fetch_sub_explicit(&quota->count, 1, memory_order_relaxed);
    return false;
}

static void
leave(struct quota *quota)
{
    atomic_fetch_sub_explicit(&quota->count, 1, memory_order_relaxed);
}

enum quotas_result
quotas_enter(struct quotas *quotas, enum listener_kind listener)
{
    if (!enter(&quotas->all))
        return QUOTAS_GATEWAY_FULL;
    if (enter(&quotas->listeners[listener].connections))
        return QUOTAS_OK;
    leave(&quotas->all);
    return QUOTAS_LISTENER_FULL;
}

void
quotas_leave(struct quotas *quotas, enum listener_kind listener)
{
    leave(&quotas->all);
    leave(&quotas->listeners[listener].connections);
}

bool
quotas_enter_address(struct quotas *quotas, const struct address *address, uint32_t *place)
{
    *place = ADDRESSES_NO_PLACE;
    return quotas->addresses == NULL ||
           addresses_enter(quotas->addresses, address, place) <= quotas->of_address;
}

void
quotas_leave_address(struct quotas *quotas, uint32_t place)
{
    if (quotas->addresses != NULL)
        addresses_leave(quotas->addresses, place);
}

struct throttle *
quotas_messages(struct quotas *quotas, enum listener_kind listener)
{
    struct throttle *throttle = &quotas->listeners[listener].messages;
    return throttle->rate > 0 ? throttle : NULL;
}

struct throttle *
quotas_bytes(struct quotas *quotas, enum listener_kind listener)
{
    struct throttle *throttle = &quotas->listeners[listener].bytes;
    return throttle->rate > 0 ? throttle : NULL;
}
