/* SPDX-License-Identifier: Apache-2.0 */
/* A thread's event loop: timers, descriptors, signals, and hooks that run once per turn. A thin
 * cover over libevent. Everything belongs to the thread that runs the loop, except loop_stop and
 * what a mailbox does. It reads and writes no bytes itself. */
#ifndef SLUICE_COMMON_LOOP_H
#define SLUICE_COMMON_LOOP_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct event;
struct event_base;

typedef void (*loop_fn)(void *arg);
typedef void (*loop_watch_fn)(void *arg, unsigned ready); /* LOOP_READ | LOOP_WRITE */
typedef void (*loop_lag_fn)(void *arg, uint64_t lag_us);

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

/* New; ends the program when the kernel gives no descriptors (a start-up failure). Sets SIGPIPE to
 * be ignored in the whole program: a write to a closed socket is an ordinary error here. */
struct loop *loop_new(void);
/* Timers, watches and mailboxes on the loop must be gone before. NULL is nothing. */
void loop_free(struct loop *loop);
/* Runs turns until loop_stop: wait for events, call what is ready, then the turn hooks in the order
 * in which they were added. Returns after the turn in which the stop was seen. */
void loop_run(struct loop *loop);
/* One turn; waits for an event only if wait. For tests and for draining at the end. */
void loop_run_once(struct loop *loop, bool wait);
/* From any thread or signal handler; a stop before loop_run makes it return after one turn. */
void loop_stop(struct loop *loop);
/* Time of this turn, read at the first call in a turn: cheap, monotonic. */
uint64_t loop_now_ms(struct loop *loop);
uint64_t loop_now_us(struct loop *loop);

/* fn runs at the end of every turn; ends with loop_on_turn_remove (same fn and arg). At most 16. */
void loop_on_turn(struct loop *loop, loop_fn fn, void *arg);
void loop_on_turn_remove(struct loop *loop, loop_fn fn, void *arg);
/* Asks that the next turn does not wait: a hook has work left over. */
void loop_again(struct loop *loop);
/* A signal as an event (SIGTERM, SIGHUP ...). Only for one loop per process; at most 8. */
void loop_on_signal(struct loop *loop, int signo, loop_fn fn, void *arg);

/* Measures how late a 100 ms timer fires. fn may be NULL: then only loop_lag_us is kept. */
void loop_measure_lag(struct loop *loop, loop_lag_fn fn, void *arg);
/* The worst of the last two measurements, 0 when not measuring. */
uint64_t loop_lag_us(const struct loop *loop);

/* A timer in the owner's struct. init, start as often as you like, fini. */
struct loop_timer {
    struct loop *loop;
    struct event *event;
    loop_fn fn;
    void *arg;
    uint64_t period_ms;
};

void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_fn fn, void *arg);
/* Calls fn once after delay_ms, or every delay_ms if periodic (delay_ms > 0). Starting again moves
 * it. fn may start, stop and fini its own timer. */
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms, bool periodic);
void loop_timer_stop(struct loop_timer *timer);
bool loop_timer_is_started(const struct loop_timer *timer);
/* Also fine on a zeroed or already ended timer. */
void loop_timer_fini(struct loop_timer *timer);

/* A descriptor in the owner's struct, level triggered. The descriptor stays the owner's: fini
 * first, then close it. */
struct loop_watch {
    struct loop *loop;
    struct event *event;
    loop_watch_fn fn;
    void *arg;
    int fd;
    unsigned wanted;
};

/* Watches nothing until loop_watch_set. */
void loop_watch_init(struct loop_watch *watch, struct loop *loop, int fd, loop_watch_fn fn,
                     void *arg);
/* LOOP_READ, LOOP_WRITE, both, or 0 for none. Costs nothing when unchanged. */
void loop_watch_set(struct loop_watch *watch, unsigned wanted);
void loop_watch_fini(struct loop_watch *watch);

/* For the doors that speak libevent themselves. */
struct event_base *loop_event_base(struct loop *loop);

#endif
