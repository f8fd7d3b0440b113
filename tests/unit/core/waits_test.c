/* SPDX-License-Identifier: Apache-2.0 */
/* Waits: answered once, when the last of their lanes is reached. */
#include "services/core/waits.h"

#include "tests/unit/cunit_main.h"

static unsigned answers;
static uint64_t last_number;
static uint8_t last_flags;

static void
answer(void *arg, uint32_t owner, uint64_t session, uint64_t number, uint8_t flags)
{
    (void)arg;
    CU_ASSERT_TRUE(owner == 3 && session == 4);
    answers++;
    last_number = number;
    last_flags = flags;
}

static struct waits *
fresh(size_t cap)
{
    answers = 0;
    return waits_new(cap, answer, NULL);
}

static uint32_t
on_lanes(struct waits *waits, uint64_t number, uint64_t a, uint64_t b)
{
    uint32_t wait = waits_begin(waits, 3, 4, number);
    waits_hold(waits, wait);
    waits_lane(waits, wait, 0, a);
    waits_hold(waits, wait);
    waits_lane(waits, wait, 9, b);
    waits_commit(waits, wait);
    return wait;
}

static void
nothing_to_wait_for_answers_at_commit(void)
{
    struct waits *waits = fresh(4);
    uint32_t wait = waits_begin(waits, 3, 4, 5);
    waits_flags(waits, wait, 7);
    CU_ASSERT_EQUAL(answers, 0);
    waits_commit(waits, wait);
    CU_ASSERT_TRUE(answers == 1 && last_number == 5 && last_flags == 7);
    waits_free(waits);
}

static void
last_lane_answers(void)
{
    struct waits *waits = fresh(4);
    (void)on_lanes(waits, 1, 10, 20);
    (void)on_lanes(waits, 2, 11, 20);
    waits_reach(waits, 9, 20);
    CU_ASSERT_EQUAL(answers, 0);
    waits_reach(waits, 0, 10);
    CU_ASSERT_TRUE(answers == 1 && last_number == 1);
    waits_reach(waits, 0, 10);
    CU_ASSERT_EQUAL(answers, 1);
    waits_reach(waits, 0, 100);
    CU_ASSERT_TRUE(answers == 2 && last_number == 2);
    CU_ASSERT_EQUAL(waits_count(waits), 0);
    waits_free(waits);
}

static void
void_lane_no_longer_counts_and_starts_again(void)
{
    struct waits *waits = fresh(4);
    (void)on_lanes(waits, 1, 10, 20);
    waits_void(waits, 0);
    CU_ASSERT_EQUAL(answers, 0);
    (void)on_lanes(waits, 2, 1, 20); /* lower position: a new session */
    waits_void(waits, 9);
    CU_ASSERT_TRUE(answers == 1 && last_number == 1);
    waits_reach(waits, 0, 1);
    CU_ASSERT_EQUAL(answers, 2);
    waits_free(waits);
}

static void
failed_lane_ends_without_an_answer(void)
{
    struct waits *waits = fresh(4);
    (void)on_lanes(waits, 1, 10, 20);
    CU_ASSERT_EQUAL(waits_fail(waits, 9), 1);
    waits_reach(waits, 0, 10);
    CU_ASSERT_TRUE(answers == 0 && waits_count(waits) == 0);
    CU_ASSERT_EQUAL(waits_fail(waits, 9), 0);
    waits_free(waits);
}

static void
release(void *arg, uint32_t wait)
{
    waits_release(arg, wait);
}

static void
what_is_taken_off_a_lane_is_held_until_it_is_released(void)
{
    struct waits *waits = fresh(4);
    (void)on_lanes(waits, 1, 10, 20);
    (void)on_lanes(waits, 2, 11, 20);
    waits_reach(waits, 9, 20);
    waits_unlane(waits, 0, release, waits);
    CU_ASSERT_TRUE(answers == 2 && last_number == 2);
    (void)on_lanes(waits, 3, 1, 21); /* lower position: it may start again */
    CU_ASSERT_EQUAL(waits_in_lane(waits, 0), 1);
    waits_reach(waits, 0, 1);
    waits_reach(waits, 9, 21);
    CU_ASSERT_EQUAL(answers, 3);
    waits_free(waits);
}

static void
cap_is_kept_and_slots_are_reused(void)
{
    struct waits *waits = fresh(3000);
    uint64_t i, round;
    for (round = 0; round < 5; round++) {
        for (i = 1; i <= 3000; i++)
            CU_ASSERT_TRUE(on_lanes(waits, i, i, i) != WAITS_NONE);
        CU_ASSERT_TRUE(waits_is_full(waits));
        CU_ASSERT_EQUAL(waits_begin(waits, 3, 4, 1), WAITS_NONE);
        CU_ASSERT_EQUAL(waits_in_lane(waits, 0), 3000);
        waits_reach(waits, 0, 3000);
        waits_void(waits, 9);
        waits_void(waits, 0);
        CU_ASSERT_EQUAL(answers, 3000 * (round + 1));
    }
    waits_free(waits);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(nothing_to_wait_for_answers_at_commit),
    CUNIT_CASE(last_lane_answers),
    CUNIT_CASE(void_lane_no_longer_counts_and_starts_again),
    CUNIT_CASE(failed_lane_ends_without_an_answer),
    CUNIT_CASE(what_is_taken_off_a_lane_is_held_until_it_is_released),
    CUNIT_CASE(cap_is_kept_and_slots_are_reused),
};
CUNIT_MAIN("waits", cases)
