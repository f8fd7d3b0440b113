/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes that come twice. */
#include "services/gateway/repeats.h"
#include "tests/unit/cunit_main.h"

static void
second_time_is_a_repeat_for_its_origin_only(void)
{
    struct repeats *r = repeats_new(10);
    CU_ASSERT(!repeats_seen(r, 1, 5, 1, 0));
    CU_ASSERT(repeats_seen(r, 1, 5, 1, 0));
    CU_ASSERT(!repeats_seen(r, 2, 5, 1, 0));
    CU_ASSERT(!repeats_seen(r, 1, 4, 1, 0));
    CU_ASSERT(repeats_seen(r, 1, 4, 1, 0));
    CU_ASSERT_EQUAL(repeats_count(r), 2);
    repeats_free(r);
}

static void
token_below_the_floor_is_a_repeat(void)
{
    struct repeats *r = repeats_new(10);
    CU_ASSERT(!repeats_seen(r, 1, 100, 50, 0));
    CU_ASSERT(repeats_seen(r, 1, 49, 50, 0));
    CU_ASSERT(!repeats_seen(r, 1, 50, 50, 0));
    repeats_free(r);
}

static void
silent_origin_is_forgotten(void)
{
    struct repeats *r = repeats_new(10);
    CU_ASSERT(!repeats_seen(r, 1, 1, 1, 0));
    CU_ASSERT(!repeats_seen(r, 2, 1, 1, REPEATS_FORGET_MS));
    repeats_expire(r, REPEATS_FORGET_MS);
    CU_ASSERT_EQUAL(repeats_count(r), 2);
    repeats_expire(r, REPEATS_FORGET_MS + 1);
    CU_ASSERT_EQUAL(repeats_count(r), 1);
    CU_ASSERT(repeats_seen(r, 2, 1, 1, REPEATS_FORGET_MS + 1));
    repeats_free(r);
}

static void
too_many_origins_push_out_the_most_silent_one(void)
{
    struct repeats *r = repeats_new(3);
    for (uint64_t i = 1; i <= 3; i++)
        CU_ASSERT(!repeats_seen(r, i, 1, 1, 10 * i));
    CU_ASSERT(repeats_seen(r, 1, 1, 1, 40));
    CU_ASSERT(!repeats_seen(r, 4, 1, 1, 50));
    CU_ASSERT_EQUAL(repeats_count(r), 3);
    CU_ASSERT(repeats_seen(r, 1, 1, 1, 60));
    CU_ASSERT(repeats_seen(r, 3, 1, 1, 60));
    CU_ASSERT(!repeats_seen(r, 2, 1, 1, 60));
    repeats_free(r);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(second_time_is_a_repeat_for_its_origin_only),
    CUNIT_CASE(token_below_the_floor_is_a_repeat),
    CUNIT_CASE(silent_origin_is_forgotten),
    CUNIT_CASE(too_many_origins_push_out_the_most_silent_one),
};
CUNIT_MAIN("repeats", cases)
