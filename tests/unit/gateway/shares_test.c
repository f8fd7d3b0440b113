/* SPDX-License-Identifier: Apache-2.0 */
/* The hub's table of shared subscriptions: totals, and which worker has the member picked. */
#include "services/gateway/shares.h"

#include "tests/unit/cunit_main.h"

#define G slice_cstr("$share/g/t")

static void
totals_follow_what_workers_say_and_empty_groups_are_forgotten(void)
{
    struct shares *shares = shares_new(3);
    struct shares_count total = shares_set(shares, G, 0, (struct shares_count){2, 3, 0});
    CU_ASSERT_TRUE(total.members == 2 && total.members_qos0 == 3);
    total = shares_set(shares, G, 2, (struct shares_count){0, 1, 0});
    CU_ASSERT_TRUE(total.members == 2 && total.members_qos0 == 4);
    total = shares_set(shares, G, 0, (struct shares_count){1, 1, 0});
    CU_ASSERT_TRUE(total.members == 1 && total.members_qos0 == 2);
    CU_ASSERT_EQUAL(shares_groups(shares), 1);
    (void)shares_set(shares, G, 0, (struct shares_count){0, 0, 0});
    (void)shares_set(shares, G, 2, (struct shares_count){0, 0, 0});
    CU_ASSERT_EQUAL(shares_groups(shares), 0);
    (void)shares_set(shares, G, 1, (struct shares_count){0, 0, 0});
    CU_ASSERT_EQUAL(shares_groups(shares), 0);
    total = shares_get(shares, G);
    CU_ASSERT_TRUE(total.members == 0 && total.members_qos0 == 0);
    shares_free(shares);
}

static void
each_number_is_one_member(void)
{
    struct shares *shares = shares_new(3);
    unsigned worker, seen[3][4] = {{0}};
    uint32_t pick;
    (void)shares_set(shares, G, 0, (struct shares_count){1, 1, 0});
    (void)shares_set(shares, G, 2, (struct shares_count){3, 4, 0});
    for (uint32_t i = 0; i < 8; i++) {
        CU_ASSERT_TRUE_FATAL(shares_pick(shares, G, 1, 0, i, &worker, &pick));
        CU_ASSERT_TRUE_FATAL(worker < 3 && pick < 4);
        seen[worker][pick]++;
    }
    CU_ASSERT_TRUE(seen[0][0] == 2 && seen[2][0] == 2 && seen[2][1] == 2 && seen[2][2] == 2);
    CU_ASSERT_TRUE(shares_pick(shares, G, 0, 0, 4, &worker, &pick)); /* QoS 0 counts the fourth */
    CU_ASSERT_TRUE(worker == 2 && pick == 3);
    CU_ASSERT_FALSE(shares_pick(shares, slice_cstr("$share/g/u"), 1, 0, 0, &worker, &pick));
    shares_free(shares);
}

static void
workers_that_are_full_are_left_out(void)
{
    struct shares *shares = shares_new(2);
    unsigned worker;
    uint32_t pick;
    (void)shares_set(shares, G, 0, (struct shares_count){1, 1, 0});
    (void)shares_set(shares, G, 1, (struct shares_count){1, 1, 0});
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(shares_pick(shares, G, 2, 1, i, &worker, &pick));
        CU_ASSERT_EQUAL(worker, 1);
    }
    CU_ASSERT_FALSE(shares_pick(shares, G, 2, 3, 0, &worker, &pick));
    shares_free(shares);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(totals_follow_what_workers_say_and_empty_groups_are_forgotten),
    CUNIT_CASE(each_number_is_one_member),
    CUNIT_CASE(workers_that_are_full_are_left_out),
};
CUNIT_MAIN("shares", cases)
