/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a feed frame: the example drawn in feed_frame.h and what must be refused. */
#include "common/feed_frame.h"

#include "common/crypt.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

static const char example_hex[] = "5b020003000000070102030405060708"
                                  "11121314151617182021222324252627"
                                  "28292a2b2c2d2e2f0000010000000001"
                                  "00000100000000000000010000000000"
                                  "0000abcd00001234"
                                  "00000003096869";
#define EXAMPLE_LEN 79u

static struct feed_frame
example_frame(void)
{
    struct feed_frame frame = {
        .flags = FEED_FRAME_GAP | FEED_FRAME_ECHO,
        .state = 7,
        .sender = 0x0102030405060708u,
        .receiver = 0x1112131415161718u,
        .seq = 0x10000000001u,
        .received = 0x10000000000u,
        .done = 0x10000000000u,
        .stamp = 0xabcdu,
        .echo = 0x1234u,
    };
    for (size_t i = 0; i < FEED_FRAME_TOKEN_LEN; i++)
        frame.token[i] = (uint8_t)(0x20 + i);
    return frame;
}

static void
the_drawn_example_is_what_is_encoded(void)
{
    struct feed_frame frame = example_frame();
    uint8_t expected[EXAMPLE_LEN], bytes[EXAMPLE_LEN];
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(example_hex), expected, EXAMPLE_LEN), OK);
    feed_frame_encode_header(&frame, bytes);
    feed_frame_put_record_header(bytes + FEED_FRAME_HEADER_LEN, 9, 2);
    memcpy(bytes + FEED_FRAME_HEADER_LEN + FEED_FRAME_RECORD_OVERHEAD, "hi", 2);
    CU_ASSERT_EQUAL(memcmp(bytes, expected, EXAMPLE_LEN), 0);
}

static void
the_drawn_example_is_decoded(void)
{
    struct feed_frame expected = example_frame(), frame;
    uint8_t bytes[EXAMPLE_LEN];
    struct slice body;
    uint8_t type = 0;
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(example_hex), bytes, EXAMPLE_LEN), OK);
    CU_ASSERT_EQUAL_FATAL(feed_frame_decode(slice_of(bytes, EXAMPLE_LEN), 2, &frame), OK);
    CU_ASSERT_EQUAL(frame.flags, expected.flags);
    CU_ASSERT_EQUAL(frame.state, expected.state);
    CU_ASSERT_EQUAL(frame.sender, expected.sender);
    CU_ASSERT_EQUAL(frame.receiver, expected.receiver);
    CU_ASSERT_EQUAL(memcmp(frame.token, expected.token, FEED_FRAME_TOKEN_LEN), 0);
    CU_ASSERT_EQUAL(frame.seq, expected.seq);
    CU_ASSERT_EQUAL(frame.received, expected.received);
    CU_ASSERT_EQUAL(frame.done, expected.done);
    CU_ASSERT_EQUAL(frame.stamp, expected.stamp);
    CU_ASSERT_EQUAL(frame.echo, expected.echo);
    CU_ASSERT_TRUE(feed_frame_next(&frame.records, &type, &body));
    CU_ASSERT_EQUAL(type, 9);
    CU_ASSERT_TRUE(slice_equal_cstr(body, "hi"));
    CU_ASSERT_FALSE(feed_frame_next(&frame.records, &type, &body));
}

static void
every_truncation_is_refused(void)
{
    struct feed_frame frame;
    uint8_t bytes[EXAMPLE_LEN];
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(example_hex), bytes, EXAMPLE_LEN), OK);
    for (size_t len = 0; len < EXAMPLE_LEN; len++)
        CU_ASSERT_EQUAL(feed_frame_decode(slice_of(bytes, len), 2, &frame), ERR_MALFORMED);
}

static void
broken_frames_are_refused(void)
{
    static const struct {
        size_t offset;
        uint8_t value;
        enum err err;
    } cases[] = {
        {0, 0x5c, ERR_VERSION},    /* magic */
        {1, 0x01, ERR_VERSION},    /* version */
        {75, 0, ERR_MALFORMED},    /* record without type */
        {75, 4, ERR_MALFORMED},    /* record longer than the frame */
        {72, 0xff, ERR_MALFORMED}, /* much longer */
        {75, 2, ERR_MALFORMED},    /* a rest that is no record */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct feed_frame frame;
        uint8_t bytes[EXAMPLE_LEN];
        CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(example_hex), bytes, EXAMPLE_LEN), OK);
        bytes[cases[i].offset] = cases[i].value;
        CU_ASSERT_EQUAL(feed_frame_decode(slice_of(bytes, EXAMPLE_LEN), 2, &frame), cases[i].err);
    }
}

static void
records_need_a_sequence_number_and_the_reverse(void)
{
    struct feed_frame frame;
    uint8_t bytes[EXAMPLE_LEN];
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(example_hex), bytes, EXAMPLE_LEN), OK);
    CU_ASSERT_EQUAL(feed_frame_decode(slice_of(bytes, FEED_FRAME_HEADER_LEN), 2, &frame),
                    ERR_MALFORMED);
    memset(bytes + 40, 0, 8);
    CU_ASSERT_EQUAL(feed_frame_decode(slice_of(bytes, EXAMPLE_LEN), 2, &frame), ERR_MALFORMED);
    CU_ASSERT_EQUAL(feed_frame_decode(slice_of(bytes, FEED_FRAME_HEADER_LEN), 2, &frame), OK);
}

static void
a_record_above_the_bound_is_refused(void)
{
    struct feed_frame frame;
    uint8_t bytes[EXAMPLE_LEN];
    CU_ASSERT_EQUAL_FATAL(crypt_hex_decode(slice_cstr(example_hex), bytes, EXAMPLE_LEN), OK);
    CU_ASSERT_EQUAL(feed_frame_decode(slice_of(bytes, EXAMPLE_LEN), 1, &frame), ERR_TOO_LARGE);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_drawn_example_is_what_is_encoded),
    CUNIT_CASE(the_drawn_example_is_decoded),
    CUNIT_CASE(every_truncation_is_refused),
    CUNIT_CASE(broken_frames_are_refused),
    CUNIT_CASE(records_need_a_sequence_number_and_the_reverse),
    CUNIT_CASE(a_record_above_the_bound_is_refused),
};

CUNIT_MAIN("feed_frame", cases)
