/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three parts (a batch with its marks) go round: one is open; one is flying and belongs to the
 * commit thread until it is posted back; one is done and waits for the end of the turn, where the
 * open part is sent off first, so that the disk works while the effects of the done one run. Both
 * threads run loops and talk through mailboxes only. A part that comes back is durable: failures
 * stay with the commit thread, which tries again.
 */
#include "services/store/commit.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define MAX_BYTES_DEFAULT ((size_t)64 << 20)
#define RETRY_MIN_DEFAULT 100
#define RETRY_MAX_DEFAULT 2000
#define PARTS             3
#define KEEP_BYTES        ((size_t)4 << 20) /* arena kept by an empty batch */
#define KEEP_MARKS        ((size_t)1 << 16)
#define NEWS_MAX          16 /* state news that may wait; the next failure brings newer ones */

struct mark {
    commit_effect_fn fn;
    void *arg;
    uint64_t a;
    uint64_t b;
    uint64_t c;
};

struct part {
    struct batch batch;
    struct mark *marks;
    size_t count;
    size_t size;
};

/* Commit thread -> owner: a part is durable, or (part NULL) it fails just now. */
struct news {
    struct part *part;
    enum err err;
    char reason[DRIVER_REASON_SIZE];
};

struct commit {
    struct loop *loop;
    struct driver *driver;
    struct commit_settings settings;
    /* owner */
    struct part parts[PARTS];
    struct part *open;
    struct part *flying; /* NULL: the thread is free */
    struct part *done;   /* durable, its effects have not run */
    struct part *spare[PARTS];
    size_t spare_count;
    struct mailbox *to_owner;
    uint64_t next_id;
    uint64_t count;
    enum err state;
    char reason[DRIVER_REASON_SIZE];
    loop_fn on_room;
    void *on_room_arg;
    bool running_effects;
    /* commit thread */
    struct loop *work_loop;
    struct mailbox *to_thread;
    struct loop_timer retry;
    struct part *work;
    uint64_t retry_ms;
    pthread_t thread;
};

/* ---- the commit thread ---- */

static void
tell(struct commit *commit, struct part *part, enum err err)
{
    struct news news = {.part = part, .err = err};
    enum err posted;
    if (part == NULL && mailbox_count(commit->to_owner) >= NEWS_MAX)
        return;
    if (err != OK)
        str_format(news.reason, sizeof(news.reason), "%s", driver_reason(commit->driver));
    if (err != OK && news.reason[0] == '\0')
        str_format(news.reason, sizeof(news.reason), "%s", err_text(err));
    posted = mailbox_post(commit->to_owner, &news);
    assert(posted == OK); /* NEWS_MAX and the one part always fit */
}

static void
work_try(void *arg)
{
    struct commit *commit = arg;
    const struct commit_metrics *metrics = &commit->settings.metrics;
    struct part *part = commit->work;
    uint64_t began = clock_monotonic_us();
    enum err err = driver_apply(commit->driver, &part->batch);
    if (metrics->latency_us != NULL)
        metric_histogram_observe(metrics->latency_us, clock_monotonic_us() - began);
    if (err != OK) {
        if (metrics->failures != NULL)
            metric_counter_add(metrics->failures, 1);
        tell(commit, NULL, err);
        loop_timer_start(&commit->retry,
                         commit->retry_ms * 3 / 4 + crypt_random_u64() % (commit->retry_ms / 2 + 1),
                         false);
        commit->retry_ms *= 2;
        if (commit->retry_ms > commit->settings.retry_max_ms)
            commit->retry_ms = commit->settings.retry_max_ms;
        return;
    }
    if (metrics->commits != NULL)
        metric_counter_add(metrics->commits, 1);
    if (metrics->ops != NULL)
        metric_histogram_observe(metrics->ops, part->batch.op_count);
    commit->work = NULL;
    tell(commit, part, OK);
}

static void
work_arrived(void *arg, void *item)
{
    struct commit *commit = arg;
    assert(commit->work == NULL);
    commit->work = *(struct part **)item;
    commit->retry_ms = commit->settings.retry_min_ms;
    work_try(commit);
}

static void *
work_main(void *arg)
{
    struct commit *commit = arg;
    loop_run(commit->work_loop);
    return NULL;
}

/* ---- the owner ---- */

static void
part_reset(struct part *part)
{
    batch_reset(&part->batch, KEEP_BYTES);
    part->count = 0;
    if (part->size > KEEP_MARKS) {
        mem_free(part->marks);
        part->marks = NULL;
        part->size = 0;
    }
}

static size_t
part_bytes(const struct part *part)
{
    return part == NULL ? 0 : batch_bytes(&part->batch) + part->count * sizeof(struct mark);
}

static void
run_effects(struct commit *commit, struct part *part)
{
    size_t i;
    commit->running_effects = true;
    for (i = 0; i < part->count; i++) {
        const struct mark *mark = &part->marks[i];
        mark->fn(mark->arg, mark->a, mark->b, mark->c);
    }
    commit->running_effects = false;
    part_reset(part);
    commit->spare[commit->spare_count++] = part;
}

static void
room_again(struct commit *commit)
{
    loop_fn fn = commit->on_room;
    if (fn == NULL || commit_room(commit) != OK)
        return;
    commit->on_room = NULL;
    fn(commit->on_room_arg);
}

