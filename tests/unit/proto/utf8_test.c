/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 of MQTT: every class of bad bytes, at every offset of the eight byte steps. */
#include "proto/utf8.h"

#include "tests/unit/cunit_main.h"

static bool
valid(const char *bytes, size_t len)
{
    return utf8_is_valid(slice_of(bytes, len));
}

static void
plain_and_empty_text_is_valid(void)
{
    CU_ASSERT(utf8_is_valid(slice_of(NULL, 0)));
    CU_ASSERT(valid("a", 1));
    CU_ASSERT(valid("abcdefgh", 8));
    CU_ASSERT(valid("abcdefghi/jklmnopqrstu", 22));
    CU_ASSERT(valid("\x7f\x01", 2));
}

static void
characters_of_two_to_four_bytes_are_valid(void)
{
    CU_ASSERT(valid("\xc2\x80", 2));
    CU_ASSERT(valid("\xdf\xbf", 2));
    CU_ASSERT(valid("\xe0\xa0\x80", 3));
    CU_ASSERT(valid("\xed\x9f\xbf", 3));
    CU_ASSERT(valid("\xee\x80\x80", 3));
    CU_ASSERT(valid("\xef\xbb\xbf", 3)); /* [MQTT-1.5.4-3] */
    CU_ASSERT(valid("\xef\xbf\xbf", 3));
    CU_ASSERT(valid("\xf0\x90\x80\x80", 4));
    CU_ASSERT(valid("\xf4\x8f\xbf\xbf", 4));
}

static void
bad_sequences_are_not_valid_wherever_they_stand(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x80", 1},
        {"\xbf", 1},
        {"\xc0\x80", 2},
        {"\xc1\xbf", 2},
        {"\xc2", 1},
        {"\xc2\x41", 2},
        {"\xe0\x9f\xbf", 3},
        {"\xe1\x80", 2},
        {"\xe1\x80\xc0", 3},
        {"\xed\xa0\x80", 3},
        {"\xed\xbf\xbf", 3},
        {"\xf0\x8f\xbf\xbf", 4},
        {"\xf1\x80\x80", 3},
        {"\xf4\x90\x80\x80", 4},
        {"\xf5\x80\x80\x80", 4},
        {"\xff", 1},
        {"\xfe", 1},
    };
    char text[32];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t at = 0; at + bad[i].len <= 20; at++) {
            memset(text, 'a', sizeof(text));
            memcpy(text + at, bad[i].bytes, bad[i].len);
            CU_ASSERT_FALSE(utf8_is_valid(slice_of(text, 20)));
            CU_ASSERT_FALSE(utf8_is_well_formed(slice_of(text, 20)));
            CU_ASSERT_FALSE(utf8_is_valid(slice_of(text, at + bad[i].len)));
        }
    }
}

static void
a_zero_byte_is_only_well_formed(void)
{
    char text[24];
    for (size_t at = 0; at < 20; at++) {
        memset(text, 'a', sizeof(text));
        text[at] = 0;
        CU_ASSERT_FALSE(utf8_is_valid(slice_of(text, 20)));
        CU_ASSERT(utf8_is_well_formed(slice_of(text, 20)));
    }
}

static void
a_bad_byte_after_a_zero_byte_is_found(void)
{
    CU_ASSERT_FALSE(utf8_is_well_formed(slice_of("\0\x80zzzzzzzz", 10)));
}

static void
char_len_tells_the_length_of_a_character(void)
{
    CU_ASSERT_EQUAL(utf8_char_len(slice_of("", 0)), 0);
    CU_ASSERT_EQUAL(utf8_char_len(slice_of("a", 1)), 1);
    CU_ASSERT_EQUAL(utf8_char_len(slice_of("\xc3\xa4z", 3)), 2);
    CU_ASSERT_EQUAL(utf8_char_len(slice_of("\xe2\x82\xac", 3)), 3);
    CU_ASSERT_EQUAL(utf8_char_len(slice_of("\xf0\x9f\x98\x80", 4)), 4);
    CU_ASSERT_EQUAL(utf8_char_len(slice_of("\xe2\x82", 2)), 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(plain_and_empty_text_is_valid),
    CUNIT_CASE(characters_of_two_to_four_bytes_are_valid),
    CUNIT_CASE(bad_sequences_are_not_valid_wherever_they_stand),
    CUNIT_CASE(a_zero_byte_is_only_well_formed),
    CUNIT_CASE(a_bad_byte_after_a_zero_byte_is_found),
    CUNIT_CASE(char_len_tells_the_length_of_a_character),
};

CUNIT_MAIN("utf8", cases)
