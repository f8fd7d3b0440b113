/* SPDX-License-Identifier: Apache-2.0 */
/* Reading threads; see read_pool.h. The owner keeps the line of jobs and gives each thread one at a
 * time, so that a slow read holds up nobody who could go to another thread. */
#include "services/store/read_pool.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"

#include <pthread.h>
#include <signal.h>

#define THREADS_MAX  64u
#define RETRY_MIN_MS 50u
#define RETRY_MAX_MS 2000u
#define RETRY_TICK   25u

struct line {
    struct read_job *first;
    struct read_job **last;
};

struct reader {
    struct read_pool *pool;
    struct loop *loop;
    struct mailbox *mailbox; /* one job, or NULL: stop */
    pthread_t thread;
    bool is_busy; /* the owner's */
};

/* Reader -> owner. */
struct answer {
    struct reader *reader;
    struct read_job *job;
};

struct read_pool {
    struct loop *loop;
    struct driver *driver;
    struct read_pool_metrics metrics;
    struct mailbox *answers;
    struct reader readers[THREADS_MAX];
    unsigned count;
    size_t cap;
    size_t waiting;
    struct line ready;
    struct line over;       /* come back without being read */
    struct read_job *later; /* wait for another try */
    struct loop_timer retry;
    enum err state;
    bool stopping;
};

static void
line_add(struct line *line, struct read_job *job)
{
    job->next = NULL;
    if (line->first == NULL)
        line->last = &line->first;
    *line->last = job;
    line->last = &job->next;
}

static struct read_job *
line_take(struct line *line)
{
    struct read_job *job = line->first;
    if (job != NULL)
        line->first = job->next;
    return job;
}

/* ---- a reader's thread ---- */

static void
job_arrived(void *arg, void *item)
{
    struct reader *reader = arg;
    struct read_pool *pool = reader->pool;
    struct answer answer = {reader, *(struct read_job **)item};
    uint64_t began = clock_monotonic_us();
    if (answer.job == NULL) {
        loop_stop(reader->loop);
        return;
    }
    answer.job->err = answer.job->read(answer.job, pool->driver);
    if (pool->metrics.latency_us != NULL)
        metric_histogram_observe(pool->metrics.latency_us, clock_monotonic_us() - began);
    if (mailbox_post(pool->answers, &answer) != OK)
        log_fatal("read_pool", "answers do not fit though each reader has one");
}

static void *
reader_main(void *arg)
{
    struct reader *reader = arg;
    loop_run(reader->loop);
    return NULL;
}

/* ---- the owner ---- */

/* The first of the line whose time is not over; the others go aside. */
static struct read_job *
next_ready(struct read_pool *pool)
{
    struct read_job *job;
    while ((job = line_take(&pool->ready)) != NULL) {
        if (job->deadline_ms == 0 || job->deadline_ms >= loop_now_ms(pool->loop))
            return job;
        job->err = ERR_UNAVAILABLE;
        line_add(&pool->over, job);
        loop_again(pool->loop);
    }
    return NULL;
}

static void
send_off(struct read_pool *pool)
{
    unsigned i;
    for (i = 0; i < pool->count && pool->ready.first != NULL; i++) {
        struct reader *reader = &pool->readers[i];
        struct read_job *job = reader->is_busy ? NULL : next_ready(pool);
        if (job == NULL)
            continue;
        reader->is_busy = true;
        if (mailbox_post(reader->mailbox, &job) != OK)
            log_fatal("read_pool", "a reader that is free takes no job");
    }
}

static void
finish(struct read_pool *pool, struct read_job *job, enum err err)
{
    job->err = err;
    pool->waiting--;
    job->done(job);
}

static bool
is_passing(enum err err)
{
    return err == ERR_IO || err == ERR_BUSY || err == ERR_TIMEOUT || err == ERR_UNAVAILABLE;
}

static void
set_state(struct read_pool *pool, enum err err)
{
    enum err state = is_passing(err) ? err : OK;
    if (state != OK && pool->metrics.failures != NULL)
        metric_counter_add(pool->metrics.failures, 1);
    if ((pool->state == OK) != (state == OK)) {
        if (state == OK)
            log_info("reads_recovered", LOG_END);
        else
            log_error("reads_failing", LOG_ERR(state), LOG_END);
    }
    pool->state = state;
}

/* Puts a job that failed aside for another try; false: it has had all its time. */
static bool
try_later(struct read_pool *pool, struct read_job *job)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t wait_ms = RETRY_MIN_MS;
    unsigned i;
    for (i = 0; i < job->tries && wait_ms < RETRY_MAX_MS; i++)
        wait_ms *= 2;
    wait_ms = wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS;
    wait_ms = wait_ms * 3 / 4 + crypt_random_u64() % (wait_ms / 2);
    if (job->deadline_ms != 0 && now_ms + wait_ms > job->deadline_ms)
        return false;
    job->tries++;
    job->retry_at_ms = now_ms + wait_ms;
    job->next = pool->later;
    pool->later = job;
    if (!loop_timer_is_started(&pool->retry))
        loop_timer_start(&pool->retry, RETRY_TICK, true);
    return true;
}