static struct part *
take_open(struct commit *commit)
{
    struct part *part = commit->open;
    assert(commit->spare_count > 0); /* flying and done are the only others */
    commit->open = commit->spare[--commit->spare_count];
    return part;
}

static void
send_off(struct commit *commit)
{
    struct part *part;
    enum err posted;
    if (commit->flying != NULL || batch_is_empty(&commit->open->batch))
        return;
    part = take_open(commit);
    commit->flying = part;
    part->batch.id = commit->next_id++;
    if (commit->next_id == 0)
        commit->next_id = 1;
    posted = mailbox_post(commit->to_thread, &part);
    assert(posted == OK); /* the thread is free: its mailbox is empty */
}

/* End of a turn. Marks without changes wait for nobody once nothing flies. */
static void
on_turn(void *arg)
{
    struct commit *commit = arg;
    struct part *part = commit->done;
    send_off(commit);
    if (part == NULL && commit->flying == NULL && commit->open->count != 0)
        part = take_open(commit);
    commit->done = NULL;
    if (part != NULL) {
        run_effects(commit, part);
        loop_again(commit->loop); /* for what the effects left to other hooks */
    }
    room_again(commit);
}

static void
set_state(struct commit *commit, enum err err, const char *reason)
{
    bool changed = commit->state != err || strcmp(commit->reason, reason) != 0;
    commit->state = err;
    str_format(commit->reason, sizeof(commit->reason), "%s", reason);
    if (changed && commit->settings.on_state != NULL)
        commit->settings.on_state(commit->settings.arg, err, commit->reason);
}

static void
on_news(void *arg, void *item)
{
    struct commit *commit = arg;
    const struct news *news = item;
    struct part *part = news->part;
    set_state(commit, news->err, news->reason);
    if (part == NULL)
        return;
    assert(part == commit->flying);
    commit->flying = NULL;
    commit->done = part;
    commit->count++;
}

struct commit *
commit_new(struct loop *loop, struct driver *driver, const struct commit_settings *settings)
{
    struct commit *commit = mem_zalloc(sizeof(*commit));
    sigset_t all, before;
    size_t i;
    int rc;
    commit->loop = loop;
    commit->driver = driver;
    commit->settings = *settings;
    if (settings->max_bytes == 0)
        commit->settings.max_bytes = MAX_BYTES_DEFAULT;
    if (settings->retry_min_ms == 0)
        commit->settings.retry_min_ms = RETRY_MIN_DEFAULT;
    if (settings->retry_max_ms == 0)
        commit->settings.retry_max_ms = RETRY_MAX_DEFAULT;
    for (i = 0; i < PARTS; i++) {
        batch_init(&commit->parts[i].batch);
        commit->spare[commit->spare_count++] = &commit->parts[i];
    }
    commit->open = commit->spare[--commit->spare_count];
    commit->next_id = crypt_random_u64() | 1;
    commit->to_owner = mailbox_new(loop, sizeof(struct news), NEWS_MAX + 2, on_news, commit);
    commit->work_loop = loop_new();
    commit->to_thread =
        mailbox_new(commit->work_loop, sizeof(struct part *), 1, work_arrived, commit);
    loop_timer_init(&commit->retry, commit->work_loop, work_try, commit);
    loop_on_turn(loop, on_turn, commit);
    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&commit->thread, NULL, work_main, commit);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        log_fatal("thread_not_started", "commit");
    return commit;
}

void
commit_free(struct commit *commit)
{
    size_t i;
    if (commit == NULL)
        return;
    assert(!commit->running_effects);
    loop_stop(commit->work_loop);
    pthread_join(commit->thread, NULL);
    loop_on_turn_remove(commit->loop, on_turn, commit);
    loop_timer_fini(&commit->retry);
    mailbox_free(commit->to_thread);
    mailbox_free(commit->to_owner);
    loop_free(commit->work_loop);
    for (i = 0; i < PARTS; i++) {
        batch_fini(&commit->parts[i].batch);
        mem_free(commit->parts[i].marks);
    }
    mem_free(commit);
}

struct batch *
commit_batch(struct commit *commit)
{
    return &commit->open->batch;
}

void
commit_mark(struct commit *commit, commit_effect_fn fn, void *arg, uint64_t a, uint64_t b,
            uint64_t c)
{
    struct part *part = commit->open;
    if (part->count == part->size) {
        part->size = part->size == 0 ? 256 : part->size * 2;
        part->marks = mem_realloc_array(part->marks, part->size, sizeof(struct mark));
    }
    part->marks[part->count++] = (struct mark){fn, arg, a, b, c};
}

enum err
commit_room(const struct commit *commit)
{
    return part_bytes(commit->open) < commit->settings.max_bytes ? OK : ERR_BUSY;
}

void
commit_on_room(struct commit *commit, loop_fn on_room, void *arg)
{
    commit->on_room = on_room;
    commit->on_room_arg = arg;
}

bool
commit_is_idle(const struct commit *commit)
{
    return commit->flying == NULL && commit->done == NULL && batch_is_empty(&commit->open->batch) &&
           commit->open->count == 0 && !commit->running_effects;
}

enum err
commit_state(const struct commit *commit)
{
    return commit->state;
}

const char *
commit_reason(const struct commit *commit)
{
    return commit->reason;
}

size_t
commit_bytes(const struct commit *commit)
{
    return part_bytes(commit->open) + part_bytes(commit->flying);
}

uint64_t
commit_count(const struct commit *commit)
{
    return commit->count;
}
