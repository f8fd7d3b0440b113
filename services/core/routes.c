/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of a filter in the tree. Most filters are wanted by one place, so a lone route is kept
 * in the pointer itself (low bit 1); more than one are a small array on the heap.
 *
 *     bit 0 one, bits 8-15 flags, bits 16-31 generation, bits 32-47 place
 */
#include "services/core/routes.h"

#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/topic_cache.h"
#include "proto/topic_tree.h"
#include <assert.h>

_Static_assert(sizeof(void *) == 8, "a route fits a pointer");

struct route_list {
    uint32_t count, size;
    uint64_t items[];
};

struct place_routes {
    size_t count;
    uint16_t generation;
};

struct routes {
    struct topic_tree *tree;
    struct topic_cache *caches[2]; /* places that want QoS 0, and the others */
    size_t count;
    struct place_routes places[ROUTES_PLACES_MAX];
    /* Of the match under way. */
    uint8_t qos;
    uint32_t epoch;
    uint32_t hit_count;
    uint32_t seen[ROUTES_PLACES_MAX]; /* epoch in which the place was hit */
    uint32_t hits[ROUTES_PLACES_MAX];
};

static uint64_t
item_make(uint32_t place, uint8_t flags, uint16_t generation)
{
    return (uint64_t)place << 32 | (uint64_t)generation << 16 | (uint64_t)flags << 8 | 1;
}

static uint32_t
item_place(uint64_t item)
{
    return (uint32_t)(item >> 32);
}

static uint8_t
item_flags(uint64_t item)
{
    return (uint8_t)(item >> 8);
}

static uint16_t
item_generation(uint64_t item)
{
    return (uint16_t)(item >> 16);
}

static bool
value_is_item(const void *value)
{
    return ((uintptr_t)value & 1) != 0;
}

/* The routes of a value; a lone one is put into *one. */
static uint64_t *
value_items(void *value, uint64_t *one, uint32_t *count)
{
    struct route_list *list = value;
    if (value == NULL) {
        *count = 0;
        return NULL;
    }
    if (value_is_item(value)) {
        *one = (uint64_t)(uintptr_t)value;
        *count = 1;
        return one;
    }
    *count = list->count;
    return list->items;
}

static void *
item_value(uint64_t item)
{
    return (void *)(uintptr_t)item;
}

static void
value_free(void *arg, void *value)
{
    (void)arg;
    if (!value_is_item(value))
        mem_free(value);
}

struct routes *
routes_new(size_t cap)
{
    struct routes *routes = mem_zalloc(sizeof(*routes));
    routes->tree = topic_tree_new(cap);
    routes->caches[0] = topic_cache_new();
    routes->caches[1] = topic_cache_new();
    return routes;
}

void
routes_free(struct routes *routes)
{
    if (routes == NULL)
        return;
    topic_tree_free(routes->tree, value_free, NULL);
    topic_cache_free(routes->caches[0]);
    topic_cache_free(routes->caches[1]);
    mem_free(routes);
}

/* Index of the place's route, or count. */
static uint32_t
items_find(const uint64_t *items, uint32_t count, uint32_t place)
{
    uint32_t i;
    for (i = 0; i < count && item_place(items[i]) != place; i++)
        ;
    return i;
}

static void
value_append(void **value, uint64_t item)
{
    struct route_list *list;
    if (*value == NULL) {
        *value = item_value(item);
        return;
    }
    if (value_is_item(*value)) {
        list = mem_alloc(sizeof(*list) + 2 * sizeof(uint64_t));
        list->size = 2;
        list->count = 1;
        list->items[0] = (uint64_t)(uintptr_t)*value;
    } else {
        list = *value;
        if (list->count == list->size) {
            list->size *= 2;
            list = mem_realloc(list, sizeof(*list) + list->size * sizeof(uint64_t));
        }
    }
    list->items[list->count++] = item;
    *value = list;
}

/* Takes the route at index out; a list of one goes back into the pointer. */
static void
value_take(void **value, uint32_t index)
{
    struct route_list *list = *value;
    if (list == NULL || value_is_item(list)) {
        *value = NULL;
        return;
    }
    list->items[index] = list->items[--list->count];
    if (list->count > 1)
        return;
    *value = item_value(list->items[0]);
    mem_free(list);
}

static void
changed(struct routes *routes)
{
    topic_cache_clear(routes->caches[0]);
    topic_cache_clear(routes->caches[1]);
}

