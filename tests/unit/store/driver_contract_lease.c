/* SPDX-License-Identifier: Apache-2.0 */
/* Contract tests of drivers whose data several stores share: who has a shard, until when, and that
 * one who lost it cannot write. */
#include "tests/unit/store/driver_contract_kit.h"

#include <poll.h>
#include <pthread.h>

#define CLAIMANTS 4

struct seen {
    struct driver_shard shard;
    char holder[64];
    unsigned count;
    uint32_t wanted;
};

static void
see(void *arg, const struct driver_shard *shard)
{
    struct seen *seen = arg;
    seen->count++;
    if (shard->number != seen->wanted)
        return;
    seen->shard = *shard;
    (void)snprintf(seen->holder, sizeof(seen->holder), "%.*s", (int)shard->holder.len,
                   (const char *)shard->holder.data);
}

/* The row of one shard; count is of all. */
static struct seen
look(struct driver *driver, uint32_t number)
{
    struct seen seen = {.wanted = number};
    CU_ASSERT_EQUAL(driver_shards(driver, 64, see, &seen), OK);
    return seen;
}

static struct driver_claim
claim_of(uint32_t number, const char *holder, uint64_t lease_ms)
{
    return (struct driver_claim){.number = number, .holder = holder, .lease_ms = lease_ms};
}

static enum err
write_one(struct driver *driver)
{
    struct batch batch;
    enum err err;
    batch_init(&batch);
    batch_meta_put(&batch, "boot", slice_cstr("1"));
    err = driver_apply(driver, &batch);
    batch_fini(&batch);
    return err;
}

void
driver_contract_a_lease_is_claimed_seen_and_renewed(void)
{
    struct driver *driver = driver_contract_open_fresh();
    struct driver *other = driver_contract_open_again();
    struct driver_claim claim = claim_of(7, "it's \"me\"; --", 60000);
    struct seen first, second;
    CU_ASSERT_EQUAL(look(driver, 7).shard.lease_ms, 0);
    CU_ASSERT_EQUAL(driver_claim(driver, &claim), OK);
    first = look(other, 7);
    CU_ASSERT_EQUAL(first.count, 2); /* 0 was claimed when they were opened */
    CU_ASSERT_EQUAL(first.shard.number, 7);
    CU_ASSERT_EQUAL(first.shard.lease_ms, 60000);
    CU_ASSERT(first.shard.left_ms > 0 && first.shard.left_ms <= 60000);
    CU_ASSERT_STRING_EQUAL(first.holder, claim.holder);
    do {
        CU_ASSERT_EQUAL_FATAL(driver_renew(driver, 60000), OK);
        second = look(other, 7);
    } while (second.shard.until_ms == first.shard.until_ms);
    CU_ASSERT(second.shard.until_ms > first.shard.until_ms);
    CU_ASSERT_EQUAL(write_one(driver), OK);
    driver_close(driver);
    /* it goes on without him */
    CU_ASSERT_EQUAL(look(other, 7).shard.until_ms, second.shard.until_ms);
    driver_close(other);
}

void
driver_contract_a_lease_that_is_over_is_seen_to_be(void)
{
    struct driver *driver = driver_contract_open_fresh();
    struct driver_claim claim = claim_of(1, "short", 1);
    CU_ASSERT_EQUAL(driver_claim(driver, &claim), OK);
    while (look(driver, 1).shard.left_ms != 0)
        (void)poll(NULL, 0, 1);
    CU_ASSERT_NOT_EQUAL(look(driver, 1).shard.until_ms, 0);
    CU_ASSERT_EQUAL(write_one(driver), OK); /* nobody else has claimed it */
    CU_ASSERT_EQUAL(driver_renew(driver, 60000), OK);
    CU_ASSERT_NOT_EQUAL(look(driver, 1).shard.left_ms, 0);
    driver_close(driver);
}

void
driver_contract_a_lease_is_given_up(void)
{
    struct driver *driver = driver_contract_open_fresh();
    struct driver *other = driver_contract_open_again();
    struct driver_claim claim = claim_of(1, "me", 60000);
    struct seen seen;
    CU_ASSERT_EQUAL(driver_claim(driver, &claim), OK);
    CU_ASSERT_EQUAL(driver_renew(driver, 0), OK);
    seen = look(other, 1);
    CU_ASSERT_EQUAL(seen.shard.until_ms, 0);
    CU_ASSERT_EQUAL(seen.shard.left_ms, 0);
    CU_ASSERT_EQUAL(seen.shard.lease_ms, 60000); /* a shard with leases it remains */
    CU_ASSERT_EQUAL(driver_claim(other, &claim), OK);
    CU_ASSERT_EQUAL(driver_renew(driver, 0), ERR_STALE);
    driver_close(driver);
    driver_close(other);
}

