/* SPDX-License-Identifier: Apache-2.0 */
/* See shard_seats.h. */
#include "proto/shard_seats.h"

void
shard_seats_init(struct shard_seats *seats, uint32_t count)
{
    *seats = (struct shard_seats){0};
    shards_init(&seats->shards, count);
}

static void
vacate(struct shard_seats *seats, uint32_t store)
{
    uint32_t shard = shard_seats_of(seats, store);
    if (shard == SHARD_SEATS_NONE)
        return;
    seats->seats[shard].holder = 0;
    seats->seats[shard].up = false;
}

enum err
shard_seats_take(struct shard_seats *seats, uint32_t store, const struct shard_claim *claim,
                 uint32_t *former)
{
    uint32_t holder = seats->seats[claim->number].holder;
    *former = 0;
    if (seats->shards.count != 0 && seats->shards.count != claim->count)
        return ERR_INVALID;
    if (holder != 0 && holder != store && seats->seats[claim->number].up &&
        seats->seats[claim->number].term >= claim->term)
        return ERR_STALE;
    if (seats->shards.count == 0)
        shards_init(&seats->shards, claim->count);
    if (holder != store) {
        vacate(seats, store);
        *former = holder;
    }
    seats->seats[claim->number].holder = store;
    seats->seats[claim->number].term = claim->term;
    seats->seats[claim->number].up = true;
    return OK;
}

void
shard_seats_down(struct shard_seats *seats, uint32_t store)
{
    uint32_t shard = shard_seats_of(seats, store);
    if (shard != SHARD_SEATS_NONE)
        seats->seats[shard].up = false;
}

uint32_t
shard_seats_of(const struct shard_seats *seats, uint32_t store)
{
    for (uint32_t i = 0; store != 0 && i < SHARDS_MAX; i++) {
        if (seats->seats[i].holder == store)
            return i;
    }
    return SHARD_SEATS_NONE;
}

uint32_t
shard_seats_holder(const struct shard_seats *seats, uint32_t shard)
{
    return shard < SHARDS_MAX ? seats->seats[shard].holder : 0;
}
