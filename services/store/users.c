/* SPDX-License-Identifier: Apache-2.0 */
/* What memory knows about people; see users.h. */
#include "services/store/users.h"

#include "common/buf.h"
#include "common/mem.h"

#include <string.h>

/* A copy of struct users_access. */
struct access {
    char *roles;
    char *rules;
    size_t roles_len;
    size_t rules_len;
    uint64_t revision;
};

struct remembered {
    UT_hash_handle hh;
    struct users_mac mac;
    struct access access;
    size_t len;
    uint8_t name[];
};

struct pending {
    UT_hash_handle hh;
    uint64_t changes;
    char *password;
    size_t password_len;
    struct access access;
    size_t len;
    uint8_t name[];
};

struct users {
    struct live_user *live;
    struct remembered *remembered; /* in the order in which they came */
    struct pending *pending;
    size_t remember_cap;
    struct hash_key key;
};

struct users *
users_new(size_t remember_cap, struct hash_key key)
{
    struct users *users = mem_zalloc(sizeof(*users));
    users->remember_cap = remember_cap;
    users->key = key;
    return users;
}

static void
access_set(struct access *to, const struct users_access *from)
{
    to->roles = slice_dup(from->roles);
    to->roles_len = from->roles.len;
    to->rules = slice_dup(from->rules);
    to->rules_len = from->rules.len;
    to->revision = from->revision;
}

static void
access_fini(struct access *access)
{
    mem_free(access->roles);
    mem_free(access->rules);
}

static struct users_access
access_of(const struct access *access)
{
    return (struct users_access){slice_of(access->roles, access->roles_len),
                                 slice_of(access->rules, access->rules_len), access->revision};
}

static void
drop_remembered(struct users *users, struct remembered *known)
{
    HASH_DEL(users->remembered, known);
    access_fini(&known->access);
    mem_free(known);
}

static void
drop_pending(struct users *users, struct pending *pending)
{
    HASH_DEL(users->pending, pending);
    mem_free(pending->password);
    access_fini(&pending->access);
    mem_free(pending);
}

void
users_free(struct users *users)
{
    struct live_user *live;
    struct live_user *next;
    if (users == NULL)
        return;
    HASH_ITER(hh, users->live, live, next)
    {
        HASH_DEL(users->live, live);
        mem_free(live);
    }
    while (users->remembered != NULL)
        drop_remembered(users, users->remembered);
    while (users->pending != NULL)
        drop_pending(users, users->pending);
    mem_free(users);
}

static struct live_user *
find_live(struct users *users, struct slice name)
{
    struct live_user *live = NULL;
    if (name.len != 0)
        HASH_FIND(hh, users->live, name.data, name.len, live);
    return live;
}

struct live_user *
users_enter(struct users *users, struct slice name)
{
    struct live_user *live = find_live(users, name);
    if (live == NULL) {
        live = mem_zalloc(sizeof(*live) + name.len);
        live->len = (uint32_t)name.len;
        if (name.len != 0)
            memcpy(live->name, name.data, name.len);
        HASH_ADD_KEYPTR(hh, users->live, live->name, name.len, live);
    }
    live->count++;
    return live;
}

void
users_leave(struct users *users, struct live_user *live)
{
    if (live == NULL || --live->count != 0)
        return;
    HASH_DEL(users->live, live);
    mem_free(live);
}

bool
users_is_live(struct users *users, struct slice name)
{
    return find_live(users, name) != NULL;
}

struct users_mac
users_mac_of(struct users *users, struct slice name, struct slice password)
{
    struct users_mac mac;
    uint8_t len[8];
    struct slice parts[3] = {slice_of(len, sizeof(len)), name, password};
    buf_store_u64(len, name.len);
    crypt_hmac_sha256(slice_of(&users->key, sizeof(users->key)), parts, 3, mac.bytes);
    return mac;
}

static struct remembered *
find_remembered(struct users *users, struct slice name)
{
    struct remembered *known = NULL;
    if (name.len != 0)
        HASH_FIND(hh, users->remembered, name.data, name.len, known);
    return known;
}

void
users_remember(struct users *users, struct slice name, const struct users_mac *mac,
               const struct users_access *access)
{
    struct remembered *known = find_remembered(users, name);
    if (known != NULL)
        drop_remembered(users, known);
    if (users->remember_cap == 0 || name.len == 0)
        return;
    if (HASH_COUNT(users->remembered) >= users->remember_cap)
        drop_remembered(users, users->remembered);
    known = mem_zalloc(sizeof(*known) + name.len);
    known->mac = *mac;
    access_set(&known->access, access);
    known->len = name.len;
    memcpy(known->name, name.data, name.len);
    HASH_ADD_KEYPTR(hh, users->remembered, known->name, name.len, known);
}

bool
users_recall(struct users *users, struct slice name, const struct users_mac *mac,
             struct users_access *access)
{
    const struct remembered *known = find_remembered(users, name);
    if (known == NULL || !crypt_equal(known->mac.bytes, mac->bytes, sizeof(mac->bytes)))
        return false;
    *access = access_of(&known->access);
    return true;
}

void
users_forget(struct users *users, struct slice name)
{
    struct remembered *known = find_remembered(users, name);
    if (known != NULL)
        drop_remembered(users, known);
}

static struct pending *
find_pending(struct users *users, struct slice name)
{
    struct pending *pending = NULL;
    if (name.len != 0)
        HASH_FIND(hh, users->pending, name.data, name.len, pending);
    return pending;
}

void
users_pending_put(struct users *users, struct slice name, struct slice password,
                  const struct users_access *access)
{
    struct pending *pending = find_pending(users, name);
    if (pending == NULL) {
        pending = mem_zalloc(sizeof(*pending) + name.len);
        pending->len = name.len;
        if (name.len != 0)
            memcpy(pending->name, name.data, name.len);
        HASH_ADD_KEYPTR(hh, users->pending, pending->name, name.len, pending);
    }
    pending->changes++;
    mem_free(pending->password);
    access_fini(&pending->access);
    pending->password = slice_dup(password);
    pending->password_len = password.len;
    access_set(&pending->access, access);
}

void
users_pending_done(struct users *users, struct slice name)
{
    struct pending *pending = find_pending(users, name);
    if (pending != NULL && --pending->changes == 0)
        drop_pending(users, pending);
}

bool
users_pending_get(struct users *users, struct slice name, struct slice *password,
                  struct users_access *access)
{
    const struct pending *pending = find_pending(users, name);
    if (pending == NULL)
        return false;
    *password = slice_of(pending->password, pending->password_len);
    *access = access_of(&pending->access);
    return true;
}
