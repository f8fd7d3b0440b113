/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's table of shared subscriptions: how many members of each group every worker has. It says
 * which worker has the member that a core picked by number. Pure; one thread owns it. Which client
 * that is, the worker knows.
 */
#ifndef SLUICE_SERVICES_GATEWAY_SHARES_H
#define SLUICE_SERVICES_GATEWAY_SHARES_H

#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct shares;

/* Members that take QoS 1 and 2 here (those of persistent sessions get them from the store), those
 * that take QoS 0, and of the first those that take QoS 2. */
struct shares_count {
    uint32_t members, members_qos0, members_qos2;
};

struct shares *shares_new(unsigned workers);
void shares_free(struct shares *shares);

/* What a worker has of a group; share: "$share/group/filter". A group without members is forgotten.
 * Returns what all workers have. */
struct shares_count shares_set(struct shares *shares, struct slice share, unsigned worker,
                               struct shares_count count);
struct shares_count shares_get(const struct shares *shares, struct slice share);

/* The worker of member number pick (modulo the number of members) for a message of this QoS, and
 * the member's number there. Bits of without: workers that do not count. False: no member. */
bool shares_pick(const struct shares *shares, struct slice share, uint8_t qos, uint32_t without,
                 uint32_t pick, unsigned *worker, uint32_t *worker_pick);

size_t shares_groups(const struct shares *shares);

#endif
