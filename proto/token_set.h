/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a destination remembers of one origin: which of its tokens it has taken. A floor (every
 * token below it is answered for good) and the set of tokens seen from the floor on. It recognises
 * repeats in any order and through any core. Pure; does not know whose tokens they are nor when to
 * forget them.
 *
 * Bounded: tokens lie less than TOKEN_SET_SPAN above the floor; the set needs one bit each, in
 * pieces of 512 bytes that exist only where tokens were seen, so a jump costs 512 bytes and a
 * full set 128 KiB.
 *
 * Encoded (for the store's transaction), big-endian:
 *
 *   0  u8  version 1
 *   1  u64 floor
 *   9  pieces, each: u64 number (token / 4096, rising), u8 kind, body
 *          kind 0 full:   all 4096 tokens seen, no body
 *          kind 1 bitmap: 512 bytes; token t is bit t % 8 (least first) of byte t % 4096 / 8
 *          kind 2 list:   u8 n, n times u16 t % 4096, rising
 */
#ifndef SLUICE_PROTO_TOKEN_SET_H
#define SLUICE_PROTO_TOKEN_SET_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_SET_SPAN (UINT64_C(1) << 20) /* a token is below floor + TOKEN_SET_SPAN */

/* Bytes that token_set_encode writes at most. */
#define TOKEN_SET_ENCODED_MAX (9u + 257u * (9u + 512u))

struct token_set;

/* New, empty, floor 1. */
struct token_set *token_set_new(void);
void token_set_free(struct token_set *set);

/* Takes token. *seen says whether it was taken before (or lies below the floor: then it is
 * answered for good). ERR_TOO_LARGE: not below floor + TOKEN_SET_SPAN; ERR_INVALID: token 0.
 * Raise the floor to the record's floor before. */
ERR_MUST_USE enum err token_set_add(struct token_set *set, uint64_t token, bool *seen);
/* As add, but only looks. */
bool token_set_has(const struct token_set *set, uint64_t token);
/* Forgets the tokens below floor; a lower floor than the present one changes nothing. */
void token_set_raise(struct token_set *set, uint64_t floor);

uint64_t token_set_floor(const struct token_set *set);
/* Tokens seen from the floor on. */
size_t token_set_count(const struct token_set *set);
/* Heap bytes in use. */
size_t token_set_bytes(const struct token_set *set);

/* Appends the encoded set; the error of out tells when it did not fit. */
void token_set_encode(const struct token_set *set, struct buf *out);
/* *out is new. ERR_MALFORMED: not what encode writes. */
ERR_MUST_USE enum err token_set_decode(struct slice bytes, struct token_set **out);

#endif
