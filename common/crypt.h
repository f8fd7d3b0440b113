/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to libcrypto: random bytes, digests, password hashes, and the text forms of bytes.
 * No TLS (that is the gateway's tls.c, driver_redis_stream.c and nng's own). All functions are
 * thread-safe; crypt_scrypt and crypt_password_* take tens of milliseconds: never on a loop's
 * thread. */
#ifndef SLUICE_COMMON_CRYPT_H
#define SLUICE_COMMON_CRYPT_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPT_SHA256_LEN        32
#define CRYPT_SHA1_LEN          20
#define CRYPT_MD5_HEX_SIZE      33
#define CRYPT_PASSWORD_TEXT_MAX 256 /* with its NUL */

/* Unpredictable bytes; ends the program if the system has none. */
/* From now on libcrypto's memory (and libssl's) comes from mem.h and is counted there. Before
 * anything else here, and before threads; false: too late, it goes on uncounted. */
bool crypt_count_memory(void);

void crypt_random(void *out, size_t len);
uint64_t crypt_random_u64(void);

void crypt_sha256(struct slice data, uint8_t out[CRYPT_SHA256_LEN]);
/* Only where it protects nothing: the handshake of WebSocket, names of Redis' scripts. */
void crypt_sha1(struct slice data, uint8_t out[CRYPT_SHA1_LEN]);
/* Over the parts one after the other. Whoever joins parts of varying length puts lengths in. */
void crypt_hmac_sha256(struct slice key, const struct slice *parts, size_t count,
                       uint8_t out[CRYPT_SHA256_LEN]);
/* Takes the same time wherever the bytes differ. */
bool crypt_equal(const void *a, const void *b, size_t len);
/* Overwrites a secret in a way the compiler keeps. */
void crypt_wipe(void *data, size_t len);

/* 32 lower-case hex digits and NUL. Only for stored hashes of the server that this one replaces.
 * ERR_UNSUPPORTED where libcrypto has no MD5. */
ERR_MUST_USE enum err crypt_md5_hex(struct slice data, char out[CRYPT_MD5_HEX_SIZE]);

/* How hard a password hash is. Memory is 128 * n * r bytes. */
struct crypt_cost {
    uint64_t n; /* a power of two, 2 .. 2^20 */
    uint32_t r; /* 1 .. 32 */
    uint32_t p; /* 1 .. 16 */
};

#define CRYPT_COST_DEFAULT ((struct crypt_cost){16384, 8, 1})
#define CRYPT_COST_MEM_MAX (64u * 1024 * 1024) /* also bounds what a stored text may ask for */

/* ERR_INVALID when the cost is outside its bounds or needs more than CRYPT_COST_MEM_MAX. */
ERR_MUST_USE enum err crypt_scrypt(struct slice password, struct slice salt, struct crypt_cost cost,
                                   uint8_t *out, size_t len);

/* PBKDF2 with HMAC-SHA-256 and one block, as SCRAM wants it (RFC 5802's Hi). iterations >= 1. */
void crypt_pbkdf2_sha256(struct slice password, struct slice salt, uint32_t iterations,
                         uint8_t out[CRYPT_SHA256_LEN]);

/* "scrypt$N$r$p$salt$hash", salt and hash in base64, with a new salt of 16 bytes. */
ERR_MUST_USE enum err crypt_password_hash(struct slice password, struct crypt_cost cost,
                                          char out[CRYPT_PASSWORD_TEXT_MAX]);
/* "scrypt-md5$...": the same over 32 hex digits of an MD5 that somebody else stored, so that such
 * users keep their passwords. ERR_INVALID when it is not 32 hex digits. */
ERR_MUST_USE enum err crypt_password_hash_md5(struct slice md5_hex, struct crypt_cost cost,
                                              char out[CRYPT_PASSWORD_TEXT_MAX]);
/* OK when the password fits either form; ERR_DENIED when not; ERR_MALFORMED when the text is
 * neither form or its parameters are out of bounds. */
ERR_MUST_USE enum err crypt_password_verify(struct slice password, struct slice text);

/* Lower-case hex with NUL into out, which has 2 * len + 1 bytes. */
void crypt_hex(const void *data, size_t len, char *out);
/* Exactly len bytes. ERR_MALFORMED otherwise. */
ERR_MUST_USE enum err crypt_hex_decode(struct slice text, uint8_t *out, size_t len);

/* Standard alphabet with padding, NUL at the end. cap >= CRYPT_BASE64_SIZE(len) (asserted). */
#define CRYPT_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)
void crypt_base64(const void *data, size_t len, char *out, size_t cap);
/* Strict: padding needed, no spaces. ERR_MALFORMED; ERR_TOO_LARGE when more than cap bytes. */
ERR_MUST_USE enum err crypt_base64_decode(struct slice text, uint8_t *out, size_t cap, size_t *len);

#endif
