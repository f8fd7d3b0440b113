/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule counts, what a filter may reach, and what names cannot do. */
#include "proto/access_check.h"

#include "proto/topic.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>

/* What a row asks: publish, subscribe. */
#define P 'p'
#define S 's'

struct row {
    char ask;
    const char *text; /* topic or filter */
    bool want;
};

struct person {
    const char *user, *client;
    const char *own, *role; /* rules */
    bool allow_default;
};

static struct access_check *
check_of(const struct person *person)
{
    struct access_rules own, role;
    const struct access_rules *both[2] = {&own, &role};
    struct access_names names = {slice_cstr(person->user), slice_cstr(person->client)};
    struct access_problem problem;
    struct access_check *check;
    CU_ASSERT_EQUAL_FATAL(access_rules_parse(slice_cstr(person->own), &own, &problem), OK);
    CU_ASSERT_EQUAL_FATAL(access_rules_parse(slice_cstr(person->role), &role, &problem), OK);
    check = access_check_new(both, 2, &names, person->allow_default ? ACCESS_ALL : 0);
    access_rules_fini(&own);
    access_rules_fini(&role);
    return check;
}

static void
ask(const struct person *person, const struct row *rows, size_t count, int line)
{
    struct access_check *check = check_of(person);
    size_t i;
    for (i = 0; i < count; i++) {
        struct slice text = slice_cstr(rows[i].text);
        bool got = rows[i].ask == P ? access_check_publish(check, text)
                                    : access_check_subscribe(check, text);
        if (got != rows[i].want) {
            printf("line %d: %c %s: %d\n", line, rows[i].ask, rows[i].text, got);
            CU_FAIL("another decision");
        }
    }
    access_check_free(check);
}

#define ASK(person, rows) ask(&(person), (rows), sizeof(rows) / sizeof((rows)[0]), __LINE__)

static void
without_rules_the_default_decides(void)
{
    static const struct row yes[] = {{P, "a", true}, {S, "#", true}, {S, "$SYS/#", true}};
    static const struct row no[] = {{P, "a", false}, {S, "#", false}, {S, "$share/g/a", false}};
    struct person open = {"u", "c", "", "", true};
    struct person closed = {"u", "c", "", "", false};
    CU_ASSERT_PTR_NULL(check_of(&open));
    ASK(open, yes);
    ASK(closed, no);
}

static void
the_most_specific_rule_decides(void)
{
    static const struct row rows[] = {
        {P, "a/b/c", true},  /* written out beats a/+/c */
        {P, "a/x/c", false}, /* + beats a/# */
        {P, "a/x/d", true},  /* a/# beats # */
        {P, "a", true},      /* a/# matches its parent */
        {P, "z", false},        {P, "z/y", false}, {P, "end/it", true}, /* the end beats # */
        {P, "end/it/x", false},
    };
    struct person person = {"u", "c",
                            "deny all #\nallow all a/#\ndeny all a/+/c\nallow all a/b/c\n"
                            "deny all end/it/#\nallow all end/it",
                            "", true};
    ASK(person, rows);
}

static void
levels_count_from_the_first(void)
{
    /* Both match a/b/c: the first difference is at level 2. */
    static const struct row rows[] = {{P, "a/b/c", true}, {P, "a/x/c", false}};
    struct person person = {"u", "c", "deny all a/+/c\nallow all a/b/#", "", true};
    ASK(person, rows);
}

static void
on_a_tie_the_users_own_rule_then_deny_counts(void)
{
    static const struct row rows[] = {{P, "a", true}, {P, "b", false}, {P, "c", false}};
    struct person person = {"u", "c", "allow all a\ndeny all b\nallow all c\ndeny all c",
                            "deny all a\nallow all b", true};
    ASK(person, rows);
}

static void
a_more_specific_rule_of_a_role_beats_the_users_own(void)
{
    static const struct row rows[] = {{P, "a/b", false}, {P, "a/c", true}};
    struct person person = {"u", "c", "allow all a/#", "deny all a/b", false};
    ASK(person, rows);
}

