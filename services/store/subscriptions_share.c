/* SPDX-License-Identifier: Apache-2.0 */
/* See subscriptions_share.h. */
#include "services/store/subscriptions_share.h"

#include "common/hash.h"
#include "services/store/sessions.h"
#include "services/store/subscriptions_part.h"

bool
subscriptions_share_count(struct subscription *subscription)
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

uint32_t
subscriptions_share_awake(const struct subscriptions *subscriptions, struct slice share)
{
    const struct subscription_filter *filter = subscriptions_filter_get(subscriptions, share);
    return filter != NULL ? filter->awake : 0;
}

void
subscriptions_share_wake(struct subscriptions *subscriptions, struct session *session,
                         subscriptions_filter_fn fn, void *arg)
{
    struct subscription *subscription =
        session->lasting != NULL ? session->lasting->subscriptions : NULL;
    (void)subscriptions;
    for (; subscription != NULL; subscription = subscription->next) {
        if (subscriptions_share_count(subscription))
            fn(arg, subscription_filter_text(subscription));
    }
}

bool
subscriptions_share_set_others(struct subscriptions *subscriptions, struct slice share, bool others)
{
    struct subscription_filter *filter = subscriptions_filter_get(subscriptions, share);
    if (filter == NULL || !filter->is_share)
        return false;
    filter->others = others;
    return true;
}

bool
subscriptions_share_is_served(const struct subscriptions *subscriptions, struct slice share)
{
    const struct subscription_filter *filter = subscriptions_filter_get(subscriptions, share);
    return filter != NULL && (filter->others || filter->awake != 0);
}

void
subscriptions_share_each(struct subscriptions *subscriptions, struct slice share,
                         subscriptions_share_fn fn, void *arg)
{
    const struct subscription_filter *filter = subscriptions_filter_get(subscriptions, share);
    uint32_t i;
    for (i = 0; filter != NULL && i < filter->count; i++) {
        if (filter->list[i]->options.qos != 0)
            fn(arg, filter->list[i]->key.session);
    }
}

struct slice
subscriptions_share_marked(const struct session *session, uint32_t mark)
{
    const struct subscription *subscription = session->lasting->subscriptions;
    for (; subscription != NULL; subscription = subscription->next) {
        struct slice text = subscription_filter_text(subscription);
        if (subscription->key.filter->is_share && subscriptions_share_mark(text) == mark)
            return text;
    }
    return slice_of(NULL, 0);
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
            subscriptions_share_room_fn has_room, void *arg)
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
subscriptions_share_pick(struct subscriptions *subscriptions, struct slice share, uint32_t pick,
                         subscriptions_share_room_fn has_room, void *arg)
{
    const struct subscription_filter *filter = subscriptions_filter_get(subscriptions, share);
    const struct subscription *member;
    struct subscription_hit *hit;
    uint32_t total;
    if (filter == NULL || filter->routed == 0)
        return NULL;
    total = filter->awake != 0 ? filter->awake : filter->routed;
    member = filter->list[find_member(filter, filter->awake != 0, pick % total, has_room, arg)];
    subscription_hits_clear(subscriptions->hits);
    hit = subscription_hits_of(subscriptions->hits, member->key.session);
    hit->qos = member->options.qos;
    hit->retain_as_published = member->options.retain_as_published;
    subscription_hits_add_id(subscriptions->hits, hit, subscriptions_share_mark(share));
    subscription_hits_add_id(subscriptions->hits, hit, member->options.identifier);
    return hit;
}