enum err
routes_add(struct routes *routes, uint32_t place, struct slice filter, uint8_t flags, bool *added)
{
    void **value;
    uint64_t one, item, *items;
    uint32_t count, at;
    assert(place < ROUTES_PLACES_MAX);
    value = topic_tree_get(routes->tree, filter);
    if (value == NULL)
        value = topic_tree_add(routes->tree, filter);
    if (value == NULL)
        return ERR_QUOTA;
    changed(routes);
    item = item_make(place, flags, routes->places[place].generation);
    items = value_items(*value, &one, &count);
    at = items_find(items, count, place);
    *added = at == count;
    if (at == count) {
        value_append(value, item);
        routes->places[place].count++;
        routes->count++;
    } else if (value_is_item(*value)) {
        *value = item_value(item);
    } else {
        items[at] = item;
    }
    return OK;
}

bool
routes_remove(struct routes *routes, uint32_t place, struct slice filter)
{
    void **value = topic_tree_get(routes->tree, filter);
    uint64_t one, *items;
    uint32_t count, at;
    if (value == NULL)
        return false;
    items = value_items(*value, &one, &count);
    at = items_find(items, count, place);
    if (at == count)
        return false;
    changed(routes);
    value_take(value, at);
    if (*value == NULL)
        (void)topic_tree_remove(routes->tree, filter);
    routes->places[place].count--;
    routes->count--;
    return true;
}

void
routes_mark(struct routes *routes, uint32_t place)
{
    routes->places[place].generation++;
}

struct sweep {
    struct routes *routes;
    uint32_t place;
    bool all;
    routes_fn fn;
    void *arg;
};

static bool
sweep_filter(void *arg, struct slice filter, void **value)
{
    struct sweep *sweep = arg;
    struct place_routes *place = &sweep->routes->places[sweep->place];
    uint64_t one;
    uint32_t count, at;
    const uint64_t *items = value_items(*value, &one, &count);
    at = items_find(items, count, sweep->place);
    if (at == count || (!sweep->all && item_generation(items[at]) == place->generation))
        return true;
    value_take(value, at);
    place->count--;
    sweep->routes->count--;
    sweep->fn(sweep->arg, sweep->place, filter);
    return *value != NULL;
}

static void
sweep_run(struct routes *routes, uint32_t place, bool all, routes_fn fn, void *arg)
{
    struct sweep sweep = {routes, place, all, fn, arg};
    if (routes->places[place].count == 0)
        return;
    changed(routes);
    topic_tree_prune(routes->tree, sweep_filter, &sweep);
}

void
routes_sweep(struct routes *routes, uint32_t place, routes_fn fn, void *arg)
{
    sweep_run(routes, place, false, fn, arg);
}

void
routes_remove_place(struct routes *routes, uint32_t place, routes_fn fn, void *arg)
{
    sweep_run(routes, place, true, fn, arg);
}

struct each {
    routes_fn fn;
    void *arg;
};

static bool
each_filter(void *arg, struct slice filter, void **value)
{
    const struct each *each = arg;
    uint64_t one;
    uint32_t count, i;
    const uint64_t *items = value_items(*value, &one, &count);
    for (i = 0; i < count; i++)
        each->fn(each->arg, item_place(items[i]), filter);
    return true;
}

void
routes_each(const struct routes *routes, routes_fn fn, void *arg)
{
    struct each each = {fn, arg};
    topic_tree_each(routes->tree, each_filter, &each);
}

static void
match_value(void *arg, void *value)
{
    struct routes *routes = arg;
    uint64_t one;
    uint32_t count, i;
    const uint64_t *items = value_items(value, &one, &count);
    for (i = 0; i < count; i++) {
        uint32_t place = item_place(items[i]);
        if (routes->seen[place] == routes->epoch ||
            (routes->qos == 0 && (item_flags(items[i]) & ROUTE_QOS1) != 0))
            continue;
        routes->seen[place] = routes->epoch;
        routes->hits[routes->hit_count++] = place;
    }
}

size_t
routes_match(struct routes *routes, struct slice topic, uint8_t qos, const uint32_t **places)
{
    struct topic_cache *cache = routes->caches[qos != 0];
    struct slice kept;
    if (topic_cache_get(cache, topic, &kept)) {
        *places = (const uint32_t *)(const void *)kept.data;
        return kept.len / sizeof(**places);
    }
    routes->qos = qos;
    routes->hit_count = 0;
    if (++routes->epoch == 0) {
        memset(routes->seen, 0, sizeof(routes->seen));
        routes->epoch = 1;
    }
    (void)topic_tree_match(routes->tree, topic, match_value, routes);
    topic_cache_put(cache, topic,
                    slice_of(routes->hits, routes->hit_count * sizeof(*routes->hits)));
    *places = routes->hits;
    return routes->hit_count;
}

size_t
routes_filters(const struct routes *routes)
{
    return topic_tree_count(routes->tree);
}

size_t
routes_count(const struct routes *routes)
{
    return routes->count;
}

size_t
routes_of(const struct routes *routes, uint32_t place)
{
    return routes->places[place].count;
}
