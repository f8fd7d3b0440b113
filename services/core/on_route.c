/* SPDX-License-Identifier: Apache-2.0 */
/* ROUTE_ADD, ROUTE_REMOVE and the end of a resync: into the routes, on to everybody's digests, and
 * the answer once those are acknowledged. */
#include "proto/records.h"
#include "services/core/router_part.h"

void
on_route_answer(void *arg, uint32_t owner, uint64_t session, uint64_t number, uint8_t flags)
{
    struct router *router = arg;
    struct place *place = router->places[owner];
    (void)flags;
    if (place->up && place->session == session)
        buf_put_u64(&place->routes_done, number);
}

static void
ticket_wait(struct router *router, uint32_t asker, uint64_t ticket)
{
    uint32_t wait = waits_begin(router->tickets, asker, router->places[asker]->session, ticket);
    uint32_t i;
    if (wait == WAITS_NONE)
        return; /* the asker's deadline answers it */
    if (!router->serving) {
        waits_hold(router->tickets, wait);
        waits_lane(router->tickets, wait, LANE_SERVING, 1);
    }
    for (i = 0; i < router->place_count; i++) {
        const struct place *place = router->places[i];
        if (i == asker || !place->up || place->kind != ROUTER_GATEWAY ||
            place->acked == place->version)
            continue;
        waits_hold(router->tickets, wait);
        waits_lane(router->tickets, wait, i, place->version);
    }
    waits_commit(router->tickets, wait);
}

enum err
on_route_add(struct router *router, uint32_t place, struct slice body)
{
    struct records_route_add record;
    bool added = false;
    enum err err = records_route_add_decode(body, &record);
    if (err != OK)
        return err;
    if (routes_add(router->routes, place, record.filter, record.flags, &added) != OK) {
        router->stats.refused_routes++;
        return OK; /* the asker's deadline tells its client */
    }
    if (added)
        on_digest_added(router, place, record.filter);
    if (record.ticket != 0)
        ticket_wait(router, place, record.ticket);
    return OK;
}

enum err
on_route_remove(struct router *router, uint32_t place, struct slice body)
{
    struct slice filter;
    enum err err = records_filter_decode(body, &filter);
    if (err != OK)
        return err;
    if (routes_remove(router->routes, place, filter))
        on_digest_removed(router, place, filter);
    return OK;
}

static void
route_gone(void *arg, uint32_t place, struct slice filter)
{
    on_digest_removed(arg, place, filter);
}

void
on_route_resync_end(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    if (!place->resyncing)
        return;
    place->resyncing = false;
    place->resynced = true;
    routes_sweep(router->routes, index, route_gone, router);
}

void
on_route_remove_place(struct router *router, uint32_t place)
{
    routes_remove_place(router->routes, place, route_gone, router);
}
