/* SPDX-License-Identifier: Apache-2.0 */
/* See neighbours.h. */
#include "services/store/neighbours.h"

#include "common/log.h"
#include "services/store/store.h"

void
neighbours_up(struct store *store, struct peer *peer, const struct peer_info *info)
{
    static struct log_limit limit;
    struct shard_claim claim = {0};
    uint32_t former;
    uint64_t suppressed;
    enum err err = shards_claim_decode(info->blob, &claim);
    if (err == OK)
        err = shard_seats_take(&store->neighbours, peer_id(peer), &claim, &former);
    if (err == OK)
        return;
    metric_counter_add(store->counters.foreign, 1);
    if (log_every(&limit, 10000, &suppressed))
        log_error("store_not_believed", LOG_STR("name", info->name), LOG_U64("shard", claim.number),
                  LOG_U64("shards", claim.count), LOG_ERR(err), LOG_U64("suppressed", suppressed),
                  LOG_END);
}

void
neighbours_down(struct store *store, struct peer *peer)
{
    shard_seats_down(&store->neighbours, peer_id(peer));
}

struct peer *
neighbours_of(struct store *store, uint32_t shard)
{
    uint32_t id = shard_seats_holder(&store->neighbours, shard);
    struct peer *peer = id != 0 ? peers_by_id(store->peers, id) : NULL;
    return peer != NULL && peer_is_up(peer) ? peer : NULL;
}

bool
neighbours_is_ours(const struct store *store, struct slice key)
{
    return shards_of(&store->shards, key) == store->shard;
}

void
neighbours_refused(struct store *store, const char *what)
{
    static struct log_limit limit;
    uint64_t suppressed;
    metric_counter_add(store->counters.foreign, 1);
    if (log_every(&limit, 10000, &suppressed))
        log_error("not_our_shard", LOG_STR("what", what), LOG_U64("shard", store->shard),
                  LOG_U64("shards", store->shards.count),
                  LOG_STR("hint", "who sent it takes another count of shards for true"),
                  LOG_U64("suppressed", suppressed), LOG_END);
}
