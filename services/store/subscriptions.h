/* SPDX-License-Identifier: Apache-2.0 */
/* What the persistent sessions have subscribed to, and who gets a message: filters → sessions, with
 * overlapping subscriptions of one session merged into one delivery (subscription_hits.h). Shared
 * subscriptions lie here too; subscriptions_share.h picks among their members. Pure. Clean sessions
 * are the gateways' matter. */
#ifndef SERVICES_STORE_SUBSCRIPTIONS_H
#define SERVICES_STORE_SUBSCRIPTIONS_H

#include "common/err.h"
#include "common/str.h"
#include "common/table.h"
#include "services/store/subscription_hits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct session;
struct subscriptions;
struct subscription_filter;

struct subscription_options {
    uint32_t identifier; /* 0: none */
    uint8_t qos;
    bool no_local;
    bool retain_as_published;
    uint8_t retain_handling;
};

struct subscription {
    struct {
        struct session *session;
        struct subscription_filter *filter;
    } key;
    UT_hash_handle hh;
    struct subscription *next; /* of the same session */
    struct subscription *prev;
    uint32_t place; /* in the filter's list */
    bool is_awake;  /* of a share, QoS >= 1, and connected: counts in subscriptions_share_awake */
    struct subscription_options options;
};

struct subscriptions *subscriptions_new(size_t filter_cap);
void subscriptions_free(struct subscriptions *subscriptions);

enum subscription_change {
    SUBSCRIPTION_ROUTE_SAME,
    SUBSCRIPTION_ROUTE_ADD,   /* the first with QoS >= 1 of this filter: cores must know */
    SUBSCRIPTION_ROUTE_REMOVE /* the last one is gone */
};

/* Adds or replaces. *is_new: the session had none on this filter. ERR_QUOTA: too many filters. */
ERR_MUST_USE enum err subscriptions_put(struct subscriptions *subscriptions,
                                        struct session *session, struct slice filter,
                                        const struct subscription_options *options, bool *is_new,
                                        enum subscription_change *change);
/* The subscription of a session on exactly this filter, or NULL. */
struct subscription *subscriptions_get(struct subscriptions *subscriptions,
                                       const struct session *session, struct slice filter);
/* ERR_NOT_FOUND. */
ERR_MUST_USE enum err subscriptions_remove(struct subscriptions *subscriptions,
                                           struct session *session, struct slice filter,
                                           enum subscription_change *change);
/* Removes all of a session; on_route gets each filter that lost its last QoS >= 1 subscription. */
typedef void (*subscriptions_filter_fn)(void *arg, struct slice filter);
void subscriptions_remove_all(struct subscriptions *subscriptions, struct session *session,
                              subscriptions_filter_fn on_route, void *arg);
/* Every filter that some session wants with QoS >= 1. */
void subscriptions_each_route(struct subscriptions *subscriptions, subscriptions_filter_fn fn,
                              void *arg);
/* Whether some session wants this filter with QoS >= 1. */
bool subscriptions_has_route(const struct subscriptions *subscriptions, struct slice filter);

struct slice subscription_filter_text(const struct subscription *subscription);
/* Subscriptions, and filters among them. */
uint64_t subscriptions_count(const struct subscriptions *subscriptions);
uint64_t subscriptions_filter_count(const struct subscriptions *subscriptions);

/* Subscriptions whose filter matches the topic, shares left out, as long as fn returns true. fn
 * must not change subscriptions. */
typedef bool (*subscriptions_each_fn)(void *arg, const struct subscription *subscription);
void subscriptions_each_match(struct subscriptions *subscriptions, struct slice topic,
                              subscriptions_each_fn fn, void *arg);

/* Matches a topic. publisher is the session number of the publisher (no-local; 0: none). *hits is
 * borrowed until the next match. Returns how many. */
size_t subscriptions_match(struct subscriptions *subscriptions, struct slice topic,
                           uint64_t publisher, struct subscription_hit **hits);
/* Writes the identifiers of a hit (id_count of them) of the last match or pick. */
void subscriptions_hit_ids(const struct subscriptions *subscriptions,
                           const struct subscription_hit *hit, uint32_t ids[255]);

#endif
