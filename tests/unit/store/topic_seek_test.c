/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of topics and single judgements. Whole walks over many topics are part of the drivers'
 * contract (driver_contract_retained.c), where they are held against topic_matches. */
#include "services/store/topic_seek.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

static struct slice
key_slice(const struct topic_seek_key *key)
{
    return slice_of(key->bytes, key->len);
}

static void
a_key_has_zero_for_slash(void)
{
    static const uint8_t want[] = {0x73, 0x65, 0x6e, 0x73, 0x6f, 0x72, 0x73,
                                   0x00, 0x31, 0x00, 0x74, 0x65, 0x6d, 0x70};
    struct topic_seek_key key;
    topic_seek_key_of(slice_cstr("sensors/1/temp"), &key);
    CU_ASSERT(slice_equal(key_slice(&key), slice_of(want, sizeof(want))));
    topic_seek_text_key_of(slice_cstr("a/b"), &key);
    CU_ASSERT(slice_equal_cstr(key_slice(&key), "a/b"));
}

static void
what_lies_below_a_level_follows_it_at_once(void)
{
    static const char *const rising[] = {"a", "a/", "a/b", "a/b/c", "a/b c", "a\x01", "a b", "ab"};
    struct topic_seek_key before, key;
    size_t i;
    topic_seek_key_of(slice_cstr(rising[0]), &before);
    for (i = 1; i < sizeof(rising) / sizeof(rising[0]); i++) {
        topic_seek_key_of(slice_cstr(rising[i]), &key);
        CU_ASSERT(slice_compare(key_slice(&before), key_slice(&key)) < 0);
        before = key;
    }
}

static void
long_topics_have_keys_of_one_length_that_differ(void)
{
    uint8_t text[1000];
    struct topic_seek_key a, b;
    memset(text, 'x', sizeof(text));
    topic_seek_key_of(slice_of(text, TOPIC_SEEK_SHORT), &a);
    CU_ASSERT_EQUAL(a.len, TOPIC_SEEK_SHORT);
    topic_seek_key_of(slice_of(text, TOPIC_SEEK_SHORT + 1), &a);
    CU_ASSERT_EQUAL(a.len, TOPIC_SEEK_KEY);
    text[999] = '/';
    topic_seek_key_of(slice_of(text, 1000), &a);
    text[999] = 'y';
    topic_seek_key_of(slice_of(text, 1000), &b);
    CU_ASSERT_EQUAL(b.len, TOPIC_SEEK_KEY);
    CU_ASSERT_FALSE(slice_equal(key_slice(&a), key_slice(&b)));
    CU_ASSERT_EQUAL(memcmp(a.bytes, b.bytes, TOPIC_SEEK_SHORT), 0);
}

static void
a_walk_starts_at_what_comes_before_the_wildcard(void)
{
    static const struct {
        const char *filter, *start;
        size_t len;
    } table[] = {{"#", "", 0},  {"+/a", "", 0},     {"a/#", "a", 1},
                 {"a", "a", 1}, {"a/b", "a\0b", 3}, {"a/b/+/c", "a\0b", 3},
                 {"/+", "", 0}, {"a//#", "a\0", 2}, {"$SYS/#", "$SYS", 4}};
    struct topic_seek_key key;
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        topic_seek_start(slice_cstr(table[i].filter), &key);
        CU_ASSERT(slice_equal(key_slice(&key), slice_of(table[i].start, table[i].len)));
    }
}

static void
a_row_that_does_not_match_says_where_to_look_next(void)
{
    static const struct {
        const char *filter, *topic;
        enum topic_seek_answer answer;
        const char *seek;
        size_t seek_len;
    } table[] = {
        {"a/+/c", "a/1/c", TOPIC_SEEK_HIT, NULL, 0},
        {"a/+/c", "a/1/b", TOPIC_SEEK_SEEK, "a\0001\0c", 5},
        {"a/+/c", "a/1/d", TOPIC_SEEK_SEEK, "a\0001\1", 4},
        {"a/+/c", "a/1/c/d", TOPIC_SEEK_SEEK, "a\0001\1", 4},
        {"a/+/c", "a/1", TOPIC_SEEK_SEEK, "a\0001\0c", 5},
        {"a/+/c", "b", TOPIC_SEEK_DONE, NULL, 0},
        {"a/+/c", "a", TOPIC_SEEK_SEEK, "a\0", 2},
        {"a/b", "a/b/c", TOPIC_SEEK_DONE, NULL, 0},
        {"a/#", "a", TOPIC_SEEK_HIT, NULL, 0},
        {"a/#", "a/b/c", TOPIC_SEEK_HIT, NULL, 0},
        {"a/#", "ab", TOPIC_SEEK_DONE, NULL, 0},
        {"+/x", "a/y", TOPIC_SEEK_SEEK, "a\1", 2},
        {"#", "$SYS/a", TOPIC_SEEK_SEEK, "%", 1},
        {"+/a", "$SYS/a", TOPIC_SEEK_SEEK, "%", 1},
        {"$SYS/#", "$SYS/a", TOPIC_SEEK_HIT, NULL, 0},
        {"+", "/", TOPIC_SEEK_SEEK, "\1", 1},
        {"+/+", "/", TOPIC_SEEK_HIT, NULL, 0},
    };
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct topic_seek_key key, seek = {0};
        enum topic_seek_answer answer;
        topic_seek_key_of(slice_cstr(table[i].topic), &key);
        answer = topic_seek_judge(slice_cstr(table[i].filter), key_slice(&key),
                                  slice_cstr(table[i].topic), &seek);
        CU_ASSERT_EQUAL(answer, table[i].answer);
        if (table[i].answer == TOPIC_SEEK_SEEK)
            CU_ASSERT(slice_equal(key_slice(&seek), slice_of(table[i].seek, table[i].seek_len)));
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_key_has_zero_for_slash),
    CUNIT_CASE(what_lies_below_a_level_follows_it_at_once),
    CUNIT_CASE(long_topics_have_keys_of_one_length_that_differ),
    CUNIT_CASE(a_walk_starts_at_what_comes_before_the_wildcard),
    CUNIT_CASE(a_row_that_does_not_match_says_where_to_look_next),
};

CUNIT_MAIN("topic_seek", cases)
