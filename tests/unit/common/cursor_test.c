/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of reading with a sticky error. */
#include "common/buf.h"
#include "common/cursor.h"
#include "tests/unit/cunit_main.h"

static void
reads_what_buf_wrote(void)
{
    struct buf buf;
    struct cursor c;
    buf_init(&buf, 100);
    buf_put_u8(&buf, 7);
    buf_put_u16(&buf, 65535);
    buf_put_u32(&buf, 0xdeadbeef);
    buf_put_u64(&buf, UINT64_MAX - 1);
    buf_put_varint32(&buf, 2097152);
    buf_put_u16(&buf, 2);
    buf_append_cstr(&buf, "ab");
    buf_append_cstr(&buf, "rest");
    c = cursor_of(buf_slice(&buf));
    CU_ASSERT_EQUAL(cursor_u8(&c), 7);
    CU_ASSERT_EQUAL(cursor_u16(&c), 65535);
    CU_ASSERT_EQUAL(cursor_u32(&c), 0xdeadbeef);
    CU_ASSERT_EQUAL(cursor_u64(&c), UINT64_MAX - 1);
    CU_ASSERT_EQUAL(cursor_varint32(&c), 2097152);
    CU_ASSERT(slice_equal_cstr(cursor_bytes16(&c), "ab"));
    CU_ASSERT_EQUAL(cursor_end(&c), ERR_MALFORMED);
    CU_ASSERT(slice_equal_cstr(cursor_rest(&c), "rest"));
    CU_ASSERT_EQUAL(cursor_end(&c), OK);
    buf_fini(&buf);
}

static void
an_error_sticks_and_reads_give_nothing(void)
{
    struct cursor c = cursor_of(slice_of("\x01\x02\x03", 3));
    CU_ASSERT_EQUAL(cursor_u32(&c), 0);
    CU_ASSERT_EQUAL(cursor_left(&c), 0);
    CU_ASSERT_EQUAL(cursor_u8(&c), 0);
    CU_ASSERT(slice_is_empty(cursor_rest(&c)));
    CU_ASSERT_EQUAL(cursor_end(&c), ERR_MALFORMED);
    c = cursor_of(slice_of("\x01", 1));
    cursor_fail(&c, ERR_PROTOCOL);
    cursor_fail(&c, ERR_INVALID);
    CU_ASSERT_EQUAL(cursor_end(&c), ERR_PROTOCOL);
}

static void
a_length_beyond_the_end_is_refused(void)
{
    struct cursor c = cursor_of(slice_of("\xff\xff\xff\xff"
                                         "abc",
                                         7));
    CU_ASSERT(slice_is_empty(cursor_bytes32(&c)));
    CU_ASSERT_EQUAL(cursor_end(&c), ERR_MALFORMED);
    c = cursor_of(slice_of("abc", 3));
    CU_ASSERT(slice_is_empty(cursor_bytes(&c, SIZE_MAX)));
    CU_ASSERT_EQUAL(cursor_end(&c), ERR_MALFORMED);
}

static void
bad_varints_are_malformed(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x80\x80\x80\x80\x01", 5},
        {"\xff\xff\xff\xff", 4},
        {"\x80", 1},
        {"\x80\x00", 2},
        {"\xff\x80\x00", 3},
        {"", 0},
    };
    size_t i;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct cursor c = cursor_of(slice_of(rows[i].bytes, rows[i].len));
        CU_ASSERT_EQUAL(cursor_varint32(&c), 0);
        CU_ASSERT_EQUAL(cursor_end(&c), ERR_MALFORMED);
    }
}

static void
the_empty_slice_is_fine(void)
{
    struct cursor c = cursor_of(slice_of(NULL, 0));
    CU_ASSERT_EQUAL(cursor_left(&c), 0);
    CU_ASSERT(slice_is_empty(cursor_rest(&c)));
    CU_ASSERT_EQUAL(cursor_end(&c), OK);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(reads_what_buf_wrote),
    CUNIT_CASE(an_error_sticks_and_reads_give_nothing),
    CUNIT_CASE(a_length_beyond_the_end_is_refused),
    CUNIT_CASE(bad_varints_are_malformed),
    CUNIT_CASE(the_empty_slice_is_fine),
};
CUNIT_MAIN("cursor", cases)
