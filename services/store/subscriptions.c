/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions of persistent sessions and matching; see subscriptions.h. Overlaps are found with
 * one small table per match: the session's lasting part would do as well, but this room knows
 * sessions only by their number. */
#include "services/store/subscriptions.h"

#include "common/mem.h"
#include "proto/topic_tree.h"
#include "services/store/sessions.h"

#include <assert.h>
#include <string.h>

struct subscription_filter {
    struct subscription **list;
    uint32_t count;
    uint32_t size;
    uint32_t routed; /* of the list, with QoS >= 1 */
    uint32_t awake;  /* of a share: of these, connected */
    bool is_share;
    bool others; /* connected members elsewhere */
    uint32_t len;
    uint8_t text[];
};

struct id_node {
    uint32_t id;
    uint32_t next;
};

struct subscriptions {
    struct topic_tree *tree;
    struct subscription *all;
    /* of the running match */
    uint64_t publisher;
    struct subscription_hit *hits;
    size_t hit_count;
    size_t hit_size;
    struct id_node *ids;
    uint32_t id_count;
    uint32_t id_size;
    uint32_t *slots; /* open addressing: session -> hit + 1; used from the second filter on */
    size_t slot_size;
    unsigned filters_hit;
};

struct subscriptions *
subscriptions_new(size_t filter_cap)
{
    struct subscriptions *subscriptions = mem_zalloc(sizeof(*subscriptions));
    subscriptions->tree = topic_tree_new(filter_cap);
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
    mem_free(subscriptions->hits);
    mem_free(subscriptions->ids);
    mem_free(subscriptions->slots);
    mem_free(subscriptions);
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
    void **place = topic_tree_get(subscriptions->tree, filter);
    if (place == NULL || *place == NULL)
        return NULL;
    return find(subscriptions, session, *place);
}

