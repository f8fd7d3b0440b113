/* SPDX-License-Identifier: Apache-2.0 */
/* See credentials.h. */
#include "services/gateway/credentials.h"

#include "common/buf.h"
#include "common/mem.h"
#include "common/table.h"

#include <string.h>

struct credential {
    UT_hash_handle hh;
    struct credentials_mac mac;
    uint64_t end_ms;
    uint64_t round;
    uint64_t revision;
    size_t name_len, roles_len, rules_len;
    uint8_t bytes[]; /* name, roles, rules */
};

struct credentials {
    struct credential *table; /* in the order in which they came */
    struct hash_key key;
    size_t max;
    size_t bytes;
    uint64_t age_ms;
    uint64_t round;
};

struct credentials *
credentials_new(size_t max, uint64_t age_ms, struct hash_key key)
{
    struct credentials *credentials = mem_zalloc(sizeof(*credentials));
    credentials->max = max;
    credentials->age_ms = age_ms;
    credentials->key = key;
    return credentials;
}

static size_t
size_of(const struct credential *one)
{
    return one->name_len + one->roles_len + one->rules_len;
}

static void
drop(struct credentials *credentials, struct credential *one)
{
    HASH_DEL(credentials->table, one);
    credentials->bytes -= size_of(one);
    mem_free(one);
}

void
credentials_free(struct credentials *credentials)
{
    if (credentials == NULL)
        return;
    while (credentials->table != NULL)
        drop(credentials, credentials->table);
    crypt_wipe(&credentials->key, sizeof(credentials->key));
    mem_free(credentials);
}

struct credentials_mac
credentials_mac_of(const struct credentials *credentials, struct slice user, struct slice password)
{
    struct credentials_mac mac;
    uint8_t len[8];
    struct slice parts[3] = {slice_of(len, sizeof(len)), user, password};
    buf_store_u64(len, user.len);
    crypt_hmac_sha256(slice_of(&credentials->key, sizeof(credentials->key)), parts, 3, mac.bytes);
    return mac;
}

static struct credential *
find(const struct credentials *credentials, struct slice user)
{
    struct credential *one = NULL;
    if (user.len != 0)
        HASH_FIND(hh, credentials->table, user.data, user.len, one);
    return one;
}

enum credentials_answer
credentials_ask(struct credentials *credentials, struct slice user,
                const struct credentials_mac *mac, uint64_t now_ms, struct access_terms *terms)
{
    struct credential *one = find(credentials, user);
    if (one != NULL && one->end_ms <= now_ms) {
        drop(credentials, one);
        one = NULL;
    }
    if (one == NULL || !crypt_equal(one->mac.bytes, mac->bytes, sizeof(mac->bytes)))
        return CREDENTIALS_UNKNOWN;
    *terms = (struct access_terms){
        slice_of(one->bytes + one->name_len, one->roles_len),
        slice_of(one->bytes + one->name_len + one->roles_len, one->rules_len), one->revision};
    return one->round == credentials->round ? CREDENTIALS_RIGHT : CREDENTIALS_DOUBTFUL;
}

void
credentials_remember(struct credentials *credentials, struct slice user,
                     const struct credentials_mac *mac, const struct access_terms *terms,
                     uint64_t now_ms)
{
    size_t size = user.len + terms->roles.len + terms->rules.len;
    struct credential *one;
    if (credentials->max == 0 || user.len == 0)
        return;
    /* terms may be borrowed from the entry that this one replaces */
    one = mem_zalloc(sizeof(*one) + size);
    one->mac = *mac;
    one->end_ms = now_ms + credentials->age_ms;
    one->round = credentials->round;
    one->revision = terms->revision;
    one->name_len = user.len;
    one->roles_len = terms->roles.len;
    one->rules_len = terms->rules.len;
    uint8_t *at = one->bytes;
    (void)slice_put(&at, user);
    (void)slice_put(&at, terms->roles);
    (void)slice_put(&at, terms->rules);
    credentials_forget(credentials, user);
    HASH_ADD_KEYPTR(hh, credentials->table, one->bytes, one->name_len, one);
    credentials->bytes += size;
    while (credentials->table != NULL && credentials->table != one &&
           (HASH_COUNT(credentials->table) > credentials->max ||
            credentials->bytes > CREDENTIALS_BYTES_MAX))
        drop(credentials, credentials->table); /* the oldest */
}

void
credentials_forget(struct credentials *credentials, struct slice user)
{
    struct credential *one = find(credentials, user);
    if (one != NULL)
        drop(credentials, one);
}

void
credentials_doubt(struct credentials *credentials)
{
    credentials->round++;
}

size_t
credentials_count(const struct credentials *credentials)
{
    return HASH_COUNT(credentials->table);
}
