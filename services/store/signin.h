/* SPDX-License-Identifier: Apache-2.0 */
/* Checks name and password: remembered successes at once, others on the password threads, the same
 * question asked twice only once. An unknown name costs as much time as a wrong password. */
#ifndef SERVICES_STORE_SIGNIN_H
#define SERVICES_STORE_SIGNIN_H

#include "services/store/store.h"

/* OK with what the user may do (borrowed); ERR_DENIED: wrong password or no such user. Else the
 * check could not be made. May be called from within signin_check. */
typedef void (*signin_fn)(void *arg, enum err err, const struct users_access *access);
void signin_check(struct store *store, struct slice name, struct slice password, signin_fn fn,
                  void *arg);
/* Drops what waits, without an answer; free_arg frees each arg. */
void signin_free_all(struct store *store, void (*free_arg)(void *arg));

/* A user as it is after all changes under way, of those whose row is in memory (user_rows.h);
 * signin_user_fini. ERR_NOT_FOUND; ERR_BUSY: the row is not in memory. */
struct signin_user {
    char *password;
    size_t password_len;
    char *roles;
    size_t roles_len;
    char *rules;
    size_t rules_len;
    uint64_t revision;
};
ERR_MUST_USE enum err signin_user_get(struct store *store, struct slice name,
                                      struct signin_user *out);
void signin_user_fini(struct signin_user *user);
void signin_user_copy(const struct driver_user *from, struct signin_user *out);

/* Borrowed from the user. */
static inline struct users_access
signin_user_access(const struct signin_user *user)
{
    return (struct users_access){slice_of(user->roles, user->roles_len),
                                 slice_of(user->rules, user->rules_len), user->revision};
}

/* Roles on disk: for each u8 length, bytes. ERR_INVALID: too many or too long. */
ERR_MUST_USE enum err signin_roles_encode(char *const *roles, size_t count, struct buf *out);
/* New array of new strings; free with signin_roles_free. Malformed bytes end it early. */
char **signin_roles_decode(struct slice encoded, size_t *count);
void signin_roles_free(char **roles, size_t count);

#endif
