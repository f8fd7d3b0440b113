/* SPDX-License-Identifier: Apache-2.0 */
/* See filters.h. The worker mask sits in the tree's value itself, so a filter costs no allocation
 * beyond its node. */
#include "services/gateway/filters.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "proto/topic_cache.h"
#include "proto/topic_tree.h"
#include "services/gateway/post.h"

struct filters {
    struct topic_tree *tree;
    struct topic_cache *cache; /* masks */
};

_Static_assert(sizeof(uintptr_t) >= sizeof(uint32_t), "a mask fits a value");
_Static_assert(WORKERS_MAX <= 32, "a mask is 32 bits");

static uint32_t
mask_of(const void *value)
{
    return (uint32_t)(uintptr_t)value;
}

static void *
value_of(uint32_t mask)
{
    return (void *)(uintptr_t)mask;
}

struct filters *
filters_new(size_t cap)
{
    struct filters *filters = mem_zalloc(sizeof(*filters));
    filters->tree = topic_tree_new(cap);
    filters->cache = topic_cache_new();
    return filters;
}

void
filters_free(struct filters *filters)
{
    if (filters == NULL)
        return;
    topic_tree_free(filters->tree, NULL, NULL);
    topic_cache_free(filters->cache);
    mem_free(filters);
}

enum err
filters_add(struct filters *filters, struct slice filter, unsigned worker, bool *first)
{
    assert(worker < WORKERS_MAX);
    void **place = topic_tree_add(filters->tree, filter);
    if (place == NULL)
        return ERR_QUOTA;
    uint32_t mask = mask_of(*place);
    *first = mask == 0;
    *place = value_of(mask | UINT32_C(1) << worker);
    topic_cache_clear(filters->cache);
    return OK;
}

enum err
filters_remove(struct filters *filters, struct slice filter, unsigned worker, bool *last)
{
    assert(worker < WORKERS_MAX);
    uint32_t bit = UINT32_C(1) << worker;
    void **place = topic_tree_get(filters->tree, filter);
    if (place == NULL || (mask_of(*place) & bit) == 0)
        return ERR_NOT_FOUND;
    uint32_t mask = mask_of(*place) & ~bit;
    *last = mask == 0;
    topic_cache_clear(filters->cache);
    if (mask == 0)
        (void)topic_tree_remove(filters->tree, filter);
    else
        *place = value_of(mask);
    return OK;
}

static void
gather(void *arg, void *value)
{
    uint32_t *mask = arg;
    *mask |= mask_of(value);
}

uint32_t
filters_match(const struct filters *filters, struct slice topic)
{
    struct slice kept;
    uint32_t mask = 0;
    if (topic_cache_get(filters->cache, topic, &kept)) {
        memcpy(&mask, kept.data, sizeof(mask));
        return mask;
    }
    (void)topic_tree_match(filters->tree, topic, gather, &mask);
    topic_cache_put(filters->cache, topic, slice_of(&mask, sizeof(mask)));
    return mask;
}

struct each {
    filters_each_fn fn;
    void *arg;
};

static bool
each_one(void *arg, struct slice filter, void **value)
{
    const struct each *each = arg;
    if (*value != NULL)
        each->fn(each->arg, filter, mask_of(*value));
    return true;
}

void
filters_each(const struct filters *filters, filters_each_fn fn, void *arg)
{
    struct each each = {fn, arg};
    topic_tree_each(filters->tree, each_one, &each);
}

size_t
filters_count(const struct filters *filters)
{
    return topic_tree_count(filters->tree);
}
