/* SPDX-License-Identifier: Apache-2.0 */
#include "services/rest/rate.h"

#include "tests/unit/cunit_main.h"

static unsigned
taken(struct rate *rate, const char *name, uint64_t now_ms, unsigned tries)
{
    uint64_t retry_ms;
    unsigned count = 0;
    while (tries-- > 0)
        count += rate_take(rate, slice_cstr(name), now_ms, &retry_ms);
    return count;
}

static void
a_burst_and_then_so_many_a_second(void)
{
    struct rate *rate = rate_new(10, 1000, 20);
    uint64_t retry_ms = 0;
    CU_ASSERT_EQUAL(taken(rate, "a", 1000000, 100), 20);
    CU_ASSERT_FALSE(rate_take(rate, slice_cstr("a"), 1000000, &retry_ms));
    CU_ASSERT(retry_ms > 0 && retry_ms <= 100);
    CU_ASSERT_TRUE(rate_take(rate, slice_cstr("a"), 1000000 + retry_ms, &retry_ms));
    CU_ASSERT_EQUAL(taken(rate, "a", 1001100, 100), 10);
    CU_ASSERT_EQUAL(taken(rate, "a", 1100000, 100), 20);
    rate_free(rate);
}

static void
names_do_not_share(void)
{
    struct rate *rate = rate_new(1, 60000, 3);
    char name[16];
    unsigned wrong = 0;
    for (unsigned i = 0; i < 500; i++) {
        str_format(name, sizeof name, "user%u", i);
        wrong += taken(rate, name, 5000000, 10) != 3;
    }
    CU_ASSERT_EQUAL(wrong, 0);
    rate_free(rate);
}

static void
zero_is_no_limit(void)
{
    struct rate *rate = rate_new(0, 1000, 0);
    CU_ASSERT_EQUAL(taken(rate, "a", 1, 10000), 10000);
    rate_free(rate);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_burst_and_then_so_many_a_second),
    CUNIT_CASE(names_do_not_share),
    CUNIT_CASE(zero_is_no_limit),
};

CUNIT_MAIN("rate", cases)
