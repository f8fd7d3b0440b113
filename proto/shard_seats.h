/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has which shard, as a program that speaks to stores sees it: one seat a shard, taken by the
 * store that claims it in its hello. A store that takes over comes with a higher term than the one
 * before, which loses its seat; one that was replaced and comes back cannot have it while the other
 * is here. All must agree on the count. Pure; a store is the number of its peer (peer_id), never 0.
 */
#ifndef SLUICE_PROTO_SHARD_SEATS_H
#define SLUICE_PROTO_SHARD_SEATS_H

#include "proto/shards.h"

#include <stdbool.h>

#define SHARD_SEATS_NONE UINT32_MAX

struct shard_seats {
    struct shards shards; /* known from the first claim on, or from the begin */
    struct {
        uint32_t holder; /* 0: nobody so far */
        bool up;
        uint64_t term;
    } seats[SHARDS_MAX];
};

/* count 0: the first claim says it. */
void shard_seats_init(struct shard_seats *seats, uint32_t count);
/* A store in session claims. *former: who had the seat before, 0: nobody or the same one. What the
 * store had before, if it was another shard, it has no more. ERR_INVALID: another count than the
 * others'; ERR_STALE: a later one has it and is here. */
ERR_MUST_USE enum err shard_seats_take(struct shard_seats *seats, uint32_t store,
                                       const struct shard_claim *claim, uint32_t *former);
/* Its session ended; it keeps its seat until another one comes. */
void shard_seats_down(struct shard_seats *seats, uint32_t store);
/* The shard that the store has, SHARD_SEATS_NONE: none. */
uint32_t shard_seats_of(const struct shard_seats *seats, uint32_t store);
/* The store that has the shard, in session or not; 0: nobody so far. */
uint32_t shard_seats_holder(const struct shard_seats *seats, uint32_t shard);

#endif