static void
actions_are_apart(void)
{
    static const struct row rows[] = {
        {P, "a", true}, {S, "a", false}, {P, "b", false}, {S, "b", true}, {P, "c", true}};
    struct person person = {
        "u", "c", "allow publish a\ndeny subscribe a\nallow subscribe b\nallow all c", "", false};
    ASK(person, rows);
}

static void
a_subscription_needs_one_allow_over_all_of_it(void)
{
    static const struct row rows[] = {
        {S, "a", true},
        {S, "a/b", true},
        {S, "a/+", true},
        {S, "a/#", true},
        {S, "+/b", false},
        {S, "#", false},
        {S, "b/1/x", true},
        {S, "b/+/x", true},
        {S, "b/1/+", false},
        {S, "b/#", false},
        {S, "c/x", true},
        {S, "c/y", true},
        {S, "c/+", false},
        {S, "a/b/c/#", true},
        {S, "$share/g/a/+", true},
        {S, "$share/g/#", false},
        {S, "$share/g/b/+/x", true},
    };
    struct person person = {
        "u", "c", "allow subscribe a/#\nallow subscribe b/+/x\nallow all c/x\nallow all c/y", "",
        false};
    ASK(person, rows);
}

static void
a_deny_that_counts_more_denies_what_overlaps_it(void)
{
    static const struct row rows[] = {
        {S, "a/secret", false}, {S, "a/+", false}, {S, "a/#", false},          {S, "a/b/#", true},
        {S, "+/secret", false}, {S, "#", false},   {S, "+/+", false},          {S, "a/b", true},
        {S, "b/#", true},       {S, "+", true},    {S, "$share/g/+/+", false},
    };
    struct person person = {"u", "c", "deny subscribe a/secret", "", true};
    ASK(person, rows);
}

static void
a_deny_that_counts_less_does_not_matter(void)
{
    static const struct row rows[] = {
        {S, "a/open/#", true}, {S, "a/open/x", true}, {S, "a/x", false},
        {S, "a/#", false},     {S, "a/+/x", false},
    };
    struct person person = {"u", "c", "deny all a/#\nallow all a/open/#", "", true};
    ASK(person, rows);
}

static void
first_wildcards_leave_topics_with_a_dollar_alone(void)
{
    static const struct row open[] = {
        {S, "#", false}, {S, "$SYS/#", true}, {S, "$SYS/x", true}, {S, "+/x", false}};
    static const struct row closed[] = {
        {S, "#", true}, {S, "$SYS/#", false}, {P, "$x/y", false}, {S, "+/x", true}};
    struct person denied = {"u", "c", "deny all #", "", true};
    struct person allowed = {"u", "c", "allow all #", "", false};
    struct person guarded = {"u", "c", "deny subscribe $SYS/#", "", true};
    static const struct row guard[] = {{S, "#", true}, {S, "$SYS/a", false}, {S, "+/a", true}};
    ASK(denied, open);
    ASK(allowed, closed);
    ASK(guarded, guard);
}

static void
names_are_put_in(void)
{
    static const struct row rows[] = {
        {P, "s/ann/x", true},  {P, "s/bob/x", false},    {P, "d-c1/x", true},
        {P, "d-c2/x", false},  {S, "s/ann/#", true},     {S, "s/+/#", false},
        {P, "100%/ann", true}, {S, "both/ann/c1", true},
    };
    struct person person = {
        "ann", "c1", "",
        "allow all s/%u/#\nallow all d-%c/x\nallow all 100%%/%u\nallow all both/%u/%c", false};
    ASK(person, rows);
}

static void
no_name_widens_what_its_owner_may_do(void)
{
    static const char *const names[] = {"", "+", "#", "a/b", "a/#", "x+", "/", "a#"};
    static const struct row no[] = {{P, "s/a/b/x", false}, {P, "s/x/x", false}, {S, "s/+/x", false},
                                    {S, "s/#", false},     {P, "s//x", false},  {S, "#", false},
                                    {P, "s/a", false}};
    static const struct row kept[] = {{P, "t/a/b/x", false}, {P, "t/x/x", false},
                                      {S, "t/+/x", false},   {S, "t/#", false},
                                      {P, "t/any", false},   {P, "other", true}};
    size_t i;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct person allowed = {names[i], "c", "allow all s/%u/x\nallow all s/%u\nallow all %u",
                                 "", false};
        struct person denied = {names[i], "c", "deny all t/pre%u/x", "", true};
        ASK(allowed, no);
        ASK(denied, kept);
    }
}

