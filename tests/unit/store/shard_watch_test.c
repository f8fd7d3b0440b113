/* SPDX-License-Identifier: Apache-2.0 */
/* When a starting store may claim which shard. Leases here last 1,000 ms, looks come every 50. */
#include "services/store/shard_watch.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

#define LEASE 1000u
#define STEP  50u

static struct shard_watch watch;
static uint64_t now_ms;

static void
begin(bool is_spare, uint32_t number)
{
    const struct shard_watch_wish wish = {.holder = "me", .is_spare = is_spare, .number = number};
    shard_watch_init(&watch, &wish, LEASE / 6);
    now_ms = 5000;
}

static struct driver_shard
row(uint32_t number, const char *holder, uint64_t until_ms, uint64_t left_ms)
{
    return (struct driver_shard){.number = number,
                                 .until_ms = until_ms,
                                 .left_ms = left_ms,
                                 .lease_ms = LEASE,
                                 .holder = slice_cstr(holder)};
}

/* One look at rows, which takes took_ms, STEP after the one before. */
static bool
look(const struct driver_shard *rows, size_t count, uint64_t took_ms, struct driver_claim *claim)
{
    size_t i;
    bool may;
    now_ms += STEP;
    shard_watch_begin(&watch, now_ms);
    for (i = 0; i < count; i++)
        shard_watch_note(&watch, &rows[i]);
    now_ms += took_ms;
    may = shard_watch_end(&watch, now_ms, claim);
    return may;
}

/* Looks until a shard may be claimed; how many looks it took, 0: not within 100. */
static unsigned
looks_until(const struct driver_shard *rows, size_t count, struct driver_claim *claim)
{
    unsigned n;
    for (n = 1; n <= 100; n++) {
        if (look(rows, count, 0, claim))
            return n;
    }
    return 0;
}

static void
a_shard_that_nobody_had_is_claimed_at_once(void)
{
    struct driver_claim claim = {0};
    struct driver_shard other = row(1, "other", 77, 500);
    begin(false, 2);
    CU_ASSERT_TRUE(look(&other, 1, 0, &claim));
    CU_ASSERT_EQUAL(claim.number, 2);
    CU_ASSERT_EQUAL(claim.until_ms, 0);
}

static void
a_store_is_its_own_successor(void)
{
    struct driver_claim claim = {0};
    struct driver_shard mine = row(2, "me", 77, 900);
    begin(false, 2);
    CU_ASSERT_TRUE(look(&mine, 1, 0, &claim));
    CU_ASSERT_EQUAL(claim.until_ms, 77);
    begin(true, 0);
    CU_ASSERT_TRUE(look(&mine, 1, 0, &claim));
    CU_ASSERT_EQUAL(claim.number, 2);
}

static void
what_another_one_has_is_waited_for(void)
{
    struct driver_claim claim = {0};
    struct driver_shard other = row(2, "other", 77, 900);
    begin(false, 2);
    CU_ASSERT_EQUAL(looks_until(&other, 1, &claim), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(watch.why, "shard 2 is held by other"));
    CU_ASSERT_PTR_NOT_NULL(strstr(watch.why, "900 ms"));
    /* It was in sight all the time, so the end of its lease is enough. */
    other.left_ms = 0;
    CU_ASSERT_TRUE(look(&other, 1, 0, &claim));
    CU_ASSERT_EQUAL(claim.until_ms, 77);
}

static void
a_lease_that_is_over_at_first_sight_is_watched_for_half_its_length(void)
{
    struct driver_claim claim = {0};
    struct driver_shard other = row(2, "other", 77, 0);
    begin(false, 2);
    CU_ASSERT_EQUAL(looks_until(&other, 1, &claim), LEASE / 2 / STEP + 1);
}

static void
a_store_that_renews_keeps_its_shard_whatever_the_clock_says(void)
{
    struct driver_claim claim = {0};
    struct driver_shard other = row(0, "other", 77, 0);
    unsigned i;
    begin(true, 0);
    for (i = 0; i < 100; i++) {
        other.until_ms += i % 6 == 0; /* every 300 ms */
        CU_ASSERT_FALSE(look(&other, 1, 0, &claim));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(watch.why, "spare"));
}

