/* SPDX-License-Identifier: Apache-2.0 */
/* See client_routes.h. The cache is direct-mapped: topic -> its routes, valid for one version of
 * the set of filters. Subscriptions coming and going on a known filter do not touch it. */
#include "services/gateway/client_routes.h"

#include <string.h>

#include "common/mem.h"
#include "proto/topic_tree.h"

#define CACHE_SIZE       2048u
#define CACHE_TOPIC_MAX  256u
#define CACHE_ROUTES_MAX 64u

struct cached {
    uint64_t hash;
    uint64_t version;
    struct route **routes; /* then the topic's bytes, in the same block */
    uint32_t size;         /* bytes of the block */
    uint16_t count;
    uint16_t topic_len;
};

struct client_routes {
    struct topic_tree *tree;
    uint64_t version;
    size_t subscriptions;
    struct route **found; /* of the last match that missed */
    size_t found_count, found_size;
    struct cached cache[CACHE_SIZE];
};

struct client_routes *
client_routes_new(size_t cap)
{
    struct client_routes *routes = mem_zalloc(sizeof(*routes));
    routes->tree = topic_tree_new(cap);
    routes->version = 1;
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
    for (size_t i = 0; i < CACHE_SIZE; i++)
        mem_free(routes->cache[i].routes);
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
    routes->version++;
    return route;
}

void
client_routes_release(struct client_routes *routes, struct route *route)
{
    if (route->count > 0 || route->places != 0)
        return;
    topic_tree_remove(routes->tree, route_filter(route));
    free_route(NULL, route);
    routes->version++;
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

static uint64_t
hash_topic(struct slice topic)
{
    /* Only for the cache: whoever makes topics collide slows down nothing but his own lookups. */
    uint64_t hash = topic.len * UINT64_C(0x9E3779B97F4A7C15);
    const uint8_t *at = topic.data;
    size_t len = topic.len;
    uint64_t word;
    while (len >= 8) {
        memcpy(&word, at, 8);
        hash = (hash ^ word) * UINT64_C(0xFF51AFD7ED558CCD);
        hash ^= hash >> 32;
        at += 8;
        len -= 8;
    }
    word = 0;
    memcpy(&word, at, len);
    hash = (hash ^ word) * UINT64_C(0xFF51AFD7ED558CCD);
    return hash ^ hash >> 29;
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

static void
remember(struct client_routes *routes, struct cached *cached, uint64_t hash, struct slice topic)
{
    size_t array = routes->found_count * sizeof(*routes->found);
    uint32_t size = (uint32_t)(array + topic.len);
    if (size > cached->size || cached->routes == NULL) {
        mem_free(cached->routes);
        cached->routes = mem_alloc(size);
        cached->size = size;
    }
    if (array > 0)
        memcpy(cached->routes, routes->found, array);
    memcpy((uint8_t *)cached->routes + array, topic.data, topic.len);
    cached->hash = hash;
    cached->version = routes->version;
    cached->count = (uint16_t)routes->found_count;
    cached->topic_len = (uint16_t)topic.len;
}

struct route *const *
client_routes_match(struct client_routes *routes, struct slice topic, size_t *count)
{
    uint64_t hash = hash_topic(topic);
    struct cached *cached = &routes->cache[hash & (CACHE_SIZE - 1)];
    if (cached->hash == hash && cached->version == routes->version &&
        cached->topic_len == topic.len &&
        memcmp((uint8_t *)(cached->routes + cached->count), topic.data, topic.len) == 0) {
        *count = cached->count;
        return cached->routes;
    }
    routes->found_count = 0;
    topic_tree_match(routes->tree, topic, add_found, routes);
    if (topic.len <= CACHE_TOPIC_MAX && routes->found_count <= CACHE_ROUTES_MAX)
        remember(routes, cached, hash, topic);
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
