/* SPDX-License-Identifier: Apache-2.0 */
/* The routing protocol as a whole, in simulated clusters that fail at random (sim.h). SIM_SEEDS
 * says how many, SIM_FROM from which on. */
#include "tests/unit/core/sim.h"

static unsigned
number(const char *name, unsigned usual)
{
    const char *text = getenv(name);
    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : usual;
}

static void
report(const struct sim_result *result)
{
    if (getenv("SIM_SEEDS") != NULL)
        printf("%u given to members, %u ended with a gateway, %u twice beyond ... ", result->shared,
               result->ended, result->beyond);
}

static void
quiet_cluster_answers_everything(void)
{
    const struct sim_options options = {.cores = CORES};
    struct sim_result result = {0};
    uint64_t seed;
    for (seed = 1; seed <= 5; seed++)
        CU_ASSERT_TRUE_FATAL(sim_run(seed, &options, &result));
    CU_ASSERT_TRUE(result.answered > 1000 && result.local > 0 && result.shared > 1000);
    CU_ASSERT_EQUAL(result.ended, 0);
}

static void
cores_and_stores_that_fail_lose_nothing(void)
{
    const struct sim_options options = {.faults = true, .cores = CORES};
    struct sim_result result = {0};
    unsigned n = number("SIM_SEEDS", 40), from = number("SIM_FROM", 100);
    uint64_t seed;
    for (seed = from; seed < (uint64_t)from + n; seed++)
        CU_ASSERT_TRUE_FATAL(sim_run(seed, &options, &result));
    CU_ASSERT_TRUE(result.answered > 1000 && result.shared > 1000);
    CU_ASSERT_TRUE(result.ended <= result.shared / 1000);
    CU_ASSERT_TRUE(result.beyond <= 20 + result.shared / 50000);
    report(&result);
}

/* What a member may have had goes down with its gateway: little of all. */
static void
gateways_that_fail_lose_what_was_theirs(void)
{
    const struct sim_options options = {.faults = true, .gateway_faults = true, .cores = CORES};
    struct sim_result result = {0};
    unsigned n = number("SIM_SEEDS", 40), from = number("SIM_FROM", 100);
    uint64_t seed;
    for (seed = from; seed < (uint64_t)from + n; seed++)
        CU_ASSERT_TRUE_FATAL(sim_run(seed, &options, &result));
    CU_ASSERT_TRUE(result.answered > 1000 && result.shared > 1000);
    CU_ASSERT_TRUE(result.ended <= result.shared / 50);
    CU_ASSERT_TRUE(result.beyond <= 20 + result.shared / 50000);
    report(&result);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(quiet_cluster_answers_everything),
    CUNIT_CASE(cores_and_stores_that_fail_lose_nothing),
    CUNIT_CASE(gateways_that_fail_lose_what_was_theirs),
};
CUNIT_MAIN("cluster_sim", cases)
