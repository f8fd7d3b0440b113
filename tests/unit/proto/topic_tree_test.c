/* SPDX-License-Identifier: Apache-2.0 */
/* The route tree, against a plain list of filters and topic_matches, and what it costs. */
#include "proto/topic_tree.h"

#include "proto/limits.h"
#include "proto/topic.h"
#include "tests/unit/cunit_main.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

static struct slice
text(const char *s)
{
    return slice_cstr(s);
}

static void
count_one(void *arg, void *value)
{
    (void)value;
    ++*(size_t *)arg;
}

static size_t
hits(const struct topic_tree *tree, const char *topic)
{
    size_t n = 0;
    size_t said = topic_tree_match(tree, text(topic), count_one, &n);
    CU_ASSERT_EQUAL(said, n);
    CU_ASSERT_EQUAL(topic_tree_has_match(tree, text(topic)), n > 0);
    return n;
}

static void
put(struct topic_tree *tree, const char *filter)
{
    void **place = topic_tree_add(tree, text(filter));
    CU_ASSERT_PTR_NOT_NULL_FATAL(place);
    *place = tree;
}

static void
an_empty_tree_has_nothing(void)
{
    struct topic_tree *tree = topic_tree_new(10);
    CU_ASSERT_EQUAL(topic_tree_count(tree), 0);
    CU_ASSERT_EQUAL(hits(tree, "a"), 0);
    CU_ASSERT_PTR_NULL(topic_tree_get(tree, text("a")));
    CU_ASSERT_PTR_NULL(topic_tree_remove(tree, text("a")));
    CU_ASSERT_PTR_NULL(topic_tree_get(tree, text("")));
    CU_ASSERT_PTR_NULL(topic_tree_add(tree, text("")));
    topic_tree_free(tree, NULL, NULL);
    topic_tree_free(NULL, NULL, NULL);
}

