/* SPDX-License-Identifier: Apache-2.0 */
/* Results of lookups: kept for their topic only, and not beyond a change. */
#include "proto/topic_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/cunit_main.h"

static struct slice
text(const char *string)
{
    return slice_cstr(string);
}

static bool
gives(const struct topic_cache *cache, const char *topic, const char *result)
{
    struct slice got;
    return topic_cache_get(cache, text(topic), &got) && slice_equal_cstr(got, result);
}

static void
what_was_put_is_got_until_the_set_changes(void)
{
    struct topic_cache *cache = topic_cache_new();
    struct slice got;
    CU_ASSERT_FALSE(topic_cache_get(cache, text("a/b"), &got));
    topic_cache_put(cache, text("a/b"), text("one"));
    topic_cache_put(cache, text("a/b/long/enough/for/words"), text(""));
    CU_ASSERT_TRUE(gives(cache, "a/b", "one"));
    CU_ASSERT_TRUE(gives(cache, "a/b/long/enough/for/words", ""));
    CU_ASSERT_FALSE(topic_cache_get(cache, text("a/c"), &got));
    CU_ASSERT_FALSE(topic_cache_get(cache, text(""), &got));
    topic_cache_clear(cache);
    CU_ASSERT_FALSE(topic_cache_get(cache, text("a/b"), &got));
    topic_cache_put(cache, text("a/b"), text("a longer one"));
    CU_ASSERT_TRUE(gives(cache, "a/b", "a longer one"));
    topic_cache_free(cache);
}

static void
topics_that_share_a_place_are_told_apart(void)
{
    struct topic_cache *cache = topic_cache_new();
    char topic[32];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 20000; i++) {
            struct slice got;
            snprintf(topic, sizeof(topic), "t/%d", i);
            if (topic_cache_get(cache, text(topic), &got)) {
                if (!slice_equal_cstr(got, topic + 2))
                    CU_FAIL_FATAL("the result of another topic");
            } else {
                topic_cache_put(cache, text(topic), text(topic + 2));
            }
        }
    }
    topic_cache_free(cache);
}

static void
topics_that_come_once_do_not_drive_out_what_is_there(void)
{
    struct topic_cache *cache = topic_cache_new();
    char topic[32];
    int left = 0;
    for (int i = 0; i < 200; i++) {
        snprintf(topic, sizeof(topic), "often/%d", i);
        topic_cache_put(cache, text(topic), text(topic));
    }
    for (int i = 0; i < 2048; i++) {
        snprintf(topic, sizeof(topic), "once/%d", i);
        topic_cache_put(cache, text(topic), text(topic));
    }
    for (int i = 0; i < 200; i++) {
        snprintf(topic, sizeof(topic), "often/%d", i);
        left += gives(cache, topic, topic);
    }
    CU_ASSERT_TRUE(left > 140);
    topic_cache_free(cache);
}

static void
what_is_too_long_is_not_kept(void)
{
    struct topic_cache *cache = topic_cache_new();
    static uint8_t bytes[TOPIC_CACHE_RESULT_MAX + 1];
    struct slice got;
    memset(bytes, 'x', sizeof(bytes));
    topic_cache_put(cache, slice_of(bytes, 257), text("r"));
    CU_ASSERT_FALSE(topic_cache_get(cache, slice_of(bytes, 257), &got));
    topic_cache_put(cache, text("t"), slice_of(bytes, sizeof(bytes)));
    CU_ASSERT_FALSE(topic_cache_get(cache, text("t"), &got));
    topic_cache_put(cache, slice_of(bytes, 256), slice_of(bytes, TOPIC_CACHE_RESULT_MAX));
    CU_ASSERT_TRUE(topic_cache_get(cache, slice_of(bytes, 256), &got));
    CU_ASSERT_EQUAL(got.len, TOPIC_CACHE_RESULT_MAX);
    topic_cache_free(cache);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_was_put_is_got_until_the_set_changes),
    CUNIT_CASE(topics_that_share_a_place_are_told_apart),
    CUNIT_CASE(topics_that_come_once_do_not_drive_out_what_is_there),
    CUNIT_CASE(what_is_too_long_is_not_kept),
};

CUNIT_MAIN("topic_cache", cases)