static void
time_in_which_the_database_stood_still_does_not_count(void)
{
    struct driver_claim claim = {0};
    struct driver_shard other = row(0, "other", 77, 900);
    begin(true, 0);
    CU_ASSERT_EQUAL(looks_until(&other, 1, &claim), 0);
    other.left_ms = 0;
    CU_ASSERT_FALSE(look(&other, 1, 5000, &claim)); /* an answer that was long on its way */
    CU_ASSERT_EQUAL(looks_until(&other, 1, &claim), LEASE / 2 / STEP + 1);
    now_ms += 5000; /* no answers for a while */
    CU_ASSERT_EQUAL(looks_until(&other, 1, &claim), LEASE / 2 / STEP + 1);
}

static void
a_lease_that_was_given_up_is_first_for_who_is_set_up_for_it(void)
{
    struct driver_claim claim = {0};
    struct driver_shard stopped = row(0, "other", 0, 0);
    begin(false, 0);
    CU_ASSERT_TRUE(look(&stopped, 1, 0, &claim));
    CU_ASSERT_EQUAL(claim.until_ms, 0);
    begin(true, 0);
    CU_ASSERT_EQUAL(looks_until(&stopped, 1, &claim), LEASE / 2 / STEP + 1);
}

static void
a_shard_without_leases_is_not_for_spares(void)
{
    struct driver_claim claim = {0};
    struct driver_shard moved = row(0, "export or import", 0, 0);
    moved.lease_ms = 0;
    begin(true, 0);
    CU_ASSERT_EQUAL(looks_until(&moved, 1, &claim), 0);
    begin(false, 0);
    CU_ASSERT_TRUE(look(&moved, 1, 0, &claim));
    CU_ASSERT_EQUAL(claim.until_ms, 0);
}

static void
a_spare_takes_its_own_before_others_and_the_first_of_those(void)
{
    struct driver_claim claim = {0};
    const struct driver_shard rows[] = {row(0, "a", 70, 900), row(1, "b", 71, 0),
                                        row(2, "me", 72, 0), row(3, "c", 73, 0)};
    const struct driver_shard strangers[] = {rows[0], rows[1], rows[3]};
    begin(true, 0);
    CU_ASSERT_TRUE(look(rows, 4, 0, &claim));
    CU_ASSERT_EQUAL(claim.number, 2);
    begin(true, 0);
    CU_ASSERT_NOT_EQUAL(looks_until(strangers, 3, &claim), 0);
    CU_ASSERT_EQUAL(claim.number, 1);
    CU_ASSERT_EQUAL(claim.until_ms, 71);
}

static void
a_number_beyond_all_is_nothing(void)
{
    struct driver_claim claim = {0};
    struct driver_shard wild = row(SHARDS_MAX, "me", 5, 0);
    begin(true, 0);
    CU_ASSERT_EQUAL(looks_until(&wild, 1, &claim), 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_shard_that_nobody_had_is_claimed_at_once),
    CUNIT_CASE(a_store_is_its_own_successor),
    CUNIT_CASE(what_another_one_has_is_waited_for),
    CUNIT_CASE(a_lease_that_is_over_at_first_sight_is_watched_for_half_its_length),
    CUNIT_CASE(a_store_that_renews_keeps_its_shard_whatever_the_clock_says),
    CUNIT_CASE(time_in_which_the_database_stood_still_does_not_count),
    CUNIT_CASE(a_lease_that_was_given_up_is_first_for_who_is_set_up_for_it),
    CUNIT_CASE(a_shard_without_leases_is_not_for_spares),
    CUNIT_CASE(a_spare_takes_its_own_before_others_and_the_first_of_those),
    CUNIT_CASE(a_number_beyond_all_is_nothing),
};

int
main(void)
{
    return cunit_run("shard_watch", cases, sizeof(cases) / sizeof(cases[0]));
}
