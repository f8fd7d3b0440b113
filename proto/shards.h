/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several stores keeps what: sessions go by client id, retained messages by topic, people
 * (users, roles, bans, keys, audit) lie in shard 0. A shard is a number; which store has it is said
 * by the store in its hello, and who is believed is shard_seats.h. The same in every program and
 * version: what has been written stays where it was looked for. Pure.
 */
#ifndef SLUICE_PROTO_SHARDS_H
#define SLUICE_PROTO_SHARDS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "proto/rendezvous.h"

#include <stdint.h>

#define SHARDS_MAX         RENDEZVOUS_MAX
#define SHARDS_PEOPLE      0u /* has the people */
#define SHARDS_CLAIM_BYTES 11u

/* A count of shards, ready to be asked. */
struct shards {
    uint32_t count; /* 0: not known */
    struct rendezvous set;
};

/* count: 1 to SHARDS_MAX, or 0. */
void shards_init(struct shards *shards, uint32_t count);
/* The shard of a client id or topic. With one more shard only what that one gets moves. The count
 * must be known. */
uint32_t shards_of(const struct shards *shards, struct slice key);
uint32_t shards_of_hash(const struct shards *shards, uint64_t key_hash); /* of rendezvous_key */

/*
 * Numbers of sessions name their shard in the upper six bits, so that a record about a session
 * finds its store:  shard << 58 | boot << 32 | counter
 */
#define SHARDS_BOOT_MAX ((UINT64_C(1) << 26) - 1)
/* The first number that a store gives out in its boot'th run. */
uint64_t shards_first_number(uint32_t shard, uint64_t boot);
uint32_t shards_of_number(uint64_t session);

/* What a store says in its hello. */
struct shard_claim {
    uint32_t number;
    uint32_t count;
    uint64_t term; /* of several that claim a shard the one with the highest has it: its boot count,
                      which lies beside the data */
};

/* Blob of the hello: u8 1, u8 number, u8 count, u64 term. Later versions may add to it. */
size_t shards_claim_encode(const struct shard_claim *claim, uint8_t out[SHARDS_CLAIM_BYTES]);
/* An empty blob, as of a store that knows no shards, is shard 0 of 1. ERR_MALFORMED. */
ERR_MUST_USE enum err shards_claim_decode(struct slice blob, struct shard_claim *out);

#endif
