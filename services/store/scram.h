/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, without channel binding: what is kept of a
 * password, the messages, and the check of a proof. Pure, but for random nonces and salts.
 * Passwords are taken as the bytes they are (no SASLprep). It keeps no state: whoever calls hands
 * the earlier messages in again.
 *
 *   client-first  n,,n=user,r=clientnonce
 *   server-first  r=clientnonceservernonce,s=base64 salt,i=15000
 *   client-final  c=biws,r=clientnonceservernonce,p=base64 proof
 *   server-final  v=base64 signature
 */
#ifndef SERVICES_STORE_SCRAM_H
#define SERVICES_STORE_SCRAM_H

#include "common/crypt.h"
#include "common/err.h"
#include "common/str.h"
#include "services/store/users.h"

#include <stddef.h>
#include <stdint.h>

#define SCRAM_METHOD       "SCRAM-SHA-256"
#define SCRAM_ITERATIONS   15000u /* of new verifiers; RFC 7677 wants 4096 at least */
#define SCRAM_SALT_MAX     64u
#define SCRAM_NONCE_MAX    256u  /* of the client */
#define SCRAM_MESSAGE_MAX  4096u /* any message of a client */
#define SCRAM_FIRST_SIZE   512u  /* server-first with its NUL */
#define SCRAM_FINAL_SIZE   64u   /* server-final with its NUL */
#define SCRAM_VERIFIER_MAX 160u  /* its text with NUL */

/* What is kept of a password. */
struct scram_verifier {
    uint32_t iterations;
    size_t salt_len;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[CRYPT_SHA256_LEN];
    uint8_t server_key[CRYPT_SHA256_LEN];
};

/* "SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey" with a new salt. Takes milliseconds: not on a
 * loop's thread. */
void scram_verifier_text(struct slice password, char out[SCRAM_VERIFIER_MAX]);
/* ERR_MALFORMED. */
ERR_MUST_USE enum err scram_verifier_parse(struct slice text, struct scram_verifier *out);
/* For a user that has none: no proof fits, and its salt is the same every time. */
void scram_verifier_fake(struct slice secret, struct slice user, struct scram_verifier *out);

/* Parts of client-first, borrowed, and the name without its escapes. */
struct scram_first {
    struct slice header; /* "n,," */
    struct slice bare;   /* what follows */
    struct slice nonce;
    size_t user_len;
    char user[USERS_NAME_MAX];
};

/* ERR_MALFORMED; ERR_UNSUPPORTED: channel binding, another identity than the user's own, or an
 * extension that must be understood. */
ERR_MUST_USE enum err scram_first_parse(struct slice message, struct scram_first *out);

static inline struct slice
scram_first_user(const struct scram_first *first)
{
    return slice_of(first->user, first->user_len);
}

/* Writes server-first, with a new nonce behind the client's. */
void scram_challenge(const struct scram_first *first, const struct scram_verifier *verifier,
                     char out[SCRAM_FIRST_SIZE]);

/* Checks client-final against the messages before. OK with server-final in out; ERR_DENIED: the
 * proof does not fit; ERR_MALFORMED: it is no answer to server_first. */
ERR_MUST_USE enum err scram_check(const struct scram_first *first, struct slice server_first,
                                  struct slice client_final, const struct scram_verifier *verifier,
                                  char out[SCRAM_FINAL_SIZE]);

#endif
