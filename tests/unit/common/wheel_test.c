/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the timer wheel; the clock is told. */
#include "common/wheel.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

struct timer {
    struct wheel_node node;
    uint64_t fired_at;
    unsigned fired;
};

static struct wheel wheel;
static uint64_t now;

static void
fire(void *arg, struct wheel_node *node)
{
    struct timer *timer = WHEEL_OWNER(node, struct timer, node);
    (void)arg;
    timer->fired++;
    timer->fired_at = now;
}

static void
nothing_fires_early_and_all_within_a_tick(void)
{
    static struct timer timers[500];
    bool early = false;
    bool late = false;
    size_t i;
    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, 10, 16, 1000003);
    for (i = 0; i < 500; i++)
        wheel_arm(&wheel, &timers[i].node, 1000003 + i * 7);
    CU_ASSERT_EQUAL(wheel.count, 500);
    for (now = 1000003; now < 1000003 + 4000; now++)
        wheel_advance(&wheel, now, fire, NULL);
    for (i = 0; i < 500; i++) {
        uint64_t deadline = 1000003 + i * 7;
        early = early || timers[i].fired_at < deadline;
        late = late || timers[i].fired != 1 || timers[i].fired_at > deadline + 10;
    }
    CU_ASSERT_FALSE(early);
    CU_ASSERT_FALSE(late);
    CU_ASSERT_EQUAL(wheel.count, 0);
    wheel_fini(&wheel);
}

static void
a_long_jump_fires_all_that_is_due(void)
{
    static struct timer timers[3];
    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, 10, 8, 0);
    wheel_arm(&wheel, &timers[0].node, 50);
    wheel_arm(&wheel, &timers[1].node, 5000);
    wheel_arm(&wheel, &timers[2].node, 2000000);
    now = 1000000;
    CU_ASSERT_EQUAL(wheel_advance(&wheel, now, fire, NULL), 2);
    CU_ASSERT_EQUAL(timers[2].fired, 0);
    now = 500;
    CU_ASSERT_EQUAL(wheel_advance(&wheel, now, fire, NULL), 0);
    wheel_fini(&wheel);
}

static void
cancelled_and_moved_nodes_do_not_fire(void)
{
    static struct timer timers[2];
    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, 10, 8, 0);
    wheel_arm(&wheel, &timers[0].node, 20);
    wheel_arm(&wheel, &timers[1].node, 20);
    wheel_cancel(&wheel, &timers[0].node);
    wheel_cancel(&wheel, &timers[0].node);
    wheel_arm(&wheel, &timers[1].node, 300);
    CU_ASSERT_FALSE(wheel_is_armed(&timers[0].node));
    CU_ASSERT_EQUAL(wheel.count, 1);
    now = 200;
    CU_ASSERT_EQUAL(wheel_advance(&wheel, now, fire, NULL), 0);
    now = 310;
    CU_ASSERT_EQUAL(wheel_advance(&wheel, now, fire, NULL), 1);
    wheel_fini(&wheel);
}

static void
rearm_and_cancel_next(void *arg, struct wheel_node *node)
{
    struct timer *timers = arg;
    struct timer *timer = WHEEL_OWNER(node, struct timer, node);
    timer->fired++;
    wheel_arm(&wheel, node, 0);
    wheel_cancel(&wheel, &timers[timer == &timers[0] ? 1 : 0].node);
}

static void
a_firing_node_may_rearm_itself_and_cancel_others(void)
{
    static struct timer timers[2];
    memset(timers, 0, sizeof(timers));
    wheel_init(&wheel, 10, 8, 0);
    wheel_arm(&wheel, &timers[0].node, 20);
    wheel_arm(&wheel, &timers[1].node, 20);
    CU_ASSERT_EQUAL(wheel_advance(&wheel, 20, rearm_and_cancel_next, timers), 1);
    CU_ASSERT_EQUAL(wheel.count, 1);
    CU_ASSERT_EQUAL(wheel_advance(&wheel, 20, rearm_and_cancel_next, timers), 0);
    CU_ASSERT_EQUAL(wheel_advance(&wheel, 30, rearm_and_cancel_next, timers), 1);
    CU_ASSERT_EQUAL(timers[0].fired + timers[1].fired, 2);
    wheel_fini(&wheel);
}

/* Random arms, moves and cancels against a plain array. */
static void
a_random_run_agrees_with_a_plain_list(void)
{
    enum { COUNT = 200 };
    static struct timer timers[COUNT];
    static uint64_t due[COUNT]; /* 0: not armed */
    uint64_t seed = 12345;
    unsigned step;
    unsigned wrong = 0;
    memset(timers, 0, sizeof(timers));
    memset(due, 0, sizeof(due));
    wheel_init(&wheel, 10, 32, 0);
    for (step = 0, now = 0; step < 20000; step++) {
        unsigned pick;
        size_t i;
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        pick = (unsigned)(seed >> 33) % COUNT;
        if ((seed >> 20) % 4 == 0) {
            wheel_cancel(&wheel, &timers[pick].node);
            due[pick] = 0;
        } else {
            due[pick] = now + 1 + (seed >> 40) % 3000;
            wheel_arm(&wheel, &timers[pick].node, due[pick]);
        }
        now += (seed >> 50) % 8;
        wheel_advance(&wheel, now, fire, NULL);
        for (i = 0; i < COUNT; i++) {
            bool armed = wheel_is_armed(&timers[i].node);
            wrong += armed && (due[i] == 0 || due[i] + 10 <= now);
            wrong += !armed && due[i] > now;
            if (!armed)
                due[i] = 0;
        }
    }
    CU_ASSERT_EQUAL(wrong, 0);
    wheel_fini(&wheel);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(nothing_fires_early_and_all_within_a_tick),
    CUNIT_CASE(a_long_jump_fires_all_that_is_due),
    CUNIT_CASE(cancelled_and_moved_nodes_do_not_fire),
    CUNIT_CASE(a_firing_node_may_rearm_itself_and_cancel_others),
    CUNIT_CASE(a_random_run_agrees_with_a_plain_list),
};
CUNIT_MAIN("wheel", cases)
