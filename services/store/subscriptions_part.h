/* SPDX-License-Identifier: Apache-2.0 */
/* What subscriptions.c (the table, matching) and subscriptions_share.c (members of shares) share.
 * Not for anybody else. */
#ifndef SERVICES_STORE_SUBSCRIPTIONS_PART_H
#define SERVICES_STORE_SUBSCRIPTIONS_PART_H

#include "proto/topic_tree.h"
#include "services/store/subscriptions.h"

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

struct subscriptions {
    struct topic_tree *tree;
    struct subscription *all;
    uint64_t publisher;             /* of the running match */
    struct subscription_hits *hits; /* of the last match or pick */
};

/* NULL: nobody has subscribed to it. */
struct subscription_filter *subscriptions_filter_get(const struct subscriptions *subscriptions,
                                                     struct slice text);
/* Counts the subscription among the connected members of its share, or no longer: whether that is
 * another number than before. */
bool subscriptions_share_count(struct subscription *subscription);

#endif
