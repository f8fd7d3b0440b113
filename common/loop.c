/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop over libevent. The outer loop is ours, so that hooks run once per turn, after
 * everything that was ready has been called: that is where feeds send their frames. */
#include "common/loop.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOP_HOOKS_MAX   16
#define LOOP_SIGNALS_MAX 8
#define LOOP_LAG_MS      100

struct loop_hook {
    loop_fn fn;
    void *arg;
};

struct loop_signal {
    struct event *event;
    loop_fn fn;
    void *arg;
};

struct loop {
    struct event_base *base;
    uint64_t now_us; /* 0: not asked for yet in this turn */
    struct loop_hook hooks[LOOP_HOOKS_MAX];
    size_t hook_count;
    struct loop_signal signals[LOOP_SIGNALS_MAX];
    size_t signal_count;
    bool again;
    _Atomic bool stopping;
    int stop_fd;
    struct loop_watch stop_watch;
    struct loop_timer lag_timer;
    loop_lag_fn lag_fn;
    void *lag_arg;
    uint64_t lag_due_us;
    uint64_t lag_us[2]; /* the last two */
};

static void
loop_stop_seen(void *arg, unsigned ready)
{
    struct loop *loop = arg;
    uint64_t count;
    (void)ready;
    if (read(loop->stop_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_fatal("loop_broken", "eventfd cannot be read");
}

struct loop *
loop_new(void)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));
    struct event_config *config = event_config_new();
    signal(SIGPIPE, SIG_IGN);
    if (config == NULL || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) != 0)
        log_fatal("loop_broken", "libevent cannot be configured");
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    loop->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->base == NULL || loop->stop_fd < 0)
        log_fatal("loop_broken", "the system gave no descriptors");
    loop_watch_init(&loop->stop_watch, loop, loop->stop_fd, loop_stop_seen, loop);
    loop_watch_set(&loop->stop_watch, LOOP_READ);
    return loop;
}

void
loop_free(struct loop *loop)
{
    size_t i;
    if (loop == NULL)
        return;
    loop_timer_fini(&loop->lag_timer);
    loop_watch_fini(&loop->stop_watch);
    for (i = 0; i < loop->signal_count; i++)
        event_free(loop->signals[i].event);
    close(loop->stop_fd);
    event_base_free(loop->base);
    mem_free(loop);
}

void
loop_run_once(struct loop *loop, bool wait)
{
    /* NONBLOCK alone would go on for as long as anything stays ready. */
    int flags = wait && !loop->again ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
    size_t i;
    loop->again = false;
    loop->now_us = 0; /* nobody asks while we wait, so the first to ask is told the time after */
    if (event_base_loop(loop->base, flags) < 0)
        log_fatal("loop_broken", "libevent cannot wait");
    for (i = 0; i < loop->hook_count; i++)
        loop->hooks[i].fn(loop->hooks[i].arg);
}

void
loop_run(struct loop *loop)
{
    do {
        loop_run_once(loop, true);
    } while (!atomic_load_explicit(&loop->stopping, memory_order_acquire));
    atomic_store(&loop->stopping, false);
}

