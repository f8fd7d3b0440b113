/* SPDX-License-Identifier: Apache-2.0 */
/* The text of access rules: what is read, and where it says it is wrong. */
#include "proto/access_rules.h"

#include "common/buf.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>
#include <string.h>

static void
rules_are_read_in_their_order(void)
{
    static const char text[] = "allow publish sensors/%u/#\n"
                               "\n"
                               "  # says nothing\r\n"
                               "\tdeny\t subscribe  a room/+  \r\n"
                               "allow all %c-100%%/x";
    static const struct {
        bool allow;
        uint8_t actions, names;
        const char *filter;
    } want[] = {
        {true, ACCESS_PUBLISH, ACCESS_NAME_USER, "sensors/%u/#"},
        {false, ACCESS_SUBSCRIBE, 0, "a room/+"},
        {true, ACCESS_PUBLISH | ACCESS_SUBSCRIBE, ACCESS_NAME_CLIENT, "%c-100%%/x"},
    };
    struct access_rules rules;
    struct access_problem problem;
    size_t i;
    CU_ASSERT_EQUAL_FATAL(access_rules_parse(slice_cstr(text), &rules, &problem), OK);
    CU_ASSERT_EQUAL_FATAL(rules.count, 3);
    CU_ASSERT_EQUAL(rules.names, ACCESS_NAME_USER | ACCESS_NAME_CLIENT);
    for (i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(rules.rules[i].allow, want[i].allow);
        CU_ASSERT_EQUAL(rules.rules[i].actions, want[i].actions);
        CU_ASSERT_EQUAL(rules.rules[i].names, want[i].names);
        CU_ASSERT(slice_equal_cstr(access_rules_filter(&rules, i), want[i].filter));
    }
    access_rules_fini(&rules);
}

static void
an_empty_text_has_no_rules(void)
{
    static const char *const texts[] = {"", "\n", "# allow all #", " \t\r\n\n"};
    struct access_rules rules;
    struct access_problem problem;
    size_t i;
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        CU_ASSERT_EQUAL_FATAL(access_rules_parse(slice_cstr(texts[i]), &rules, &problem), OK);
        CU_ASSERT_EQUAL(rules.count, 0);
        access_rules_fini(&rules);
    }
}

static void
what_is_wrong_is_said_with_its_place(void)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } table[] = {
        {"permit all #", 1, 1, "allow or deny"},
        {"allow all #\n  Deny all #", 2, 3, "allow or deny"},
        {"allow\n", 1, 6, "publish, subscribe or all"},
        {"allow read a", 1, 7, "publish, subscribe or all"},
        {"allow all", 1, 10, "missing"},
        {"allow all   ", 1, 13, "missing"},
        {"allow all a/#/b", 1, 11, "no topic filter"},
        {"allow all a/b#", 1, 11, "no topic filter"},
        {"allow all +%u", 1, 11, "no topic filter"},
        {"allow all %u#", 1, 11, "no topic filter"},
        {"allow all a/\xff", 1, 11, "no topic filter"},
        {"allow all a/%x", 1, 13, "%u, %c and %%"},
        {"allow all a/%", 1, 13, "%u, %c and %%"},
        {"allow all a%%%", 1, 14, "%u, %c and %%"},
        {"allow all $share/g/a", 1, 11, "shared"},
        {"\n\nallow all $share/g", 3, 11, "no topic filter"},
    };
    struct access_rules rules;
    struct access_problem problem;
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        enum err err = access_rules_parse(slice_cstr(table[i].text), &rules, &problem);
        CU_ASSERT_EQUAL_FATAL(err, ERR_INVALID);
        CU_ASSERT_EQUAL(problem.line, table[i].line);
        CU_ASSERT_EQUAL(problem.column, table[i].column);
        CU_ASSERT_PTR_NOT_NULL(strstr(problem.text, table[i].says));
    }
}

static void
a_zero_byte_is_no_filter(void)
{
    struct access_rules rules;
    struct access_problem problem;
    CU_ASSERT_EQUAL(access_rules_parse(slice_of("allow all a\0b", 13), &rules, &problem),
                    ERR_INVALID);
}

static void
texts_and_rules_are_bounded(void)
{
    static char text[ACCESS_RULES_TEXT_MAX + 1];
    struct access_rules rules;
    struct access_problem problem;
    struct buf many;
    unsigned i;
    memset(text, '\n', sizeof(text));
    CU_ASSERT_EQUAL(access_rules_parse(slice_of(text, sizeof(text)), &rules, &problem),
                    ERR_TOO_LARGE);
    CU_ASSERT_EQUAL_FATAL(access_rules_parse(slice_of(text, sizeof(text) - 1), &rules, &problem),
                          OK);
    access_rules_fini(&rules);
    buf_init(&many, 1 << 16);
    for (i = 0; i < ACCESS_RULES_MAX; i++)
        buf_append_cstr(&many, "allow all a\n");
    CU_ASSERT_EQUAL_FATAL(access_rules_parse(buf_slice(&many), &rules, &problem), OK);
    CU_ASSERT_EQUAL(rules.count, ACCESS_RULES_MAX);
    access_rules_fini(&rules);
    buf_append_cstr(&many, "allow all a\n");
    CU_ASSERT_EQUAL(access_rules_parse(buf_slice(&many), &rules, &problem), ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(problem.line, ACCESS_RULES_MAX + 1);
    buf_fini(&many);
}

static void
filters_have_at_most_128_levels(void)
{
    char text[400];
    struct access_rules rules;
    struct access_problem problem;
    int n = snprintf(text, sizeof(text), "allow all ");
    memset(text + n, '/', 128);
    CU_ASSERT_EQUAL(access_rules_parse(slice_of(text, (size_t)n + 128), &rules, &problem),
                    ERR_INVALID);
    CU_ASSERT_EQUAL_FATAL(access_rules_parse(slice_of(text, (size_t)n + 127), &rules, &problem),
                          OK);
    access_rules_fini(&rules);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(rules_are_read_in_their_order),        CUNIT_CASE(an_empty_text_has_no_rules),
    CUNIT_CASE(what_is_wrong_is_said_with_its_place), CUNIT_CASE(a_zero_byte_is_no_filter),
    CUNIT_CASE(texts_and_rules_are_bounded),          CUNIT_CASE(filters_have_at_most_128_levels),
};

CUNIT_MAIN("access_rules", cases)
