/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that wait for workers and cores. */
#include "services/gateway/barrier.h"
#include "tests/unit/cunit_main.h"

#include <stdlib.h>

#include "common/mem.h"

static uint64_t answered[64];
static enum err results[64];
static size_t count;

static void
note(void *arg, const struct barrier_change *change, enum err result)
{
    (void)arg;
    if (count < 64) {
        answered[count] = change->a;
        results[count] = result;
    }
    count++;
}

static uint64_t
add(struct barrier *b, uint64_t waits, uint64_t a, uint64_t deadline)
{
    struct barrier_change change = {.waits = waits, .a = a, .deadline_ms = deadline, .kind = 1};
    return barrier_add(b, &change);
}

static void
change_is_answered_once_when_the_last_bit_clears(void)
{
    count = 0;
    struct barrier *b = barrier_new(2, note, NULL);
    uint64_t v = add(b, 3 | BARRIER_CORES, 7, 0);
    CU_ASSERT_EQUAL(v, 1);
    barrier_ack(b, 0, v);
    barrier_clear(b, v, BARRIER_CORES);
    CU_ASSERT_EQUAL(count, 0);
    barrier_ack(b, 1, v);
    CU_ASSERT(count == 1 && answered[0] == 7 && results[0] == OK);
    barrier_ack(b, 1, v);
    barrier_clear(b, v, BARRIER_CORES);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_EQUAL(barrier_open_count(b), 0);
    barrier_free(b);
}

static void
acknowledgement_covers_all_versions_before(void)
{
    count = 0;
    struct barrier *b = barrier_new(2, note, NULL);
    (void)add(b, 2, 1, 0);
    (void)barrier_skip(b);
    uint64_t v = add(b, 2, 2, 0);
    barrier_ack(b, 1, v);
    CU_ASSERT(count == 2 && answered[0] == 1 && answered[1] == 2);
    CU_ASSERT_EQUAL(barrier_span(b), 0);
    barrier_free(b);
}

static void
versions_never_given_out_are_ignored(void)
{
    count = 0;
    struct barrier *b = barrier_new(2, note, NULL);
    barrier_ack(b, 0, 99);
    uint64_t v = add(b, 1, 1, 0);
    barrier_ack(b, 0, v + 1);
    barrier_ack(b, 5, v);
    barrier_clear(b, v + 1, BARRIER_CORES);
    barrier_fail(b, 0, ERR_BUSY);
    CU_ASSERT_EQUAL(count, 0);
    barrier_ack(b, 0, v);
    CU_ASSERT_EQUAL(count, 1);
    barrier_free(b);
}

static void
overdue_change_gets_a_timeout_and_later_ones_go_on(void)
{
    count = 0;
    struct barrier *b = barrier_new(1, note, NULL);
    uint64_t v1 = add(b, BARRIER_CORES, 1, 1000);
    uint64_t v2 = add(b, BARRIER_CORES, 2, 2000);
    barrier_expire(b, 999);
    CU_ASSERT_EQUAL(count, 0);
    barrier_expire(b, 1000);
    CU_ASSERT(count == 1 && answered[0] == 1 && results[0] == ERR_TIMEOUT);
    barrier_clear(b, v1, BARRIER_CORES);
    CU_ASSERT_EQUAL(count, 1);
    barrier_clear(b, v2, BARRIER_CORES);
    CU_ASSERT(count == 2 && results[1] == OK);
    barrier_free(b);
}

static void
failed_change_carries_the_error(void)
{
    count = 0;
    struct barrier *b = barrier_new(1, note, NULL);
    uint64_t v = add(b, BARRIER_CORES | 1, 4, 0);
    barrier_fail(b, v, ERR_QUOTA);
    barrier_fail(b, v, ERR_QUOTA);
    barrier_ack(b, 0, v);
    CU_ASSERT(count == 1 && results[0] == ERR_QUOTA);
    barrier_free(b);
}

/* Against a plain table: random adds, acks and clears; every change is answered once, and exactly
 * when the last of its bits has gone. */
static void
random_order_agrees_with_a_plain_table(void)
{
    enum { N = 40000, WORKERS = 3 };
    uint64_t *left = mem_zalloc_array(N + 1, sizeof(*left));
    uint64_t acked[WORKERS] = {0};
    size_t expected = 0;
    count = 0;
    srand(7);
    struct barrier *b = barrier_new(WORKERS, note, NULL);
    uint64_t next = 1;
    for (int step = 0; step < 200000; step++) {
        unsigned what = (unsigned)rand() % 4;
        if (what == 0 && next <= N) {
            uint64_t waits =
                ((unsigned)rand() % 7 + 1) | ((unsigned)rand() % 2 ? BARRIER_CORES : 0);
            CU_ASSERT_EQUAL(add(b, waits, next, 0), next);
            left[next++] = waits;
        } else if (what == 1 && next > 1) {
            unsigned w = (unsigned)rand() % WORKERS;
            uint64_t to = acked[w] + (uint64_t)rand() % 5;
            if (to >= next)
                to = next - 1;
            barrier_ack(b, w, to);
            for (uint64_t v = acked[w] + 1; v <= to; v++) {
                expected += left[v] == (UINT64_C(1) << w);
                left[v] &= ~(UINT64_C(1) << w);
            }
            acked[w] = to > acked[w] ? to : acked[w];
        } else if (next > 1) {
            uint64_t v = (uint64_t)rand() % (next - 1) + 1;
            expected += left[v] == BARRIER_CORES;
            left[v] &= ~BARRIER_CORES;
            barrier_clear(b, v, BARRIER_CORES);
        }
        if (count != expected)
            break;
    }
    CU_ASSERT_EQUAL(count, expected);
    barrier_free(b);
    mem_free(left);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(change_is_answered_once_when_the_last_bit_clears),
    CUNIT_CASE(acknowledgement_covers_all_versions_before),
    CUNIT_CASE(versions_never_given_out_are_ignored),
    CUNIT_CASE(overdue_change_gets_a_timeout_and_later_ones_go_on),
    CUNIT_CASE(failed_change_carries_the_error),
    CUNIT_CASE(random_order_agrees_with_a_plain_table),
};
CUNIT_MAIN("barrier", cases)
