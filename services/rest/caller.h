/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, and as what: the key of the settings (ADMIN), a named key of the store, or a user who
 * signed in and carries a cookie. The cookie says who and in which revision; whether that still is
 * so, and which roles, the store is asked each time: what is withdrawn is withdrawn at once. Says
 * who somebody is; what a role may do is in the OpenAPI document (api.c). */
#ifndef SLUICE_SERVICES_REST_CALLER_H
#define SLUICE_SERVICES_REST_CALLER_H

#include "common/err.h"
#include "services/rest/cookie.h"
#include "services/rest/exchange.h"
#include "services/rest/upstream.h"

#include <stdint.h>

enum {
    CALLER_ADMIN = 1 << 0,  /* everything */
    CALLER_READER = 1 << 1, /* reads everything, changes nothing */
    CALLER_USER = 1 << 2    /* what is its own */
};

enum caller_kind { CALLER_CONFIGURED, CALLER_KEY, CALLER_COOKIE };

#define CALLER_NAME_MAX 1024u
#define CALLER_CSRF_LEN (2 * CRYPT_SHA256_LEN)

struct caller {
    enum caller_kind kind;
    unsigned roles;
    char name[CALLER_NAME_MAX + 1]; /* of the key or the user */
    uint64_t revision;              /* of the user, with a cookie */
    uint64_t until_ms;              /* when it ends, wall clock; 0: never */
    char csrf[CALLER_CSRF_LEN + 1]; /* what changes must carry; "": nothing */
};

struct caller_keys {
    const char *configured;
    struct upstream *upstream; /* who knows the named keys */
    uint8_t cookie_key[COOKIE_KEY_LEN];
};

/* By key: X-API-Key: K, Authorization: K, Authorization: Bearer K. ERR_DENIED: none or a wrong one;
 * ERR_UNAVAILABLE: it may be a named key, and nobody can be asked. */
ERR_MUST_USE enum err caller_of_key(const struct caller_keys *keys, const struct exchange *exchange,
                                    struct caller *out);

/* By key, or else by the cookie of a sign-in. Errors as caller_of_key: also ERR_DENIED when the
 * user has been changed since. */
ERR_MUST_USE enum err caller_of(const struct caller_keys *keys, const struct exchange *exchange,
                                struct caller *out);

#define CALLER_COOKIE_NAME "sluice_session"
/* The key of these cookies, which those of /rest do not have. */
void caller_cookie_key(struct slice secret, uint8_t key[COOKIE_KEY_LEN]);
/* The cookie of a user in this revision; fills *caller (roles: of the user). ERR_TOO_LARGE: the
 * name does not fit a cookie. */
ERR_MUST_USE enum err caller_sign_in(const struct caller_keys *keys, const char *user,
                                     uint64_t revision, unsigned roles, uint64_t until_ms,
                                     char cookie[COOKIE_TEXT_MAX], struct caller *caller);
#define CALLER_ACTOR_SIZE (CALLER_NAME_MAX + 32)
/* As the audit names who asks: "user ann", "key deploy", "configured key". Returns out. */
const char *caller_actor(const struct caller *caller, char out[CALLER_ACTOR_SIZE]);
/* CALLER_* of role names; every user is a USER. */
unsigned caller_roles(char *const *roles, size_t count);

#endif
