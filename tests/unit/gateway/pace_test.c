/* SPDX-License-Identifier: Apache-2.0 */
/* So many per second: not more, and not much less. */
#include "services/gateway/pace.h"
#include "tests/unit/cunit_main.h"

static unsigned
taken_in(uint32_t rate, uint64_t ms, uint64_t step_ms)
{
    struct pace pace;
    unsigned n = 0;
    pace_init(&pace, rate);
    for (uint64_t now = 1000000; now < 1000000 + ms; now += step_ms)
        while (n < 10000000 && pace_take(&pace, now))
            n++;
    return n;
}

static void
the_rate_is_kept_however_often_the_clock_is_told(void)
{
    static const uint32_t rates[] = {1, 3, 40, 1000, 999999};
    static const uint64_t steps[] = {1, 7, 50, 100};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            unsigned n = taken_in(rates[i], 10000, steps[k]);
            CU_ASSERT(n >= rates[i] * 10 && n <= rates[i] * 10 + rates[i] / 10 + 1);
        }
}

static void
a_rest_does_not_save_up_a_storm(void)
{
    struct pace pace;
    unsigned n = 0;
    pace_init(&pace, 100);
    CU_ASSERT(pace_take(&pace, 1000));
    while (pace_take(&pace, 1000000))
        n++;
    CU_ASSERT(n >= 10 && n <= 11);
}

static void
the_wait_it_names_is_enough_and_not_too_long(void)
{
    struct pace pace;
    uint64_t now = 5000;
    pace_init(&pace, 7);
    for (int i = 0; i < 100; i++) {
        while (pace_take(&pace, now))
            continue;
        uint64_t wait_ms = pace_wait_ms(&pace, now);
        CU_ASSERT(wait_ms > 0 && wait_ms <= 144);
        CU_ASSERT(pace_wait_ms(&pace, now + wait_ms - 1) > 0);
        now += wait_ms;
        CU_ASSERT(pace_take(&pace, now));
    }
}

static void
zero_is_no_limit(void)
{
    struct pace pace;
    pace_init(&pace, 0);
    for (int i = 0; i < 100000; i++)
        CU_ASSERT_FATAL(pace_take(&pace, 1));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_rate_is_kept_however_often_the_clock_is_told),
    CUNIT_CASE(a_rest_does_not_save_up_a_storm),
    CUNIT_CASE(the_wait_it_names_is_enough_and_not_too_long),
    CUNIT_CASE(zero_is_no_limit),
};
CUNIT_MAIN("pace", cases)