static void
a_name_does_not_begin_a_dollar_topic(void)
{
    static const struct row rows[] = {{P, "$SYS/x", false}, {S, "$SYS/#", false}};
    struct person allowed = {"u", "$SYS", "allow all %c/#\nallow all #", "", false};
    struct person denied = {"u", "$SYS", "deny all %c/#", "", true};
    ASK(allowed, rows);
    ASK(denied, rows);
}

/* Over all short filters: what may be subscribed delivers nothing that is denied by itself. */
static void
an_allowed_filter_reaches_nothing_denied(void)
{
    static const char *const levels[] = {"a", "b", "+", "#"};
    static const char *const texts[] = {
        "allow all #\ndeny all a/+\nallow all a/b",
        "deny all #\nallow all +/b\ndeny all a/#\nallow all a/b/a",
        "allow all +/+\ndeny all b/a\nallow all a/#",
        "deny all +/a/+\nallow all a/#\ndeny all #",
    };
    char filters[84][16], topics[84][16];
    size_t f = 0, t = 0, i, k, n;
    for (n = 1; n <= 3; n++) {
        size_t combination, all = n == 1 ? 4 : n == 2 ? 16 : 64;
        for (combination = 0; combination < all; combination++) {
            char text[16];
            (void)snprintf(text, sizeof(text),
                           n == 1   ? "%s"
                           : n == 2 ? "%s/%s"
                                    : "%s/%s/%s",
                           levels[combination % 4], levels[combination / 4 % 4],
                           levels[combination / 16]);
            if (topic_filter_is_valid(slice_cstr(text)))
                snprintf(filters[f++], 16, "%s", text);
            if (topic_name_is_valid(slice_cstr(text)))
                snprintf(topics[t++], 16, "%s", text);
        }
    }
    CU_ASSERT_EQUAL(t, 14);
    for (n = 0; n < sizeof(texts) / sizeof(texts[0]); n++) {
        struct person person = {"u", "c", texts[n], "", n % 2 == 0};
        struct access_check *check = check_of(&person);
        for (i = 0; i < f; i++) {
            if (!access_check_subscribe(check, slice_cstr(filters[i])))
                continue;
            for (k = 0; k < t; k++) {
                if (topic_matches(slice_cstr(filters[i]), slice_cstr(topics[k])))
                    CU_ASSERT_TRUE(access_check_subscribe(check, slice_cstr(topics[k])));
            }
        }
        for (k = 0; k < t; k++)
            CU_ASSERT_EQUAL(access_check_subscribe(check, slice_cstr(topics[k])),
                            access_check_publish(check, slice_cstr(topics[k])));
        access_check_free(check);
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(without_rules_the_default_decides),
    CUNIT_CASE(the_most_specific_rule_decides),
    CUNIT_CASE(levels_count_from_the_first),
    CUNIT_CASE(on_a_tie_the_users_own_rule_then_deny_counts),
    CUNIT_CASE(a_more_specific_rule_of_a_role_beats_the_users_own),
    CUNIT_CASE(actions_are_apart),
    CUNIT_CASE(a_subscription_needs_one_allow_over_all_of_it),
    CUNIT_CASE(a_deny_that_counts_more_denies_what_overlaps_it),
    CUNIT_CASE(a_deny_that_counts_less_does_not_matter),
    CUNIT_CASE(first_wildcards_leave_topics_with_a_dollar_alone),
    CUNIT_CASE(names_are_put_in),
    CUNIT_CASE(no_name_widens_what_its_owner_may_do),
    CUNIT_CASE(a_name_does_not_begin_a_dollar_topic),
    CUNIT_CASE(an_allowed_filter_reaches_nothing_denied),
};

CUNIT_MAIN("access_check", cases)
