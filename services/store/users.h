/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's memory knows about people: who is signed in now, which password was found right
 * lately (under a keyed hash, so that a reconnect storm costs no scrypt), and changes that are on
 * their way to the disk. The users themselves lie in the driver. Pure. */
#ifndef SERVICES_STORE_USERS_H
#define SERVICES_STORE_USERS_H

#include "common/crypt.h"
#include "common/str.h"
#include "common/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USERS_NAME_MAX  1024u
#define USERS_ROLES_MAX 64u  /* roles of a user */
#define USERS_ROLE_MAX  255u /* bytes of a role */

struct users;

/* A user (or user name) with connections. */
struct live_user {
    UT_hash_handle hh;
    uint64_t count;
    uint32_t len;
    uint8_t name[];
};

/* remember_cap: passwords kept; key: secret of this run. */
struct users *users_new(size_t remember_cap, struct hash_key key);
void users_free(struct users *users);

/* One more connection of name; borrowed until as many users_leave. */
struct live_user *users_enter(struct users *users, struct slice name);
/* NULL is nothing. */
void users_leave(struct users *users, struct live_user *live);
bool users_is_live(struct users *users, struct slice name);

struct users_mac {
    uint8_t bytes[CRYPT_SHA256_LEN];
};
/* A keyed hash of name and password; key is a secret of this run. */
struct users_mac users_mac_of(struct users *users, struct slice name, struct slice password);

/* What a user may do, as stored. */
struct users_access {
    struct slice roles; /* encoded (signin.h) */
    struct slice rules; /* text */
    uint64_t revision;
};
/* The password of mac is right; access is what it was found with (copied). */
void users_remember(struct users *users, struct slice name, const struct users_mac *mac,
                    const struct users_access *access);
/* True: known to be right; *access borrowed until the next change. */
bool users_recall(struct users *users, struct slice name, const struct users_mac *mac,
                  struct users_access *access);
/* The user changed: whatever was remembered is not true any more. */
void users_forget(struct users *users, struct slice name);

/* A change that is not durable yet; it counts until as many users_pending_done. password empty:
 * deleted. Copied. */
void users_pending_put(struct users *users, struct slice name, struct slice password,
                       const struct users_access *access);
void users_pending_done(struct users *users, struct slice name);
/* True if a change is pending: *password is empty when it is a deletion. Borrowed until the next
 * change. */
bool users_pending_get(struct users *users, struct slice name, struct slice *password,
                       struct users_access *access);

#endif
