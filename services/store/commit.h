/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit. The owner thread adds changes to the open batch and marks what may happen once they
 * are durable; a thread of its own applies batch after batch through the driver. All that gathered
 * while one batch was written goes into the next one. No rules, no knowledge of what it commits.
 *
 *     struct batch *batch = commit_batch(commit);
 *     batch_queue_remove(batch, session, seq);
 *     commit_mark(commit, on_removed, store, session, seq, 0);
 *
 * The open batch leaves at the end of the loop's turn if the thread is free, else at the end of the
 * turn in which it becomes free: what one turn adds is never torn apart (and what
 * is added outside of the loop waits for its next turn). Hooks that add the last
 * changes of a turn are registered (loop_on_turn) before commit_new. Effects run at the end of a
 * turn too, while the disk works on the next batch. A batch that fails is kept and tried again
 * (after 100 ms, doubling up to 2 s, up to a quarter more or less) until it succeeds; meanwhile the
 * state is degraded and the next batch gathers until it is full. No effect runs before its batch is
 * durable; effects run in the order of their marks, all on the owner's loop thread.
 */
#ifndef SERVICES_STORE_COMMIT_H
#define SERVICES_STORE_COMMIT_H

#include "common/err.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "services/store/batch.h"
#include "services/store/driver.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct commit;

/* Effect of a mark: arg, a, b, c are the caller's. May add changes and marks (they join the open
 * batch), must not free the committer. */
typedef void (*commit_effect_fn)(void *arg, uint64_t a, uint64_t b, uint64_t c);

/* The state changed: err is OK again, or why batches fail now (ERR_NO_SPACE, ERR_IO, ERR_STALE
 * ...). reason is a text for people, borrowed. Called on the owner's thread. */
typedef void (*commit_state_fn)(void *arg, enum err err, const char *reason);

/* Series to feed; any may be NULL. They outlive the committer. */
struct commit_metrics {
    struct metric_histogram *latency_us; /* of driver_apply */
    struct metric_histogram *ops;        /* changes per commit */
    struct metric_counter *commits;
    struct metric_counter *failures;
};

struct commit_settings {
    size_t max_bytes;         /* of the open batch, changes and marks; 0: 64 MiB */
    uint64_t retry_min_ms;    /* 0: 100 */
    uint64_t retry_max_ms;    /* 0: 2000 */
    commit_state_fn on_state; /* may be NULL */
    void *arg;
    struct commit_metrics metrics;
};

/* New; starts the thread. loop and driver are borrowed and outlive it. Only the committer may apply
 * to the driver from then on. */
struct commit *commit_new(struct loop *loop, struct driver *driver,
                          const struct commit_settings *settings);
/* Stops the thread (waits for an apply that is under way, not for retries) and frees. Marks whose
 * batch is not durable are dropped: their effects never run. See commit_is_idle. NULL is nothing.
 */
void commit_free(struct commit *commit);

/* The open batch, borrowed until control returns to the loop. Adding never fails: ask commit_room
 * before taking on something new. */
struct batch *commit_batch(struct commit *commit);
/* Runs fn when everything added so far is durable. Without any change before it, it runs at the end
 * of a turn, still after all earlier marks. */
void commit_mark(struct commit *commit, commit_effect_fn fn, void *arg, uint64_t a, uint64_t b,
                 uint64_t c);
/* OK, or ERR_BUSY: the open batch is full; what has begun may still be added, nothing new should
 * be. on_room (one at a time, may be NULL) runs once when there is room again. */
ERR_MUST_USE enum err commit_room(const struct commit *commit);
void commit_on_room(struct commit *commit, loop_fn on_room, void *arg);

/* Everything added is durable and every effect has run. */
bool commit_is_idle(const struct commit *commit);
/* OK, or why the batch under way fails. The text is for people, "" when OK; borrowed until the
 * next turn. */
enum err commit_state(const struct commit *commit);
const char *commit_reason(const struct commit *commit);
/* Bytes in the open batch and under way: what memory the committer holds. */
size_t commit_bytes(const struct commit *commit);
/* Batches made durable since the start. */
uint64_t commit_count(const struct commit *commit);

#endif
