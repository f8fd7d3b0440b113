/* SPDX-License-Identifier: Apache-2.0 */
/* See shards.h: rendezvous over the numbers of the shards. */
#include "proto/shards.h"

#include "common/cursor.h"

#include <assert.h>

#define CLAIM_VERSION 1u
#define NUMBER_SHIFT  58u

void
shards_init(struct shards *shards, uint32_t count)
{
    assert(count <= SHARDS_MAX);
    shards->count = count;
    rendezvous_init(&shards->set);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        (void)str_format(name, sizeof(name), "shard-%u", (unsigned)i);
        rendezvous_add(&shards->set, i, slice_cstr(name));
    }
}

uint32_t
shards_of_hash(const struct shards *shards, uint64_t key_hash)
{
    assert(shards->count != 0);
    return rendezvous_choose(&shards->set, key_hash);
}

uint32_t
shards_of(const struct shards *shards, struct slice key)
{
    return shards->count == 1 ? 0 : shards_of_hash(shards, rendezvous_key(key));
}

uint64_t
shards_first_number(uint32_t shard, uint64_t boot)
{
    assert(shard < SHARDS_MAX && boot <= SHARDS_BOOT_MAX);
    return (uint64_t)shard << NUMBER_SHIFT | boot << 32 | 1;
}

uint32_t
shards_of_number(uint64_t session)
{
    return (uint32_t)(session >> NUMBER_SHIFT);
}

size_t
shards_claim_encode(const struct shard_claim *claim, uint8_t out[SHARDS_CLAIM_BYTES])
{
    out[0] = CLAIM_VERSION;
    out[1] = (uint8_t)claim->number;
    out[2] = (uint8_t)claim->count;
    buf_store_u64(out + 3, claim->term);
    return SHARDS_CLAIM_BYTES;
}

enum err
shards_claim_decode(struct slice blob, struct shard_claim *out)
{
    struct cursor c = cursor_of(blob);
    struct shard_claim claim = {.number = 0, .count = 1};
    if (blob.len == 0) {
        *out = claim;
        return OK;
    }
    /* What a later version adds stands behind, and counts only for those who know it. */
    if (cursor_u8(&c) < CLAIM_VERSION)
        return ERR_MALFORMED;
    claim.number = cursor_u8(&c);
    claim.count = cursor_u8(&c);
    claim.term = cursor_u64(&c);
    if (blob.len < SHARDS_CLAIM_BYTES || claim.count == 0 || claim.count > SHARDS_MAX ||
        claim.number >= claim.count)
        return ERR_MALFORMED;
    *out = claim;
    return OK;
}
