/* SPDX-License-Identifier: Apache-2.0 */
/* Reading threads: jobs come back once, are tried again while their time lasts, and end with the
 * pool. */
#include "services/store/read_pool.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "tests/unit/cunit_main.h"

#include <stdatomic.h>

#define PATIENCE_MS 60000u

static struct loop *loop;
static struct driver driver;
static struct read_pool *pool;
static unsigned back;          /* jobs that came back */
static unsigned back_with[64]; /* by error */
static bool nobody_waits;
static _Atomic bool held; /* readers wait while it is set */
static _Atomic unsigned reads;

struct job {
    struct read_job job;
    unsigned failures; /* tries that fail before one succeeds */
    enum err fail_with;
    uint64_t number;
    uint64_t copied;
};

static enum err
read_it(struct read_job *base, struct driver *from)
{
    struct job *job = (struct job *)(void *)base;
    CU_ASSERT_PTR_EQUAL(from, &driver);
    while (atomic_load(&held))
        (void)clock_monotonic_us();
    atomic_fetch_add(&reads, 1);
    if (job->failures != 0) {
        job->failures--;
        return job->fail_with;
    }
    job->copied = job->number;
    return OK;
}

static void
it_is_back(struct read_job *base)
{
    struct job *job = (struct job *)(void *)base;
    back++;
    back_with[base->err]++;
    if (base->err == OK)
        CU_ASSERT_EQUAL(job->copied, job->number);
    mem_free(job);
}

static bool
is_wanted(const struct read_job *base)
{
    (void)base;
    return !nobody_waits;
}

static struct job *
job_new(uint64_t number, unsigned failures, enum err fail_with, uint64_t deadline_ms)
{
    struct job *job = mem_zalloc(sizeof(*job));
    job->job = (struct read_job){
        .read = read_it, .done = it_is_back, .wanted = is_wanted, .deadline_ms = deadline_ms};
    job->number = number;
    job->failures = failures;
    job->fail_with = fail_with;
    return job;
}

static void
begin(unsigned threads, size_t cap)
{
    static const struct read_pool_metrics none;
    log_set_level(LOG_LEVEL_ERROR);
    loop = loop_new();
    pool = read_pool_new(loop, &driver, threads, cap, &none);
    back = 0;
    for (size_t i = 0; i < 64; i++)
        back_with[i] = 0;
    nobody_waits = false;
    atomic_store(&held, false);
    atomic_store(&reads, 0);
}

static void
end(void)
{
    read_pool_free(pool);
    loop_free(loop);
}

static void
await_back(unsigned count)
{
    uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;
    while (back < count && clock_monotonic_ms() < end_ms)
        loop_run_once(loop, true);
    CU_ASSERT_EQUAL(back, count);
}

static void
every_job_comes_back_once(void)
{
    uint64_t i;
    begin(4, 10);
    for (i = 1; i <= 1000; i++)
        read_pool_submit(pool, &job_new(i, 0, OK, 0)->job);
    CU_ASSERT_EQUAL(read_pool_waiting(pool), 1000);
    await_back(1000);
    CU_ASSERT_EQUAL(back_with[OK], 1000);
    CU_ASSERT_EQUAL(read_pool_waiting(pool), 0);
    end();
}

static void
what_fails_is_tried_again_until_it_works(void)
{
    begin(2, 10);
    read_pool_submit(pool, &job_new(1, 2, ERR_IO, 0)->job);
    read_pool_submit(pool, &job_new(2, 1, ERR_BUSY, clock_monotonic_ms() + 60000)->job);
    await_back(2);
    CU_ASSERT_EQUAL(back_with[OK], 2);
    CU_ASSERT_EQUAL(atomic_load(&reads), 5);
    CU_ASSERT_EQUAL(read_pool_state(pool), OK);
    end();
}

static void
a_job_whose_time_is_over_is_unavailable(void)
{
    begin(1, 10);
    read_pool_submit(pool, &job_new(1, 1000000, ERR_IO, clock_monotonic_ms() + 1000)->job);
    await_back(1);
    CU_ASSERT_EQUAL(back_with[ERR_UNAVAILABLE], 1);
    CU_ASSERT(atomic_load(&reads) > 1);
    CU_ASSERT_EQUAL(read_pool_state(pool), ERR_IO);
    /* its time passes while it stands in the line */
    atomic_store(&held, true);
    read_pool_submit(pool, &job_new(2, 0, OK, 0)->job);
    read_pool_submit(pool, &job_new(3, 0, OK, 1)->job);
    atomic_store(&held, false);
    await_back(3);
    CU_ASSERT_EQUAL(back_with[ERR_UNAVAILABLE], 2);
    CU_ASSERT_EQUAL(back_with[OK], 1);
    CU_ASSERT_EQUAL(read_pool_state(pool), OK);
    end();
}

static void
other_errors_come_back_at_once(void)
{
    begin(1, 10);
    read_pool_submit(pool, &job_new(1, 1, ERR_NOT_FOUND, 0)->job);
    read_pool_submit(pool, &job_new(2, 1, ERR_MALFORMED, 0)->job);
    await_back(2);
    CU_ASSERT_EQUAL(back_with[ERR_NOT_FOUND], 1);
    CU_ASSERT_EQUAL(back_with[ERR_MALFORMED], 1);
    CU_ASSERT_EQUAL(atomic_load(&reads), 2);
    end();
}

static void
what_nobody_waits_for_is_not_tried_again(void)
{
    begin(1, 10);
    nobody_waits = true;
    read_pool_submit(pool, &job_new(1, 1000000, ERR_IO, 0)->job);
    await_back(1);
    CU_ASSERT_EQUAL(back_with[ERR_CANCELLED], 1);
    CU_ASSERT_EQUAL(atomic_load(&reads), 1);
    end();
}

static void
beyond_its_cap_a_job_comes_back_busy(void)
{
    uint64_t i;
    begin(1, 3);
    atomic_store(&held, true);
    for (i = 0; i < 5; i++)
        read_pool_submit(pool, &job_new(i, 0, OK, clock_monotonic_ms() + 60000)->job);
    read_pool_submit(pool, &job_new(9, 0, OK, 0)->job); /* without a deadline: no cap */
    atomic_store(&held, false);
    await_back(6);
    CU_ASSERT_EQUAL(back_with[ERR_BUSY], 2);
    CU_ASSERT_EQUAL(back_with[OK], 4);
    end();
}

static void
the_end_of_the_pool_ends_all_jobs(void)
{
    uint64_t i;
    begin(2, 1000);
    for (i = 0; i < 100; i++)
        read_pool_submit(pool, &job_new(i, i % 2 == 0 ? 1000000 : 0, ERR_IO, 0)->job);
    while (back == 0) /* or several in one turn */
        loop_run_once(loop, true);
    end();
    CU_ASSERT_EQUAL(back, 100);
    CU_ASSERT(back_with[ERR_CANCELLED] >= 50);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(every_job_comes_back_once),
    CUNIT_CASE(what_fails_is_tried_again_until_it_works),
    CUNIT_CASE(a_job_whose_time_is_over_is_unavailable),
    CUNIT_CASE(other_errors_come_back_at_once),
    CUNIT_CASE(what_nobody_waits_for_is_not_tried_again),
    CUNIT_CASE(beyond_its_cap_a_job_comes_back_busy),
    CUNIT_CASE(the_end_of_the_pool_ends_all_jobs),
};

CUNIT_MAIN("read_pool", cases)