void
loop_stop(struct loop *loop)
{
    static const uint64_t one = 1;
    int saved_errno = errno; /* a signal handler may be calling */
    ssize_t n;
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    do {
        n = write(loop->stop_fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
    errno = saved_errno;
}

uint64_t
loop_now_us(struct loop *loop)
{
    if (loop->now_us == 0)
        loop->now_us = clock_monotonic_us();
    return loop->now_us;
}

uint64_t
loop_now_ms(struct loop *loop)
{
    return loop_now_us(loop) / 1000;
}

void
loop_on_turn(struct loop *loop, loop_fn fn, void *arg)
{
    assert(loop->hook_count < LOOP_HOOKS_MAX);
    loop->hooks[loop->hook_count++] = (struct loop_hook){fn, arg};
}

void
loop_on_turn_remove(struct loop *loop, loop_fn fn, void *arg)
{
    size_t i;
    for (i = 0; i < loop->hook_count; i++) {
        if (loop->hooks[i].fn == fn && loop->hooks[i].arg == arg) {
            loop->hook_count--;
            memmove(&loop->hooks[i], &loop->hooks[i + 1],
                    (loop->hook_count - i) * sizeof(loop->hooks[0]));
            return;
        }
    }
}

void
loop_again(struct loop *loop)
{
    loop->again = true;
}

static void
loop_signal_seen(evutil_socket_t signo, short what, void *arg)
{
    struct loop_signal *slot = arg;
    (void)signo;
    (void)what;
    slot->fn(slot->arg);
}

void
loop_on_signal(struct loop *loop, int signo, loop_fn fn, void *arg)
{
    struct loop_signal *slot;
    assert(loop->signal_count < LOOP_SIGNALS_MAX);
    slot = &loop->signals[loop->signal_count++];
    slot->fn = fn;
    slot->arg = arg;
    slot->event = evsignal_new(loop->base, signo, loop_signal_seen, slot);
    if (slot->event == NULL || event_add(slot->event, NULL) != 0)
        log_fatal("loop_broken", "a signal cannot be watched");
}

static void
loop_lag_tick(void *arg)
{
    struct loop *loop = arg;
    uint64_t now = clock_monotonic_us();
    uint64_t lag = now > loop->lag_due_us ? now - loop->lag_due_us : 0;
    loop->lag_us[1] = loop->lag_us[0];
    loop->lag_us[0] = lag;
    loop->lag_due_us = now + LOOP_LAG_MS * 1000;
    loop_timer_start(&loop->lag_timer, LOOP_LAG_MS, false);
    if (loop->lag_fn != NULL)
        loop->lag_fn(loop->lag_arg, lag);
}

void
loop_measure_lag(struct loop *loop, loop_lag_fn fn, void *arg)
{
    loop->lag_fn = fn;
    loop->lag_arg = arg;
    if (loop->lag_timer.event == NULL)
        loop_timer_init(&loop->lag_timer, loop, loop_lag_tick, loop);
    loop->lag_due_us = clock_monotonic_us() + LOOP_LAG_MS * 1000;
    loop_timer_start(&loop->lag_timer, LOOP_LAG_MS, false);
}

uint64_t
loop_lag_us(const struct loop *loop)
{
    return loop->lag_us[0] > loop->lag_us[1] ? loop->lag_us[0] : loop->lag_us[1];
}

static void
loop_timer_fired(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *timer = arg;
    (void)fd;
    (void)what;
    timer->fn(timer->arg);
}

static struct event *
loop_event_new(struct loop *loop, int fd, short what, event_callback_fn fn, void *arg)
{
    struct event *event = event_new(loop->base, fd, what, fn, arg);
    if (event == NULL)
        log_fatal("loop_broken", "libevent refused an event");
    return event;
}

void
loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_fn fn, void *arg)
{
    *timer = (struct loop_timer){.loop = loop, .fn = fn, .arg = arg};
    timer->event = loop_event_new(loop, -1, 0, loop_timer_fired, timer);
}

/* EV_PERSIST belongs to the event, not to its start: a change of kind makes the event anew. */
void
loop_timer_start(struct loop_timer *timer, uint64_t delay_ms, bool periodic)
{
    struct timeval delay = {(time_t)(delay_ms / 1000), (suseconds_t)(delay_ms % 1000 * 1000)};
    bool was_periodic = timer->period_ms != 0;
    assert(!periodic || delay_ms > 0);
    if (was_periodic != periodic) {
        event_free(timer->event);
        timer->event =
            loop_event_new(timer->loop, -1, periodic ? EV_PERSIST : 0, loop_timer_fired, timer);
    }
    timer->period_ms = periodic ? delay_ms : 0;
    if (event_add(timer->event, &delay) != 0)
        log_fatal("loop_broken", "a timer cannot be started");
}

void
loop_timer_stop(struct loop_timer *timer)
{
    if (timer->event != NULL)
        event_del(timer->event);
}

bool
loop_timer_is_started(const struct loop_timer *timer)
{
    return timer->event != NULL && event_pending(timer->event, EV_TIMEOUT, NULL) != 0;
}

void
loop_timer_fini(struct loop_timer *timer)
{
    if (timer->event != NULL)
        event_free(timer->event);
    timer->event = NULL;
}

static void
loop_watch_ready(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *watch = arg;
    unsigned ready = ((what & EV_READ) != 0 ? (unsigned)LOOP_READ : 0u) |
                     ((what & EV_WRITE) != 0 ? (unsigned)LOOP_WRITE : 0u);
    (void)fd;
    watch->fn(watch->arg, ready);
}

void
loop_watch_init(struct loop_watch *watch, struct loop *loop, int fd, loop_watch_fn fn, void *arg)
{
    *watch = (struct loop_watch){.loop = loop, .fn = fn, .arg = arg, .fd = fd};
}

void
loop_watch_set(struct loop_watch *watch, unsigned wanted)
{
    int what = EV_PERSIST;
    if (wanted == watch->wanted)
        return;
    if ((wanted & LOOP_READ) != 0)
        what |= EV_READ;
    if ((wanted & LOOP_WRITE) != 0)
        what |= EV_WRITE;
    watch->wanted = wanted;
    if (watch->event != NULL) {
        event_free(watch->event);
        watch->event = NULL;
    }
    if (wanted == 0)
        return;
    watch->event = loop_event_new(watch->loop, watch->fd, (short)what, loop_watch_ready, watch);
    if (event_add(watch->event, NULL) != 0)
        log_fatal("loop_broken", "a descriptor cannot be watched");
}

void
loop_watch_fini(struct loop_watch *watch)
{
    if (watch->event != NULL)
        event_free(watch->event);
    watch->event = NULL;
    watch->wanted = 0;
}

struct event_base *
loop_event_base(struct loop *loop)
{
    return loop->base;
}
