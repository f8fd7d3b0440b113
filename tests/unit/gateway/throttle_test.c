/* SPDX-License-Identifier: Apache-2.0 */
/* So much per second, counted afterwards. */
#include "services/gateway/throttle.h"

#include <pthread.h>

#include "tests/unit/cunit_main.h"

/* What passes in a while, so much at a time, by somebody who waits as long as he is told. */
static uint64_t
passed(uint64_t rate, uint64_t step, uint64_t ms)
{
    struct throttle throttle;
    uint64_t sum = 0, wait_ms;
    throttle_init(&throttle, rate);
    for (uint64_t now = 5000; now < 5000 + ms; now += wait_ms) {
        while ((wait_ms = throttle_wait_ms(&throttle, now)) == 0) {
            throttle_spend(&throttle, step, now);
            sum += step;
        }
    }
    return sum;
}

static void
the_rate_is_kept_whatever_comes_at_once(void)
{
    static const uint64_t rates[] = {1, 10, 1000, 1000000, 4000000000};
    static const uint64_t steps[] = {1, 100, 131072};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            if (rates[i] / steps[k] > 100000)
                continue; /* too many steps for a test */
            uint64_t sum = passed(rates[i], steps[k], 20000);
            CU_ASSERT(sum >= rates[i] * 20);
            CU_ASSERT(sum <= rates[i] * 20 + rates[i] * THROTTLE_BURST_MS / 1000 + 2 * steps[k]);
        }
}

static void
a_debt_is_paid_before_anything_passes(void)
{
    struct throttle throttle;
    throttle_init(&throttle, 100);
    throttle_spend(&throttle, 1000, 1);
    uint64_t wait_ms = throttle_wait_ms(&throttle, 1);
    CU_ASSERT_EQUAL(wait_ms, 10000 - THROTTLE_BURST_MS);
    CU_ASSERT(throttle_wait_ms(&throttle, wait_ms) > 0);
    CU_ASSERT_EQUAL(throttle_wait_ms(&throttle, 1 + wait_ms), 0);
}

static void
a_rest_saves_up_no_more_than_the_burst(void)
{
    struct throttle throttle;
    unsigned n = 0;
    throttle_init(&throttle, 100);
    throttle_spend(&throttle, 1, 1000);
    for (; throttle_wait_ms(&throttle, 1000000) == 0; n++)
        throttle_spend(&throttle, 1, 1000000);
    CU_ASSERT(n >= 25 && n <= 26);
}

static void
zero_is_no_limit(void)
{
    struct throttle throttle;
    throttle_init(&throttle, 0);
    throttle_spend(&throttle, UINT64_C(1) << 32, 1);
    CU_ASSERT_EQUAL(throttle_wait_ms(&throttle, 1), 0);
}

#define SPENDS 100000u

static void *
spend(void *arg)
{
    for (unsigned i = 0; i < SPENDS; i++)
        throttle_spend(arg, 1, 1);
    return NULL;
}

static void
threads_that_share_one_count_together(void)
{
    struct throttle throttle;
    pthread_t threads[2];
    throttle_init(&throttle, 1000);
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, spend, &throttle), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(throttle_wait_ms(&throttle, 1), 2 * SPENDS - THROTTLE_BURST_MS);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_rate_is_kept_whatever_comes_at_once),
    CUNIT_CASE(a_debt_is_paid_before_anything_passes),
    CUNIT_CASE(a_rest_saves_up_no_more_than_the_burst),
    CUNIT_CASE(zero_is_no_limit),
    CUNIT_CASE(threads_that_share_one_count_together),
};
CUNIT_MAIN("throttle", cases)
