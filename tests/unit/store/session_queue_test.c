/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of a session: order, windows, what is in memory and what on disk, packet ids. */
#include "services/store/session_queue.h"

#include "common/clock.h"
#include "proto/feed_records.h"
#include "tests/unit/cunit_main.h"

#include <stdlib.h>
#include <string.h>

static struct body *
body(void)
{
    return body_new(1, slice_cstr("ten bytes."), 0);
}

static uint64_t
append(struct session_queue *queue, uint64_t batch, bool keep)
{
    struct body *b = body();
    uint64_t seq = session_queue_append(queue, b, batch, 1, false, NULL, 0, keep);
    body_unref(b);
    return seq;
}

static void
messages_are_pushed_in_order_and_only_when_committed(void)
{
    struct session_queue queue;
    struct session_queue_entry *entry;
    session_queue_init(&queue, 1);
    CU_ASSERT_EQUAL(append(&queue, 5, true), 1);
    CU_ASSERT_EQUAL(append(&queue, 6, true), 2);
    CU_ASSERT_PTR_NULL(session_queue_next(&queue, 10, 4));
    entry = session_queue_next(&queue, 10, 5);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT_EQUAL(entry->seq, 1);
    CU_ASSERT_FALSE(session_queue_set_pushed(&queue, entry));
    CU_ASSERT_PTR_NULL(session_queue_next(&queue, 10, 5));
    entry = session_queue_next(&queue, 10, 6);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT_EQUAL(entry->seq, 2);
    session_queue_fini(&queue);
}

