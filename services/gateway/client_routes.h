/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's routes: for each filter, its own subscriptions and the other places (post.h) that want
 * it. Built on proto/topic_tree.h, with a small cache of which routes a topic matches. It does not
 * deliver, and it does not tell the hub: its users do.
 */
#ifndef SERVICES_GATEWAY_CLIENT_ROUTES_H
#define SERVICES_GATEWAY_CLIENT_ROUTES_H

#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct ticket;

enum {
    SUBSCRIPTION_QOS = 3,
    SUBSCRIPTION_NO_LOCAL = 1 << 2,
    SUBSCRIPTION_AS_PUBLISHED = 1 << 3, /* retain as published */
    SUBSCRIPTION_PERSISTENT = 1 << 4    /* QoS 1 and 2 come from the store */
};

/* One filter of one connection; in the route's list and in the connection's. */
struct subscription {
    struct connection *connection;
    struct route *route;
    struct subscription *next; /* of the connection */
    uint32_t index;            /* in the route's list */
    uint32_t identifier;       /* subscription identifier, 0: none */
    uint8_t flags;
};

struct route {
    uint64_t places;       /* of others: bit w a worker, PLACE_REMOTE behind a core */
    struct ticket *ticket; /* the hub has not yet said that it is known everywhere */
    uint32_t count, size;
    uint32_t store_count; /* of a share: members that get QoS 1 and 2 from the store */
    uint32_t exact_count; /* of a share: members that get QoS 2 from here */
    bool is_share;        /* "$share/group/filter": matches no topic, on_shared.c chooses from it */
    union {
        struct subscription *one;   /* size == 0 */
        struct subscription **many; /* else */
    } list;
    uint16_t filter_len;
    uint8_t filter[];
};

struct client_routes;

struct client_routes *client_routes_new(size_t cap);
/* Frees routes and the subscriptions in them; tickets are not followed. */
void client_routes_free(struct client_routes *routes);

/* The route of exactly this filter; NULL if there is none. */
struct route *client_routes_get(const struct client_routes *routes, struct slice filter);
/* Finds or adds. NULL: the table is full or the filter too deep. */
struct route *client_routes_add(struct client_routes *routes, struct slice filter);
/* Frees the route if nobody wants it any more: no subscription and no place. */
void client_routes_release(struct client_routes *routes, struct route *route);

/* New subscription at the end of the route's list; the caller puts it into the connection's. */
struct subscription *client_routes_subscribe(struct client_routes *routes, struct route *route,
                                             struct connection *connection);
/* Takes it out of the route and frees it. The route stays (routes_release). */
void client_routes_unsubscribe(struct client_routes *routes, struct subscription *subscription);

/* All routes that match a topic name; borrowed until the next call of any function here. */
struct route *const *client_routes_match(struct client_routes *routes, struct slice topic,
                                         size_t *count);

static inline struct subscription *const *
route_list(const struct route *route)
{
    return route->size == 0 ? &route->list.one : route->list.many;
}

static inline struct slice
route_filter(const struct route *route)
{
    return slice_of(route->filter, route->filter_len);
}

size_t client_routes_count(const struct client_routes *routes);
size_t client_routes_subscription_count(const struct client_routes *routes);

#endif
