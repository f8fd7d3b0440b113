/* SPDX-License-Identifier: Apache-2.0 */
/* The door between the router and common/peer: gives each gateway and store its place, passes
 * events one way and records the other. Decides nothing about records. */
#ifndef SLUICE_CORE_PEER_LINK_H
#define SLUICE_CORE_PEER_LINK_H

#include "common/err.h"
#include "services/core/core_config.h"
#include "services/core/router.h"
#include <stdint.h>

struct loop;
struct metrics;
struct peer_link;
struct peers_stats;

/* Opens the sockets. Errors as peers_new. *out is new; config is borrowed. */
ERR_MUST_USE enum err peer_link_new(struct loop *loop, const struct core_config *config,
                                    struct peer_link **out);
/* Publishes nothing more; the sockets close. */
void peer_link_free(struct peer_link *link);

/* What operators are shown; borrowed. */
void peer_link_set_metrics(struct peer_link *link, struct metrics *metrics);
struct router *peer_link_router(struct peer_link *link);
const struct peers_stats *peer_link_stats(const struct peer_link *link);
/* Hellos of stores that were not believed which shard they are. */
uint64_t peer_link_stores_refused(const struct peer_link *link);
uint64_t peer_link_incarnation(const struct peer_link *link);
uint16_t peer_link_call_port(const struct peer_link *link);
uint16_t peer_link_feed_port(const struct peer_link *link);

#endif
