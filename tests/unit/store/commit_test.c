/* SPDX-License-Identifier: Apache-2.0 */
/* The committer over a driver made for the test: it remembers what was applied, fails when told,
 * and can be held in the middle of an apply. */
#include "common/mem.h"
#include "services/store/commit.h"
#include "tests/unit/cunit_main.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct fake {
    struct driver driver;
    pthread_mutex_t gate; /* held by the test: apply waits */
    _Atomic uint64_t applied_batches;
    _Atomic uint64_t applied_ops;
    _Atomic uint64_t attempts;
    uint64_t last_id; /* the applying thread's */
    uint64_t ids_changed_on_retry;
    uint64_t failed_id;
};

static enum err
fake_apply(struct driver *driver, const struct batch *batch)
{
    struct fake *fake = (struct fake *)(void *)driver;
    enum err fault;
    pthread_mutex_lock(&fake->gate);
    pthread_mutex_unlock(&fake->gate);
    atomic_fetch_add(&fake->attempts, 1);
    if (fake->failed_id != 0 && fake->failed_id != batch->id)
        fake->ids_changed_on_retry++;
    fault = driver_fault_step(driver);
    if (fault != OK) {
        fake->failed_id = batch->id;
        snprintf(driver->reason, sizeof(driver->reason), "told to fail");
        return fault;
    }
    fake->failed_id = 0;
    if (batch->id == fake->last_id || batch->id == 0)
        return ERR_INTERNAL;
    fake->last_id = batch->id;
    atomic_fetch_add(&fake->applied_ops, batch->op_count);
    atomic_fetch_add(&fake->applied_batches, 1);
    return OK;
}

static const struct driver_ops fake_ops = {.name = "fake", .apply = fake_apply};

struct fixture {
    struct loop *loop;
    struct fake *fake;
    struct commit *commit;
    uint64_t seen[10000];       /* a of each effect, in order */
    uint64_t durable_at[10000]; /* changes applied when it ran */
    size_t seen_count;
    uint64_t rooms;
    enum err state;
    unsigned state_changes;
    char reason[DRIVER_REASON_SIZE];
};

static void
on_state(void *arg, enum err err, const char *reason)
{
    struct fixture *f = arg;
    f->state = err;
    f->state_changes++;
    snprintf(f->reason, sizeof(f->reason), "%s", reason);
}

static struct fixture *
begin(size_t max_bytes)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    struct commit_settings settings = {.max_bytes = max_bytes,
                                       .retry_min_ms = 1,
                                       .retry_max_ms = 2,
                                       .on_state = on_state,
                                       .arg = f};
    f->loop = loop_new();
    f->fake = mem_zalloc(sizeof(*f->fake));
    f->fake->driver.ops = &fake_ops;
    pthread_mutex_init(&f->fake->gate, NULL);
    f->commit = commit_new(f->loop, &f->fake->driver, &settings);
    return f;
}

static void
end(struct fixture *f)
{
    commit_free(f->commit);
    loop_free(f->loop);
    pthread_mutex_destroy(&f->fake->gate);
    mem_free(f->fake);
    mem_free(f);
}

static void
turn_until_idle(struct fixture *f)
{
    loop_run_once(f->loop, false); /* what was added outside of a turn leaves with this one */
    while (!commit_is_idle(f->commit))
        loop_run_once(f->loop, true);
}

static void
effect(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct fixture *f = arg;
    (void)b;
    (void)c;
    f->seen[f->seen_count] = a;
    f->durable_at[f->seen_count++] = atomic_load(&f->fake->applied_ops);
}

static void
change(struct fixture *f)
{
    batch_queue_remove(commit_batch(f->commit), 1, 1);
}

static void
no_effect_runs_before_its_changes_are_durable(void)
{
    struct fixture *f = begin(0);
    uint64_t i;
    for (i = 1; i <= 500; i++) {
        change(f);
        commit_mark(f->commit, effect, f, i, 0, 0);
        if (i % 7 == 0)
            loop_run_once(f->loop, false);
    }
    turn_until_idle(f);
    CU_ASSERT_EQUAL_FATAL(f->seen_count, 500);
    for (i = 1; i <= 500; i++) {
        CU_ASSERT_EQUAL(f->seen[i - 1], i);
        CU_ASSERT(f->durable_at[i - 1] >= i);
    }
    CU_ASSERT_EQUAL(atomic_load(&f->fake->applied_ops), 500);
    CU_ASSERT_EQUAL(commit_count(f->commit), atomic_load(&f->fake->applied_batches));
    CU_ASSERT_EQUAL(commit_bytes(f->commit), 0);
    end(f);
}

static void
what_gathers_during_a_commit_goes_into_the_next_one(void)
{
    struct fixture *f = begin(0);
    uint64_t i;
    pthread_mutex_lock(&f->fake->gate);
    change(f);
    commit_mark(f->commit, effect, f, 0, 0, 0);
    for (i = 1; i <= 50; i++) {
        loop_run_once(f->loop, false);
        change(f);
        commit_mark(f->commit, effect, f, i, 0, 0);
    }
    CU_ASSERT_EQUAL(f->seen_count, 0);
    pthread_mutex_unlock(&f->fake->gate);
    turn_until_idle(f);
    CU_ASSERT_EQUAL(f->seen_count, 51);
    CU_ASSERT_EQUAL(atomic_load(&f->fake->applied_batches), 2);
    end(f);
}

