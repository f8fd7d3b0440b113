/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes around a call's body. Pure; call.h carries them, peer_call.c decides about them.
 *
 *   request                                       reply
 *   0      2      3      4        6        8      0      2        4
 *   +------+------+------+--------+--------+      +------+--------+------ - -
 *   | magic| kind |  0   | method |   0    |      | magic| result | body
 *   +------+------+------+--------+--------+      +------+--------+------ - -
 *   | caller's incarnation                 | 16
 *   +--------------------------------------+      magic 0x5C01 means version 1;
 *   | callee's incarnation                 | 24   result is an enum err
 *   +--------------------------------------+
 *   | token (16 bytes)                     | 40
 *   +--------------------------------------+
 *   | body ...
 *
 * Example of a request of kind CALL, method 5, body "hi", and of its reply OK "yo":
 *   5c01 04 00 0005 0000 0102030405060708 1112131415161718
 *   202122232425262728292a2b2c2d2e2f 6869
 *   5c01 0000 796f
 */
#ifndef SLUICE_COMMON_CALL_FRAME_H
#define SLUICE_COMMON_CALL_FRAME_H

#include "common/err.h"
#include "common/feed_frame.h"
#include "common/str.h"

#include <stdint.h>

#define CALL_FRAME_MAGIC       0x5C01u
#define CALL_FRAME_REQUEST_LEN 40u
#define CALL_FRAME_REPLY_LEN   4u

enum call_frame_kind {
    CALL_FRAME_HELLO1 = 1, /* without token */
    CALL_FRAME_HELLO2 = 2, /* without token */
    CALL_FRAME_PING = 3,   /* is our session still yours? method: 0; body: u32 state flags */
    CALL_FRAME_CALL = 4,
};

struct call_frame {
    uint8_t kind;
    uint16_t method;
    uint64_t caller;
    uint64_t callee;
    uint8_t token[FEED_FRAME_TOKEN_LEN];
    struct slice body; /* borrowed */
};

void call_frame_encode_request(const struct call_frame *frame, uint8_t out[CALL_FRAME_REQUEST_LEN]);
/* ERR_MALFORMED: too short; ERR_VERSION: other magic. */
enum err call_frame_decode_request(struct slice bytes, struct call_frame *out) ERR_MUST_USE;
void call_frame_encode_reply(enum err result, uint8_t out[CALL_FRAME_REPLY_LEN]);
/* The far end's result comes through `result`. ERR_MALFORMED; ERR_VERSION. */
enum err call_frame_decode_reply(struct slice bytes, enum err *result,
                                 struct slice *body) ERR_MUST_USE;

#endif
