/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions that ended while nobody could be told. */
#include "services/gateway/departed.h"
#include "tests/unit/cunit_main.h"

static unsigned
count(const struct departed *departed)
{
    unsigned n = 0;
    for (const struct departed_one *one = departed->head; one != NULL; one = one->next)
        n++;
    return n;
}

static void
what_the_store_has_finished_with_is_forgotten_in_order(void)
{
    struct departed d;
    departed_init(&d, 1000);
    CU_ASSERT_EQUAL(departed_add(&d, 3, slice_cstr("a")), OK);
    CU_ASSERT_EQUAL(departed_add(&d, 5, slice_cstr("b")), OK);
    departed_done(&d, 2);
    CU_ASSERT_EQUAL(count(&d), 2);
    departed_done(&d, 4);
    CU_ASSERT_EQUAL_FATAL(count(&d), 1);
    CU_ASSERT_TRUE(slice_equal_cstr(slice_of(d.head->announcement, d.head->len), "b"));
    departed_done(&d, 5);
    CU_ASSERT_EQUAL(count(&d), 0);
    CU_ASSERT_EQUAL(d.bytes, 0);
    CU_ASSERT_EQUAL(departed_add(&d, 6, slice_cstr("c")), OK); /* the tail is right again */
    CU_ASSERT_EQUAL(count(&d), 1);
    departed_fini(&d);
}

static void
what_is_held_stays_until_it_was_sent_and_finished_with(void)
{
    struct departed d;
    departed_init(&d, 1000);
    CU_ASSERT_EQUAL(departed_add(&d, 3, slice_cstr("a")), OK);
    CU_ASSERT_EQUAL(departed_add(&d, DEPARTED_HELD, slice_cstr("b")), OK);
    departed_done(&d, 100);
    CU_ASSERT_EQUAL(count(&d), 1);
    departed_sent(&d, 107);
    departed_done(&d, 106);
    CU_ASSERT_EQUAL(count(&d), 1);
    departed_done(&d, 107);
    CU_ASSERT_EQUAL(count(&d), 0);
    departed_fini(&d);
}

static void
it_is_bounded(void)
{
    struct departed d;
    departed_init(&d, 3 * (sizeof(struct departed_one) + 10));
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(departed_add(&d, i, slice_cstr("0123456789")), OK);
    CU_ASSERT_EQUAL(departed_add(&d, 4, slice_cstr("")), ERR_BUSY);
    departed_done(&d, 0);
    CU_ASSERT_EQUAL(departed_add(&d, 4, slice_cstr("0123456789")), OK);
    departed_fini(&d);
    CU_ASSERT_EQUAL(d.bytes, 0);
}

static void
what_was_in_the_feed_of_a_store_that_was_replaced_is_held_again(void)
{
    struct departed d;
    departed_init(&d, 1000);
    CU_ASSERT_EQUAL(departed_add(&d, 3, slice_cstr("a")), OK);
    departed_hold_all(&d);
    departed_done(&d, 4); /* of the new feed */
    CU_ASSERT_EQUAL(count(&d), 1);
    departed_sent(&d, 5);
    departed_done(&d, 5);
    CU_ASSERT_EQUAL(count(&d), 0);
    departed_fini(&d);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_the_store_has_finished_with_is_forgotten_in_order),
    CUNIT_CASE(what_is_held_stays_until_it_was_sent_and_finished_with),
    CUNIT_CASE(it_is_bounded),
    CUNIT_CASE(what_was_in_the_feed_of_a_store_that_was_replaced_is_held_again),
};
CUNIT_MAIN("departed", cases)
