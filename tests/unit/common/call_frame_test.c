/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes around a call's body: the example drawn in call_frame.h and what must be refused. */
#include "common/call_frame.h"

#include "common/crypt.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

static const char request_hex[] = "5c0104000005000001020304050607081112131415161718"
                                  "202122232425262728292a2b2c2d2e2f6869";
static const char reply_hex[] = "5c010000796f";
enum { REQUEST = 42, REPLY = 6 };

static void
the_drawn_request_is_encoded_and_decoded(void)
{
    struct call_frame frame = {.kind = CALL_FRAME_CALL,
                               .method = 5,
                               .caller = 0x0102030405060708u,
                               .callee = 0x1112131415161718u};
    struct call_frame got;
    uint8_t bytes[REQUEST], head[CALL_FRAME_REQUEST_LEN];
    for (unsigned i = 0; i < sizeof(frame.token); i++)
        frame.token[i] = (uint8_t)(0x20 + i);
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(request_hex), bytes, REQUEST), OK);
    call_frame_encode_request(&frame, head);
    CU_ASSERT_EQUAL(memcmp(head, bytes, sizeof(head)), 0);
    CU_ASSERT_EQUAL_FATAL(call_frame_decode_request(slice_of(bytes, REQUEST), &got), OK);
    CU_ASSERT_EQUAL(got.kind, frame.kind);
    CU_ASSERT_EQUAL(got.method, frame.method);
    CU_ASSERT_EQUAL(got.caller, frame.caller);
    CU_ASSERT_EQUAL(got.callee, frame.callee);
    CU_ASSERT_EQUAL(memcmp(got.token, frame.token, sizeof(got.token)), 0);
    CU_ASSERT_TRUE(slice_equal_cstr(got.body, "hi"));
}

static void
the_drawn_reply_is_encoded_and_decoded(void)
{
    uint8_t bytes[REPLY], head[CALL_FRAME_REPLY_LEN];
    enum err result = ERR_IO;
    struct slice body;
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(reply_hex), bytes, REPLY), OK);
    call_frame_encode_reply(OK, head);
    CU_ASSERT_EQUAL(memcmp(head, bytes, sizeof(head)), 0);
    CU_ASSERT_EQUAL_FATAL(call_frame_decode_reply(slice_of(bytes, REPLY), &result, &body), OK);
    CU_ASSERT_EQUAL(result, OK);
    CU_ASSERT_TRUE(slice_equal_cstr(body, "yo"));
    call_frame_encode_reply(ERR_QUOTA, bytes);
    CU_ASSERT_EQUAL(call_frame_decode_reply(slice_of(bytes, REPLY), &result, &body), OK);
    CU_ASSERT_EQUAL(result, ERR_QUOTA);
}

static void
what_is_short_or_of_another_version_is_refused(void)
{
    struct call_frame frame;
    uint8_t bytes[REQUEST];
    enum err result;
    struct slice body;
    size_t len;
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(request_hex), bytes, REQUEST), OK);
    for (len = 0; len < CALL_FRAME_REQUEST_LEN; len++)
        CU_ASSERT_EQUAL(call_frame_decode_request(slice_of(bytes, len), &frame), ERR_MALFORMED);
    for (len = 0; len < CALL_FRAME_REPLY_LEN; len++)
        CU_ASSERT_EQUAL(call_frame_decode_reply(slice_of(bytes, len), &result, &body),
                        ERR_MALFORMED);
    bytes[1] = 2;
    CU_ASSERT_EQUAL(call_frame_decode_request(slice_of(bytes, REQUEST), &frame), ERR_VERSION);
    CU_ASSERT_EQUAL(call_frame_decode_reply(slice_of(bytes, REQUEST), &result, &body), ERR_VERSION);
}

static void
an_unknown_result_is_an_error(void)
{
    uint8_t bytes[CALL_FRAME_REPLY_LEN] = {0x5c, 0x01, 0xff, 0xff};
    enum err result = OK;
    struct slice body;
    CU_ASSERT_EQUAL(call_frame_decode_reply(slice_of(bytes, sizeof(bytes)), &result, &body), OK);
    CU_ASSERT_NOT_EQUAL(result, OK);
    CU_ASSERT_EQUAL(body.len, 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_drawn_request_is_encoded_and_decoded),
    CUNIT_CASE(the_drawn_reply_is_encoded_and_decoded),
    CUNIT_CASE(what_is_short_or_of_another_version_is_refused),
    CUNIT_CASE(an_unknown_result_is_an_error),
};
CUNIT_MAIN("call_frame", cases)
