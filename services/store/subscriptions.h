/* SPDX-License-Identifier: Apache-2.0 */
/* What the persistent sessions have subscribed to, and who gets a message: filters → sessions, with
 * overlapping subscriptions of one session merged into one delivery (highest QoS, all identifiers).
 *  Of a shared subscription
 * ("$share/group/filter") one session is picked by number. Pure. Clean sessions are the gateways'
 * matter. */
#ifndef SERVICES_STORE_SUBSCRIPTIONS_H
#define SERVICES_STORE_SUBSCRIPTIONS_H

#include "common/err.h"
#include "common/str.h"
#include "common/table.h"

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
    bool is_awake;  /* of a share, QoS >= 1, and connected: counts in subscriptions_awake */
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

/* Members of a share that are connected and take QoS >= 1. */
uint32_t subscriptions_awake(const struct subscriptions *subscriptions, struct slice share);
/* The session is connected or no longer; fn gets each share whose number of connected members
 * changed by that. */
void subscriptions_wake(struct subscriptions *subscriptions, struct session *session,
                        subscriptions_filter_fn fn, void *arg);

/* Whether other places have connected members of the share, as a core said. False: no such share.
 */
bool subscriptions_set_others(struct subscriptions *subscriptions, struct slice share, bool others);
/* Whether somebody here or elsewhere is connected. */
bool subscriptions_is_served(const struct subscriptions *subscriptions, struct slice share);
/* Every member of the share with QoS >= 1. fn must not change subscriptions. */
typedef void (*subscriptions_member_fn)(void *arg, struct session *session);
void subscriptions_each_member(struct subscriptions *subscriptions, struct slice share,
                               subscriptions_member_fn fn, void *arg);
/* The share of a session that has this mark; empty: none. */
struct slice subscriptions_marked(const struct session *session, uint32_t mark);

struct slice subscription_filter_text(const struct subscription *subscription);
/* Subscriptions, and filters among them. */
uint64_t subscriptions_count(const struct subscriptions *subscriptions);
uint64_t subscriptions_filter_count(const struct subscriptions *subscriptions);

/* One session that gets the message. */
struct subscription_hit {
    struct session *session;
    uint8_t qos;              /* highest of its matching subscriptions */
    bool retain_as_published; /* of any of them */
    uint8_t id_count;         /* at most 255; further ones are left out */
    uint32_t first_id;        /* chain of identifiers, see subscriptions_hit_ids */
    uint32_t last_id;
};

/* Matches a topic. publisher is the session number of the publisher (no-local; 0: none). *hits is
 * borrowed until the next match. Returns how many. */
size_t subscriptions_match(struct subscriptions *subscriptions, struct slice topic,
                           uint64_t publisher, struct subscription_hit **hits);
/* Among the identifiers of a hit of subscriptions_pick: which share it is of, with this bit set.
 * Identifiers of clients have 28 bits. */
#define SUBSCRIPTIONS_SHARE_MARK 0x80000000u
uint32_t subscriptions_share_mark(struct slice share);
/* One member of a share with QoS >= 1: number pick of those that are connected, or of all if none
 * is; the next one for which has_room is true if there is such a one. NULL: no member. Borrowed as
 * hits of a match are. The first identifier is the mark of the share. */
typedef bool (*subscriptions_room_fn)(void *arg, const struct session *session);
struct subscription_hit *subscriptions_pick(struct subscriptions *subscriptions, struct slice share,
                                            uint32_t pick, subscriptions_room_fn has_room,
                                            void *arg);
/* Writes the identifiers of a hit (id_count of them) of the last match. */
void subscriptions_hit_ids(const struct subscriptions *subscriptions,
                           const struct subscription_hit *hit, uint32_t ids[255]);

#endif
