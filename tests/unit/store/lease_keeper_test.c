/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that renews a lease: says only what changes, goes on after failures, ends when the
 * shard is another's. The driver here does nothing but answer. */
#include "services/store/lease_keeper.h"
#include "tests/unit/cunit_main.h"

#include <poll.h>

#define LEASE_MS 3u

static _Atomic int answer;
static _Atomic unsigned renewals;

static enum err
fake_renew(struct driver *driver, uint64_t lease_ms)
{
    (void)driver;
    (void)lease_ms;
    renewals++;
    return (enum err)answer;
}

static const struct driver_ops ops = {.name = "fake", .renew = fake_renew};
static struct driver driver = {.ops = &ops};

struct heard {
    struct loop *loop;
    enum err news[8];
    unsigned count;
};

static void
hear(void *arg, enum err err)
{
    struct heard *heard = arg;
    if (heard->count < 8)
        heard->news[heard->count] = err;
    heard->count++;
    loop_stop(heard->loop);
}

static void
let_renew(unsigned more)
{
    unsigned begin = renewals;
    while (renewals - begin < more)
        (void)poll(NULL, 0, 1);
}

static void
only_changes_are_said(void)
{
    struct heard heard = {.loop = loop_new()};
    struct lease_keeper *keeper;
    answer = OK;
    keeper = lease_keeper_new(heard.loop, &driver, LEASE_MS, hear, &heard);
    let_renew(3);
    CU_ASSERT_EQUAL(lease_keeper_state(keeper), OK);
    answer = ERR_IO;
    loop_run(heard.loop);
    CU_ASSERT_EQUAL(lease_keeper_state(keeper), ERR_IO);
    let_renew(3);
    answer = OK;
    loop_run(heard.loop);
    CU_ASSERT_EQUAL(lease_keeper_state(keeper), OK);
    lease_keeper_free(keeper);
    loop_free(heard.loop);
    CU_ASSERT_EQUAL(heard.count, 2);
    CU_ASSERT_EQUAL(heard.news[0], ERR_IO);
    CU_ASSERT_EQUAL(heard.news[1], OK);
}

static void
a_shard_that_is_lost_is_not_renewed_any_more(void)
{
    struct heard heard = {.loop = loop_new()};
    struct lease_keeper *keeper;
    unsigned last;
    answer = ERR_STALE;
    keeper = lease_keeper_new(heard.loop, &driver, LEASE_MS, hear, &heard);
    loop_run(heard.loop);
    last = renewals;
    CU_ASSERT_EQUAL(lease_keeper_state(keeper), ERR_STALE);
    lease_keeper_free(keeper);
    CU_ASSERT_EQUAL(renewals, last);
    CU_ASSERT_EQUAL(heard.count, 1);
    loop_free(heard.loop);
}

static void
none_is_fine(void)
{
    CU_ASSERT_EQUAL(lease_keeper_state(NULL), OK);
    lease_keeper_free(NULL);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(only_changes_are_said),
    CUNIT_CASE(a_shard_that_is_lost_is_not_renewed_any_more),
    CUNIT_CASE(none_is_fine),
};

int
main(void)
{
    return cunit_run("lease_keeper", cases, sizeof(cases) / sizeof(cases[0]));
}
