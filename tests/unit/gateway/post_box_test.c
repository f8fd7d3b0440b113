/* SPDX-License-Identifier: Apache-2.0 */
/* Posts gathered for workers. */
#include "services/gateway/post_box.h"
#include "tests/unit/cunit_main.h"

#include "common/loop.h"
#include "common/mailbox.h"

static uint64_t next_expected;
static size_t dropped;
static bool in_order;

static void
take(void *arg, void *item)
{
    const struct post *post = item;
    (void)arg;
    in_order = in_order && post->a == next_expected;
    next_expected++;
}

static void
drop(struct post *post)
{
    (void)post;
    dropped++;
}

static void
full_mailbox_keeps_the_rest_in_order(void)
{
    struct loop *loop = loop_new();
    struct mailbox *mailbox = mailbox_new(loop, sizeof(struct post), 100, take, NULL);
    struct post_box *box = post_box_new(2, drop);
    next_expected = 0;
    in_order = true;
    post_box_set(box, 1, mailbox);
    for (uint64_t i = 0; i < 1000; i++) {
        struct post post = {.kind = POST_MESSAGE, .a = i};
        post_box_add(box, 1, &post);
    }
    CU_ASSERT_EQUAL(post_box_count(box), 1000);
    CU_ASSERT(!post_box_flush(box));
    CU_ASSERT_EQUAL(post_box_count(box), 900);
    uint64_t more = 1000;
    while (!post_box_is_empty(box)) {
        (void)mailbox_drain(mailbox);
        if (more < 3000) {
            struct post post = {.kind = POST_MESSAGE, .a = more++};
            post_box_add(box, 1, &post);
        }
        (void)post_box_flush(box);
    }
    (void)mailbox_drain(mailbox);
    CU_ASSERT(in_order && next_expected == more);
    post_box_free(box);
    mailbox_free(mailbox);
    loop_free(loop);
}

static void
posts_without_a_mailbox_wait_and_are_dropped_at_the_end(void)
{
    struct post_box *box = post_box_new(1, drop);
    struct post post = {.kind = POST_STOP};
    dropped = 0;
    post_box_add(box, 0, &post);
    post_box_add(box, 0, &post);
    CU_ASSERT(!post_box_flush(box));
    post_box_free(box);
    CU_ASSERT_EQUAL(dropped, 2);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(full_mailbox_keeps_the_rest_in_order),
    CUNIT_CASE(posts_without_a_mailbox_wait_and_are_dropped_at_the_end),
};
CUNIT_MAIN("post_box", cases)
