/* SPDX-License-Identifier: Apache-2.0 */
/* Topic names and filters: the examples of the standard (§4.7) and the edges between them. */
#include "proto/topic.h"

#include "proto/limits.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>

static void
names_have_characters_but_no_wildcards(void)
{
    static const char *const good[] = {"a",
                                       "/",
                                       "//",
                                       "a/b/c",
                                       " ",
                                       "$SYS/x",
                                       "/finance",
                                       "sport/tennis",
                                       "0123456701234567",
                                       "t\xc3\xa4st/level",
                                       "12345678\xe2\x82\xac"};
    static const char *const bad[] = {"",
                                      "+",
                                      "#",
                                      "a/+",
                                      "a/b#",
                                      "0123456+",
                                      "01234567+",
                                      "01234567#1234567",
                                      "\xc3",
                                      "12345678\xff",
                                      "t\xc3\xa4st/+",
                                      "0123456701234567\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT(topic_name_is_valid(slice_cstr(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_FALSE(topic_name_is_valid(slice_cstr(bad[i])));
}

static void
names_have_no_zero_byte_anywhere(void)
{
    char text[20];
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'a', sizeof(text));
        CU_ASSERT(topic_name_is_valid(slice_of(text, sizeof(text))));
        text[at] = 0;
        CU_ASSERT_FALSE(topic_name_is_valid(slice_of(text, sizeof(text))));
    }
}

static void
names_and_filters_end_at_65535_bytes(void)
{
    static char text[LIMITS_TOPIC + 1];
    memset(text, 'x', sizeof(text));
    CU_ASSERT(topic_name_is_valid(slice_of(text, LIMITS_TOPIC)));
    CU_ASSERT_FALSE(topic_name_is_valid(slice_of(text, LIMITS_TOPIC + 1)));
    CU_ASSERT(topic_filter_is_valid(slice_of(text, LIMITS_TOPIC)));
    CU_ASSERT_FALSE(topic_filter_is_valid(slice_of(text, LIMITS_TOPIC + 1)));
}