static void
a_filter_is_found_until_it_is_removed(void)
{
    struct topic_tree *tree = topic_tree_new(10);
    int one = 1;
    void **place = topic_tree_add(tree, text("a/b/c"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(place);
    CU_ASSERT_PTR_NULL(*place);
    CU_ASSERT_EQUAL(hits(tree, "a/b/c"), 0); /* no value yet */
    *place = &one;
    CU_ASSERT_PTR_EQUAL(topic_tree_add(tree, text("a/b/c")), place);
    CU_ASSERT_PTR_EQUAL(topic_tree_get(tree, text("a/b/c")), place);
    CU_ASSERT_PTR_NULL(topic_tree_get(tree, text("a/b")));
    CU_ASSERT_PTR_NULL(topic_tree_remove(tree, text("a/b")));
    CU_ASSERT_EQUAL(topic_tree_count(tree), 1);
    CU_ASSERT_EQUAL(hits(tree, "a/b/c"), 1);
    CU_ASSERT_PTR_EQUAL(topic_tree_remove(tree, text("a/b/c")), &one);
    CU_ASSERT_EQUAL(hits(tree, "a/b/c"), 0);
    CU_ASSERT_EQUAL(topic_tree_count(tree), 0);
    topic_tree_free(tree, NULL, NULL);
}

static void
wildcards_and_dollar_topics_follow_the_standard(void)
{
    struct topic_tree *tree = topic_tree_new(100);
    put(tree, "#");
    put(tree, "+");
    put(tree, "+/b");
    put(tree, "a/#");
    put(tree, "a/+/c");
    put(tree, "$SYS/#");
    put(tree, "$SYS/+");
    put(tree, "/");
    CU_ASSERT_EQUAL(hits(tree, "a"), 3);     /* # + a/# */
    CU_ASSERT_EQUAL(hits(tree, "a/b"), 3);   /* # +/b a/# */
    CU_ASSERT_EQUAL(hits(tree, "a/b/c"), 3); /* # a/# a/+/c */
    CU_ASSERT_EQUAL(hits(tree, "x/y/z/1/2/3/4/5/6"), 1);
    CU_ASSERT_EQUAL(hits(tree, "$SYS"), 1);
    CU_ASSERT_EQUAL(hits(tree, "$SYS/b"), 2);
    CU_ASSERT_EQUAL(hits(tree, "$x"), 0);
    CU_ASSERT_EQUAL(hits(tree, "/"), 2);
    CU_ASSERT_EQUAL(hits(tree, "a/$b"), 2);
    topic_tree_free(tree, NULL, NULL);
}

static void
plus_and_exact_ways_are_both_taken(void)
{
    struct topic_tree *tree = topic_tree_new(100);
    put(tree, "+/+/+");
    put(tree, "+/+/c");
    put(tree, "+/b/+");
    put(tree, "+/b/c");
    put(tree, "a/+/+");
    put(tree, "a/+/c");
    put(tree, "a/b/+");
    put(tree, "a/b/c");
    CU_ASSERT_EQUAL(hits(tree, "a/b/c"), 8);
    CU_ASSERT_EQUAL(hits(tree, "a/b/x"), 4);
    CU_ASSERT_EQUAL(hits(tree, "x/y/z"), 1);
    topic_tree_free(tree, NULL, NULL);
}

static void
a_full_tree_takes_no_more(void)
{
    struct topic_tree *tree = topic_tree_new(2);
    put(tree, "a");
    put(tree, "b");
    CU_ASSERT_PTR_NULL(topic_tree_add(tree, text("c")));
    CU_ASSERT_PTR_NOT_NULL(topic_tree_add(tree, text("a")));
    (void)topic_tree_remove(tree, text("a"));
    CU_ASSERT_PTR_NOT_NULL(topic_tree_add(tree, text("c")));
    topic_tree_free(tree, NULL, NULL);
}

static void
too_many_levels_are_not_taken_but_matched_against(void)
{
    static char deep[2 * LIMITS_FILTER_LEVELS + 2];
    static char topic[LIMITS_TOPIC + 1];
    struct topic_tree *tree = topic_tree_new(10);
    for (size_t i = 0; i < sizeof(deep); i++)
        deep[i] = i % 2 == 0 ? '+' : '/';
    memset(topic, '/', sizeof(topic));
    CU_ASSERT_PTR_NULL(topic_tree_add(tree, slice_of(deep, 2 * LIMITS_FILTER_LEVELS + 1)));
    void **place = topic_tree_add(tree, slice_of(deep, 2 * LIMITS_FILTER_LEVELS - 1));
    CU_ASSERT_PTR_NOT_NULL_FATAL(place);
    *place = tree;
    put(tree, "+/#");
    size_t n = 0;
    CU_ASSERT_EQUAL(
        topic_tree_match(tree, slice_of(topic, LIMITS_FILTER_LEVELS - 1), count_one, &n), 2);
    CU_ASSERT_EQUAL(topic_tree_match(tree, slice_of(topic, LIMITS_FILTER_LEVELS), count_one, &n),
                    1);
    CU_ASSERT_EQUAL(topic_tree_match(tree, slice_of(topic, LIMITS_TOPIC), count_one, &n), 1);
    CU_ASSERT_EQUAL(topic_tree_match(tree, slice_of(topic, LIMITS_TOPIC + 1), count_one, &n), 0);
    CU_ASSERT_PTR_EQUAL(topic_tree_remove(tree, slice_of(deep, 2 * LIMITS_FILTER_LEVELS - 1)),
                        tree);
    topic_tree_free(tree, NULL, NULL);
}

static bool
no_more(void *arg, struct slice filter, void **value)
{
    (void)filter;
    (void)value;
    ++*(size_t *)arg;
    return false;
}

static void
everything_is_given_back(void)
{
    struct topic_tree *tree = topic_tree_new(100000);
    size_t empty = topic_tree_bytes(tree);
    char filter[64];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5000; i++) {
            (void)snprintf(filter, sizeof(filter), "P/%u/%c/#", i, i % 2 == 0 ? '+' : 'x');
            put(tree, filter);
        }
        CU_ASSERT_EQUAL(topic_tree_count(tree), 5000);
        size_t seen = 0;
        if (round == 0) {
            topic_tree_each(tree, no_more, &seen); /* removes nothing */
            CU_ASSERT_EQUAL(topic_tree_count(tree), 5000);
            seen = 0;
            topic_tree_prune(tree, no_more, &seen);
            CU_ASSERT_EQUAL(seen, 5000);
        } else {
            for (unsigned i = 0; i < 5000; i++) {
                (void)snprintf(filter, sizeof(filter), "P/%u/%c/#", i, i % 2 == 0 ? '+' : 'x');
                CU_ASSERT_PTR_EQUAL(topic_tree_remove(tree, text(filter)), tree);
            }
        }
        CU_ASSERT_EQUAL(topic_tree_count(tree), 0);
        CU_ASSERT_EQUAL(topic_tree_bytes(tree), empty);
    }
    topic_tree_free(tree, NULL, NULL);
}

