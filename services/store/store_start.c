/* SPDX-License-Identifier: Apache-2.0 */
/* The start of a store; see store_start.h. */
#include "services/store/store_start.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "services/store/access_rows.h"
#include "services/store/driver_open.h"
#include "services/store/restore.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define RETRY_MIN_MS 500u
#define RETRY_MAX_MS 5000u
#define PATIENCE_MS  30000u
#define NEWS_MAX     64u

struct store_start {
    struct store *store;
    store_start_fn done;
    struct loop *work_loop;
    struct loop_timer again; /* of the thread's loop */
    uint64_t retry_ms;
    uint64_t until_ms; /* monotonic: no further try begins after it */
    struct mailbox *to_owner;
    pthread_t thread;
    _Atomic bool cancelled;
    bool is_running;
    char reason[DRIVER_REASON_SIZE]; /* the owner's */
};

/* Thread -> owner. */
struct news {
    bool is_over;
    enum err err;
    char reason[DRIVER_REASON_SIZE];
};

/* ---- the thread ---- */

static void
tell(struct store_start *start, const struct news *news)
{
    if (!news->is_over && mailbox_count(start->to_owner) >= NEWS_MAX / 2)
        return;
    if (mailbox_post(start->to_owner, news) != OK)
        log_fatal("store_start", "the last news does not fit");
}

static bool
may_retry(struct store_start *start, enum err err)
{
    return (err == ERR_IO || err == ERR_TIMEOUT || err == ERR_UNAVAILABLE) &&
           driver_open_may_retry(start->store->config) && !atomic_load(&start->cancelled) &&
           clock_monotonic_ms() < start->until_ms;
}

static void
attempt(void *arg)
{
    struct store_start *start = arg;
    struct store *store = start->store;
    struct news news = {0};
    news.err = driver_open(store->config, news.reason, &store->driver);
    if (may_retry(start, news.err)) {
        log_warn("database_away", LOG_ERR(news.err), LOG_STR("reason", (const char *)news.reason),
                 LOG_END);
        loop_timer_start(&start->again,
                         start->retry_ms * 3 / 4 + crypt_random_u64() % (start->retry_ms / 2),
                         false);
        start->retry_ms = start->retry_ms * 2 < RETRY_MAX_MS ? start->retry_ms * 2 : RETRY_MAX_MS;
        tell(start, &news);
        return;
    }
    if (news.err != OK)
        log_error("data_not_usable", LOG_STR("dir", store->config->data_dir), LOG_ERR(news.err),
                  LOG_STR("reason", (const char *)news.reason), LOG_END);
    if (news.err == OK)
        news.err = restore_load(store);
    if (news.err == OK)
        news.err = access_rows_load(store);
    news.is_over = true;
    tell(start, &news);
    loop_stop(start->work_loop);
}

static void *
start_main(void *arg)
{
    struct store_start *start = arg;
    loop_timer_start(&start->again, 0, false);
    loop_run(start->work_loop);
    return NULL;
}

/* ---- the owner ---- */

static void
join(struct store_start *start)
{
    if (start->is_running)
        (void)pthread_join(start->thread, NULL);
    start->is_running = false;
}

static void
on_news(void *arg, void *item)
{
    struct store_start *start = arg;
    const struct news *news = item;
    (void)str_format(start->reason, sizeof(start->reason), "%s", news->reason);
    if (!news->is_over)
        return;
    join(start);
    start->done(start->store, news->err);
}

void
store_start_begin(struct store *store, store_start_fn done)
{
    struct store_start *start = mem_zalloc(sizeof(*start));
    sigset_t all;
    sigset_t before;
    store->start = start;
    start->store = store;
    start->done = done;
    start->retry_ms = RETRY_MIN_MS;
    start->until_ms = clock_monotonic_ms() + PATIENCE_MS;
    start->work_loop = loop_new();
    start->to_owner = mailbox_new(store->loop, sizeof(struct news), NEWS_MAX, on_news, start);
    loop_timer_init(&start->again, start->work_loop, attempt, start);
    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    start->is_running = pthread_create(&start->thread, NULL, start_main, start) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!start->is_running)
        log_fatal("thread_not_started", "start");
}

void
store_start_free(struct store_start *start)
{
    if (start == NULL)
        return;
    atomic_store(&start->cancelled, true);
    loop_stop(start->work_loop);
    join(start);
    loop_timer_fini(&start->again);
    mailbox_free(start->to_owner);
    loop_free(start->work_loop);
    mem_free(start);
}

const char *
store_start_reason(const struct store_start *start)
{
    return start->reason;
}
