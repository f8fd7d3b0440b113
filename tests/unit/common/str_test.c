/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of slices and safe text. */
#include "common/mem.h"
#include "common/str.h"
#include "tests/unit/cunit_main.h"

static void
slices_compare_bytes_then_length(void)
{
    CU_ASSERT(slice_compare(slice_cstr("a"), slice_cstr("b")) < 0);
    CU_ASSERT(slice_compare(slice_cstr("a"), slice_cstr("aa")) < 0);
    CU_ASSERT(slice_compare(slice_cstr("b"), slice_cstr("aa")) > 0);
    CU_ASSERT_EQUAL(slice_compare(slice_cstr(""), slice_cstr(NULL)), 0);
    CU_ASSERT(slice_equal(slice_cstr("ab"), slice_of("abc", 2)));
    CU_ASSERT_FALSE(slice_equal(slice_cstr("ab"), slice_cstr("ac")));
    CU_ASSERT(slice_has_prefix(slice_cstr("abc"), slice_cstr("")));
    CU_ASSERT_FALSE(slice_has_prefix(slice_cstr("ab"), slice_cstr("abc")));
}

static void
sub_cuts_off_what_lies_outside(void)
{
    struct slice s = slice_cstr("hello");
    CU_ASSERT(slice_equal_cstr(slice_sub(s, 1, 3), "ell"));
    CU_ASSERT(slice_equal_cstr(slice_sub(s, 3, SIZE_MAX), "lo"));
    CU_ASSERT(slice_is_empty(slice_sub(s, 5, 1)));
    CU_ASSERT(slice_is_empty(slice_sub(s, SIZE_MAX, SIZE_MAX)));
}

static void
numbers_are_digits_only(void)
{
    static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "one"};
    uint64_t v = 77;
    size_t i;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(str_parse_u64(slice_cstr(bad[i]), 0, UINT64_MAX, &v), ERR_MALFORMED);
    CU_ASSERT_EQUAL(v, 77);
    CU_ASSERT_EQUAL(str_parse_u64(slice_cstr("18446744073709551615"), 0, UINT64_MAX, &v), OK);
    CU_ASSERT_EQUAL(v, UINT64_MAX);
    CU_ASSERT_EQUAL(str_parse_u64(slice_cstr("18446744073709551616"), 0, UINT64_MAX, &v),
                    ERR_INVALID);
    CU_ASSERT_EQUAL(str_parse_u64(slice_cstr("99999999999999999999999"), 0, UINT64_MAX, &v),
                    ERR_INVALID);
    CU_ASSERT_EQUAL(str_parse_u64(slice_cstr("65536"), 1, 65535, &v), ERR_INVALID);
    CU_ASSERT_EQUAL(str_parse_u64(slice_cstr("0"), 1, 65535, &v), ERR_INVALID);
    CU_ASSERT_EQUAL(str_parse_u64(slice_cstr("00080"), 1, 65535, &v), OK);
    CU_ASSERT_EQUAL(v, 80);
}

static void
signed_numbers_reach_both_ends(void)
{
    int64_t v = 0;
    CU_ASSERT_EQUAL(str_parse_i64(slice_cstr("-9223372036854775808"), INT64_MIN, INT64_MAX, &v),
                    OK);
    CU_ASSERT_EQUAL(v, INT64_MIN);
    CU_ASSERT_EQUAL(str_parse_i64(slice_cstr("9223372036854775807"), INT64_MIN, INT64_MAX, &v), OK);
    CU_ASSERT_EQUAL(v, INT64_MAX);
    CU_ASSERT_EQUAL(str_parse_i64(slice_cstr("9223372036854775808"), INT64_MIN, INT64_MAX, &v),
                    ERR_INVALID);
    CU_ASSERT_EQUAL(str_parse_i64(slice_cstr("-"), INT64_MIN, INT64_MAX, &v), ERR_MALFORMED);
    CU_ASSERT_EQUAL(str_parse_i64(slice_cstr("-5"), -4, 4, &v), ERR_INVALID);
}

static void
split_trims_and_skips_empty_items(void)
{
    struct slice rest = slice_cstr(" a ,, b,c , ");
    struct slice item;
    CU_ASSERT(str_split(&rest, ',', &item) && slice_equal_cstr(item, "a"));
    CU_ASSERT(str_split(&rest, ',', &item) && slice_equal_cstr(item, "b"));
    CU_ASSERT(str_split(&rest, ',', &item) && slice_equal_cstr(item, "c"));
    CU_ASSERT_FALSE(str_split(&rest, ',', &item));
    rest = slice_cstr(NULL);
    CU_ASSERT_FALSE(str_split(&rest, ',', &item));
}

static void
format_says_when_it_was_cut(void)
{
    char out[6];
    CU_ASSERT_EQUAL(str_format(out, sizeof(out), "%d", 12345), OK);
    CU_ASSERT_STRING_EQUAL(out, "12345");
    CU_ASSERT_EQUAL(str_format(out, sizeof(out), "%d", 123456), ERR_TOO_LARGE);
    CU_ASSERT_STRING_EQUAL(out, "12345");
}

static void
utf8_is_strict(void)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"gr\xc3\xbc\xc3\x9f", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\xf4\x90\x80\x80", false},
        {"\xc0\xaf", false},
        {"\xc1\xbf", false},
        {"\xe0\x80\xaf", false},
        {"\xf0\x80\x80\xaf", false},
        {"\xed\xa0\x80", false},
        {"\xed\x9f\xbf", true},
        {"\x80", false},
        {"\xc3", false},
        {"\xe2\x82", false},
        {"\xf0\x9f\x98", false},
        {"\xff", false},
    };
    size_t i;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(str_utf8_is_valid(slice_cstr(rows[i].text)), rows[i].valid);
}

static void
find_dup_and_case(void)
{
    char *copy = slice_dup(slice_of("a\0b", 3));
    CU_ASSERT_EQUAL(memcmp(copy, "a\0b", 4), 0);
    mem_free(copy);
    CU_ASSERT_EQUAL(slice_find(slice_cstr("k=v"), '='), 1);
    CU_ASSERT_EQUAL(slice_find(slice_cstr("kv"), '='), 2);
    CU_ASSERT_EQUAL(slice_find(slice_cstr(NULL), '='), 0);
    CU_ASSERT(str_equal_nocase(slice_cstr("MiB"), slice_cstr("mIb")));
    CU_ASSERT_FALSE(str_equal_nocase(slice_cstr("MiB"), slice_cstr("Mi")));
    CU_ASSERT(slice_equal_cstr(slice_trim(slice_cstr("\t x y\r\n")), "x y"));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(slices_compare_bytes_then_length),
    CUNIT_CASE(sub_cuts_off_what_lies_outside),
    CUNIT_CASE(numbers_are_digits_only),
    CUNIT_CASE(signed_numbers_reach_both_ends),
    CUNIT_CASE(split_trims_and_skips_empty_items),
    CUNIT_CASE(format_says_when_it_was_cut),
    CUNIT_CASE(utf8_is_strict),
    CUNIT_CASE(find_dup_and_case),
};
CUNIT_MAIN("str", cases)
