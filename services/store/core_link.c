/* SPDX-License-Identifier: Apache-2.0 */
/* The store and its cores; see core_link.h. */
#include "services/store/core_link.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/core_client.h"
#include "proto/feed.h"
#include "services/store/desks.h"
#include "services/store/subscriptions.h"

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
    core_client_route_fn fn;
    void *arg;
};

static void
each_route(void *arg, struct slice filter)
{
    const struct each_route *each = arg;
    each->fn(each->arg, filter, ROUTE_QOS1);
}

static void
routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    struct store *store = arg;
    struct each_route each = {fn, fn_arg};
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
    struct core_client_config config = {
        .origin = store->origin,
        .ticket_base = store->boot << 32,
        .digests = false,
    };
    struct core_client_io io = {
        .append = append,
        .routes = routes,
        .route_done = route_done,
        .token_done = token_done,
        .hold = hold,
    };
    store->cores = core_client_new(&config, &io, store);
}

void
core_link_up(struct store *store, struct store_link *link, struct slice name, uint32_t state)
{
    const struct store_link *other;
    uint32_t known = 0;
    if (link->core == CORE_CLIENT_NO_CORE) {
        for (other = store->links; other != NULL; other = other->next)
            known += other->core != CORE_CLIENT_NO_CORE ? 1 : 0;
        if (known == CORE_CLIENT_CORES_MAX) {
            log_error("too_many_cores", LOG_STR("name", name), LOG_END);
            return;
        }
        link->core = core_client_core_add(store->cores, name);
    }
    core_client_up(store->cores, link->core, state);
    store->has_core = true;
}
