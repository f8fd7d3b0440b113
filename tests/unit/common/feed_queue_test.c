/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of one direction that are not done: how records gather, and what a new session does. */
#include "common/feed_queue.h"

#include "common/feed_frame.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

enum { FRAME = 100 };

static uint64_t
put(struct feed_queue *queue, const char *text, bool preamble)
{
    struct slice part = slice_cstr(text);
    size_t used = queue->used, charge = feed_queue_charge(queue, part.len);
    uint64_t ticket = feed_queue_append(queue, 1, &part, 1, part.len, preamble, false);
    CU_ASSERT_EQUAL(queue->used, used + charge);
    return ticket;
}

static bool
first_begins_with(const struct feed_queue *queue, const char *text)
{
    const struct feed_queue_frame *frame = feed_queue_at(queue, 0);
    return memcmp(frame->data + FEED_FRAME_RECORD_OVERHEAD, text, strlen(text)) == 0;
}

static void
records_of_one_frame_share_a_ticket(void)
{
    static const char forty[] = "0123456789012345678901234567890123456789";
    struct feed_queue queue = {0};
    uint64_t a, b, c;
    feed_queue_init(&queue, FRAME);
    a = put(&queue, forty, false);
    b = put(&queue, forty, false);
    CU_ASSERT_EQUAL(queue.count, 0); /* gathering */
    c = put(&queue, forty, false);   /* does not fit: the next frame */
    CU_ASSERT_EQUAL(a, b);
    CU_ASSERT_TRUE(c > b);
    CU_ASSERT_EQUAL(queue.count, 1);
    feed_queue_close_frame(&queue);
    feed_queue_close_frame(&queue); /* nothing is gathering any more */
    CU_ASSERT_EQUAL(queue.count, 2);
    CU_ASSERT_EQUAL(feed_queue_at(&queue, 0)->records, 2);
    CU_ASSERT_EQUAL(feed_queue_at(&queue, 0)->len, 2 * (40 + FEED_FRAME_RECORD_OVERHEAD));
    CU_ASSERT_TRUE(feed_queue_done_ticket(&queue) < a);
    feed_queue_pop(&queue);
    CU_ASSERT_TRUE(feed_queue_done_ticket(&queue) >= a && feed_queue_done_ticket(&queue) < c);
    feed_queue_pop(&queue);
    CU_ASSERT_TRUE(feed_queue_done_ticket(&queue) >= c);
    CU_ASSERT_EQUAL(queue.used, 0);
    feed_queue_fini(&queue);
}

static void
a_record_larger_than_a_frame_has_one_of_its_own(void)
{
    static char large[3 * FRAME + 1];
    struct feed_queue queue = {0};
    memset(large, 'x', sizeof(large) - 1);
    feed_queue_init(&queue, FRAME);
    (void)put(&queue, "small", false);
    (void)put(&queue, large, false);
    (void)put(&queue, "small", false);
    feed_queue_close_frame(&queue);
    CU_ASSERT_EQUAL_FATAL(queue.count, 3);
    CU_ASSERT_EQUAL(feed_queue_at(&queue, 1)->len, 3 * FRAME + FEED_FRAME_RECORD_OVERHEAD);
    feed_queue_fini(&queue);
}

static void
what_was_held_follows_the_preamble_of_the_next_session(void)
{
    struct feed_queue queue = {0};
    uint64_t kept;
    feed_queue_init(&queue, FRAME);
    (void)put(&queue, "old hello", true);
    feed_queue_close_frame(&queue);
    kept = put(&queue, "kept", false);
    feed_queue_hold(&queue); /* the preamble is of one session only */
    CU_ASSERT_EQUAL(queue.count, 0);
    (void)put(&queue, "new hello", true);
    feed_queue_close_frame(&queue);
    CU_ASSERT_TRUE(feed_queue_done_ticket(&queue) < kept);
    CU_ASSERT_EQUAL(feed_queue_release(&queue, true), 0);
    CU_ASSERT_EQUAL_FATAL(queue.count, 2);
    CU_ASSERT_TRUE(first_begins_with(&queue, "new hello"));
    feed_queue_pop(&queue);
    CU_ASSERT_TRUE(first_begins_with(&queue, "kept"));
    CU_ASSERT_TRUE(feed_queue_done_ticket(&queue) < kept);
    feed_queue_pop(&queue);
    CU_ASSERT_TRUE(feed_queue_done_ticket(&queue) >= kept);
    feed_queue_fini(&queue);
}

static void
what_was_held_may_be_dropped_and_is_counted(void)
{
    struct feed_queue queue = {0};
    uint64_t last;
    feed_queue_init(&queue, FRAME);
    (void)put(&queue, "a", false);
    (void)put(&queue, "b", false);
    feed_queue_close_frame(&queue);
    last = put(&queue, "c", false);
    feed_queue_hold(&queue);
    CU_ASSERT_EQUAL(feed_queue_release(&queue, false), 3);
    CU_ASSERT_EQUAL(queue.used + queue.held_used, 0);
    CU_ASSERT_TRUE(feed_queue_done_ticket(&queue) >= last);
    feed_queue_fini(&queue);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(records_of_one_frame_share_a_ticket),
    CUNIT_CASE(a_record_larger_than_a_frame_has_one_of_its_own),
    CUNIT_CASE(what_was_held_follows_the_preamble_of_the_next_session),
    CUNIT_CASE(what_was_held_may_be_dropped_and_is_counted),
};
CUNIT_MAIN("feed_queue", cases)