static void
a_window_is_not_exceeded_and_opens_with_each_removal(void)
{
    struct session_queue queue;
    struct session_queue_entry *entry;
    unsigned i;
    session_queue_init(&queue, 100);
    for (i = 0; i < 10; i++)
        (void)append(&queue, 0, true);
    for (i = 0; i < 3; i++)
        (void)session_queue_set_pushed(&queue, session_queue_next(&queue, 3, 0));
    CU_ASSERT_PTR_NULL(session_queue_next(&queue, 3, 0));
    session_queue_removed(&queue, session_queue_get(&queue, 101), 0);
    entry = session_queue_next(&queue, 3, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    CU_ASSERT_EQUAL(entry->seq, 103);
    CU_ASSERT_EQUAL(queue.count, 9);
    CU_ASSERT_EQUAL(queue.bytes, 90);
    CU_ASSERT_PTR_NULL(session_queue_get(&queue, 101));
    session_queue_fini(&queue);
}

static void
after_a_connection_everything_is_read_again_and_marked_as_repeated(void)
{
    struct session_queue queue;
    struct session_queue_entry *entry;
    session_queue_init(&queue, 1);
    (void)append(&queue, 0, true);
    (void)append(&queue, 0, true);
    (void)append(&queue, 0, true);
    (void)session_queue_set_pushed(&queue, session_queue_next(&queue, 1, 0));
    session_queue_forget(&queue);
    CU_ASSERT_PTR_NULL(queue.ring);
    CU_ASSERT_EQUAL(queue.count, 3);
    CU_ASSERT_TRUE(session_queue_wants_disk(&queue));
    CU_ASSERT_EQUAL(queue.disk_from, 1);
    session_queue_read_back(&queue, 1, body(), 1, false, false, NULL, 0);
    session_queue_read_back(&queue, 2, NULL, 2, false, true, NULL, 0);
    entry = session_queue_next(&queue, 10, 0);
    CU_ASSERT_TRUE(session_queue_set_pushed(&queue, entry));
    entry = session_queue_next(&queue, 10, 0);
    CU_ASSERT_FALSE(session_queue_set_pushed(&queue, entry));
    CU_ASSERT_EQUAL(entry->state, SESSION_QUEUE_RECORDED);
    CU_ASSERT_TRUE(session_queue_wants_disk(&queue)); /* the third */
    session_queue_fini(&queue);
}

static void
what_does_not_fit_memory_waits_on_disk_and_so_do_its_followers(void)
{
    struct session_queue queue;
    uint64_t i;
    session_queue_init(&queue, 1);
    for (i = 0; i < SESSION_QUEUE_MEMORY_COUNT + 5; i++)
        (void)append(&queue, 0, true);
    CU_ASSERT_EQUAL(queue.used, SESSION_QUEUE_MEMORY_COUNT);
    CU_ASSERT_EQUAL(queue.disk_from, SESSION_QUEUE_MEMORY_COUNT + 1);
    CU_ASSERT_FALSE(session_queue_wants_disk(&queue));
    (void)session_queue_set_pushed(&queue, session_queue_next(&queue, 5000, 0));
    (void)append(&queue, 0, true); /* there is room again, but older ones are on disk */
    CU_ASSERT_EQUAL(queue.used, SESSION_QUEUE_MEMORY_COUNT);
    for (i = 1; i < SESSION_QUEUE_MEMORY_COUNT; i++)
        (void)session_queue_set_pushed(&queue, session_queue_next(&queue, 5000, 0));
    CU_ASSERT_PTR_NULL(session_queue_next(&queue, 5000, 0));
    CU_ASSERT_TRUE(session_queue_wants_disk(&queue));
    session_queue_fini(&queue);
}

static void
two_messages_in_flight_never_share_a_packet_id(void)
{
    struct session_queue queue;
    session_queue_init(&queue, 10);
    (void)append(&queue, 0, true);
    (void)session_queue_set_pushed(&queue, session_queue_next(&queue, 10, 0));
    queue.next_seq = 10 + 65535;
    queue.disk_from = queue.next_seq;
    (void)append(&queue, 0, true);
    CU_ASSERT_EQUAL(FEED_PACKET_ID(10), FEED_PACKET_ID(10 + 65535));
    CU_ASSERT_PTR_NULL(session_queue_next(&queue, 10, 0));
    session_queue_removed(&queue, session_queue_get(&queue, 10), 0);
    CU_ASSERT_PTR_NOT_NULL(session_queue_next(&queue, 10, 0));
    session_queue_fini(&queue);
}

static void
limits_are_in_messages_and_in_bytes(void)
{
    struct session_queue queue;
    session_queue_init(&queue, 1);
    (void)append(&queue, 0, false);
    CU_ASSERT_TRUE(session_queue_has_room(&queue, 10, 2, 20));
    CU_ASSERT_FALSE(session_queue_has_room(&queue, 11, 2, 20));
    CU_ASSERT_FALSE(session_queue_has_room(&queue, 1, 1, 0));
    CU_ASSERT_TRUE(session_queue_has_room(&queue, 1000000, 0, 0));
    session_queue_fini(&queue);
}

static void
a_recorded_message_gives_its_body_back(void)
{
    struct session_queue queue;
    session_queue_init(&queue, 1);
    (void)append(&queue, 0, true);
    (void)session_queue_set_pushed(&queue, session_queue_next(&queue, 10, 0));
    session_queue_set_recorded(&queue, session_queue_get(&queue, 1));
    CU_ASSERT_EQUAL(queue.bytes, 0);
    CU_ASSERT_EQUAL(queue.memory_bytes, 0);
    CU_ASSERT_EQUAL(queue.in_flight, 1);
    session_queue_removed(&queue, session_queue_get(&queue, 1), 0);
    CU_ASSERT_EQUAL(queue.count, 0);
    CU_ASSERT_EQUAL(queue.in_flight, 0);
    session_queue_fini(&queue);
}

/* Random life against a plain array; the disk is the array. */
static void
any_life_agrees_with_a_plain_list(void)
{
    unsigned seed = (unsigned)clock_monotonic_us();
    unsigned step;
    static bool alive[40000];
    uint64_t next = 1;
    uint64_t expected = 0; /* next to be pushed in this connection */
    struct session_queue queue;
    memset(alive, 0, sizeof(alive));
    printf("seed %u ", seed);
    srand(seed);
    session_queue_init(&queue, 1);
    for (step = 0; step < 20000; step++) {
        int dice = rand() % 100;
        if (dice < 45) {
            alive[append(&queue, 0, dice < 40)] = true;
            next++;
        } else if (dice < 75) {
            struct session_queue_entry *entry;
            while (session_queue_wants_disk(&queue)) {
                uint64_t seq = queue.disk_from;
                unsigned n = 0;
                while (seq < next && n < 20) {
                    if (alive[seq]) {
                        session_queue_read_back(&queue, seq, body(), 1, false, false, NULL, 0);
                        n++;
                    }
                    seq++;
                }
                if (n == 0 || queue.alive == queue.count)
                    session_queue_read_to(&queue, queue.next_seq);
            }
            entry = session_queue_next(&queue, 50, 0);
            if (entry != NULL) {
                CU_ASSERT_TRUE_FATAL(alive[entry->seq]);
                CU_ASSERT_TRUE_FATAL(entry->seq > expected);
                for (expected++; expected < entry->seq; expected++)
                    CU_ASSERT_FALSE_FATAL(alive[expected]);
                (void)session_queue_set_pushed(&queue, entry);
            }
        } else if (dice < 99) {
            uint64_t seq = expected > 50 ? expected - (uint64_t)(rand() % 50) : expected;
            struct session_queue_entry *entry = session_queue_get(&queue, seq);
            CU_ASSERT_FALSE_FATAL(entry != NULL && !alive[seq]);
            if (entry != NULL) {
                session_queue_removed(&queue, entry, 0);
                alive[seq] = false;
            }
        } else {
            session_queue_forget(&queue);
            expected = 0;
        }
        if (step % 500 == 0) {
            uint64_t count = 0;
            uint64_t i;
            for (i = 1; i < next; i++)
                count += alive[i] ? 1 : 0;
            CU_ASSERT_EQUAL_FATAL(count, queue.count);
            CU_ASSERT_EQUAL_FATAL(count * 10, queue.bytes);
        }
    }
    session_queue_fini(&queue);
}

static void
what_was_acknowledged_does_not_come_back_with_the_next_connection(void)
{
    struct session_queue queue;
    struct body *body = body_new(1, slice_cstr("m"), 0);
    session_queue_init(&queue, 1);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        (void)session_queue_append(&queue, body, 0, 2, false, NULL, 0, true);
        (void)session_queue_set_pushed(&queue, session_queue_next(&queue, 10, 0));
    }
    session_queue_removed(&queue, session_queue_get(&queue, 2), 0);
    session_queue_set_recorded(&queue, session_queue_get(&queue, 3));
    session_queue_rewind(&queue);
    CU_ASSERT_EQUAL(queue.in_flight, 0);
    session_queue_set_recorded(&queue, session_queue_get(&queue, 4)); /* a late PUBREC */
    session_queue_removed(&queue, session_queue_get(&queue, 1), 0);   /* and a late PUBACK */
    for (uint64_t seq = 3; seq <= 4; seq++) {
        struct session_queue_entry *entry = session_queue_next(&queue, 10, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
        CU_ASSERT_EQUAL(entry->seq, seq);
        CU_ASSERT(entry->recorded_before);
        CU_ASSERT(session_queue_set_pushed(&queue, entry));
        CU_ASSERT_EQUAL(entry->state, SESSION_QUEUE_RECORDED);
    }
    CU_ASSERT_PTR_NULL(session_queue_next(&queue, 10, 0));
    CU_ASSERT_EQUAL(queue.count, 2);
    session_queue_fini(&queue);
    body_unref(body);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_was_acknowledged_does_not_come_back_with_the_next_connection),
    CUNIT_CASE(messages_are_pushed_in_order_and_only_when_committed),
    CUNIT_CASE(a_window_is_not_exceeded_and_opens_with_each_removal),
    CUNIT_CASE(after_a_connection_everything_is_read_again_and_marked_as_repeated),
    CUNIT_CASE(what_does_not_fit_memory_waits_on_disk_and_so_do_its_followers),
    CUNIT_CASE(two_messages_in_flight_never_share_a_packet_id),
    CUNIT_CASE(limits_are_in_messages_and_in_bytes),
    CUNIT_CASE(a_recorded_message_gives_its_body_back),
    CUNIT_CASE(any_life_agrees_with_a_plain_list),
};
CUNIT_MAIN("session_queue", cases)
