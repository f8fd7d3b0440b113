/* SPDX-License-Identifier: Apache-2.0 */
/* When a worker has too much, and when no longer. */
#include "services/gateway/overload.h"

#include "tests/unit/cunit_main.h"

static void
memory_is_full_above_its_maximum_until_below_nine_tenths(void)
{
    struct overload overload;
    overload_init(&overload, 1000, 0);
    CU_ASSERT_FALSE(overload_tell_memory(&overload, 1000, 1));
    CU_ASSERT_TRUE(overload_tell_memory(&overload, 1001, 2));
    CU_ASSERT_TRUE(overload.is_full);
    CU_ASSERT_FALSE(overload_tell_memory(&overload, 901, 3));
    CU_ASSERT_TRUE(overload_tell_memory(&overload, 900, 4));
    CU_ASSERT_FALSE(overload.is_full);
    CU_ASSERT_FALSE(overload_tell_memory(&overload, 950, 5));
}

static void
only_memory_that_stays_full_must_be_made_free(void)
{
    struct overload overload;
    overload_init(&overload, 1000, 0);
    (void)overload_tell_memory(&overload, 1500, 100);
    CU_ASSERT_EQUAL(overload_excess(&overload, 1500, 99 + OVERLOAD_LONG_MS), 0);
    CU_ASSERT_FALSE(overload_is_long(&overload, 99 + OVERLOAD_LONG_MS));
    CU_ASSERT_EQUAL(overload_excess(&overload, 1500, 100 + OVERLOAD_LONG_MS), 600);
    CU_ASSERT_TRUE(overload_is_long(&overload, 100 + OVERLOAD_LONG_MS));
    CU_ASSERT_EQUAL(overload_excess(&overload, 800, 100 + OVERLOAD_LONG_MS), 0);
    (void)overload_tell_memory(&overload, 800, 101 + OVERLOAD_LONG_MS);
    CU_ASSERT_FALSE(overload_is_long(&overload, 101 + OVERLOAD_LONG_MS));
}

static void
a_loop_is_late_above_its_limit_until_below_half_of_it(void)
{
    struct overload overload;
    overload_init(&overload, 0, 100);
    CU_ASSERT_FALSE(overload_tell_lag(&overload, 100000, 1));
    CU_ASSERT_TRUE(overload_tell_lag(&overload, 100001, 2));
    CU_ASSERT_FALSE(overload_tell_lag(&overload, 50001, 3));
    CU_ASSERT_TRUE(overload_is_long(&overload, 2 + OVERLOAD_LONG_MS));
    CU_ASSERT_TRUE(overload_tell_lag(&overload, 50000, 4));
    CU_ASSERT_FALSE(overload_is_long(&overload, 2 + OVERLOAD_LONG_MS));
}

static void
without_limits_nothing_is_too_much(void)
{
    struct overload overload;
    overload_init(&overload, 0, 0);
    CU_ASSERT_FALSE(overload_tell_memory(&overload, UINT64_MAX, 1));
    CU_ASSERT_FALSE(overload_tell_lag(&overload, UINT64_MAX, 1));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(memory_is_full_above_its_maximum_until_below_nine_tenths),
    CUNIT_CASE(only_memory_that_stays_full_must_be_made_free),
    CUNIT_CASE(a_loop_is_late_above_its_limit_until_below_half_of_it),
    CUNIT_CASE(without_limits_nothing_is_too_much),
};
CUNIT_MAIN("overload", cases)