static void
marks_without_changes_keep_their_place(void)
{
    struct fixture *f = begin(0);
    commit_mark(f->commit, effect, f, 1, 0, 0);
    turn_until_idle(f);
    CU_ASSERT_EQUAL(f->seen_count, 1);
    CU_ASSERT_EQUAL(atomic_load(&f->fake->attempts), 0);
    pthread_mutex_lock(&f->fake->gate);
    change(f);
    commit_mark(f->commit, effect, f, 2, 0, 0);
    loop_run_once(f->loop, false);
    commit_mark(f->commit, effect, f, 3, 0, 0);
    loop_run_once(f->loop, false);
    CU_ASSERT_EQUAL(f->seen_count, 1);
    pthread_mutex_unlock(&f->fake->gate);
    turn_until_idle(f);
    CU_ASSERT_EQUAL(f->seen_count, 3);
    CU_ASSERT_EQUAL(f->seen[1], 2);
    CU_ASSERT_EQUAL(f->seen[2], 3);
    CU_ASSERT_EQUAL(atomic_load(&f->fake->attempts), 1);
    end(f);
}

static void
chain(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct fixture *f = arg;
    effect(arg, a, b, c);
    if (a == 0)
        return;
    if (a % 2 == 0)
        change(f);
    commit_mark(f->commit, chain, f, a - 1, 0, 0);
}

static void
effects_may_add_changes_and_marks(void)
{
    struct fixture *f = begin(0);
    change(f);
    commit_mark(f->commit, chain, f, 20, 0, 0);
    turn_until_idle(f);
    CU_ASSERT_EQUAL(f->seen_count, 21);
    CU_ASSERT_EQUAL(atomic_load(&f->fake->applied_ops), 11);
    end(f);
}

static void
a_failing_batch_is_kept_and_tried_until_it_succeeds(void)
{
    struct fixture *f = begin(0);
    driver_fault_set(&f->fake->driver, 1, 5, ERR_NO_SPACE);
    change(f);
    commit_mark(f->commit, effect, f, 1, 0, 0);
    loop_run_once(f->loop, false);
    while (f->state == OK)
        loop_run_once(f->loop, true);
    CU_ASSERT_EQUAL(f->seen_count, 0);
    CU_ASSERT_EQUAL(commit_state(f->commit), ERR_NO_SPACE);
    CU_ASSERT_STRING_EQUAL(commit_reason(f->commit), "told to fail");
    CU_ASSERT_STRING_EQUAL(f->reason, "told to fail");
    change(f);
    commit_mark(f->commit, effect, f, 2, 0, 0);
    turn_until_idle(f);
    CU_ASSERT_EQUAL(f->state, OK);
    CU_ASSERT_EQUAL(commit_state(f->commit), OK);
    CU_ASSERT_STRING_EQUAL(commit_reason(f->commit), "");
    CU_ASSERT_EQUAL(f->state_changes, 2);
    CU_ASSERT_EQUAL(f->seen_count, 2);
    CU_ASSERT_EQUAL(atomic_load(&f->fake->attempts), 7);
    CU_ASSERT_EQUAL(f->fake->ids_changed_on_retry, 0);
    end(f);
}

static void
count_room(void *arg)
{
    struct fixture *f = arg;
    f->rooms++;
}

static void
a_full_batch_is_busy_until_it_left(void)
{
    struct fixture *f = begin(1000);
    pthread_mutex_lock(&f->fake->gate);
    change(f);
    loop_run_once(f->loop, false); /* flies, and is held */
    while (commit_room(f->commit) == OK)
        change(f);
    CU_ASSERT(commit_bytes(f->commit) >= 1000);
    CU_ASSERT(commit_bytes(f->commit) < 1100);
    commit_on_room(f->commit, count_room, f);
    loop_run_once(f->loop, false);
    CU_ASSERT_EQUAL(f->rooms, 0);
    pthread_mutex_unlock(&f->fake->gate);
    turn_until_idle(f);
    CU_ASSERT_EQUAL(f->rooms, 1);
    CU_ASSERT_EQUAL(commit_room(f->commit), OK);
    end(f);
}

static void
freeing_in_the_middle_of_retries_runs_no_effect(void)
{
    struct fixture *f = begin(0);
    driver_fault_set(&f->fake->driver, 1, 1000000, ERR_IO);
    change(f);
    commit_mark(f->commit, effect, f, 1, 0, 0);
    loop_run_once(f->loop, false);
    while (f->state == OK)
        loop_run_once(f->loop, true);
    change(f);
    commit_mark(f->commit, effect, f, 2, 0, 0);
    commit_free(f->commit);
    f->commit = NULL;
    CU_ASSERT_EQUAL(f->seen_count, 0);
    end(f);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(no_effect_runs_before_its_changes_are_durable),
    CUNIT_CASE(what_gathers_during_a_commit_goes_into_the_next_one),
    CUNIT_CASE(marks_without_changes_keep_their_place),
    CUNIT_CASE(effects_may_add_changes_and_marks),
    CUNIT_CASE(a_failing_batch_is_kept_and_tried_until_it_succeeds),
    CUNIT_CASE(a_full_batch_is_busy_until_it_left),
    CUNIT_CASE(freeing_in_the_middle_of_retries_runs_no_effect),
};

CUNIT_MAIN("commit", cases)
