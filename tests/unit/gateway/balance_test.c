/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of who sends clients elsewhere, and how fast. */
#include "services/gateway/balance.h"
#include "tests/unit/cunit_main.h"

/* Clients sent away in ten seconds, ten calls a second, with the cluster told each second. */
static uint64_t
ten_seconds(struct balance *balance, uint64_t own, uint64_t gateways, uint64_t clients)
{
    uint64_t sent = 0, ms;
    for (ms = 1000; ms < 11000; ms += 100) {
        if (ms % 1000 == 0)
            balance_told(balance, gateways, clients - sent, ms);
        sent += balance_next(balance, own - sent, ms);
    }
    return sent;
}

static void
far_above_the_mean_clients_go_at_the_rate(void)
{
    struct balance b;
    balance_init(&b, 20, 50);
    /* 10,000 here, nobody on three new ones: the mean is 2,500, the bound 3,000. */
    uint64_t sent = ten_seconds(&b, 10000, 4, 10000);
    CU_ASSERT(sent > 470 && sent <= 500);
}

static void
it_ends_at_the_bound(void)
{
    struct balance b;
    balance_init(&b, 20, 1000);
    /* Those who went came back to the other: the sum stays. */
    uint64_t sent = 0, ms;
    for (ms = 1000; ms < 31000; ms += 100) {
        balance_told(&b, 2, 2000, ms);
        sent += balance_next(&b, 2000 - sent, ms);
    }
    CU_ASSERT_EQUAL(sent, 800); /* mean 1,000, bound 1,200 */
}

static void
near_the_mean_nobody_goes(void)
{
    struct balance b;
    balance_init(&b, 20, 1000);
    CU_ASSERT_EQUAL(ten_seconds(&b, 1190, 2, 2000), 0);
    balance_init(&b, 20, 1000);
    CU_ASSERT_EQUAL(ten_seconds(&b, 20, 4, 20), 0); /* few clients */
    balance_init(&b, 20, 1000);
    CU_ASSERT_EQUAL(ten_seconds(&b, 100, 2, 10000), 0); /* below the mean */
}

static void
off_alone_or_untold_nobody_goes(void)
{
    struct balance b;
    balance_init(&b, 0, 1000);
    CU_ASSERT_EQUAL(ten_seconds(&b, 10000, 4, 10000), 0);
    balance_init(&b, 20, 0);
    CU_ASSERT_EQUAL(ten_seconds(&b, 10000, 4, 10000), 0);
    balance_init(&b, 20, 1000);
    CU_ASSERT_EQUAL(ten_seconds(&b, 10000, 1, 10000), 0);
    balance_init(&b, 20, 1000);
    CU_ASSERT_EQUAL(balance_next(&b, 10000, 5000), 0);
}

static void
old_news_do_not_count(void)
{
    struct balance b;
    balance_init(&b, 20, 1000);
    balance_told(&b, 4, 10000, 1000);
    (void)balance_next(&b, 10000, 1000);
    CU_ASSERT(balance_next(&b, 10000, 1500) > 0);
    CU_ASSERT_EQUAL(balance_next(&b, 10000, 1000 + BALANCE_STALE_MS + 1), 0);
}

static void
hostile_numbers_do_no_harm(void)
{
    struct balance b;
    balance_init(&b, 1000, 1000000);
    balance_told(&b, 0, UINT64_MAX, 1000);
    CU_ASSERT_EQUAL(balance_next(&b, 10000, 1100), 0);
    balance_told(&b, UINT64_MAX, UINT64_MAX, 1000);
    (void)balance_next(&b, 10000, 1100);
    CU_ASSERT(balance_next(&b, 10000, 1200) <= 10000);
    balance_told(&b, 2, UINT64_MAX, 1000);
    CU_ASSERT_EQUAL(balance_next(&b, 10000, 1300), 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(far_above_the_mean_clients_go_at_the_rate),
    CUNIT_CASE(it_ends_at_the_bound),
    CUNIT_CASE(near_the_mean_nobody_goes),
    CUNIT_CASE(off_alone_or_untold_nobody_goes),
    CUNIT_CASE(old_news_do_not_count),
    CUNIT_CASE(hostile_numbers_do_no_harm),
};
CUNIT_MAIN("balance", cases)
