/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the mailbox: order, cap, wake-ups, and many threads that post at once. */
#include "common/mailbox.h"
#include "tests/unit/cunit_main.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { THREADS = 4, EACH = 50000, BATCH = 25 };

struct item {
    uint32_t from;
    uint32_t number;
};

struct owner {
    struct loop *loop;
    struct mailbox *mailbox;
    uint32_t next[THREADS];
    unsigned count;
    unsigned until;
    unsigned wrong;
};

static void
deliver(void *arg, void *data)
{
    struct owner *owner = arg;
    struct item item;
    memcpy(&item, data, sizeof(item));
    owner->wrong += item.number != owner->next[item.from]++;
    if (++owner->count == owner->until)
        loop_stop(owner->loop);
}

static void
owner_init(struct owner *owner, size_t cap)
{
    memset(owner, 0, sizeof(*owner));
    owner->loop = loop_new();
    owner->mailbox = mailbox_new(owner->loop, sizeof(struct item), cap, deliver, owner);
}

static void
owner_fini(struct owner *owner)
{
    mailbox_free(owner->mailbox);
    loop_free(owner->loop);
}

static void
a_full_mailbox_is_busy_and_takes_again_when_drained(void)
{
    struct owner owner;
    struct item items[3] = {{0, 0}, {0, 1}, {0, 2}};
    struct item more[2] = {{0, 2}, {0, 3}};
    owner_init(&owner, 3);
    CU_ASSERT_EQUAL(mailbox_post_batch(owner.mailbox, items, 2), OK);
    CU_ASSERT_EQUAL(mailbox_post_batch(owner.mailbox, more, 2), ERR_BUSY);
    CU_ASSERT_EQUAL(mailbox_count(owner.mailbox), 2);
    CU_ASSERT_EQUAL(mailbox_post(owner.mailbox, &items[2]), OK);
    CU_ASSERT_EQUAL(mailbox_post(owner.mailbox, &more[1]), ERR_BUSY);
    CU_ASSERT_EQUAL(mailbox_drain(owner.mailbox), 3);
    CU_ASSERT_EQUAL(mailbox_post(owner.mailbox, &more[1]), OK);
    CU_ASSERT_EQUAL(mailbox_post_batch(owner.mailbox, NULL, 0), OK);
    loop_run_once(owner.loop, true);
    CU_ASSERT_EQUAL(owner.count, 4);
    CU_ASSERT_EQUAL(owner.wrong, 0);
    owner_fini(&owner);
}

static void
what_was_not_delivered_is_dropped_at_the_end(void)
{
    struct owner owner;
    struct item item = {0, 0};
    owner_init(&owner, 3);
    CU_ASSERT_EQUAL(mailbox_post(owner.mailbox, &item), OK);
    owner_fini(&owner);
    CU_ASSERT_EQUAL(owner.count, 0);
}

static void
deliver_and_post(void *arg, void *data)
{
    struct owner *owner = arg;
    struct item item;
    memcpy(&item, data, sizeof(item));
    if (item.number < 10) {
        item.number++;
        CU_ASSERT_EQUAL(mailbox_post(owner->mailbox, &item), OK);
    } else {
        loop_stop(owner->loop);
    }
    owner->count++;
}

static void
posts_from_within_arrive_in_a_later_turn(void)
{
    struct owner owner;
    struct item item = {0, 0};
    memset(&owner, 0, sizeof(owner));
    owner.loop = loop_new();
    owner.mailbox = mailbox_new(owner.loop, sizeof(item), 1, deliver_and_post, &owner);
    CU_ASSERT_EQUAL(mailbox_post(owner.mailbox, &item), OK);
    loop_run_once(owner.loop, true);
    CU_ASSERT_EQUAL(owner.count, 1);
    loop_run(owner.loop);
    CU_ASSERT_EQUAL(owner.count, 11);
    owner_fini(&owner);
}

struct poster {
    struct mailbox *mailbox;
    uint32_t from;
};

static void *
post_all(void *arg)
{
    const struct poster *poster = arg;
    struct item items[BATCH];
    uint32_t number = 0;
    while (number < EACH) {
        uint32_t n = poster->from % 2 == 0 ? 1 : BATCH;
        uint32_t i;
        for (i = 0; i < n; i++)
            items[i] = (struct item){poster->from, number + i};
        while (mailbox_post_batch(poster->mailbox, items, n) != OK)
            sched_yield();
        number += n;
    }
    return NULL;
}

static void
many_posters_lose_nothing_and_keep_their_order(void)
{
    struct owner owner;
    struct poster posters[THREADS];
    pthread_t threads[THREADS];
    uint32_t i;
    owner_init(&owner, 5000);
    owner.until = THREADS * EACH;
    for (i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){owner.mailbox, i};
        pthread_create(&threads[i], NULL, post_all, &posters[i]);
    }
    loop_run(owner.loop);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_EQUAL(owner.count, THREADS * EACH);
    CU_ASSERT_EQUAL(owner.wrong, 0);
    owner_fini(&owner);
    mailbox_free(NULL);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_full_mailbox_is_busy_and_takes_again_when_drained),
    CUNIT_CASE(what_was_not_delivered_is_dropped_at_the_end),
    CUNIT_CASE(posts_from_within_arrive_in_a_later_turn),
    CUNIT_CASE(many_posters_lose_nothing_and_keep_their_order),
};
CUNIT_MAIN("mailbox", cases)