void
driver_contract_a_claim_is_for_what_was_seen(void)
{
    struct driver *first = driver_contract_open_fresh();
    struct driver *second = driver_contract_open_again();
    struct driver_claim claim = claim_of(3, "first", 60000);
    uint64_t until_ms;
    CU_ASSERT_EQUAL(driver_claim(first, &claim), OK);
    claim.holder = "second";
    CU_ASSERT_EQUAL(driver_claim(second, &claim), ERR_BUSY); /* it is no new one any more */
    until_ms = look(first, 3).shard.until_ms;
    while (look(first, 3).shard.until_ms == until_ms)
        CU_ASSERT_EQUAL_FATAL(driver_renew(first, 60000), OK);
    claim.until_ms = until_ms;
    CU_ASSERT_EQUAL(driver_claim(second, &claim), ERR_BUSY); /* renewed meanwhile */
    CU_ASSERT_EQUAL(write_one(first), OK);
    claim.until_ms = look(first, 3).shard.until_ms;
    CU_ASSERT_EQUAL(driver_claim(second, &claim), OK);
    CU_ASSERT_STRING_EQUAL(look(first, 3).holder, "second");
    /* the one before may neither write nor renew */
    CU_ASSERT_EQUAL(write_one(first), ERR_STALE);
    CU_ASSERT_EQUAL(driver_renew(first, 60000), ERR_STALE);
    CU_ASSERT_EQUAL(write_one(second), OK);
    CU_ASSERT_EQUAL(driver_renew(second, 60000), OK);
    driver_close(first);
    driver_close(second);
}

void
driver_contract_a_forced_claim_without_a_lease_leaves_the_shard_to_its_own(void)
{
    struct driver *first = driver_contract_open_fresh();
    struct driver *second = driver_contract_open_again();
    struct driver_claim claim = claim_of(2, "first", 60000);
    struct driver_claim forced = claim_of(2, "export", 0);
    struct seen seen;
    CU_ASSERT_EQUAL(driver_claim(first, &claim), OK);
    forced.is_forced = true;
    CU_ASSERT_EQUAL(driver_claim(second, &forced), OK);
    CU_ASSERT_EQUAL(write_one(first), ERR_STALE);
    seen = look(second, 2);
    CU_ASSERT_EQUAL(seen.shard.until_ms, 0);
    CU_ASSERT_EQUAL(seen.shard.lease_ms, 0);
    CU_ASSERT_EQUAL(driver_claim(first, &claim), OK); /* until_ms 0 */
    CU_ASSERT_EQUAL(write_one(first), OK);
    driver_close(first);
    driver_close(second);
}

struct claimant {
    struct driver *driver;
    pthread_barrier_t *barrier;
    enum err err;
};

static void *
claim_at_once(void *arg)
{
    struct claimant *claimant = arg;
    const struct driver_claim claim = claim_of(5, "one of them", 60000);
    (void)pthread_barrier_wait(claimant->barrier);
    claimant->err = driver_claim(claimant->driver, &claim);
    return NULL;
}

void
driver_contract_of_claims_at_once_one_wins(void)
{
    struct claimant claimants[CLAIMANTS] = {0};
    pthread_t threads[CLAIMANTS];
    pthread_barrier_t barrier;
    unsigned won = 0;
    unsigned i;
    (void)pthread_barrier_init(&barrier, NULL, CLAIMANTS);
    for (i = 0; i < CLAIMANTS; i++) {
        claimants[i].driver = i == 0 ? driver_contract_open_fresh() : driver_contract_open_again();
        claimants[i].barrier = &barrier;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, claim_at_once, &claimants[i]), 0);
    }
    for (i = 0; i < CLAIMANTS; i++)
        (void)pthread_join(threads[i], NULL);
    for (i = 0; i < CLAIMANTS; i++) {
        won += claimants[i].err == OK;
        CU_ASSERT(claimants[i].err == OK || claimants[i].err == ERR_BUSY);
        CU_ASSERT_EQUAL(driver_renew(claimants[i].driver, 60000),
                        claimants[i].err == OK ? OK : ERR_STALE);
    }
    CU_ASSERT_EQUAL(won, 1);
    for (i = 0; i < CLAIMANTS; i++)
        driver_close(claimants[i].driver);
    (void)pthread_barrier_destroy(&barrier);
}
