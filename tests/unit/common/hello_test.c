/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and proofs of the handshake, and the bytes around a call. */
#include "common/hello.h"

#include "common/call_frame.h"
#include "common/crypt.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

static struct hello
some_hello(void)
{
    struct hello h = {
        .version_min = 1,
        .version_max = 1,
        .flags = HELLO_WANTS_FEED,
        .feed_port = 7000,
        .incarnation = 0x0102030405060708u,
        .generation = 3,
        .state = 9,
        .last_done = 77,
        .time_ms = 123456,
        .blob = slice_cstr("blob"),
    };
    memset(h.nonce, 0xab, sizeof(h.nonce));
    (void)str_format(h.service, sizeof(h.service), "gateway");
    (void)str_format(h.name, sizeof(h.name), "gateway-1");
    (void)str_format(h.version, sizeof(h.version), "1.0");
    (void)str_format(h.feed_host, sizeof(h.feed_host), "10.0.0.1");
    return h;
}

static void
a_hello_survives_encoding(void)
{
    struct hello in = some_hello(), out;
    struct buf buf;
    buf_init(&buf, HELLO_BYTES_MAX);
    hello_encode(&in, &buf);
    CU_ASSERT_EQUAL_FATAL(hello_decode(buf_slice(&buf), &out), OK);
    CU_ASSERT_EQUAL(out.incarnation, in.incarnation);
    CU_ASSERT_EQUAL(out.generation, 3);
    CU_ASSERT_EQUAL(out.feed_port, 7000);
    CU_ASSERT_EQUAL(out.last_done, 77);
    CU_ASSERT_STRING_EQUAL(out.name, "gateway-1");
    CU_ASSERT_STRING_EQUAL(out.feed_host, "10.0.0.1");
    CU_ASSERT_TRUE(slice_equal_cstr(out.blob, "blob"));
    for (size_t len = 0; len < buf_len(&buf); len++)
        CU_ASSERT_EQUAL(hello_decode(slice_sub(buf_slice(&buf), 0, len), &out), ERR_MALFORMED);
    buf_put_u8(&buf, 0);
    CU_ASSERT_EQUAL(hello_decode(buf_slice(&buf), &out), ERR_MALFORMED);
    buf_fini(&buf);
}

static void
names_that_would_soil_a_log_are_refused(void)
{
    static const char *const names[] = {"", "a b", "a\nb", "a\"b", "\x7f"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct hello h = some_hello();
        struct buf buf;
        (void)str_format(h.name, sizeof(h.name), "%s", names[i]);
        buf_init(&buf, HELLO_BYTES_MAX);
        hello_encode(&h, &buf);
        CU_ASSERT_EQUAL(hello_decode(buf_slice(&buf), &h), ERR_MALFORMED);
        buf_fini(&buf);
    }
}

static void
proofs_differ_by_secret_side_and_bytes(void)
{
    uint8_t base[32], other[32];
    struct slice secret = slice_cstr("s"), offer = slice_cstr("offer"), hello = slice_cstr("hello");
    hello_proof(secret, true, offer, hello, base);
    hello_proof(secret, true, offer, hello, other);
    CU_ASSERT_EQUAL(memcmp(base, other, 32), 0);
    hello_proof(slice_cstr("t"), true, offer, hello, other);
    CU_ASSERT_NOT_EQUAL(memcmp(base, other, 32), 0);
    hello_proof(secret, false, offer, hello, other);
    CU_ASSERT_NOT_EQUAL(memcmp(base, other, 32), 0);
    hello_proof(secret, true, slice_cstr("offerh"), slice_cstr("ello"), other);
    CU_ASSERT_NOT_EQUAL(memcmp(base, other, 32), 0);
}

static void
each_direction_has_a_token_of_its_own(void)
{
    struct hello_tokens t, u;
    struct slice offer = slice_cstr("offer"), hello = slice_cstr("hello");
    hello_derive(slice_cstr("s"), offer, hello, &t);
    hello_derive(slice_cstr("s"), offer, hello, &u);
    CU_ASSERT_EQUAL(memcmp(&t, &u, sizeof(t)), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(t.to_server, t.to_dialer, 16), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(t.to_server, t.calls, 16), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(t.calls, t.welcome, 16), 0);
    hello_derive(slice_cstr("s"), offer, slice_cstr("hellp"), &u);
    CU_ASSERT_NOT_EQUAL(memcmp(t.to_server, u.to_server, 16), 0);
}