/* Property test: a tree and a list see the same adds, removes, prunes and matches. */

#define LIST_MAX 400

struct list {
    char filters[LIST_MAX][24];
    int values[LIST_MAX];
    size_t count;
};

static unsigned
below(unsigned n)
{
    return (unsigned)rand() % n;
}

static void
make_topic(char *out, bool wildcards)
{
    static const char *const words[] = {"",   "a",  "b",  "c",  "$d", "longer-than-16-bytes",
                                        "k0", "k1", "k2", "k3", "k4"};
    size_t levels = 1 + below(4);
    size_t at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < levels; i++) {
        unsigned pick = below(wildcards ? 14 : 11);
        const char *word = pick < 11 ? words[pick] : pick < 13 ? "+" : "#";
        if (pick == 5 && at > 0)
            word = "a"; /* at most one long word, as the text is short */
        if (at + strlen(word) + 2 > 24)
            break;
        at += (size_t)sprintf(out + at, "%s%s", i > 0 ? "/" : "", word);
        if (pick == 13)
            break;
    }
    if (at == 0)
        strcpy(out, "a");
}

static size_t
list_find(const struct list *list, const char *filter)
{
    size_t i = 0;
    while (i < list->count && strcmp(list->filters[i], filter) != 0)
        i++;
    return i;
}

static void
list_remove(struct list *list, size_t at)
{
    list->count--;
    memcpy(list->filters[at], list->filters[list->count], sizeof(list->filters[0]));
    list->values[at] = list->values[list->count];
}

static void
mark(void *arg, void *value)
{
    int *seen = arg;
    seen[(size_t)(uintptr_t)value]++;
}

static bool
keep_if_even(void *arg, struct slice filter, void **value)
{
    struct list *list = arg;
    char copy[32] = {0};
    CU_ASSERT_FATAL(filter.len < sizeof(copy));
    memcpy(copy, filter.data, filter.len);
    size_t at = list_find(list, copy);
    CU_ASSERT_NOT_EQUAL_FATAL(at, list->count);
    CU_ASSERT_EQUAL(list->values[at], (int)(uintptr_t)*value);
    if (list->values[at] % 2 == 0)
        return true;
    list_remove(list, at);
    return false;
}

static bool
same_matches(const struct topic_tree *tree, const struct list *list, const char *topic)
{
    static int seen[LIST_MAX * 20];
    memset(seen, 0, sizeof(seen));
    (void)topic_tree_match(tree, text(topic), mark, seen);
    for (size_t i = 0; i < list->count; i++) {
        int want = topic_matches(text(list->filters[i]), text(topic)) ? 1 : 0;
        if (seen[list->values[i]] != want) {
            printf("\n    filter %s topic %s: want %d got %d\n", list->filters[i], topic, want,
                   seen[list->values[i]]);
            return false;
        }
        seen[list->values[i]] = 0;
    }
    for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
        if (seen[i] != 0)
            return false;
    }
    return true;
}

