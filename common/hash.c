/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash with c compression and d finalisation rounds, after the paper's reference; and the
 * process key. */
#include "common/hash.h"

#include <string.h>
#include <sys/random.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie");

static struct hash_key hash_process_key;

static inline uint64_t
hash_rotl(uint64_t x, unsigned n)
{
    return (x << n) | (x >> (64 - n));
}

static inline void
hash_rounds(uint64_t v[4], unsigned count)
{
    unsigned i;
    for (i = 0; i < count; i++) {
        v[0] += v[1];
        v[1] = hash_rotl(v[1], 13) ^ v[0];
        v[0] = hash_rotl(v[0], 32);
        v[2] += v[3];
        v[3] = hash_rotl(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = hash_rotl(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = hash_rotl(v[1], 17) ^ v[2];
        v[2] = hash_rotl(v[2], 32);
    }
}

static inline __attribute__((always_inline)) uint64_t
hash_sip(const void *data, size_t len, struct hash_key key, unsigned c, unsigned d)
{
    const uint8_t *at = data;
    size_t left = len;
    uint64_t word = 0;
    uint64_t v[4] = {
        key.k0 ^ UINT64_C(0x736f6d6570736575),
        key.k1 ^ UINT64_C(0x646f72616e646f6d),
        key.k0 ^ UINT64_C(0x6c7967656e657261),
        key.k1 ^ UINT64_C(0x7465646279746573),
    };
    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        v[3] ^= word;
        hash_rounds(v, c);
        v[0] ^= word;
    }
    word = 0;
    if (left != 0)
        memcpy(&word, at, left);
    word |= (uint64_t)(len & 0xff) << 56;
    v[3] ^= word;
    hash_rounds(v, c);
    v[0] ^= word;
    v[2] ^= 0xff;
    hash_rounds(v, d);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
hash_sip24(const void *data, size_t len, struct hash_key key)
{
    return hash_sip(data, len, key, 2, 4);
}

uint64_t
hash_sip13(const void *data, size_t len, struct hash_key key)
{
    return hash_sip(data, len, key, 1, 3);
}

/* Before main, so that no lookup ever pays for asking. Should the system have no randomness that
 * early, the addresses that the loader chose still differ from run to run. */
static void __attribute__((constructor)) hash_draw_key(void)
{
    if (getrandom(&hash_process_key, sizeof(hash_process_key), GRND_NONBLOCK) !=
        (ssize_t)sizeof(hash_process_key)) {
        int on_stack = 0;
        hash_process_key.k0 = hash_mix64((uint64_t)(uintptr_t)&on_stack);
        hash_process_key.k1 = hash_mix64((uint64_t)(uintptr_t)&hash_process_key);
    }
}

uint64_t
hash_local(const void *data, size_t len)
{
    return hash_sip13(data, len, hash_process_key);
}

uint64_t
hash_stable(struct slice s)
{
    return hash_sip24(s.data, s.len, (struct hash_key){0, 0});
}
