/* SPDX-License-Identifier: Apache-2.0 */
/* What a place does with messages for groups: repeats, promises, claims. */
#include "proto/takes.h"

#include "tests/unit/cunit_main.h"

static struct origins *origins;
static struct takes *takes;
static unsigned granted, refused;

static void
count(void *arg, void *item, bool is_granted)
{
    (void)arg;
    (void)item;
    granted += is_granted;
    refused += !is_granted;
}

static void
begin(bool lasts, uint32_t promises, size_t bytes)
{
    origins = origins_new(ORIGINS_IN_MEMORY, 64);
    takes = takes_new(&(struct takes_config){
        .origins = origins, .lasts = lasts, .promises_max = promises, .claims_bytes = bytes});
    granted = refused = 0;
}

static void
end(void)
{
    takes_free(takes, count, NULL);
    origins_free(origins);
}

static uint64_t
key(void)
{
    return takes_key(77, slice_cstr("$share/g/t"));
}

static struct takes_copy
copy_of(uint32_t core, uint64_t token, uint64_t number, bool asked)
{
    return (struct takes_copy){.core = core,
                               .key = key(),
                               .token = token,
                               .floor = 1,
                               .number = number,
                               .qos = 2,
                               .asked = asked,
                               .claims = number != 0};
}

/* A copy without a claim. */
static enum takes_verdict
arrive(uint32_t core, uint64_t token, bool asked)
{
    struct takes_copy copy = copy_of(core, token, 0, asked);
    return takes_arrive(takes, &copy, 0);
}

static enum takes_verdict
claim(uint32_t core, uint64_t token, uint64_t number, bool asked)
{
    struct takes_copy copy = copy_of(core, token, number, asked);
    enum takes_verdict verdict = takes_arrive(takes, &copy, 0);
    if (verdict == TAKES_HOLD)
        takes_hold(takes, &copy, takes, 10);
    return verdict;
}

static enum repeats_verdict
ask(uint32_t core, uint64_t token, uint64_t attempt)
{
    struct repeats_ask question = {.id = 1,
                                   .origin = 77,
                                   .token = token,
                                   .floor = 1,
                                   .attempt = attempt,
                                   .share = slice_cstr("$share/g/t")};
    return takes_ask(takes, core, &question, 0);
}

static void
repeat_is_dropped_and_owned_up_to(void)
{
    begin(false, 0, 0);
    CU_ASSERT_EQUAL(arrive(0, 5, false), TAKES_GIVE);
    CU_ASSERT_EQUAL(arrive(1, 5, false), TAKES_DROP);
    CU_ASSERT_EQUAL(ask(1, 5, 1), REPEATS_HAS);
    CU_ASSERT_NOT_EQUAL(takes_key(77, slice_cstr("$share/h/t")), key()); /* another group's */
    end();
}

static void
promise_is_kept(void)
{
    begin(false, 0, 0);
    CU_ASSERT_EQUAL(ask(1, 5, 3), REPEATS_NO);
    CU_ASSERT_EQUAL(arrive(0, 5, false), TAKES_DROP); /* the core that acts late */
    CU_ASSERT_EQUAL(arrive(1, 5, false), TAKES_DROP); /* a former copy of the one that asked */
    CU_ASSERT_EQUAL(arrive(1, 5, true), TAKES_GIVE);
    CU_ASSERT_EQUAL(arrive(1, 5, true), TAKES_DROP);
    CU_ASSERT_EQUAL(ask(0, 5, 4), REPEATS_HAS);
    CU_ASSERT_EQUAL(takes_stats(takes).refused, 2);
    end();
}

static void
later_attempt_has_the_promise(void)
{
    begin(false, 0, 0);
    CU_ASSERT_EQUAL(ask(1, 5, 3), REPEATS_NO);
    CU_ASSERT_EQUAL(ask(0, 5, 4), REPEATS_NO);
    CU_ASSERT_EQUAL(ask(1, 5, 3), REPEATS_PASSED);
    CU_ASSERT_EQUAL(arrive(1, 5, true), TAKES_DROP);
    CU_ASSERT_EQUAL(arrive(0, 5, true), TAKES_GIVE);
    end();
}