static void
wildcards_stand_alone_in_their_level(void)
{
    static const char *const good[] = {"#",          "+",          "/",
                                       "+/+",        "/+",         "a/#",
                                       "a/+/#",      "+/tennis/#", "sport/+/player1",
                                       "$SYS/#",     "$share",     "$shared/x",
                                       "$share/g/a", "$share/g/#", "$share/g//"};
    static const char *const bad[] = {"",
                                      "a#",
                                      "#a",
                                      "a/#/b",
                                      "##",
                                      "#/",
                                      "a+",
                                      "+a",
                                      "++",
                                      "a/b+",
                                      "sport/tennis#",
                                      "$share/",
                                      "$share/g",
                                      "$share/g/",
                                      "$share//a",
                                      "$share/+/a",
                                      "$share/#/a",
                                      "$share/g+/a",
                                      "$share/g/a#",
                                      "\xc0/#"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT(topic_filter_is_valid(slice_cstr(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (topic_filter_is_valid(slice_cstr(bad[i])))
            printf("\n    %s\n", bad[i]);
        CU_ASSERT_FALSE(topic_filter_is_valid(slice_cstr(bad[i])));
    }
    CU_ASSERT_FALSE(topic_filter_is_valid(slice_of("a\0b", 3)));
}

struct match_row {
    const char *filter;
    const char *name;
    bool matches;
};

static void
filters_match_as_the_standard_says(void)
{
    static const struct match_row rows[] = {
        {"sport/tennis/player1/#", "sport/tennis/player1", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
        {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
        {"sport/tennis/player1/#", "sport/tennis/player12", false},
        {"sport/#", "sport", true},
        {"#", "sport", true},
        {"#", "/", true},
        {"sport/tennis/+", "sport/tennis/player1", true},
        {"sport/tennis/+", "sport/tennis/player1/ranking", false},
        {"sport/+", "sport", false},
        {"sport/+", "sport/", true},
        {"+/+", "/finance", true},
        {"/+", "/finance", true},
        {"+", "/finance", false},
        {"#", "$SYS/monitor/Clients", false},
        {"+/monitor/Clients", "$SYS/monitor/Clients", false},
        {"$SYS/#", "$SYS/monitor/Clients", true},
        {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
        {"$SYS/#", "$SYS", true},
        {"a/#", "a/$b", true},
        {"+/$b", "a/$b", true},
        {"a", "a", true},
        {"a", "A", false},
        {"a", "ab", false},
        {"ab", "a", false},
        {"a/b", "a", false},
        {"a", "a/b", false},
        {"a/", "a", false},
        {"a", "a/", false},
        {"a//b", "a//b", true},
        {"a/+/b", "a//b", true},
        {"+/#", "a", true},
        {"+/#", "a/b/c", true},
        {"a/+/#", "a", false},
        {"a/+/#", "a/b", true},
        {"/#", "/", true},
        {"/#", "", false},
        {"/#", "a", false},
        {"+/+/+", "//", true},
        {"+/b/+/d", "a/b/c/d", true},
        {"+/b/+/d", "a/b/c/e", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is = topic_matches(slice_cstr(rows[i].filter), slice_cstr(rows[i].name));
        if (is != rows[i].matches)
            printf("\n    %s on %s\n", rows[i].filter, rows[i].name);
        CU_ASSERT_EQUAL(is, rows[i].matches);
    }
}

static void
plus_does_not_match_two_levels(void)
{
    CU_ASSERT_FALSE(topic_matches(slice_cstr("a/+"), slice_cstr("a/b/c")));
}

static void
share_is_split_into_group_and_filter(void)
{
    struct slice group = {NULL, 0};
    struct slice filter = {NULL, 0};
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("$share/g1/a/+"), &group, &filter),
                    TOPIC_SHARE_VALID);
    CU_ASSERT(slice_equal_cstr(group, "g1"));
    CU_ASSERT(slice_equal_cstr(filter, "a/+"));
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("$share/g//"), &group, &filter),
                    TOPIC_SHARE_VALID);
    CU_ASSERT(slice_equal_cstr(filter, "/"));
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("$sharex/g/a"), &group, &filter),
                    TOPIC_SHARE_NONE);
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("a"), &group, &filter), TOPIC_SHARE_NONE);
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("$share/g"), &group, &filter),
                    TOPIC_SHARE_INVALID);
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("$share/g/"), &group, &filter),
                    TOPIC_SHARE_INVALID);
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("$share//a"), &group, &filter),
                    TOPIC_SHARE_INVALID);
    CU_ASSERT_EQUAL(topic_share_parse(slice_cstr("$share/a+/b"), &group, &filter),
                    TOPIC_SHARE_INVALID);
}

static void
levels_and_wildcards_are_counted(void)
{
    CU_ASSERT_EQUAL(topic_level_count(slice_cstr("a")), 1);
    CU_ASSERT_EQUAL(topic_level_count(slice_cstr("/")), 2);
    CU_ASSERT_EQUAL(topic_level_count(slice_cstr("a/b/c")), 3);
    CU_ASSERT(topic_filter_has_wildcard(slice_cstr("a/+")));
    CU_ASSERT(topic_filter_has_wildcard(slice_cstr("#")));
    CU_ASSERT_FALSE(topic_filter_has_wildcard(slice_cstr("a/b")));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(names_have_characters_but_no_wildcards),
    CUNIT_CASE(names_have_no_zero_byte_anywhere),
    CUNIT_CASE(names_and_filters_end_at_65535_bytes),
    CUNIT_CASE(wildcards_stand_alone_in_their_level),
    CUNIT_CASE(filters_match_as_the_standard_says),
    CUNIT_CASE(plus_does_not_match_two_levels),
    CUNIT_CASE(share_is_split_into_group_and_filter),
    CUNIT_CASE(levels_and_wildcards_are_counted),
};

CUNIT_MAIN("topic", cases)