static void
it_agrees_with_a_list_of_filters(void)
{
    static struct list list;
    const char *given = getenv("TOPIC_TREE_SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 20240601u;
    printf("(seed %u) ", seed);
    srand(seed);
    struct topic_tree *tree = topic_tree_new(LIST_MAX);
    int next = 1;
    char topic[24];
    bool same = true;
    list.count = 0;
    for (unsigned step = 0; step < 20000 && same; step++) {
        unsigned what = below(100);
        if (what < 30 && list.count < LIST_MAX && next < LIST_MAX * 20 - 1) {
            make_topic(topic, true);
            void **place = topic_tree_add(tree, text(topic));
            CU_ASSERT_PTR_NOT_NULL_FATAL(place);
            size_t at = list_find(&list, topic);
            if (at == list.count) {
                CU_ASSERT_PTR_NULL(*place);
                strcpy(list.filters[at], topic);
                list.values[at] = next;
                *place = (void *)(uintptr_t)next++;
                list.count++;
            } else {
                CU_ASSERT_EQUAL((int)(uintptr_t)*place, list.values[at]);
            }
        } else if (what < 45) {
            make_topic(topic, true);
            size_t at = below(2) == 0 && list.count > 0 ? below((unsigned)list.count)
                                                        : list_find(&list, topic);
            if (at < list.count)
                strcpy(topic, list.filters[at]);
            void *value = topic_tree_remove(tree, text(topic));
            CU_ASSERT_EQUAL((int)(uintptr_t)value, at < list.count ? list.values[at] : 0);
            if (at < list.count)
                list_remove(&list, at);
        } else if (what == 45 && below(10) == 0) {
            topic_tree_prune(tree, keep_if_even, &list);
        } else {
            make_topic(topic, false);
            same = same_matches(tree, &list, topic);
        }
        CU_ASSERT_EQUAL(topic_tree_count(tree), list.count);
    }
    CU_ASSERT(same);
    topic_tree_free(tree, NULL, NULL);
}

static void
count_value(void *arg, void *value)
{
    (void)value;
    ++*(size_t *)arg;
}

static void
a_node_with_100000_children_stays_small_and_exact(void)
{
    struct topic_tree *tree = topic_tree_new(100000);
    char filter[32];
    struct mallinfo2 before = mallinfo2();
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(filter, sizeof(filter), "P/%u", i);
        put(tree, filter);
    }
    struct mallinfo2 after = mallinfo2();
    size_t asked = topic_tree_bytes(tree) / 100000;
    printf("(%zu bytes asked, %zu used a filter) ", asked,
           (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / 100000);
    CU_ASSERT(asked <= 100);
    for (unsigned i = 0; i < 100000; i++) {
        (void)snprintf(filter, sizeof(filter), "P/%u", i);
        if (hits(tree, filter) != 1)
            CU_FAIL("lost a child");
    }
    CU_ASSERT_EQUAL(hits(tree, "P/100000"), 0);
    size_t freed = 0;
    topic_tree_free(tree, count_value, &freed);
    CU_ASSERT_EQUAL(freed, 100000);
}

static void
adding_and_removing_over_and_over_leaves_no_tombs_behind(void)
{
    struct topic_tree *tree = topic_tree_new(100000);
    char filter[32];
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(filter, sizeof(filter), "k/%u", i);
        put(tree, filter);
    }
    size_t bytes = topic_tree_bytes(tree);
    for (unsigned i = 50; i < 100000; i++) {
        (void)snprintf(filter, sizeof(filter), "k/%u", i);
        put(tree, filter);
        (void)snprintf(filter, sizeof(filter), "k/%u", i - 50);
        CU_ASSERT_PTR_EQUAL(topic_tree_remove(tree, text(filter)), tree);
    }
    CU_ASSERT(topic_tree_bytes(tree) < bytes * 3);
    CU_ASSERT_EQUAL(hits(tree, "k/99999"), 1);
    CU_ASSERT_EQUAL(hits(tree, "k/49"), 0);
    topic_tree_free(tree, NULL, NULL);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(an_empty_tree_has_nothing),
    CUNIT_CASE(a_filter_is_found_until_it_is_removed),
    CUNIT_CASE(wildcards_and_dollar_topics_follow_the_standard),
    CUNIT_CASE(plus_and_exact_ways_are_both_taken),
    CUNIT_CASE(a_full_tree_takes_no_more),
    CUNIT_CASE(too_many_levels_are_not_taken_but_matched_against),
    CUNIT_CASE(everything_is_given_back),
    CUNIT_CASE(it_agrees_with_a_list_of_filters),
    CUNIT_CASE(a_node_with_100000_children_stays_small_and_exact),
    CUNIT_CASE(adding_and_removing_over_and_over_leaves_no_tombs_behind),
};

CUNIT_MAIN("topic_tree", cases)
