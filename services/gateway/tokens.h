/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens as passwords (JSON Web Token, RFC 7519): the one door to libjwt. It says who a token names
 * and what its claims allow; that the client gets it, the desks do.
 *
 * HS256, RS256 and ES256 only. What kind a key file is, its content says: PEM is a public key and
 * serves RS256 and ES256, anything else is a secret and serves HS256. So a token cannot choose to
 * have a public key taken for a secret, and one without a signature is none.
 */
#ifndef SERVICES_GATEWAY_TOKENS_H
#define SERVICES_GATEWAY_TOKENS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKENS_KEYS_MAX    16u
#define TOKENS_LEN_MAX     16384u /* bytes of a token */
#define TOKENS_SECRET_MIN  16u    /* bytes of a secret */
#define TOKENS_REASON_SIZE 256

struct tokens_settings {
    char *const *files; /* borrowed */
    size_t count;
    const char *user_claim; /* borrowed */
    uint64_t leeway_s;
    const char *issuer, *audience; /* that a token must name; "": any, or none. Borrowed */
};

struct tokens;

/* New: reads the key files. ERR_INVALID: reason says which one is not usable. */
ERR_MUST_USE enum err tokens_new(const struct tokens_settings *settings, struct tokens **out,
                                 char reason[TOKENS_REASON_SIZE]);
/* NULL is nothing. */
void tokens_free(struct tokens *tokens);
/* Reads files that have changed. False: one is not usable, reason says why; the former keys stay.
 */
bool tokens_refresh(struct tokens *tokens, char reason[TOKENS_REASON_SIZE]);

/* Whether a password has the form of a token. */
bool tokens_is_token(struct slice password);

/* What a token says. */
struct tokens_claims {
    struct buf user;
    struct buf roles; /* for each: u8 length, name */
    struct buf rules; /* text (proto/access_rules.h) */
    uint8_t listed;   /* ACCESS_*: claims `publish`, `subscribe` say all that is allowed */
    uint64_t end_ms;  /* wall clock, leeway included; 0: it does not end */
};

/* OK: *out is filled (tokens_claims_fini). ERR_DENIED: no key of ours made it, it is not valid now,
 * it names nobody, or its claims are no rules; *why says what (static). */
ERR_MUST_USE enum err tokens_read(const struct tokens *tokens, struct slice token, uint64_t now_ms,
                                  struct tokens_claims *out, const char **why);
void tokens_claims_fini(struct tokens_claims *claims);

#endif
