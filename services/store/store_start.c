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
#include "services/store/shard_watch.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#define RETRY_MIN_MS 500u
#define RETRY_MAX_MS 5000u
#define PATIENCE_MS  30000u
#define NEWS_MAX     64u
#define LOOKS        20u /* at other stores' leases, in the length of ours */
#define LOOK_MAX_MS  500u

struct store_start {
    struct store *store;
    store_start_claimed_fn claimed;
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
    bool is_waiting;
    /* the thread's */
    char holder[256];
    struct shard_watch watch;
    bool waits;
};

/* Thread -> owner. */
struct news {
    bool is_over;
    bool is_claimed; /* the driver has its shard */
    bool is_waiting; /* for a shard that another store has */
    enum err err;
    char reason[DRIVER_REASON_SIZE];
};

/* ---- the thread ---- */

static void
tell(struct store_start *start, const struct news *news)
{
    bool matters = news->is_over || news->is_claimed;
    if (!matters && mailbox_count(start->to_owner) >= NEWS_MAX / 2)
        return;
    if (mailbox_post(start->to_owner, news) != OK)
        log_fatal("store_start", "news that matter do not fit");
}

static bool
may_retry(struct store_start *start, enum err err)
{
    return (err == ERR_IO || err == ERR_TIMEOUT || err == ERR_UNAVAILABLE) &&
           (driver_open_may_retry(start->store->config) || start->store->driver != NULL) &&
           !atomic_load(&start->cancelled) &&
           (start->waits || clock_monotonic_ms() < start->until_ms);
}

static void
note_shard(void *arg, const struct driver_shard *shard)
{
    shard_watch_note(arg, shard);
}

/* Looks whether a shard may be claimed, and which. ERR_BUSY: not now. */
static enum err
look(struct store_start *start, struct driver_claim *claim, char why[DRIVER_REASON_SIZE])
{
    struct store *store = start->store;
    enum err err;
    shard_watch_begin(&start->watch, clock_monotonic_ms());
    err = driver_shards(store->driver, store->shards.count, note_shard, &start->watch);
    if (err != OK) {
        (void)str_format(why, DRIVER_REASON_SIZE, "shards: %s", err_text(err));
        return err;
    }
    if (shard_watch_end(&start->watch, clock_monotonic_ms(), claim))
        return OK;
    (void)str_format(why, DRIVER_REASON_SIZE, "%s", start->watch.why);
    return ERR_BUSY;
}

/* Makes a shard ours. Sessions in a directory are nobody else's, whatever else is shared. */
static enum err
take_shard(struct store_start *start, char why[DRIVER_REASON_SIZE])
{
    struct store *store = start->store;
    const struct store_config *config = store->config;
    struct driver_claim claim = {.number = config->shard_number,
                                 .holder = start->holder,
                                 .lease_ms = config->shard_lease_ms,
                                 .is_forced = true};
    enum err err = OK;
    if (driver_open_is_shared(config, DRIVER_SESSIONS)) {
        claim.is_forced = false;
        err = look(start, &claim, why);
    }
    if (err != OK)
        return err;
    err = driver_claim(store->driver, &claim);
    if (err == ERR_BUSY)
        (void)str_format(why, DRIVER_REASON_SIZE, "another store took shard %u first",
                         claim.number);
    else if (err != OK)
        (void)str_format(why, DRIVER_REASON_SIZE, "%s", driver_reason(store->driver));
    else
        store->shard = claim.number;
    return err;
}

/* The driver is open, somebody else has the shard: as long as it takes. */
static void
wait_for_shard(struct store_start *start, struct news *news)
{
    uint64_t pause_ms = start->store->config->shard_lease_ms / LOOKS;
    if (!start->waits)
        log_info("waiting_for_shard", LOG_STR("name", start->holder),
                 LOG_STR("reason", (const char *)news->reason), LOG_END);
    start->waits = true;
    start->retry_ms = RETRY_MIN_MS;
    news->is_waiting = true;
    loop_timer_start(&start->again, pause_ms < LOOK_MAX_MS ? pause_ms : LOOK_MAX_MS, false);
    tell(start, news);
}

/* Opens the driver, once, and takes a shard. */
static enum err
open_driver(struct store_start *start, struct news *news)
{
    struct store *store = start->store;
    enum err err = OK;
    if (store->driver == NULL)
        err = driver_open(store->config, news->reason, &store->driver);
    if (err != OK)
        return err == ERR_BUSY ? ERR_EXISTS : err; /* a directory in use is not waited for */
    err = take_shard(start, news->reason);
    if (err != OK)
        return err;
    log_info("shard_claimed", LOG_U64("shard", store->shard), LOG_STR("name", start->holder),
             LOG_END);
    news->is_claimed = true;
    tell(start, news);
    news->is_claimed = false;
    return OK;
}

static void
attempt(void *arg)
{
    struct store_start *start = arg;
    struct store *store = start->store;
    struct news news = {0};
    news.err = open_driver(start, &news);
    if (news.err == ERR_BUSY && !atomic_load(&start->cancelled)) {
        wait_for_shard(start, &news);
        return;
    }
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
    start->is_waiting = news->is_waiting;
    if (news->is_claimed)
        start->claimed(start->store);
    if (!news->is_over)
        return;
    join(start);
    start->done(start->store, news->err);
}

void
store_start_begin(struct store *store, store_start_claimed_fn claimed, store_start_fn done)
{
    const struct store_config *config = store->config;
    struct shard_watch_wish wish = {.is_spare = config->is_spare, .number = config->shard_number};
    struct store_start *start = mem_zalloc(sizeof(*start));
    sigset_t all;
    sigset_t before;
    store->start = start;
    start->store = store;
    start->claimed = claimed;
    start->done = done;
    store_name(store, start->holder, sizeof(start->holder) - 80);
    (void)str_format(start->holder + strlen(start->holder), 80, "@%.78s", config->call_listen);
    wish.holder = start->holder;
    shard_watch_init(&start->watch, &wish, config->shard_lease_ms / 6);
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

bool
store_start_is_waiting(const struct store_start *start)
{
    return start->is_waiting;
}

const char *
store_start_reason(const struct store_start *start)
{
    return start->reason;
}