static void
claims_are_granted_in_order(void)
{
    begin(false, 0, 0);
    CU_ASSERT_EQUAL(claim(0, 5, 10, false), TAKES_HOLD);
    CU_ASSERT_EQUAL(claim(0, 6, 11, false), TAKES_HOLD);
    CU_ASSERT_EQUAL(claim(0, 7, 14, false), TAKES_HOLD);
    takes_granted(takes, 0, 11, false, 0, count, NULL);
    CU_ASSERT_TRUE(granted == 2 && refused == 0);
    CU_ASSERT_EQUAL(claim(1, 5, 3, false), TAKES_DROP); /* taken by now */
    takes_granted(takes, 0, 11, true, 0, count, NULL);  /* a new session: 14 went to others */
    CU_ASSERT_TRUE(granted == 2 && refused == 1);
    CU_ASSERT_EQUAL(ask(1, 7, 1), REPEATS_NO);
    CU_ASSERT_EQUAL(takes_stats(takes).claims, 0);
    end();
}

static void
grant_after_a_question_comes_too_late(void)
{
    begin(false, 0, 0);
    CU_ASSERT_EQUAL(claim(0, 5, 10, false), TAKES_HOLD);
    CU_ASSERT_EQUAL(ask(1, 5, 1), REPEATS_NO);
    takes_granted(takes, 0, 10, false, 0, count, NULL);
    CU_ASSERT_TRUE(granted == 0 && refused == 1);
    CU_ASSERT_EQUAL(claim(1, 5, 4, true), TAKES_HOLD);
    CU_ASSERT_EQUAL(ask(1, 5, 1), REPEATS_NO); /* once more: what is held from before is void */
    takes_granted(takes, 1, 4, false, 0, count, NULL);
    CU_ASSERT_TRUE(granted == 0 && refused == 2);
    CU_ASSERT_EQUAL(claim(1, 5, 5, true), TAKES_HOLD);
    takes_granted(takes, 1, 5, false, 0, count, NULL);
    CU_ASSERT_EQUAL(granted, 1);
    end();
}

static void
two_claims_for_one_message_give_it_once(void)
{
    begin(false, 0, 0);
    CU_ASSERT_EQUAL(claim(0, 5, 10, false), TAKES_HOLD);
    CU_ASSERT_EQUAL(claim(1, 5, 20, false), TAKES_HOLD);
    takes_granted(takes, 1, 20, false, 0, count, NULL);
    takes_granted(takes, 0, 10, false, 0, count, NULL);
    CU_ASSERT_TRUE(granted == 1 && refused == 1);
    end();
}

static void
promise_outlives_a_restart(void)
{
    begin(true, 0, 0);
    CU_ASSERT_EQUAL(ask(1, 5, 1), REPEATS_NO);
    takes_free(takes, count, NULL);
    takes = takes_new(&(struct takes_config){.origins = origins, .lasts = true});
    CU_ASSERT_EQUAL(arrive(0, 5, false), TAKES_DROP);
    CU_ASSERT_EQUAL(arrive(1, 5, true), TAKES_GIVE);
    CU_ASSERT_EQUAL(arrive(1, 6, false), TAKES_GIVE);
    end();
}

static void
caps_hold(void)
{
    uint64_t token;
    begin(false, 4, 200);
    for (token = 1; token <= 6; token++)
        CU_ASSERT_EQUAL(ask(1, token, 1), REPEATS_NO);
    CU_ASSERT_EQUAL(takes_stats(takes).promises, 4);
    CU_ASSERT_EQUAL(takes_stats(takes).forgotten, 2);
    CU_ASSERT_EQUAL(arrive(0, 1, false), TAKES_GIVE); /* forgotten */
    CU_ASSERT_EQUAL(arrive(0, 6, false), TAKES_DROP);
    for (token = 10; claim(0, token, token, false) == TAKES_HOLD; token++)
        CU_ASSERT_TRUE_FATAL(token < 20);
    CU_ASSERT_EQUAL(takes_stats(takes).unclaimed, 1);
    takes_tick(takes, 599999);
    CU_ASSERT_EQUAL(takes_stats(takes).promises, 4);
    takes_tick(takes, 600000);
    CU_ASSERT_EQUAL(takes_stats(takes).promises, 0);
    end();
    CU_ASSERT_TRUE(refused != 0); /* what was under claim is given up */
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(repeat_is_dropped_and_owned_up_to),
    CUNIT_CASE(promise_is_kept),
    CUNIT_CASE(later_attempt_has_the_promise),
    CUNIT_CASE(claims_are_granted_in_order),
    CUNIT_CASE(grant_after_a_question_comes_too_late),
    CUNIT_CASE(two_claims_for_one_message_give_it_once),
    CUNIT_CASE(promise_outlives_a_restart),
    CUNIT_CASE(caps_hold),
};
CUNIT_MAIN("takes", cases)
