/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords that were found right, under a keyed hash, with what their users may do: a reconnect
 * storm asks the store for nothing. One entry a user; the oldest go when there are too many.
 *
 * An entry holds until its user changes (credentials_forget). What was remembered before a new
 * session with the store (credentials_doubt) may have missed that: it is right if the user's
 * revision still is the same, which costs a question but no password check. Pure: the clock is
 * told, the key is given.
 */
#ifndef SERVICES_GATEWAY_CREDENTIALS_H
#define SERVICES_GATEWAY_CREDENTIALS_H

#include "common/crypt.h"
#include "common/hash.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CREDENTIALS_BYTES_MAX (64u << 20) /* of names, roles and rules */

/* What a user may do, as the store says it. */
struct access_terms {
    struct slice roles; /* for each: u8 length, name */
    struct slice rules; /* text (proto/access_rules.h) */
    uint64_t revision;
};

struct credentials_mac {
    uint8_t bytes[CRYPT_SHA256_LEN];
};

enum credentials_answer {
    CREDENTIALS_UNKNOWN,
    CREDENTIALS_DOUBTFUL, /* right if the user's revision is still that of *terms */
    CREDENTIALS_RIGHT
};

struct credentials;

/* max: entries, 0: none are kept; age_ms: how long one is kept. key: random. */
struct credentials *credentials_new(size_t max, uint64_t age_ms, struct hash_key key);
void credentials_free(struct credentials *credentials);

struct credentials_mac credentials_mac_of(const struct credentials *credentials, struct slice user,
                                          struct slice password);
/* terms: borrowed until the next change. */
enum credentials_answer credentials_ask(struct credentials *credentials, struct slice user,
                                        const struct credentials_mac *mac, uint64_t now_ms,
                                        struct access_terms *terms);
/* It is right; terms are copied. */
void credentials_remember(struct credentials *credentials, struct slice user,
                          const struct credentials_mac *mac, const struct access_terms *terms,
                          uint64_t now_ms);
void credentials_forget(struct credentials *credentials, struct slice user);
void credentials_doubt(struct credentials *credentials);
size_t credentials_count(const struct credentials *credentials);

#endif