static void
answered(void *arg, void *item)
{
    struct read_pool *pool = arg;
    const struct answer *answer = item;
    struct read_job *job = answer->job;
    answer->reader->is_busy = false;
    if (pool->stopping) {
        finish(pool, job, ERR_CANCELLED);
        return;
    }
    send_off(pool);
    if (pool->metrics.reads != NULL)
        metric_counter_add(pool->metrics.reads, 1);
    set_state(pool, job->err);
    if (!is_passing(job->err))
        finish(pool, job, job->err);
    else if (!try_later(pool, job))
        finish(pool, job, ERR_UNAVAILABLE);
}

static void
on_retry(void *arg)
{
    struct read_pool *pool = arg;
    uint64_t now_ms = clock_monotonic_ms();
    struct read_job *job = pool->later;
    pool->later = NULL;
    while (job != NULL) {
        struct read_job *next = job->next;
        if (job->retry_at_ms > now_ms) {
            job->next = pool->later;
            pool->later = job;
        } else if (job->wanted != NULL && !job->wanted(job)) {
            job->err = ERR_CANCELLED;
            line_add(&pool->over, job);
        } else {
            line_add(&pool->ready, job);
        }
        job = next;
    }
    if (pool->later == NULL)
        loop_timer_stop(&pool->retry);
    send_off(pool);
}

/* Jobs whose time is over before they were read, or that never got a place. */
static void
on_turn(void *arg)
{
    struct read_pool *pool = arg;
    struct read_job *job;
    while ((job = line_take(&pool->over)) != NULL)
        finish(pool, job, job->err);
}

static void
start(struct read_pool *pool, struct reader *reader)
{
    sigset_t all;
    sigset_t before;
    int rc;
    reader->pool = pool;
    reader->loop = loop_new();
    reader->mailbox = mailbox_new(reader->loop, sizeof(struct read_job *), 2, job_arrived, reader);
    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&reader->thread, NULL, reader_main, reader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        log_fatal("thread_not_started", "read");
}

struct read_pool *
read_pool_new(struct loop *loop, struct driver *driver, unsigned threads, size_t cap,
              const struct read_pool_metrics *metrics)
{
    struct read_pool *pool = mem_zalloc(sizeof(*pool));
    unsigned i;
    pool->loop = loop;
    pool->driver = driver;
    pool->metrics = *metrics;
    pool->cap = cap;
    pool->count = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    pool->answers = mailbox_new(loop, sizeof(struct answer), THREADS_MAX, answered, pool);
    loop_timer_init(&pool->retry, loop, on_retry, pool);
    loop_on_turn(loop, on_turn, pool);
    for (i = 0; i < pool->count; i++)
        start(pool, &pool->readers[i]);
    return pool;
}

static void
stop_readers(struct read_pool *pool)
{
    struct read_job *none = NULL;
    unsigned i;
    for (i = 0; i < pool->count; i++) {
        if (mailbox_post(pool->readers[i].mailbox, &none) != OK)
            log_fatal("read_pool", "cannot stop a thread");
    }
    for (i = 0; i < pool->count; i++) {
        (void)pthread_join(pool->readers[i].thread, NULL);
        mailbox_free(pool->readers[i].mailbox);
        loop_free(pool->readers[i].loop);
    }
}

void
read_pool_free(struct read_pool *pool)
{
    struct read_job *job;
    if (pool == NULL)
        return;
    pool->stopping = true;
    stop_readers(pool);
    (void)mailbox_drain(pool->answers);
    while ((job = pool->later) != NULL) {
        pool->later = job->next;
        line_add(&pool->over, job);
    }
    while ((job = line_take(&pool->ready)) != NULL)
        line_add(&pool->over, job);
    while ((job = line_take(&pool->over)) != NULL)
        finish(pool, job, ERR_CANCELLED);
    loop_on_turn_remove(pool->loop, on_turn, pool);
    loop_timer_fini(&pool->retry);
    mailbox_free(pool->answers);
    mem_free(pool);
}

void
read_pool_submit(struct read_pool *pool, struct read_job *job)
{
    bool is_full = job->deadline_ms != 0 && pool->waiting >= pool->cap;
    job->tries = 0;
    pool->waiting++;
    if (is_full || pool->stopping) {
        job->err = is_full ? ERR_BUSY : ERR_CANCELLED;
        line_add(&pool->over, job);
        loop_again(pool->loop);
        return;
    }
    line_add(&pool->ready, job);
    send_off(pool);
}

size_t
read_pool_waiting(const struct read_pool *pool)
{
    return pool->waiting;
}

enum err
read_pool_state(const struct read_pool *pool)
{
    return pool->state;
}
