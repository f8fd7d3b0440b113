/* SPDX-License-Identifier: Apache-2.0 */
/* The members of shared subscriptions ("$share/group/filter") with persistent sessions: who is
 * connected, who gets the next message. Part of subscriptions.h, which keeps them. Pure. */
#ifndef SERVICES_STORE_SUBSCRIPTIONS_SHARE_H
#define SERVICES_STORE_SUBSCRIPTIONS_SHARE_H

#include "services/store/subscription_hits.h"
#include "services/store/subscriptions.h"

/* Members of a share that are connected and take QoS >= 1. */
uint32_t subscriptions_share_awake(const struct subscriptions *subscriptions, struct slice share);
/* The session is connected or no longer; fn gets each share whose number of connected members
 * changed by that. */
void subscriptions_share_wake(struct subscriptions *subscriptions, struct session *session,
                              subscriptions_filter_fn fn, void *arg);

/* Whether other places have connected members of the share, as a core said. False: no such share.
 */
bool subscriptions_share_set_others(struct subscriptions *subscriptions, struct slice share,
                                    bool others);
/* Whether somebody here or elsewhere is connected. */
bool subscriptions_share_is_served(const struct subscriptions *subscriptions, struct slice share);
/* Every member of the share with QoS >= 1. fn must not change subscriptions. */
typedef void (*subscriptions_share_fn)(void *arg, struct session *session);
void subscriptions_share_each(struct subscriptions *subscriptions, struct slice share,
                              subscriptions_share_fn fn, void *arg);
/* The share of a session that has this mark; empty: none. */
struct slice subscriptions_share_marked(const struct session *session, uint32_t mark);

/* Among the identifiers of a hit of subscriptions_share_pick: which share it is of, with this bit
 * set. Identifiers of clients have 28 bits. */
#define SUBSCRIPTIONS_SHARE_MARK 0x80000000u
uint32_t subscriptions_share_mark(struct slice share);
/* One member of a share with QoS >= 1: number pick of those that are connected, or of all if none
 * is; the next one for which has_room is true if there is such a one. NULL: no member. Borrowed as
 * hits of a match are. The first identifier is the mark of the share. */
typedef bool (*subscriptions_share_room_fn)(void *arg, const struct session *session);
struct subscription_hit *subscriptions_share_pick(struct subscriptions *subscriptions,
                                                  struct slice share, uint32_t pick,
                                                  subscriptions_share_room_fn has_room, void *arg);

#endif
