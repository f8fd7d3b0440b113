/* SPDX-License-Identifier: Apache-2.0 */
/* See bans.h. One table; a key is the kind, and a name or the bits of a prefix. */
#include "services/gateway/bans.h"

#include "common/mem.h"
#include "common/table.h"

#include <string.h>

#define RANGE_KEY  (3u + 16u) /* kind, family, bits, bytes */
#define BITS_COUNT 129u

struct ban {
    UT_hash_handle hh;
    uint64_t until_ms;
    uint64_t round;
    size_t key_len;
    uint8_t key[];
};

struct bans {
    struct ban *table;
    uint64_t round;
    uint32_t prefixes[3][BITS_COUNT]; /* by family and length: how many bans */
};

struct bans *
bans_new(void)
{
    return mem_zalloc(sizeof(struct bans));
}

static void
drop(struct bans *bans, struct ban *ban)
{
    HASH_DEL(bans->table, ban);
    if (ban->key[0] == BANS_ADDRESS)
        bans->prefixes[ban->key[1]][ban->key[2]]--;
    mem_free(ban);
}

void
bans_free(struct bans *bans)
{
    if (bans == NULL)
        return;
    while (bans->table != NULL)
        drop(bans, bans->table);
    mem_free(bans);
}

static void
range_key(uint8_t family, uint8_t bits, const uint8_t bytes[16], uint8_t key[RANGE_KEY])
{
    unsigned whole = bits / 8, left = bits % 8;
    memset(key, 0, RANGE_KEY);
    key[0] = BANS_ADDRESS;
    key[1] = family;
    key[2] = bits;
    memcpy(key + 3, bytes, whole);
    if (left != 0)
        key[3 + whole] = (uint8_t)(bytes[whole] & (0xFFu << (8 - left)));
}

static struct ban *
find(const struct bans *bans, const uint8_t *key, size_t len)
{
    struct ban *ban = NULL;
    HASH_FIND(hh, bans->table, key, len, ban);
    return ban;
}

/* The key of a subject, new. NULL: it has none. */
static uint8_t *
key_of(uint8_t kind, struct slice subject, size_t *len)
{
    struct address_range range;
    uint8_t *key;
    if (kind == BANS_ADDRESS) {
        if (address_range_parse(subject, &range) != OK)
            return NULL;
        *len = RANGE_KEY;
        key = mem_alloc(RANGE_KEY);
        range_key(range.base.family, range.bits, range.base.bytes, key);
        return key;
    }
    if ((kind != BANS_USER && kind != BANS_CLIENT) || subject.len == 0)
        return NULL;
    *len = 1 + subject.len;
    key = mem_alloc(*len);
    key[0] = kind;
    memcpy(key + 1, subject.data, subject.len);
    return key;
}

enum err
bans_set(struct bans *bans, uint8_t kind, struct slice subject, uint64_t until_ms)
{
    size_t len = 0;
    uint8_t *key = key_of(kind, subject, &len);
    struct ban *ban;
    if (key == NULL)
        return ERR_INVALID;
    ban = find(bans, key, len);
    if (ban == NULL) {
        ban = mem_zalloc(sizeof(*ban) + len);
        ban->key_len = len;
        memcpy(ban->key, key, len);
        HASH_ADD_KEYPTR(hh, bans->table, ban->key, len, ban);
        if (kind == BANS_ADDRESS)
            bans->prefixes[key[1]][key[2]]++;
    }
    ban->until_ms = until_ms;
    ban->round = bans->round;
    mem_free(key);
    return OK;
}

void
bans_remove(struct bans *bans, uint8_t kind, struct slice subject)
{
    size_t len = 0;
    uint8_t *key = key_of(kind, subject, &len);
    struct ban *ban = key != NULL ? find(bans, key, len) : NULL;
    if (ban != NULL)
        drop(bans, ban);
    mem_free(key);
}

void
bans_reset(struct bans *bans)
{
    bans->round++;
}

void
bans_end(struct bans *bans)
{
    struct ban *ban, *next;
    HASH_ITER(hh, bans->table, ban, next)
    {
        if (ban->round != bans->round)
            drop(bans, ban);
    }
}

static bool
holds(const struct ban *ban, uint64_t now_ms)
{
    return ban != NULL && (ban->until_ms == 0 || ban->until_ms > now_ms);
}

bool
bans_has_name(const struct bans *bans, enum bans_kind kind, struct slice name, uint64_t now_ms)
{
    size_t len = 0;
    uint8_t *key;
    bool has;
    if (bans->table == NULL || name.len == 0)
        return false;
    key = key_of((uint8_t)kind, name, &len);
    has = holds(find(bans, key, len), now_ms);
    mem_free(key);
    return has;
}

bool
bans_has_address(const struct bans *bans, const struct address *address, uint64_t now_ms)
{
    uint8_t key[RANGE_KEY];
    unsigned bits, max = address->family == ADDRESS_V4 ? 32 : 128;
    if (bans->table == NULL || address->family == ADDRESS_NONE)
        return false;
    for (bits = 0; bits <= max; bits++) {
        if (bans->prefixes[address->family][bits] == 0)
            continue;
        range_key(address->family, (uint8_t)bits, address->bytes, key);
        if (holds(find(bans, key, sizeof(key)), now_ms))
            return true;
    }
    return false;
}

size_t
bans_count(const struct bans *bans)
{
    return HASH_COUNT(bans->table);
}
