/* SPDX-License-Identifier: Apache-2.0 */
/* What the data remember of their place: which shard of how many they are. Data that were divided
 * otherwise hold sessions and topics that nobody would look for there, so no store starts on them.
 * Pure. */
#ifndef SERVICES_STORE_SHARD_MARK_H
#define SERVICES_STORE_SHARD_MARK_H

#include "services/store/batch.h"

/* Name of the meta row: u32 number, u32 count. Data without it, of before there were shards, are
 * all there is: 0 of 1. */
#define SHARD_MARK_META "shard"

struct shard_mark {
    uint32_t number, count;
};

void shard_mark_put(const struct shard_mark *mark, struct batch *batch);
/* ERR_MALFORMED. */
ERR_MUST_USE enum err shard_mark_read(struct slice value, struct shard_mark *out);

#endif
