/* SPDX-License-Identifier: Apache-2.0 */
/* ROUTE_ADD, ROUTE_REMOVE and the end of a resync: into the routes, on to everybody's digests, and
 * the answer once those are acknowledged. */
#include "proto/records.h"
#include "proto/topic.h"
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
ticket_wait(struct router *router, uint32_t asker, uint64_t ticket, bool shared)
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
        /* A shared filter is not matched where it is: the asker too must send us what it wants. */
        if ((i == asker && !shared) || !place->up || place->kind != ROUTER_GATEWAY ||
            place->acked == place->version)
            continue;
        waits_hold(router->tickets, wait);
        waits_lane(router->tickets, wait, i, place->version);
    }
    waits_commit(router->tickets, wait);
}

/* The filter inside "$share/group/filter"; false: it is no such thing. */
static bool
share_filter(struct slice text, struct slice *filter)
{
    struct slice group;
    return topic_share_parse(text, &group, filter) == TOPIC_SHARE_VALID;
}

static enum err
shared_add(struct router *router, uint32_t place, const struct records_route_add *record)
{
    struct groups_members members = {.count = record->members,
                                     .count_qos0 = record->members_qos0,
                                     .keeps = router->places[place]->kind == ROUTER_STORE};
    struct slice filter;
    bool added = false;
    enum err err = groups_set(router->groups, place, record->filter, &members, &added);
    if (err == OK && added && share_filter(record->filter, &filter))
        on_digest_added(router, ROUTER_NO_PLACE, filter);
    return err;
}

static enum err
plain_add(struct router *router, uint32_t place, const struct records_route_add *record)
{
    bool added = false;
    enum err err = routes_add(router->routes, place, record->filter, record->flags, &added);
    if (err == OK && added)
        on_digest_added(router, place, record->filter);
    return err;
}

enum err
on_route_add(struct router *router, uint32_t place, struct slice body)
{
    struct records_route_add record;
    bool shared;
    enum err err = records_route_add_decode(body, &record);
    if (err != OK)
        return err;
    shared = (record.flags & ROUTE_SHARED) != 0;
    err = shared ? shared_add(router, place, &record) : plain_add(router, place, &record);
    if (err != OK) {
        router->stats.refused_routes++;
        return OK; /* the asker's deadline tells its client */
    }
    if (record.ticket != 0)
        ticket_wait(router, place, record.ticket, shared);
    return OK;
}

enum err
on_route_remove(struct router *router, uint32_t place, struct slice body)
{
    struct slice filter, inner;
    enum err err = records_filter_decode(body, &filter);
    if (err != OK)
        return err;
    if (share_filter(filter, &inner)) {
        if (!groups_remove(router->groups, place, filter))
            return OK;
        on_digest_removed(router, ROUTER_NO_PLACE, inner);
        if (router->places[place]->kind == ROUTER_GATEWAY)
            on_ask_left(router, place, filter, router->now_ms);
        return OK;
    }
    if (routes_remove(router->routes, place, filter))
        on_digest_removed(router, place, filter);
    return OK;
}

static void
route_gone(void *arg, uint32_t place, struct slice filter)
{
    on_digest_removed(arg, place, filter);
}

static void
shared_gone(void *arg, uint32_t place, struct slice filter)
{
    (void)place;
    on_digest_removed(arg, ROUTER_NO_PLACE, filter);
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
    groups_sweep(router->groups, index, shared_gone, router);
}

void
on_route_remove_place(struct router *router, uint32_t place)
{
    routes_remove_place(router->routes, place, route_gone, router);
    groups_remove_place(router->groups, place, shared_gone, router);
}
