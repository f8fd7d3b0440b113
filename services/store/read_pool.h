/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that ask the driver, so that the owner's thread never waits for a disk or a database. A
 * job is read on one of them and comes back to the owner's thread with what it copied. Knows no
 * rules; promises no order between jobs: who needs one waits for the answer before asking again.
 *
 * A read that fails because the database is slow or away (ERR_IO, ERR_BUSY, ERR_TIMEOUT,
 * ERR_UNAVAILABLE) is tried again, after 50 ms at first, doubling up to 2 s, each time up to a
 * quarter earlier or later so that many do not come at once, as long as its deadline allows; then
 * it comes back with ERR_UNAVAILABLE. */
#ifndef SERVICES_STORE_READ_POOL_H
#define SERVICES_STORE_READ_POOL_H

#include "common/err.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "services/store/driver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct read_pool;
struct read_job;

/* On a thread of the pool: reads what the job asks for and copies it into the job. May run more
 * than once: it begins by forgetting what a former try brought. */
typedef enum err (*read_job_read_fn)(struct read_job *job, struct driver *driver);
/* On the owner's thread, once for every job, with job->err: ERR_CANCELLED when the pool is taken
 * down or nobody wants it any more. Takes the job. */
typedef void (*read_job_done_fn)(struct read_job *job);
/* On the owner's thread, before another try: whether somebody still waits. */
typedef bool (*read_job_wanted_fn)(const struct read_job *job);

/* The head of the asker's own struct. */
struct read_job {
    read_job_read_fn read;
    read_job_done_fn done;
    read_job_wanted_fn wanted; /* NULL: always */
    uint64_t deadline_ms;      /* monotonic; 0: as long as it takes */
    enum err err;
    /* the pool's */
    struct read_job *next;
    uint64_t retry_at_ms;
    unsigned tries;
};

/* Series to feed; any may be NULL. They outlive the pool. */
struct read_pool_metrics {
    struct metric_counter *reads;
    struct metric_counter *failures; /* tries that failed */
    struct metric_histogram *latency_us;
};

/* New; starts the threads. loop and driver are borrowed and outlive it. Of jobs with a deadline at
 * most cap wait at a time; others are bounded by their askers (one for each session, say). */
struct read_pool *read_pool_new(struct loop *loop, struct driver *driver, unsigned threads,
                                size_t cap, const struct read_pool_metrics *metrics);
/* Waits for reads under way, then ends all jobs with ERR_CANCELLED; while it runs, what is
 * submitted ends so too. NULL is nothing. */
void read_pool_free(struct read_pool *pool);

/* Takes the job; done is never called from within. Beyond cap it comes back with ERR_BUSY. */
void read_pool_submit(struct read_pool *pool, struct read_job *job);

/* Jobs that have not come back. */
size_t read_pool_waiting(const struct read_pool *pool);
/* OK, or why the last read failed. */
enum err read_pool_state(const struct read_pool *pool);

#endif
