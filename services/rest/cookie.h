/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-in cookies that any copy of the service can check: who, which roles, until when, and a MAC
 * over it. Pure: the clock and the key are told. No state is kept: what ends a cookie early is
 * for its reader to ask (caller.c: the user's revision). */
#ifndef SLUICE_SERVICES_REST_COOKIE_H
#define SLUICE_SERVICES_REST_COOKIE_H

#include "common/crypt.h"
#include "common/err.h"
#include "common/str.h"

#include <stdint.h>

#define COOKIE_KEY_LEN  CRYPT_SHA256_LEN
#define COOKIE_TEXT_MAX 4000 /* browsers keep 4096 bytes */
#define COOKIE_ROLES    32

struct cookie {
    uint64_t expires_ms; /* wall clock */
    struct slice user;
    struct slice roles[COOKIE_ROLES];
    size_t role_count;
};

/* The key that all copies share, derived from the cluster secret. */
void cookie_key(struct slice secret, uint8_t key[COOKIE_KEY_LEN]);
/* Writes the text with its NUL. ERR_TOO_LARGE: longer than COOKIE_TEXT_MAX, or too many roles. */
ERR_MUST_USE enum err cookie_encode(const struct cookie *cookie, const uint8_t key[COOKIE_KEY_LEN],
                                    char out[COOKIE_TEXT_MAX]);
/* Checks MAC and time. The slices of *out borrow from `space`, COOKIE_TEXT_MAX bytes of the
 * caller. ERR_MALFORMED, ERR_DENIED (MAC), ERR_TIMEOUT (ended). */
ERR_MUST_USE enum err cookie_decode(struct slice text, const uint8_t key[COOKIE_KEY_LEN],
                                    uint64_t now_ms, uint8_t *space, struct cookie *out);

#endif
