/* SPDX-License-Identifier: Apache-2.0 */
/* The PUBLISH record: exact bytes both ways, and everything that must be refused. */
#include "proto/publish_record.h"

#include "tests/unit/cunit_main.h"
#include <string.h>

static const uint8_t example[] = {
    1,   2,   3,   4,   5,   6, 7, 8, /* origin */
    0,   0,   0,   0,   0,   0, 0, 9, /* token */
    0,   0,   0,   0,   0,   0, 0, 7, /* floor */
    0,   0,   1,   0,   0,   0, 0, 0, /* expiry */
    0,   0,   0,   0,   0,   0, 2, 1, /* publisher */
    6,                                /* QoS 2, retain */
    0,   3,   'a', '/', 'b',          /* topic */
    0,   0,   0,   2,   1,   1,       /* properties */
    'h', 'i',                         /* payload */
};

static void
record_has_the_drawn_bytes(void)
{
    struct publish_record r = {.origin = 0x0102030405060708,
                               .token = 9,
                               .floor = 7,
                               .expiry_ms = UINT64_C(1) << 40,
                               .publisher = 0x201,
                               .qos = 2,
                               .retain = true,
                               .topic = slice_cstr("a/b"),
                               .properties = slice_of("\1\1", 2),
                               .payload = slice_cstr("hi")};
    uint8_t out[sizeof(example)];
    size_t head;
    CU_ASSERT_EQUAL_FATAL(publish_record_size(&r), sizeof(example));
    head = publish_record_encode_head(&r, out);
    CU_ASSERT_EQUAL_FATAL(head, sizeof(example) - 2);
    CU_ASSERT_EQUAL(memcmp(out, example, head), 0);
}

static void
decode_reads_what_is_drawn(void)
{
    struct publish_record r;
    CU_ASSERT_EQUAL_FATAL(publish_record_decode(slice_of(example, sizeof(example)), &r), OK);
    CU_ASSERT_EQUAL(r.origin, 0x0102030405060708);
    CU_ASSERT_EQUAL(r.token, 9);
    CU_ASSERT_EQUAL(r.floor, 7);
    CU_ASSERT_EQUAL(r.expiry_ms, UINT64_C(1) << 40);
    CU_ASSERT_EQUAL(r.publisher, 0x201);
    CU_ASSERT_EQUAL(r.qos, 2);
    CU_ASSERT_TRUE(r.retain);
    CU_ASSERT_TRUE(slice_equal_cstr(r.topic, "a/b"));
    CU_ASSERT_EQUAL(r.properties.len, 2);
    CU_ASSERT_TRUE(slice_equal_cstr(r.payload, "hi"));
}

static void
every_cut_before_the_payload_is_malformed(void)
{
    struct publish_record r;
    size_t len;
    for (len = 0; len < sizeof(example) - 2; len++)
        CU_ASSERT_EQUAL(publish_record_decode(slice_of(example, len), &r), ERR_MALFORMED);
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(example, sizeof(example) - 2), &r), OK);
    CU_ASSERT_EQUAL(r.payload.len, 0);
}

static void
qos_3_and_bad_topics_are_malformed(void)
{
    struct publish_record r;
    uint8_t bytes[sizeof(example)];
    memcpy(bytes, example, sizeof(bytes));
    bytes[40] = 3;
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(bytes, sizeof(bytes)), &r), ERR_MALFORMED);
    bytes[40] = 1;
    bytes[43] = '#';
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(bytes, sizeof(bytes)), &r), ERR_MALFORMED);
    bytes[43] = 0;
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(bytes, sizeof(bytes)), &r), ERR_MALFORMED);
    bytes[43] = 'a';
    bytes[42] = 0; /* empty topic; what follows is then no length */
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(bytes, sizeof(bytes)), &r), ERR_MALFORMED);
}

static void
numbers_can_be_patched(void)
{
    struct publish_record r;
    uint8_t bytes[sizeof(example)];
    memcpy(bytes, example, sizeof(bytes));
    publish_record_set_numbers(bytes, 11, 12, 13);
    CU_ASSERT_EQUAL_FATAL(publish_record_decode(slice_of(bytes, sizeof(bytes)), &r), OK);
    CU_ASSERT_EQUAL(r.origin, 11);
    CU_ASSERT_EQUAL(r.token, 12);
    CU_ASSERT_EQUAL(r.floor, 13);
    CU_ASSERT_TRUE(slice_equal_cstr(r.topic, "a/b"));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(record_has_the_drawn_bytes),
    CUNIT_CASE(decode_reads_what_is_drawn),
    CUNIT_CASE(every_cut_before_the_payload_is_malformed),
    CUNIT_CASE(qos_3_and_bad_topics_are_malformed),
    CUNIT_CASE(numbers_can_be_patched),
};
CUNIT_MAIN("publish_record", cases)
