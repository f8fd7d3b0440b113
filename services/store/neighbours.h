/* SPDX-License-Identifier: Apache-2.0 */
/* The other stores, and what is ours. A store asks the others for what is retained on topics of
 * theirs, when a persistent session of its own subscribes; nothing else goes between stores. And it
 * refuses what belongs to another shard, whoever sends it here. */
#ifndef SERVICES_STORE_NEIGHBOURS_H
#define SERVICES_STORE_NEIGHBOURS_H

#include "common/peer.h"
#include "common/str.h"

#include <stdbool.h>

struct store;

/* Events of a store that we dial. */
void neighbours_up(struct store *store, struct peer *peer, const struct peer_info *info);
void neighbours_down(struct store *store, struct peer *peer);
/* The store that has the shard; NULL: away. */
struct peer *neighbours_of(struct store *store, uint32_t shard);

/* Whether a client id or topic belongs to our shard. Any thread: changes nothing. */
bool neighbours_is_ours(const struct store *store, struct slice key);
/* Something came that belongs to another shard: counts it and says so in the log, now and then. */
void neighbours_refused(struct store *store, const char *what);

#endif
