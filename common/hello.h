/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake of two programs and what both derive from it. Pure but for the HMACs: bytes in,
 * bytes out; peer_hello.c sends them.
 *
 *   dialer                                         server
 *     | hello1: who I am, nonce_a                      |
 *     |----------------------------------------------->|
 *     |        offer: who I am, nonce_b, then proof_b  |
 *     |<-----------------------------------------------|
 *     | hello2: hello1, offer, proof_a                 |
 *     |----------------------------------------------->|
 *     |   welcome: lease, state, done, blob, check     |
 *     |<-----------------------------------------------|
 *
 *   proof_b = HMAC(secret, "sluice server 1" offer hello1)
 *   proof_a = HMAC(secret, "sluice dialer 1" offer hello1)
 *   check   = HMAC(welcome key, welcome), first 16 bytes
 *
 * The server keeps nothing between the two: nonce_b = HMAC(own random key, offer without nonce_b,
 * hello1) and the offer carries its time, so an offer that comes back is known to be its own and at
 * most HELLO_OFFER_MS old. Both nonces are part of every proof and token, so each session has
 * tokens of its own.
 */
#ifndef SLUICE_COMMON_HELLO_H
#define SLUICE_COMMON_HELLO_H

#include "common/buf.h"
#include "common/err.h"
#include "common/feed_frame.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

#define HELLO_VERSION_MIN 2u
#define HELLO_VERSION_MAX 2u
#define HELLO_NONCE_LEN   16u
#define HELLO_PROOF_LEN   32u
#define HELLO_NAME_MAX    63u
#define HELLO_URL_MAX     150u
#define HELLO_BLOB_MAX    4096u
#define HELLO_BYTES_MAX   16384u
#define HELLO_OFFER_MS    10000u

enum hello_flag {
    HELLO_WANTS_FEED = 1,
};

/* Both hello1 and the offer. Strings are NUL-terminated and bounded; they hold printable ASCII
 * only. */
struct hello {
    uint16_t version_min, version_max; /* in an offer both are the chosen one */
    uint16_t flags;                    /* enum hello_flag */
    uint16_t feed_port;                /* 0: no feed */
    uint64_t incarnation;
    uint32_t generation; /* of the session to come; the offer's is the one used */
    uint32_t state;      /* 0 in an offer, as last_done and blob: those follow in the welcome */
    uint64_t last_done;  /* feed_window_last_done of the session before, 0: none */
    uint64_t time_ms;    /* sender's monotonic clock; only the server's own is looked at */
    uint8_t nonce[HELLO_NONCE_LEN];
    char service[HELLO_NAME_MAX + 1];
    char name[HELLO_NAME_MAX + 1];
    char version[HELLO_NAME_MAX + 1];  /* of the program, text */
    char feed_host[HELLO_URL_MAX + 1]; /* "": take the remote address of the connection */
    struct slice blob;                 /* of the application, at most HELLO_BLOB_MAX; borrowed */
};

/* What both ends derive; a frame or call carries the token of its direction. */
struct hello_tokens {
    uint8_t to_server[FEED_FRAME_TOKEN_LEN];
    uint8_t to_dialer[FEED_FRAME_TOKEN_LEN];
    uint8_t calls[FEED_FRAME_TOKEN_LEN];   /* calls of the dialer */
    uint8_t welcome[FEED_FRAME_TOKEN_LEN]; /* key of the welcome's check, never sent */
};

/* Sent in answer to a proven hello2. */
struct hello_welcome {
    uint32_t lease_ms;
    uint32_t state;
    uint64_t last_done;
    struct slice blob; /* borrowed */
};

/* ERR_MALFORMED: also when the check does not fit the tokens. */
void hello_welcome_encode(const struct hello_welcome *welcome, const struct hello_tokens *tokens,
                          struct buf *out);
enum err hello_welcome_decode(struct slice bytes, const struct hello_tokens *tokens,
                              struct hello_welcome *out) ERR_MUST_USE;

/* An offer followed by its proof, and a hello2, as sent. The parts are borrowed from `bytes`. */
enum err hello_offer_split(struct slice bytes, struct slice *offer,
                           struct slice *proof) ERR_MUST_USE;
void hello_second_encode(struct slice hello1, struct slice offer,
                         const uint8_t proof[HELLO_PROOF_LEN], struct buf *out);
enum err hello_second_decode(struct slice bytes, struct slice *hello1, struct slice *offer,
                             struct slice *proof) ERR_MUST_USE;

void hello_encode(const struct hello *hello, struct buf *out);
enum err hello_decode(struct slice bytes,
                      struct hello *out) ERR_MUST_USE; /* ERR_MALFORMED; borrows */

/* Fills the offer's nonce from the server's own key. `hello1` as received. */
void hello_offer_nonce(const uint8_t key[32], const struct hello *offer, struct slice hello1,
                       uint8_t nonce[HELLO_NONCE_LEN]);
void hello_proof(struct slice secret, bool server, struct slice offer, struct slice hello1,
                 uint8_t proof[HELLO_PROOF_LEN]);
void hello_derive(struct slice secret, struct slice offer, struct slice hello1,
                  struct hello_tokens *out);

#endif
