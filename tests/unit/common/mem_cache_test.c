/* SPDX-License-Identifier: Apache-2.0 */
/* Small blocks between threads: each belongs to one owner at a time, what is kept is bounded. Under
 * sanitizers the same goes through malloc. */
#include "common/mem_cache.h"

#include "common/mem.h"
#include "tests/unit/cunit_main.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { BLOCKS = 20000, ROUNDS = 10, LARGEST = 1200 };

struct crowd {
    uint8_t *blocks[BLOCKS];
    size_t sizes[BLOCKS];
    unsigned seed;
    bool is_broken;
};

static unsigned
roll(struct crowd *crowd, unsigned below)
{
    crowd->seed = crowd->seed * 1103515245u + 12345u;
    return (crowd->seed >> 8) % below;
}

/* Each block holds the number of its place, from its first to its last byte. */
static void *
make(void *arg)
{
    struct crowd *crowd = arg;
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t size = 1 + roll(crowd, LARGEST);
        crowd->sizes[i] = size;
        crowd->blocks[i] = roll(crowd, 4) == 0 ? mem_zalloc(size) : mem_alloc(size);
        memset(crowd->blocks[i], (int)(i % 251), size);
    }
    return NULL;
}

static void *
check_and_free(void *arg)
{
    struct crowd *crowd = arg;
    for (unsigned i = 0; i < BLOCKS; i++) {
        const uint8_t *block = crowd->blocks[i];
        for (size_t at = 0; at < crowd->sizes[i]; at++) {
            if (block[at] != i % 251)
                crowd->is_broken = true;
        }
        mem_free(crowd->blocks[i]);
    }
    return NULL;
}

static void
in_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, fn, arg), 0);
    pthread_join(thread, NULL);
}

static void
what_one_thread_makes_another_frees_and_a_third_makes_anew(void)
{
    static struct crowd crowd;
    size_t before = mem_used();
    crowd.seed = 1;
    for (int i = 0; i < ROUNDS; i++) {
        in_thread(make, &crowd);
        if (i % 2 == 0)
            in_thread(check_and_free, &crowd);
        else
            (void)check_and_free(&crowd);
    }
    CU_ASSERT_FALSE(crowd.is_broken);
    CU_ASSERT_EQUAL(mem_used(), before);
}

static void *
churn(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < ROUNDS; i++) {
        (void)make(crowd);
        (void)check_and_free(crowd);
    }
    return NULL;
}

static void
threads_at_the_same_time_do_not_get_the_same_block(void)
{
    static struct crowd crowds[4];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        crowds[i].seed = i + 1;
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, churn, &crowds[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CU_ASSERT_FALSE(crowds[i].is_broken);
    }
}

static void
what_is_kept_for_others_is_bounded(void)
{
    static void *blocks[3 * MEM_CACHE_SHARED_MAX / 1000];
    size_t count = sizeof(blocks) / sizeof(*blocks);
    for (size_t i = 0; i < count; i++)
        blocks[i] = mem_alloc(1000);
    for (size_t i = 0; i < count; i++)
        mem_free(blocks[i]);
    CU_ASSERT_TRUE(mem_cache_shared() <= MEM_CACHE_SHARED_MAX);
}

static void
blocks_of_any_room_but_the_usual_are_not_taken(void)
{
    static uint8_t block[64];
    CU_ASSERT_FALSE(mem_cache_put(block, 8));
    CU_ASSERT_FALSE(mem_cache_put(block, 32));
    CU_ASSERT_FALSE(mem_cache_put(block, 1 << 20));
    CU_ASSERT_PTR_NULL(mem_cache_take(1 << 20));
    CU_ASSERT_EQUAL(mem_cache_room(0), 24);
    CU_ASSERT_EQUAL(mem_cache_room(24), 24);
    CU_ASSERT_EQUAL(mem_cache_room(25), 40);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_one_thread_makes_another_frees_and_a_third_makes_anew),
    CUNIT_CASE(threads_at_the_same_time_do_not_get_the_same_block),
    CUNIT_CASE(what_is_kept_for_others_is_bounded),
    CUNIT_CASE(blocks_of_any_room_but_the_usual_are_not_taken),
};
CUNIT_MAIN("mem_cache", cases)