bool
subscriptions_has_route(const struct subscriptions *subscriptions, struct slice filter)
{
    void **place = topic_tree_get(subscriptions->tree, filter);
    return place != NULL && *place != NULL &&
           ((const struct subscription_filter *)*place)->routed != 0;
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

/* Whether it is another number than before. */
static bool
count_awake(struct subscription *subscription)
{
    struct subscription_filter *filter = subscription->key.filter;
    bool is_awake = filter->is_share && subscription->options.qos != 0 &&
                    subscription->key.session->state == SESSION_CONNECTED;
    if (is_awake == subscription->is_awake)
        return false;
    subscription->is_awake = is_awake;
    if (is_awake)
        filter->awake++;
    else
        filter->awake--;
    return true;
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
    (void)count_awake(subscription);
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

uint32_t
subscriptions_awake(const struct subscriptions *subscriptions, struct slice share)
{
    void **place = topic_tree_get(subscriptions->tree, share);
    return place != NULL && *place != NULL ? ((const struct subscription_filter *)*place)->awake
                                           : 0;
}

void
subscriptions_wake(struct subscriptions *subscriptions, struct session *session,
                   subscriptions_filter_fn fn, void *arg)
{
    struct subscription *subscription =
        session->lasting != NULL ? session->lasting->subscriptions : NULL;
    (void)subscriptions;
    for (; subscription != NULL; subscription = subscription->next) {
        if (count_awake(subscription))
            fn(arg, subscription_filter_text(subscription));
    }
}

static struct subscription_filter *
filter_get(const struct subscriptions *subscriptions, struct slice text)
{
    void **place = topic_tree_get(subscriptions->tree, text);
    return place != NULL ? *place : NULL;
}

bool
subscriptions_set_others(struct subscriptions *subscriptions, struct slice share, bool others)
{
    struct subscription_filter *filter = filter_get(subscriptions, share);
    if (filter == NULL || !filter->is_share)
        return false;
    filter->others = others;
    return true;
}

bool
subscriptions_is_served(const struct subscriptions *subscriptions, struct slice share)
{
    const struct subscription_filter *filter = filter_get(subscriptions, share);
    return filter != NULL && (filter->others || filter->awake != 0);
}

void
subscriptions_each_member(struct subscriptions *subscriptions, struct slice share,
                          subscriptions_member_fn fn, void *arg)
{
    const struct subscription_filter *filter = filter_get(subscriptions, share);
    uint32_t i;
    for (i = 0; filter != NULL && i < filter->count; i++) {
        if (filter->list[i]->options.qos != 0)
            fn(arg, filter->list[i]->key.session);
    }
}

struct slice
subscriptions_marked(const struct session *session, uint32_t mark)
{
    const struct subscription *subscription = session->lasting->subscriptions;
    for (; subscription != NULL; subscription = subscription->next) {
        struct slice text = subscription_filter_text(subscription);
        if (subscription->key.filter->is_share && subscriptions_share_mark(text) == mark)
            return text;
    }
    return slice_of(NULL, 0);
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

static size_t
slot_of(const struct subscriptions *subscriptions, const struct session *session)
{
    return hash_mix64(session->number) & (subscriptions->slot_size - 1);
}

static void
slot_put(struct subscriptions *subscriptions, size_t hit)
{
    size_t slot = slot_of(subscriptions, subscriptions->hits[hit].session);
    while (subscriptions->slots[slot] != 0)
        slot = (slot + 1) & (subscriptions->slot_size - 1);
    subscriptions->slots[slot] = (uint32_t)hit + 1;
}

/* Makes the slots at least four times as many as there will be hits, and fills them. */
static void
slots_prepare(struct subscriptions *subscriptions, size_t more)
{
    size_t need = (subscriptions->hit_count + more) * 2;
    size_t i;
    if (need > subscriptions->slot_size || subscriptions->filters_hit == 2) {
        size_t size = subscriptions->slot_size == 0 ? 64 : subscriptions->slot_size;
        while (size < need * 2)
            size *= 2;
        if (size != subscriptions->slot_size) {
            mem_free(subscriptions->slots);
            subscriptions->slots = mem_zalloc_array(size, sizeof(*subscriptions->slots));
            subscriptions->slot_size = size;
        } else {
            memset(subscriptions->slots, 0, size * sizeof(*subscriptions->slots));
        }
        for (i = 0; i < subscriptions->hit_count; i++)
            slot_put(subscriptions, i);
    }
}

static struct subscription_hit *
hit_find(struct subscriptions *subscriptions, const struct session *session)
{
    size_t slot = slot_of(subscriptions, session);
    while (subscriptions->slots[slot] != 0) {
        struct subscription_hit *hit = &subscriptions->hits[subscriptions->slots[slot] - 1];
        if (hit->session == session)
            return hit;
        slot = (slot + 1) & (subscriptions->slot_size - 1);
    }
    return NULL;
}

static void
hit_add_id(struct subscriptions *subscriptions, struct subscription_hit *hit, uint32_t id)
{
    uint32_t node;
    if (id == 0 || hit->id_count == UINT8_MAX)
        return;
    if (subscriptions->id_count == subscriptions->id_size) {
        subscriptions->id_size = subscriptions->id_size == 0 ? 16 : subscriptions->id_size * 2;
        subscriptions->ids = mem_realloc_array(subscriptions->ids, subscriptions->id_size,
                                               sizeof(*subscriptions->ids));
    }
    node = subscriptions->id_count++;
    subscriptions->ids[node] = (struct id_node){id, UINT32_MAX};
    if (hit->id_count == 0)
        hit->first_id = node;
    else
        subscriptions->ids[hit->last_id].next = node;
    hit->last_id = node;
    hit->id_count++;
}

static struct subscription_hit *
hit_new(struct subscriptions *subscriptions, struct session *session)
{
    struct subscription_hit *hit;
    if (subscriptions->hit_count == subscriptions->hit_size) {
        subscriptions->hit_size = subscriptions->hit_size == 0 ? 16 : subscriptions->hit_size * 2;
        subscriptions->hits = mem_realloc_array(subscriptions->hits, subscriptions->hit_size,
                                                sizeof(*subscriptions->hits));
    }
    hit = &subscriptions->hits[subscriptions->hit_count];
    *hit = (struct subscription_hit){.session = session};
    if (subscriptions->filters_hit > 1)
        slot_put(subscriptions, subscriptions->hit_count);
    subscriptions->hit_count++;
    return hit;
}

static void
match_filter(void *arg, void *value)
{
    struct subscriptions *subscriptions = arg;
    const struct subscription_filter *filter = value;
    uint32_t i;
    subscriptions->filters_hit++;
    if (subscriptions->filters_hit > 1)
        slots_prepare(subscriptions, filter->count);
    for (i = 0; i < filter->count; i++) {
        const struct subscription *subscription = filter->list[i];
        struct session *session = subscription->key.session;
        struct subscription_hit *hit = NULL;
        if (subscription->options.no_local && session->number == subscriptions->publisher)
            continue;
        if (subscriptions->filters_hit > 1)
            hit = hit_find(subscriptions, session);
        if (hit == NULL)
            hit = hit_new(subscriptions, session);
        if (subscription->options.qos > hit->qos)
            hit->qos = subscription->options.qos;
        hit->retain_as_published |= subscription->options.retain_as_published;
        hit_add_id(subscriptions, hit, subscription->options.identifier);
    }
}

size_t
subscriptions_match(struct subscriptions *subscriptions, struct slice topic, uint64_t publisher,
                    struct subscription_hit **hits)
{
    subscriptions->publisher = publisher;
    subscriptions->hit_count = 0;
    subscriptions->id_count = 0;
    subscriptions->filters_hit = 0;
    (void)topic_tree_match(subscriptions->tree, topic, match_filter, subscriptions);
    *hits = subscriptions->hits;
    return subscriptions->hit_count;
}

uint32_t
subscriptions_share_mark(struct slice share)
{
    return SUBSCRIPTIONS_SHARE_MARK | (uint32_t)hash_stable(share);
}

/* Index of the pick-th member that counts in this pass and has room, or of any other that has;
 * count: nobody. */
static uint32_t
find_member(const struct subscription_filter *filter, bool awake, uint32_t pick,
            subscriptions_room_fn has_room, void *arg)
{
    uint32_t first = filter->count, chosen = filter->count, i;
    for (i = 0; i < filter->count; i++) {
        const struct subscription *member = filter->list[i];
        if (awake ? !member->is_awake : member->options.qos == 0)
            continue;
        if (pick > 0)
            pick--;
        else if (chosen == filter->count && has_room(arg, member->key.session))
            return i;
        else if (chosen == filter->count)
            chosen = i;
        if (first == filter->count && has_room(arg, member->key.session))
            first = i;
    }
    return first != filter->count ? first : chosen;
}

struct subscription_hit *
subscriptions_pick(struct subscriptions *subscriptions, struct slice share, uint32_t pick,
                   subscriptions_room_fn has_room, void *arg)
{
    void **place = topic_tree_get(subscriptions->tree, share);
    const struct subscription_filter *filter = place != NULL ? *place : NULL;
    const struct subscription *member;
    struct subscription_hit *hit;
    uint32_t total;
    if (filter == NULL || filter->routed == 0)
        return NULL;
    total = filter->awake != 0 ? filter->awake : filter->routed;
    member = filter->list[find_member(filter, filter->awake != 0, pick % total, has_room, arg)];
    subscriptions->hit_count = 0;
    subscriptions->id_count = 0;
    subscriptions->filters_hit = 0;
    hit = hit_new(subscriptions, member->key.session);
    hit->qos = member->options.qos;
    hit->retain_as_published = member->options.retain_as_published;
    hit_add_id(subscriptions, hit, subscriptions_share_mark(share));
    hit_add_id(subscriptions, hit, member->options.identifier);
    return hit;
}

void
subscriptions_hit_ids(const struct subscriptions *subscriptions, const struct subscription_hit *hit,
                      uint32_t ids[255])
{
    uint32_t node = hit->first_id;
    unsigned i;
    for (i = 0; i < hit->id_count; i++) {
        ids[i] = subscriptions->ids[node].id;
        node = subscriptions->ids[node].next;
    }
}