static void
an_offer_nonce_depends_on_every_field(void)
{
    uint8_t key[32] = {1}, base[16], other[16];
    struct hello offer = some_hello();
    hello_offer_nonce(key, &offer, slice_cstr("hello"), base);
    memset(offer.nonce, 0, sizeof(offer.nonce)); /* except the nonce itself */
    hello_offer_nonce(key, &offer, slice_cstr("hello"), other);
    CU_ASSERT_EQUAL(memcmp(base, other, 16), 0);
    offer.time_ms++;
    hello_offer_nonce(key, &offer, slice_cstr("hello"), other);
    CU_ASSERT_NOT_EQUAL(memcmp(base, other, 16), 0);
    offer.time_ms--;
    hello_offer_nonce(key, &offer, slice_cstr("hellO"), other);
    CU_ASSERT_NOT_EQUAL(memcmp(base, other, 16), 0);
}

static void
a_changed_welcome_is_refused(void)
{
    struct hello_welcome w = {
        .lease_ms = 3000, .state = 1, .last_done = 5, .blob = slice_cstr("b")};
    struct hello_welcome out;
    struct hello_tokens tokens;
    struct buf buf;
    memset(&tokens, 7, sizeof(tokens));
    buf_init(&buf, HELLO_BYTES_MAX);
    hello_welcome_encode(&w, &tokens, &buf);
    CU_ASSERT_EQUAL_FATAL(hello_welcome_decode(buf_slice(&buf), &tokens, &out), OK);
    CU_ASSERT_EQUAL(out.lease_ms, 3000);
    CU_ASSERT_EQUAL(out.last_done, 5);
    CU_ASSERT_TRUE(slice_equal_cstr(out.blob, "b"));
    for (size_t i = 0; i < buf_len(&buf); i++) {
        buf.data[buf.start + i] ^= 1;
        CU_ASSERT_EQUAL(hello_welcome_decode(buf_slice(&buf), &tokens, &out), ERR_MALFORMED);
        buf.data[buf.start + i] ^= 1;
    }
    buf_fini(&buf);
}

static void
the_drawn_calls_are_what_is_encoded(void)
{
    static const char hex[] = "5c010400000500000102030405060708111213141516171820212223242526272829"
                              "2a2b2c2d2e2f6869";
    struct call_frame frame = {.kind = CALL_FRAME_CALL,
                               .method = 5,
                               .caller = 0x0102030405060708u,
                               .callee = 0x1112131415161718u};
    uint8_t expected[42], bytes[CALL_FRAME_REQUEST_LEN], reply[6] = {0, 0, 0, 0, 'y', 'o'};
    struct call_frame out;
    struct slice body;
    enum err result;
    for (size_t i = 0; i < FEED_FRAME_TOKEN_LEN; i++)
        frame.token[i] = (uint8_t)(0x20 + i);
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(hex), expected, sizeof(expected)), OK);
    call_frame_encode_request(&frame, bytes);
    CU_ASSERT_EQUAL(memcmp(bytes, expected, sizeof(bytes)), 0);
    CU_ASSERT_EQUAL_FATAL(call_frame_decode_request(slice_of(expected, sizeof(expected)), &out),
                          OK);
    CU_ASSERT_EQUAL(out.method, 5);
    CU_ASSERT_TRUE(slice_equal_cstr(out.body, "hi"));
    CU_ASSERT_EQUAL(call_frame_decode_request(slice_of(expected, 39), &out), ERR_MALFORMED);
    expected[1] = 2;
    CU_ASSERT_EQUAL(call_frame_decode_request(slice_of(expected, 40), &out), ERR_VERSION);

    call_frame_encode_reply(ERR_BUSY, reply);
    CU_ASSERT_EQUAL(memcmp(reply, "\x5c\x01\x00\x02yo", 6), 0);
    CU_ASSERT_EQUAL_FATAL(call_frame_decode_reply(slice_of(reply, 6), &result, &body), OK);
    CU_ASSERT_EQUAL(result, ERR_BUSY);
    CU_ASSERT_TRUE(slice_equal_cstr(body, "yo"));
    CU_ASSERT_EQUAL(call_frame_decode_reply(slice_of(reply, 3), &result, &body), ERR_MALFORMED);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_hello_survives_encoding),
    CUNIT_CASE(names_that_would_soil_a_log_are_refused),
    CUNIT_CASE(proofs_differ_by_secret_side_and_bytes),
    CUNIT_CASE(each_direction_has_a_token_of_its_own),
    CUNIT_CASE(an_offer_nonce_depends_on_every_field),
    CUNIT_CASE(a_changed_welcome_is_refused),
    CUNIT_CASE(the_drawn_calls_are_what_is_encoded),
};

CUNIT_MAIN("hello", cases)
