/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's table of filters. */
#include "services/gateway/filters.h"
#include "tests/unit/cunit_main.h"

static struct slice
s(const char *text)
{
    return slice_cstr(text);
}

static void
first_and_last_worker_are_told(void)
{
    struct filters *f = filters_new(100);
    bool first = false, last = true;
    CU_ASSERT(filters_add(f, s("a/+"), 0, &first) == OK && first);
    CU_ASSERT(filters_add(f, s("a/+"), 31, &first) == OK && !first);
    CU_ASSERT(filters_add(f, s("a/+"), 31, &first) == OK && !first);
    CU_ASSERT(filters_count(f) == 1);
    CU_ASSERT(filters_remove(f, s("a/+"), 0, &last) == OK && !last);
    CU_ASSERT(filters_remove(f, s("a/+"), 0, &last) == ERR_NOT_FOUND);
    CU_ASSERT(filters_remove(f, s("a/+"), 31, &last) == OK && last);
    CU_ASSERT(filters_remove(f, s("a/+"), 31, &last) == ERR_NOT_FOUND);
    CU_ASSERT(filters_count(f) == 0);
    filters_free(f);
}

static void
match_joins_the_workers_of_all_filters(void)
{
    struct filters *f = filters_new(100);
    bool first;
    CU_ASSERT(filters_add(f, s("a/b"), 0, &first) == OK);
    CU_ASSERT(filters_add(f, s("a/#"), 3, &first) == OK);
    CU_ASSERT(filters_add(f, s("+/b"), 31, &first) == OK);
    CU_ASSERT(filters_add(f, s("c"), 5, &first) == OK);
    CU_ASSERT_EQUAL(filters_match(f, s("a/b")), 1u | 1u << 3 | 1u << 31);
    CU_ASSERT_EQUAL(filters_match(f, s("a")), 1u << 3);
    CU_ASSERT_EQUAL(filters_match(f, s("d")), 0);
    filters_free(f);
}

static void
full_table_refuses(void)
{
    struct filters *f = filters_new(1);
    bool first;
    CU_ASSERT(filters_add(f, s("a"), 0, &first) == OK);
    CU_ASSERT(filters_add(f, s("b"), 0, &first) == ERR_QUOTA);
    CU_ASSERT(filters_add(f, s("a"), 1, &first) == OK);
    filters_free(f);
}

static void
add_mask(void *arg, struct slice filter, uint32_t workers)
{
    uint32_t *sum = arg;
    CU_ASSERT(filter.len == 1);
    *sum += workers;
}

static void
each_visits_every_filter_once(void)
{
    struct filters *f = filters_new(10);
    bool first;
    uint32_t sum = 0;
    CU_ASSERT(filters_add(f, s("a"), 0, &first) == OK);
    CU_ASSERT(filters_add(f, s("b"), 1, &first) == OK);
    CU_ASSERT(filters_add(f, s("#"), 2, &first) == OK);
    filters_each(f, add_mask, &sum);
    CU_ASSERT_EQUAL(sum, 7);
    filters_free(f);
}

static void
what_is_remembered_of_a_topic_follows_every_change(void)
{
    struct filters *filters = filters_new(10);
    bool changed;
    CU_ASSERT_EQUAL(filters_match(filters, slice_cstr("a/b")), 0);
    CU_ASSERT_EQUAL(filters_add(filters, slice_cstr("a/+"), 3, &changed), OK);
    CU_ASSERT_EQUAL(filters_match(filters, slice_cstr("a/b")), 1u << 3);
    CU_ASSERT_EQUAL(filters_add(filters, slice_cstr("a/+"), 0, &changed), OK);
    CU_ASSERT_EQUAL(filters_match(filters, slice_cstr("a/b")), 1u << 3 | 1u);
    CU_ASSERT_EQUAL(filters_remove(filters, slice_cstr("a/+"), 3, &changed), OK);
    CU_ASSERT_EQUAL(filters_match(filters, slice_cstr("a/b")), 1u);
    CU_ASSERT_EQUAL(filters_remove(filters, slice_cstr("a/+"), 0, &changed), OK);
    CU_ASSERT_EQUAL(filters_match(filters, slice_cstr("a/b")), 0);
    filters_free(filters);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_is_remembered_of_a_topic_follows_every_change),
    CUNIT_CASE(first_and_last_worker_are_told),
    CUNIT_CASE(match_joins_the_workers_of_all_filters),
    CUNIT_CASE(full_table_refuses),
    CUNIT_CASE(each_visits_every_filter_once),
};
CUNIT_MAIN("filters", cases)
