/* SPDX-License-Identifier: Apache-2.0 */
/* The store and its cores; see core_link.h. */
#include "services/store/core_link.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/core_client.h"
#include "proto/feed_records.h"
#include "services/store/desks.h"
#include "services/store/session_shared.h"
#include "services/store/subscriptions.h"

#include <string.h>

static struct peer *
peer_of_core(struct store *store, uint32_t core)
{
    const struct store_link *link;
    for (link = store->links; link != NULL; link = link->next) {
        if (link->kind == STORE_LINK_CORE && link->core == core)
            return peers_by_id(store->peers, link->peer);
    }
    return NULL;
}

static enum err
append(void *arg, uint32_t core, uint8_t type, const struct slice *parts, size_t n, bool control,
       uint64_t *seq)
{
    struct peer *peer = peer_of_core(arg, core);
    if (peer == NULL)
        return ERR_PEER_LOST;
    return peer_append(peer, control ? FEED_CONTROL : FEED_DATA, type, parts, n, seq);
}

struct each_route {
    const struct store *store;
    core_client_route_fn fn;
    void *arg;
};

static void
each_route(void *arg, struct slice filter)
{
    const struct each_route *each = arg;
    each->fn(each->arg, filter, session_shared_wants(each->store, filter));
}

static void
routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    struct store *store = arg;
    struct each_route each = {store, fn, fn_arg};
    subscriptions_each_route(store->subscriptions, each_route, &each);
}

static void
route_done(void *arg, uint64_t cookie, enum err err)
{
    on_subscription_routed(arg, cookie, err);
}

static void
token_done(void *arg, uint64_t a, uint64_t b, bool wanted)
{
    (void)b;
    on_inbound_answered(arg, a, wanted);
}

static void
hold(void *arg, bool on)
{
    (void)arg;
    log_info(on ? "outbox_filling" : "outbox_draining", LOG_END);
}

void
core_link_open(struct store *store)
{
    const struct conf_list *cores = &store->config->cores;
    size_t i;
    struct core_client_config config = {
        .origin = store->origin,
        .ticket_base = store->boot << 32,
        .era = store->boot << 32,
        .digests = false,
        .grace_ms = store->config->lease_ms,
    };
    struct core_client_io io = {
        .append = append,
        .routes = routes,
        .route_done = route_done,
        .token_done = token_done,
        .hold = hold,
    };
    store->cores = core_client_new(&config, &io, store);
    /* All of them before any is up: a SUBACK must not go past a core that we have not met yet. */
    for (i = 0; i < cores->count; i++)
        (void)core_client_core_add(store->cores, slice_cstr(cores->items[i]));
}

void
core_link_up(struct store *store, struct store_link *link, const char *address, uint32_t state)
{
    const struct conf_list *cores = &store->config->cores;
    uint32_t number = 0;
    while (number + 1 < cores->count && strcmp(cores->items[number], address) != 0)
        number++;
    link->core = number;
    (void)core_client_up(store->cores, link->core, state);
    store->has_core = true;
}
