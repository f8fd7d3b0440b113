/* SPDX-License-Identifier: Apache-2.0 */
/* The order of going down. */
#include "services/gateway/drain.h"
#include "tests/unit/cunit_main.h"

static void
steps_come_in_order(void)
{
    struct drain d;
    drain_init(&d, 1000, 100);
    CU_ASSERT(drain_next(&d, 0, 250, false, false) == DRAIN_STEP_NONE && !drain_is_begun(&d));
    drain_begin(&d, 100);
    CU_ASSERT(drain_is_begun(&d));
    CU_ASSERT(drain_next(&d, 1099, 250, false, false) == DRAIN_STEP_NONE);
    CU_ASSERT(drain_next(&d, 1100, 250, false, false) == DRAIN_STEP_CLOSE);
    CU_ASSERT_EQUAL(d.spread_ms, 2500);
    CU_ASSERT(drain_next(&d, 3000, 20, false, false) == DRAIN_STEP_NONE);
    CU_ASSERT(drain_next(&d, 3500, 0, true, false) == DRAIN_STEP_NONE);
    CU_ASSERT(drain_next(&d, 3550, 0, true, false) == DRAIN_STEP_NONE);
    CU_ASSERT(drain_next(&d, 3600, 0, true, true) == DRAIN_STEP_END);
    CU_ASSERT(drain_next(&d, 3600, 0, true, true) == DRAIN_STEP_END);
}

static void
without_clients_nothing_is_waited_for(void)
{
    struct drain d;
    drain_init(&d, 60000, 100);
    drain_begin(&d, 0);
    CU_ASSERT(drain_next(&d, 0, 0, false, true) == DRAIN_STEP_CLOSE);
    CU_ASSERT(drain_next(&d, 0, 0, true, true) == DRAIN_STEP_NONE);
    CU_ASSERT(drain_next(&d, 0, 0, true, true) == DRAIN_STEP_END);
}

static void
every_step_has_a_deadline(void)
{
    struct drain d;
    drain_init(&d, 10, 0);
    drain_begin(&d, 0);
    CU_ASSERT(drain_next(&d, 10, 5, false, false) == DRAIN_STEP_CLOSE);
    CU_ASSERT_EQUAL(d.spread_ms, 0);
    CU_ASSERT(drain_next(&d, 10 + DRAIN_GRACE_MS, 5, false, false) == DRAIN_STEP_NONE);
    CU_ASSERT(d.state == DRAIN_FLUSH);
    CU_ASSERT(drain_next(&d, 10 + DRAIN_GRACE_MS + DRAIN_FLUSH_MS, 5, false, false) ==
              DRAIN_STEP_END);
}

static void
second_signal_ends_at_once(void)
{
    struct drain d;
    drain_init(&d, 60000, 1);
    drain_begin(&d, 0);
    drain_begin(&d, 1);
    CU_ASSERT(drain_next(&d, 1, 1000, false, false) == DRAIN_STEP_END);
}

static void
huge_numbers_do_not_overflow_the_spread(void)
{
    struct drain d;
    drain_init(&d, 0, 1);
    drain_begin(&d, 0);
    CU_ASSERT(drain_next(&d, 0, UINT64_MAX, false, false) == DRAIN_STEP_CLOSE);
    CU_ASSERT_EQUAL(d.spread_ms, 3600000);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(steps_come_in_order),
    CUNIT_CASE(without_clients_nothing_is_waited_for),
    CUNIT_CASE(every_step_has_a_deadline),
    CUNIT_CASE(second_signal_ends_at_once),
    CUNIT_CASE(huge_numbers_do_not_overflow_the_spread),
};
CUNIT_MAIN("drain", cases)
