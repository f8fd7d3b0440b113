/* SPDX-License-Identifier: Apache-2.0 */
/* Keyed 64-bit hashes (SipHash, Aumasson and Bernstein 2012), so that hostile keys cannot pile up
 * in one bucket. Not for signatures or passwords: that is crypt.h. */
#ifndef SLUICE_COMMON_HASH_H
#define SLUICE_COMMON_HASH_H

#include "common/str.h"

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t k0;
    uint64_t k1;
};

/* SipHash-2-4 and the faster SipHash-1-3. Pure. */
uint64_t hash_sip24(const void *data, size_t len, struct hash_key key);
uint64_t hash_sip13(const void *data, size_t len, struct hash_key key);

/* For tables of this process: SipHash-1-3 under a key drawn at start. Differs from run to run. */
uint64_t hash_local(const void *data, size_t len);
/* The same in every program, version and run (SipHash-2-4, key 0): for sharding by client id and
 * rendezvous hashing. Who can choose its input can choose its output. */
uint64_t hash_stable(struct slice s);

/* Mixes a number well (splitmix64's finish). Not keyed. */
static inline uint64_t
hash_mix64(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x;
}

/* Highest score wins (rendezvous hashing): the score of a holder for a hashed key. */
static inline uint64_t
hash_rendezvous(uint64_t key_hash, uint64_t holder_hash)
{
    return hash_mix64(key_hash ^ hash_mix64(holder_hash));
}

#endif
