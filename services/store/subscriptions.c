/* SPDX-License-Identifier: Apache-2.0 */
/* The table of subscriptions and matching; see subscriptions.h. */
#include "services/store/subscriptions.h"

#include "common/mem.h"
#include "services/store/sessions.h"
#include "services/store/subscriptions_part.h"

#include <assert.h>
#include <string.h>

struct subscriptions *
subscriptions_new(size_t filter_cap)
{
    struct subscriptions *subscriptions = mem_zalloc(sizeof(*subscriptions));
    subscriptions->tree = topic_tree_new(filter_cap);
    subscriptions->hits = subscription_hits_new();
    return subscriptions;
}

static void
free_filter(void *arg, void *value)
{
    struct subscription_filter *filter = value;
    (void)arg;
    mem_free(filter->list);
    mem_free(filter);
}

void
subscriptions_free(struct subscriptions *subscriptions)
{
    struct subscription *subscription;
    struct subscription *next;
    if (subscriptions == NULL)
        return;
    HASH_ITER(hh, subscriptions->all, subscription, next)
    {
        HASH_DEL(subscriptions->all, subscription);
        mem_free(subscription);
    }
    topic_tree_free(subscriptions->tree, free_filter, NULL);
    subscription_hits_free(subscriptions->hits);
    mem_free(subscriptions);
}

struct subscription_filter *
subscriptions_filter_get(const struct subscriptions *subscriptions, struct slice text)
{
    void **place = topic_tree_get(subscriptions->tree, text);
    return place != NULL ? *place : NULL;
}

static struct subscription *
find(struct subscriptions *subscriptions, const struct session *session,
     const struct subscription_filter *filter)
{
    struct subscription *found = NULL;
    struct {
        const struct session *session;
        const struct subscription_filter *filter;
    } key = {session, filter};
    HASH_FIND(hh, subscriptions->all, &key, sizeof(key), found);
    return found;
}

struct subscription *
subscriptions_get(struct subscriptions *subscriptions, const struct session *session,
                  struct slice filter)
{
    const struct subscription_filter *found = subscriptions_filter_get(subscriptions, filter);
    return found != NULL ? find(subscriptions, session, found) : NULL;
}

bool
subscriptions_has_route(const struct subscriptions *subscriptions, struct slice filter)
{
    const struct subscription_filter *found = subscriptions_filter_get(subscriptions, filter);
    return found != NULL && found->routed != 0;
}

static void
link_subscription(struct subscription_filter *filter, struct subscription *subscription)
{
    struct lasting *lasting = subscription->key.session->lasting;
    if (filter->count == filter->size) {
        filter->size = filter->size == 0 ? 1 : filter->size * 2;
        filter->list = mem_realloc_array(filter->list, filter->size, sizeof(struct subscription *));
    }
    subscription->place = filter->count;
    filter->list[filter->count++] = subscription;
    subscription->next = lasting->subscriptions;
    if (lasting->subscriptions != NULL)
        lasting->subscriptions->prev = subscription;
    lasting->subscriptions = subscription;
    lasting->subscription_count++;
}

enum err
subscriptions_put(struct subscriptions *subscriptions, struct session *session,
                  struct slice filter_text, const struct subscription_options *options,
                  bool *is_new, enum subscription_change *change)
{
    void **place = topic_tree_add(subscriptions->tree, filter_text);
    struct subscription_filter *filter;
    struct subscription *subscription;
    uint32_t routed;
    assert(session->lasting != NULL);
    if (place == NULL)
        return ERR_QUOTA;
    if (*place == NULL) {
        filter = mem_zalloc(sizeof(*filter) + filter_text.len);
        filter->len = (uint32_t)filter_text.len;
        memcpy(filter->text, filter_text.data, filter_text.len);
        filter->is_share = slice_has_prefix(filter_text, slice_cstr("$share/"));
        *place = filter;
    }
    filter = *place;
    routed = filter->routed;
    subscription = find(subscriptions, session, filter);
    *is_new = subscription == NULL;
    if (subscription == NULL) {
        subscription = mem_zalloc(sizeof(*subscription));
        subscription->key.session = session;
        subscription->key.filter = filter;
        HASH_ADD(hh, subscriptions->all, key, sizeof(subscription->key), subscription);
        link_subscription(filter, subscription);
    } else if (subscription->options.qos != 0) {
        filter->routed--;
    }
    subscription->options = *options;
    if (options->qos != 0)
        filter->routed++;
    (void)subscriptions_share_count(subscription);
    *change = routed == 0 && filter->routed != 0   ? SUBSCRIPTION_ROUTE_ADD
              : routed != 0 && filter->routed == 0 ? SUBSCRIPTION_ROUTE_REMOVE
                                                   : SUBSCRIPTION_ROUTE_SAME;
    return OK;
}

