/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that renews a lease; see lease_keeper.h. */
#include "services/store/lease_keeper.h"

#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"

#include <pthread.h>
#include <signal.h>

/* After a failure, unless the lease is so short that it is renewed sooner. */
#define RETRY_MS 200u
#define NEWS_MAX 16u

struct lease_keeper {
    struct driver *driver;
    uint64_t lease_ms;
    lease_keeper_fn changed;
    void *arg;
    enum err state; /* the owner's */
    struct mailbox *to_owner;
    /* the thread's */
    struct loop *loop;
    struct loop_timer timer;
    enum err told;
    pthread_t thread;
};

static void
renew(void *arg)
{
    struct lease_keeper *keeper = arg;
    uint64_t next_ms = keeper->lease_ms / 3;
    enum err err = driver_renew(keeper->driver, keeper->lease_ms);
    if (err != keeper->told && mailbox_post(keeper->to_owner, &err) == OK)
        keeper->told = err;
    if (err == ERR_STALE && keeper->told == ERR_STALE)
        return;
    if (err != OK && next_ms > RETRY_MS)
        next_ms = RETRY_MS;
    loop_timer_start(&keeper->timer, next_ms, false);
}

static void *
run(void *arg)
{
    struct lease_keeper *keeper = arg;
    loop_run(keeper->loop);
    return NULL;
}

static void
on_news(void *arg, void *item)
{
    struct lease_keeper *keeper = arg;
    keeper->state = *(const enum err *)item;
    keeper->changed(keeper->arg, keeper->state);
}

struct lease_keeper *
lease_keeper_new(struct loop *loop, struct driver *driver, uint64_t lease_ms,
                 lease_keeper_fn changed, void *arg)
{
    struct lease_keeper *keeper = mem_zalloc(sizeof(*keeper));
    sigset_t all;
    sigset_t before;
    int rc;
    keeper->driver = driver;
    keeper->lease_ms = lease_ms;
    keeper->changed = changed;
    keeper->arg = arg;
    keeper->to_owner = mailbox_new(loop, sizeof(enum err), NEWS_MAX, on_news, keeper);
    keeper->loop = loop_new();
    loop_timer_init(&keeper->timer, keeper->loop, renew, keeper);
    loop_timer_start(&keeper->timer, lease_ms / 3, false);
    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&keeper->thread, NULL, run, keeper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        log_fatal("thread_not_started", "lease");
    return keeper;
}

void
lease_keeper_free(struct lease_keeper *keeper)
{
    if (keeper == NULL)
        return;
    loop_stop(keeper->loop);
    (void)pthread_join(keeper->thread, NULL);
    loop_timer_fini(&keeper->timer);
    mailbox_free(keeper->to_owner);
    loop_free(keeper->loop);
    mem_free(keeper);
}

enum err
lease_keeper_state(const struct lease_keeper *keeper)
{
    return keeper != NULL ? keeper->state : OK;
}
