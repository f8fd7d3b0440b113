/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of what members have not finished: found by number, in order by place, bounded. */
#include "services/core/keeps.h"

#include "tests/unit/cunit_main.h"

static struct keep *
add(struct keeps *keeps, uint32_t place, const char *record)
{
    return keeps_add(keeps, place, slice_cstr("$share/g/t"), slice_cstr(record), 1);
}

static void
copies_are_found_by_number_and_in_order_by_place(void)
{
    struct keeps *keeps = keeps_new(10000, 500);
    struct keep *a = add(keeps, 1, "a"), *b = add(keeps, 1, "b"), *c = add(keeps, 2, "c");
    CU_ASSERT_TRUE_FATAL(a != NULL && b != NULL && c != NULL);
    CU_ASSERT_TRUE(a->number > 500 && b->number > a->number && c->number > b->number);
    CU_ASSERT_PTR_EQUAL(keeps_get(keeps, b->number), b);
    CU_ASSERT_PTR_NULL(keeps_get(keeps, 7));
    CU_ASSERT_TRUE(slice_equal_cstr(keep_share(a), "$share/g/t"));
    CU_ASSERT_TRUE(slice_equal_cstr(keep_record(a), "a"));
    CU_ASSERT_PTR_EQUAL(keeps_first(keeps, 1), a);
    keeps_remove(keeps, a);
    CU_ASSERT_PTR_EQUAL(keeps_first(keeps, 1), b);
    keeps_remove(keeps, b);
    CU_ASSERT_PTR_NULL(keeps_first(keeps, 1));
    CU_ASSERT_PTR_EQUAL(keeps_first(keeps, 2), c);
    CU_ASSERT_EQUAL(keeps_count(keeps), 1);
    keeps_free(keeps);
}

static void
there_is_a_bound_in_bytes(void)
{
    struct keeps *keeps = keeps_new(2000, 0);
    struct keep *keep, *last = NULL;
    size_t n = 0;
    while ((keep = add(keeps, 1, "0123456789")) != NULL) {
        last = keep;
        CU_ASSERT_TRUE_FATAL(++n < 100);
    }
    CU_ASSERT_TRUE_FATAL(last != NULL);
    CU_ASSERT_TRUE(n > 5 && keeps_bytes(keeps) <= 2000);
    keeps_remove(keeps, last);
    CU_ASSERT_PTR_NOT_NULL(add(keeps, 1, "0123456789"));
    while ((keep = keeps_first(keeps, 1)) != NULL)
        keeps_remove(keeps, keep);
    CU_ASSERT_TRUE(keeps_bytes(keeps) == 0 && keeps_count(keeps) == 0);
    keeps_free(keeps);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(copies_are_found_by_number_and_in_order_by_place),
    CUNIT_CASE(there_is_a_bound_in_bytes),
};
CUNIT_MAIN("keeps", cases)
