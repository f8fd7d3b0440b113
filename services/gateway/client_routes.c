/* SPDX-License-Identifier: Apache-2.0 */
/* See client_routes.h. The cache holds the routes of a topic while the set of filters does not
 * change: subscriptions coming and going on a known filter do not touch it. */
#include "services/gateway/client_routes.h"

#include <string.h>

#include "common/mem.h"
#include "proto/topic_cache.h"
#include "proto/topic_tree.h"

struct client_routes {
    struct topic_tree *tree;
    struct topic_cache *cache;
    size_t subscriptions;
    struct route **found; /* of the last match that missed */
    size_t found_count, found_size;
};

struct client_routes *
client_routes_new(size_t cap)
{
    struct client_routes *routes = mem_zalloc(sizeof(*routes));
    routes->tree = topic_tree_new(cap);
    routes->cache = topic_cache_new();
    return routes;
}

static void
free_route(void *arg, void *value)
{
    (void)arg;
    struct route *route = value;
    for (uint32_t i = 0; i < route->count; i++)
        mem_free(route_list(route)[i]);
    if (route->size > 0)
        mem_free(route->list.many);
    mem_free(route);
}

void
client_routes_free(struct client_routes *routes)
{
    if (routes == NULL)
        return;
    topic_tree_free(routes->tree, free_route, NULL);
    topic_cache_free(routes->cache);
    mem_free(routes->found);
    mem_free(routes);
}

struct route *
client_routes_get(const struct client_routes *routes, struct slice filter)
{
    void **place = topic_tree_get(routes->tree, filter);
    return place != NULL ? *place : NULL;
}

struct route *
client_routes_add(struct client_routes *routes, struct slice filter)
{
    void **place = topic_tree_add(routes->tree, filter);
    if (place == NULL)
        return NULL;
    if (*place != NULL)
        return *place;
    struct route *route = mem_zalloc(sizeof(*route) + filter.len);
    route->filter_len = (uint16_t)filter.len;
    memcpy(route->filter, filter.data, filter.len);
    *place = route;
    topic_cache_clear(routes->cache);
    return route;
}

void
client_routes_release(struct client_routes *routes, struct route *route)
{
    if (route->count > 0 || route->places != 0)
        return;
    topic_tree_remove(routes->tree, route_filter(route));
    free_route(NULL, route);
    topic_cache_clear(routes->cache);
}

struct subscription *
client_routes_subscribe(struct client_routes *routes, struct route *route,
                        struct connection *connection)
{
    struct subscription *subscription = mem_zalloc(sizeof(*subscription));
    subscription->connection = connection;
    subscription->route = route;
    subscription->index = route->count;
    if (route->size == 0 && route->count == 0) {
        route->list.one = subscription;
    } else {
        if (route->size == 0) {
            struct subscription **many = mem_zalloc_array(4, sizeof(*many));
            many[0] = route->list.one;
            route->list.many = many;
            route->size = 4;
        } else if (route->count == route->size) {
            route->size *= 2;
            route->list.many =
                mem_realloc_array(route->list.many, route->size, sizeof(*route->list.many));
        }
        route->list.many[route->count] = subscription;
    }
    route->count++;
    routes->subscriptions++;
    return subscription;
}

void
client_routes_unsubscribe(struct client_routes *routes, struct subscription *subscription)
{
    struct route *route = subscription->route;
    route->count--;
    routes->subscriptions--;
    if (route->size > 0) {
        struct subscription *last = route->list.many[route->count];
        route->list.many[subscription->index] = last;
        last->index = subscription->index;
        if (route->count == 0) {
            mem_free(route->list.many);
            route->size = 0;
            route->list.one = NULL;
        } else if (route->size > 16 && route->count < route->size / 4) {
            route->size /= 2;
            route->list.many =
                mem_realloc_array(route->list.many, route->size, sizeof(*route->list.many));
        }
    }
    mem_free(subscription);
}

static void
add_found(void *arg, void *value)
{
    struct client_routes *routes = arg;
    if (routes->found_count == routes->found_size) {
        routes->found_size = routes->found_size == 0 ? 64 : routes->found_size * 2;
        routes->found =
            mem_realloc_array(routes->found, routes->found_size, sizeof(*routes->found));
    }
    routes->found[routes->found_count++] = value;
}

struct route *const *
client_routes_match(struct client_routes *routes, struct slice topic, size_t *count)
{
    struct slice kept;
    if (topic_cache_get(routes->cache, topic, &kept)) {
        *count = kept.len / sizeof(*routes->found);
        return (struct route *const *)(const void *)kept.data;
    }
    routes->found_count = 0;
    topic_tree_match(routes->tree, topic, add_found, routes);
    topic_cache_put(routes->cache, topic,
                    slice_of(routes->found, routes->found_count * sizeof(*routes->found)));
    *count = routes->found_count;
    return routes->found;
}

size_t
client_routes_count(const struct client_routes *routes)
{
    return topic_tree_count(routes->tree);
}

size_t
client_routes_subscription_count(const struct client_routes *routes)
{
    return routes->subscriptions;
}
