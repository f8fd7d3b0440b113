/* SPDX-License-Identifier: Apache-2.0 */
/* See topic_cache.h. Direct-mapped. The hash is not keyed: whoever makes topics collide slows down
 * nothing but his own lookups. */
#include "proto/topic_cache.h"

#include <stdint.h>
#include <string.h>

#include "common/mem.h"

#define SLOTS         2048u
#define TOPIC_MAX     256u
#define REPLACE_EVERY 8u /* misses */

struct kept {
    uint64_t hash;
    uint64_t version;
    uint8_t *block; /* the result, then the topic's bytes */
    uint32_t size;  /* of the block */
    uint16_t result_len;
    uint16_t topic_len;
};

struct topic_cache {
    uint64_t version; /* above 0, which is that of empty slots */
    uint32_t misses;
    struct kept slots[SLOTS];
};

struct topic_cache *
topic_cache_new(void)
{
    struct topic_cache *cache = mem_zalloc(sizeof(*cache));
    cache->version = 1;
    return cache;
}

void
topic_cache_free(struct topic_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        mem_free(cache->slots[i].block);
    mem_free(cache);
}

void
topic_cache_clear(struct topic_cache *cache)
{
    cache->version++;
}

/* -Wpedantic knows no 128 bit integers; only a typedef can carry __extension__. */
__extension__ typedef unsigned __int128 u128;

static inline uint64_t
mix(uint64_t hash, uint64_t word)
{
    u128 product = (u128)(hash ^ word) * UINT64_C(0xFF51AFD7ED558CCD);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t
hash_of(struct slice topic)
{
    uint64_t hash = topic.len * UINT64_C(0x9E3779B97F4A7C15);
    const uint8_t *at = topic.data;
    size_t len = topic.len;
    uint64_t word = 0;
    for (; len > 8; at += 8, len -= 8) {
        memcpy(&word, at, 8);
        hash = mix(hash, word);
    }
    /* The last eight bytes, which may overlap the ones before; short names byte by byte. */
    if (topic.len >= 8) {
        memcpy(&word, at + len - 8, 8);
    } else {
        for (size_t i = 0; i < len; i++)
            word = word << 8 | at[i];
    }
    return mix(hash, word);
}

bool
topic_cache_get(const struct topic_cache *cache, struct slice topic, struct slice *result)
{
    uint64_t hash = hash_of(topic);
    const struct kept *kept = &cache->slots[hash & (SLOTS - 1)];
    if (kept->hash != hash || kept->version != cache->version || kept->topic_len != topic.len ||
        memcmp(kept->block + kept->result_len, topic.data, topic.len) != 0)
        return false;
    *result = slice_of(kept->block, kept->result_len);
    return true;
}

void
topic_cache_put(struct topic_cache *cache, struct slice topic, struct slice result)
{
    uint64_t hash = hash_of(topic);
    struct kept *kept = &cache->slots[hash & (SLOTS - 1)];
    uint32_t size = (uint32_t)(result.len + topic.len);
    if (topic.len == 0 || topic.len > TOPIC_MAX || result.len > TOPIC_CACHE_RESULT_MAX)
        return;
    if (kept->version == cache->version && ++cache->misses % REPLACE_EVERY != 0)
        return;
    if (size > kept->size) {
        mem_free(kept->block);
        kept->block = mem_alloc(size);
        kept->size = size;
    }
    if (result.len > 0)
        memcpy(kept->block, result.data, result.len);
    memcpy(kept->block + result.len, topic.data, topic.len);
    kept->hash = hash;
    kept->version = cache->version;
    kept->result_len = (uint16_t)result.len;
    kept->topic_len = (uint16_t)topic.len;
}
