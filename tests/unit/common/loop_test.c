/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the event loop on pipes and timers of a millisecond; order is tested, not duration. */
#include "common/loop.h"
#include "tests/unit/cunit_main.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static char trail[32];

static void
note(void *arg)
{
    size_t n = strlen(trail);
    if (n + 1 < sizeof(trail))
        trail[n] = *(const char *)arg;
}

static void
hooks_run_in_order_after_events(void)
{
    static char a[] = "a";
    static char b[] = "b";
    static char e[] = "e";
    struct loop *loop = loop_new();
    struct loop_timer timer;
    memset(trail, 0, sizeof(trail));
    loop_on_turn(loop, note, a);
    loop_on_turn(loop, note, b);
    loop_timer_init(&timer, loop, note, e);
    loop_timer_start(&timer, 0, false);
    loop_run_once(loop, true);
    CU_ASSERT_STRING_EQUAL(trail, "eab");
    loop_on_turn_remove(loop, note, a);
    loop_run_once(loop, false);
    CU_ASSERT_STRING_EQUAL(trail, "eabb");
    loop_timer_fini(&timer);
    loop_timer_fini(&timer);
    loop_free(loop);
}

static void
again_makes_the_next_turn_not_wait(void)
{
    struct loop *loop = loop_new();
    loop_again(loop);
    loop_run_once(loop, true); /* would wait for ever otherwise */
    loop_free(loop);
    loop_free(NULL);
}

struct ticker {
    struct loop *loop;
    struct loop_timer timer;
    unsigned count;
    unsigned until;
};

static void
tick(void *arg)
{
    struct ticker *ticker = arg;
    if (++ticker->count < ticker->until)
        return;
    loop_timer_stop(&ticker->timer);
    loop_stop(ticker->loop);
}

static void
a_periodic_timer_fires_until_stopped(void)
{
    struct ticker ticker = {.until = 5};
    ticker.loop = loop_new();
    loop_timer_init(&ticker.timer, ticker.loop, tick, &ticker);
    CU_ASSERT_FALSE(loop_timer_is_started(&ticker.timer));
    loop_timer_start(&ticker.timer, 1, true);
    CU_ASSERT(loop_timer_is_started(&ticker.timer));
    loop_run(ticker.loop);
    CU_ASSERT_EQUAL(ticker.count, 5);
    CU_ASSERT_FALSE(loop_timer_is_started(&ticker.timer));
    ticker.until = 6;
    loop_timer_start(&ticker.timer, 1, false);
    loop_run(ticker.loop);
    CU_ASSERT_EQUAL(ticker.count, 6);
    loop_timer_fini(&ticker.timer);
    loop_free(ticker.loop);
}

static void
restart(void *arg)
{
    struct ticker *ticker = arg;
    ticker->count++;
    if (ticker->count == 3) {
        loop_timer_fini(&ticker->timer);
        loop_stop(ticker->loop);
        return;
    }
    loop_timer_start(&ticker->timer, 1, ticker->count == 1);
}

static void
a_timer_may_restart_and_end_itself(void)
{
    struct ticker ticker = {0};
    ticker.loop = loop_new();
    loop_timer_init(&ticker.timer, ticker.loop, restart, &ticker);
    loop_timer_start(&ticker.timer, 1, false);
    loop_run(ticker.loop);
    CU_ASSERT_EQUAL(ticker.count, 3);
    loop_free(ticker.loop);
}

static unsigned seen;

static void
watch_ready(void *arg, unsigned ready)
{
    (void)arg;
    seen |= ready;
}

static void
a_watch_says_what_is_ready(void)
{
    struct loop *loop = loop_new();
    struct loop_watch in;
    struct loop_watch out;
    char byte = 0;
    int ends[2];
    CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    loop_watch_init(&in, loop, ends[0], watch_ready, NULL);
    loop_watch_init(&out, loop, ends[1], watch_ready, NULL);
    loop_watch_set(&in, LOOP_READ);
    seen = 0;
    loop_run_once(loop, false);
    CU_ASSERT_EQUAL(seen, 0);
    loop_watch_set(&out, LOOP_WRITE);
    loop_run_once(loop, true);
    CU_ASSERT_EQUAL(seen, LOOP_WRITE);
    loop_watch_set(&out, 0);
    CU_ASSERT_EQUAL(write(ends[1], &byte, 1), 1);
    seen = 0;
    loop_run_once(loop, true);
    CU_ASSERT_EQUAL(seen, LOOP_READ);
    seen = 0;
    loop_run_once(loop, true); /* level triggered: the byte still lies there */
    CU_ASSERT_EQUAL(seen, LOOP_READ);
    loop_watch_set(&in, 0);
    seen = 0;
    loop_run_once(loop, false);
    CU_ASSERT_EQUAL(seen, 0);
    loop_watch_fini(&in);
    loop_watch_fini(&out);
    close(ends[0]);
    close(ends[1]);
    loop_free(loop);
}

static void *
stopper(void *arg)
{
    loop_stop(arg);
    return NULL;
}

static void
another_thread_stops_a_waiting_loop(void)
{
    struct loop *loop = loop_new();
    pthread_t thread;
    unsigned i;
    for (i = 0; i < 50; i++) {
        pthread_create(&thread, NULL, stopper, loop);
        loop_run(loop);
        pthread_join(thread, NULL);
    }
    loop_stop(loop);
    loop_run(loop);
    loop_free(loop);
}

static void
a_signal_arrives_as_an_event(void)
{
    static char s[] = "s";
    struct loop *loop = loop_new();
    memset(trail, 0, sizeof(trail));
    loop_on_signal(loop, SIGUSR1, note, s);
    raise(SIGUSR1);
    loop_run_once(loop, true);
    CU_ASSERT_STRING_EQUAL(trail, "s");
    loop_free(loop);
}

static void
lag_seen(void *arg, uint64_t lag_us)
{
    struct ticker *ticker = arg;
    (void)lag_us;
    ticker->count++;
    loop_stop(ticker->loop);
}

static void
lag_is_measured(void)
{
    struct ticker ticker = {0};
    uint64_t before;
    ticker.loop = loop_new();
    CU_ASSERT_EQUAL(loop_lag_us(ticker.loop), 0);
    before = loop_now_ms(ticker.loop);
    loop_measure_lag(ticker.loop, lag_seen, &ticker);
    loop_run(ticker.loop);
    CU_ASSERT_EQUAL(ticker.count, 1);
    CU_ASSERT(loop_now_ms(ticker.loop) >= before);
    CU_ASSERT(loop_lag_us(ticker.loop) < 60000000);
    loop_free(ticker.loop);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(hooks_run_in_order_after_events),
    CUNIT_CASE(again_makes_the_next_turn_not_wait),
    CUNIT_CASE(a_periodic_timer_fires_until_stopped),
    CUNIT_CASE(a_timer_may_restart_and_end_itself),
    CUNIT_CASE(a_watch_says_what_is_ready),
    CUNIT_CASE(another_thread_stops_a_waiting_loop),
    CUNIT_CASE(a_signal_arrives_as_an_event),
    CUNIT_CASE(lag_is_measured),
};
CUNIT_MAIN("loop", cases)