/* Returns whether the filter lost its last one with QoS >= 1. *emptied: it has none at all. */
static bool
unlink_subscription(struct subscriptions *subscriptions, struct subscription *subscription,
                    bool *emptied)
{
    struct subscription_filter *filter = subscription->key.filter;
    struct lasting *lasting = subscription->key.session->lasting;
    struct subscription *last = filter->list[--filter->count];
    bool was_routed = subscription->options.qos != 0;
    filter->list[subscription->place] = last;
    last->place = subscription->place;
    if (was_routed)
        filter->routed--;
    filter->awake -= subscription->is_awake;
    if (subscription->prev != NULL)
        subscription->prev->next = subscription->next;
    else
        lasting->subscriptions = subscription->next;
    if (subscription->next != NULL)
        subscription->next->prev = subscription->prev;
    lasting->subscription_count--;
    assert(subscriptions->all != NULL);
    HASH_DEL(subscriptions->all, subscription);
    mem_free(subscription);
    *emptied = filter->count == 0;
    return was_routed && filter->routed == 0;
}

static void
drop_filter(struct subscriptions *subscriptions, struct subscription_filter *filter)
{
    void *removed = topic_tree_remove(subscriptions->tree, slice_of(filter->text, filter->len));
    assert(removed == filter);
    (void)removed;
    free_filter(NULL, filter);
}

enum err
subscriptions_remove(struct subscriptions *subscriptions, struct session *session,
                     struct slice filter_text, enum subscription_change *change)
{
    struct subscription *subscription = subscriptions_get(subscriptions, session, filter_text);
    struct subscription_filter *filter;
    bool emptied;
    if (subscription == NULL)
        return ERR_NOT_FOUND;
    filter = subscription->key.filter;
    *change = unlink_subscription(subscriptions, subscription, &emptied) ? SUBSCRIPTION_ROUTE_REMOVE
                                                                         : SUBSCRIPTION_ROUTE_SAME;
    if (emptied)
        drop_filter(subscriptions, filter);
    return OK;
}

void
subscriptions_remove_all(struct subscriptions *subscriptions, struct session *session,
                         subscriptions_filter_fn on_route, void *arg)
{
    struct lasting *lasting = session->lasting;
    while (lasting != NULL && lasting->subscriptions != NULL) {
        struct subscription *subscription = lasting->subscriptions;
        struct subscription_filter *filter = subscription->key.filter;
        bool emptied;
        if (unlink_subscription(subscriptions, subscription, &emptied))
            on_route(arg, slice_of(filter->text, filter->len));
        if (emptied)
            drop_filter(subscriptions, filter);
    }
}

struct each {
    subscriptions_filter_fn fn;
    void *arg;
};

static bool
each_filter(void *arg, struct slice filter, void **value)
{
    const struct each *each = arg;
    const struct subscription_filter *found = *value;
    if (found != NULL && found->routed != 0)
        each->fn(each->arg, filter);
    return true;
}

void
subscriptions_each_route(struct subscriptions *subscriptions, subscriptions_filter_fn fn, void *arg)
{
    struct each each = {fn, arg};
    topic_tree_each(subscriptions->tree, each_filter, &each);
}

struct slice
subscription_filter_text(const struct subscription *subscription)
{
    return slice_of(subscription->key.filter->text, subscription->key.filter->len);
}

uint64_t
subscriptions_count(const struct subscriptions *subscriptions)
{
    return HASH_COUNT(subscriptions->all);
}

uint64_t
subscriptions_filter_count(const struct subscriptions *subscriptions)
{
    return topic_tree_count(subscriptions->tree);
}

/* ---- matching */

static void
match_filter(void *arg, void *value)
{
    struct subscriptions *subscriptions = arg;
    const struct subscription_filter *filter = value;
    uint32_t i;
    subscription_hits_filter(subscriptions->hits, filter->count);
    for (i = 0; i < filter->count; i++) {
        const struct subscription *subscription = filter->list[i];
        struct session *session = subscription->key.session;
        struct subscription_hit *hit;
        if (subscription->options.no_local && session->number == subscriptions->publisher)
            continue;
        hit = subscription_hits_of(subscriptions->hits, session);
        if (subscription->options.qos > hit->qos)
            hit->qos = subscription->options.qos;
        hit->retain_as_published |= subscription->options.retain_as_published;
        subscription_hits_add_id(subscriptions->hits, hit, subscription->options.identifier);
    }
}

size_t
subscriptions_match(struct subscriptions *subscriptions, struct slice topic, uint64_t publisher,
                    struct subscription_hit **hits)
{
    size_t count;
    subscriptions->publisher = publisher;
    subscription_hits_clear(subscriptions->hits);
    (void)topic_tree_match(subscriptions->tree, topic, match_filter, subscriptions);
    *hits = subscription_hits_list(subscriptions->hits, &count);
    return count;
}

void
subscriptions_hit_ids(const struct subscriptions *subscriptions, const struct subscription_hit *hit,
                      uint32_t ids[255])
{
    subscription_hits_ids(subscriptions->hits, hit, ids);
}

struct each_match {
    subscriptions_each_fn fn;
    void *arg;
    bool is_over;
};

static void
each_in_filter(void *arg, void *value)
{
    struct each_match *each = arg;
    const struct subscription_filter *filter = value;
    uint32_t i;
    for (i = 0; i < filter->count && !each->is_over; i++)
        each->is_over = !each->fn(each->arg, filter->list[i]);
}

void
subscriptions_each_match(struct subscriptions *subscriptions, struct slice topic,
                         subscriptions_each_fn fn, void *arg)
{
    struct each_match each = {fn, arg, false};
    (void)topic_tree_match(subscriptions->tree, topic, each_in_filter, &each);
}
