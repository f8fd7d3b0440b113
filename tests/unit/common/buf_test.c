/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the byte buffer. */
#include "common/buf.h"
#include "common/mem.h"
#include "tests/unit/cunit_main.h"

static void
numbers_are_big_endian(void)
{
    static const uint8_t expected[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08,
                                       0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};
    struct buf buf;
    buf_init(&buf, 100);
    buf_put_u8(&buf, 0x01);
    buf_put_u16(&buf, 0x0203);
    buf_put_u32(&buf, 0x04050607);
    buf_put_u64(&buf, UINT64_C(0x08090a0b0c0d0e0f));
    CU_ASSERT(slice_equal(buf_slice(&buf), slice_of(expected, sizeof(expected))));
    buf_patch_u16(&buf, 1, 0xffee);
    buf_patch_u32(&buf, 11, 0xaabbccdd);
    CU_ASSERT_EQUAL(buf_slice(&buf).data[1], 0xff);
    CU_ASSERT_EQUAL(buf_slice(&buf).data[14], 0xdd);
    buf_fini(&buf);
}

static void
varints_take_one_to_four_bytes(void)
{
    static const struct {
        uint32_t value;
        size_t len;
    } rows[] = {{0, 1},     {127, 1},     {128, 2},     {16383, 2},
                {16384, 3}, {2097151, 3}, {2097152, 4}, {268435455, 4}};
    struct buf buf;
    size_t i;
    buf_init(&buf, 8);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_reset(&buf);
        buf_put_varint32(&buf, rows[i].value);
        CU_ASSERT_EQUAL(buf_len(&buf), rows[i].len);
    }
    buf_fini(&buf);
}

static void
what_does_not_fit_is_a_sticky_error(void)
{
    struct buf buf;
    buf_init(&buf, 4);
    buf_append(&buf, "abc", 3);
    buf_put_u16(&buf, 1);
    CU_ASSERT_EQUAL(buf_error(&buf), ERR_TOO_LARGE);
    buf_put_u8(&buf, 1);
    CU_ASSERT_EQUAL(buf_len(&buf), 3);
    CU_ASSERT_PTR_NULL(buf_reserve(&buf, 1));
    buf_reset(&buf);
    buf_append(&buf, "abcd", 4);
    CU_ASSERT_EQUAL(buf_error(&buf), OK);
    CU_ASSERT_PTR_NULL(buf_reserve(&buf, SIZE_MAX));
    CU_ASSERT_EQUAL(buf_error(&buf), ERR_TOO_LARGE);
    buf_fini(&buf);
}

static void
a_cap_of_zero_takes_nothing(void)
{
    struct buf buf;
    buf_init(&buf, 0);
    buf_append(&buf, "", 0);
    CU_ASSERT_EQUAL(buf_error(&buf), OK);
    CU_ASSERT(slice_is_empty(buf_slice(&buf)));
    buf_put_u8(&buf, 1);
    CU_ASSERT_EQUAL(buf_error(&buf), ERR_TOO_LARGE);
    buf_fini(&buf);
}

/* A stream of appends and consumes of uneven sizes keeps its order and stays within its cap. */
static void
a_stream_through_the_buffer_keeps_its_order(void)
{
    struct buf buf;
    uint8_t in = 0;
    uint8_t out = 0;
    unsigned round;
    bool good = true;
    buf_init(&buf, 1000);
    for (round = 0; round < 20000; round++) {
        size_t add = (round * 7919u) % 97;
        size_t take = (round * 104729u) % 101;
        for (; add != 0 && buf_len(&buf) < 1000; add--)
            buf_put_u8(&buf, in++);
        for (; take != 0 && buf_len(&buf) != 0; take--) {
            good = good && buf_slice(&buf).data[0] == out++;
            buf_consume(&buf, 1);
        }
        good = good && buf.size <= 1000;
    }
    CU_ASSERT(good);
    CU_ASSERT_EQUAL(buf_error(&buf), OK);
    buf_consume(&buf, 5000);
    CU_ASSERT_EQUAL(buf_len(&buf), 0);
    buf_fini(&buf);
}

static void
printf_grows_and_truncate_cuts(void)
{
    struct buf buf;
    buf_init(&buf, 1000);
    buf_printf(&buf, "%s-%d", "x", 5);
    CU_ASSERT(slice_equal_cstr(buf_slice(&buf), "x-5"));
    buf_printf(&buf, "%0500d", 1);
    CU_ASSERT_EQUAL(buf_len(&buf), 503);
    CU_ASSERT_EQUAL(buf_slice(&buf).data[502], '1');
    buf_printf(&buf, "%0500d", 1);
    CU_ASSERT_EQUAL(buf_error(&buf), ERR_TOO_LARGE);
    buf_truncate(&buf, 3);
    CU_ASSERT(slice_equal_cstr(buf_slice(&buf), "x-5"));
    buf_fini(&buf);
}

static void
take_hands_over_the_content(void)
{
    struct buf buf;
    size_t len = 99;
    uint8_t *data;
    buf_init(&buf, 10);
    buf_append_cstr(&buf, "xyhello");
    buf_consume(&buf, 2);
    data = buf_take(&buf, &len);
    CU_ASSERT(slice_equal_cstr(slice_of(data, len), "hello"));
    CU_ASSERT_EQUAL(buf_len(&buf), 0);
    mem_free(data);
    data = buf_take(&buf, &len);
    CU_ASSERT_EQUAL(len, 0);
    mem_free(data);
    buf_fini(&buf);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(numbers_are_big_endian),
    CUNIT_CASE(varints_take_one_to_four_bytes),
    CUNIT_CASE(what_does_not_fit_is_a_sticky_error),
    CUNIT_CASE(a_cap_of_zero_takes_nothing),
    CUNIT_CASE(a_stream_through_the_buffer_keeps_its_order),
    CUNIT_CASE(printf_grows_and_truncate_cuts),
    CUNIT_CASE(take_hands_over_the_content),
};
CUNIT_MAIN("buf", cases)
