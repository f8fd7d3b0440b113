/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: what is sent and, whatever is added and removed, never less than what is wanted. */
#include "services/core/digest.h"

#include "proto/topic.h"
#include "tests/unit/cunit_main.h"
#include <stdio.h>
#include <string.h>

static enum digest_change
add(struct digest *d, const char *filter, char *entry)
{
    struct slice s = {NULL, 0};
    enum digest_change change = digest_add(d, slice_cstr(filter), &s);
    snprintf(entry, 64, "%.*s", (int)s.len, s.len != 0 ? (const char *)s.data : "");
    return change;
}

static enum digest_change
take(struct digest *d, const char *filter, char *entry)
{
    struct slice s = {NULL, 0};
    enum digest_change change = digest_remove(d, slice_cstr(filter), &s);
    snprintf(entry, 64, "%.*s", (int)s.len, s.len != 0 ? (const char *)s.data : "");
    return change;
}

static void
join(void *arg, struct slice entry)
{
    char *text = arg;
    size_t len = strlen(text);
    snprintf(text + len, 256 - len, "%.*s ", (int)entry.len, (const char *)entry.data);
}

static void
short_digest_is_the_filters(void)
{
    struct digest *d = digest_new(4);
    char e[64];
    CU_ASSERT_TRUE(add(d, "a/b/c", e) == DIGEST_ENTRY && strcmp(e, "a/b/c") == 0);
    CU_ASSERT_EQUAL(add(d, "a/b/c", e), DIGEST_SAME); /* two places want it */
    CU_ASSERT_EQUAL(take(d, "a/b/c", e), DIGEST_SAME);
    CU_ASSERT_TRUE(take(d, "a/b/c", e) == DIGEST_ENTRY && strcmp(e, "a/b/c") == 0);
    CU_ASSERT_EQUAL(take(d, "a/b/c", e), DIGEST_SAME);
    CU_ASSERT_EQUAL(digest_entries(d), 0);
    digest_free(d);
}

static void
full_digest_is_shortened_level_by_level(void)
{
    struct digest *d = digest_new(2);
    char e[64], all[256] = "";
    (void)add(d, "a/b/c", e);
    (void)add(d, "a/b/d", e);
    CU_ASSERT_EQUAL(add(d, "a/b", e), DIGEST_WHOLE);
    CU_ASSERT_TRUE(digest_is_shortened(d));
    digest_each(d, join, all);
    CU_ASSERT_TRUE(strcmp(all, "a/b/# a/b ") == 0 || strcmp(all, "a/b a/b/# ") == 0);
    CU_ASSERT_EQUAL(add(d, "a/b/e/f", e), DIGEST_SAME);
    CU_ASSERT_EQUAL(add(d, "a/x", e), DIGEST_WHOLE);
    all[0] = 0;
    digest_each(d, join, all);
    CU_ASSERT_STRING_EQUAL(all, "a/# ");
    (void)add(d, "b/c", e);
    CU_ASSERT_STRING_EQUAL(e, "b/#");
    CU_ASSERT_EQUAL(add(d, "c", e), DIGEST_WHOLE);
    all[0] = 0;
    digest_each(d, join, all);
    CU_ASSERT_STRING_EQUAL(all, "# ");
    CU_ASSERT_EQUAL(digest_total(d), 7);
    digest_free(d);
}

static void
dollar_topics_are_never_hidden_behind_a_hash(void)
{
    struct digest *d = digest_new(1);
    char e[64], all[256] = "";
    (void)add(d, "a", e);
    (void)add(d, "b", e);
    CU_ASSERT_EQUAL(add(d, "$x/y/z", e), DIGEST_ENTRY);
    CU_ASSERT_STRING_EQUAL(e, "$x/#");
    digest_each(d, join, all);
    CU_ASSERT_STRING_EQUAL(all, "# $x/# ");
    digest_free(d);
}

enum { NAMES = 200, ROUNDS = 6000 };

struct cover {
    struct slice topic;
    bool hit;
};

static void
cover_entry(void *arg, struct slice entry)
{
    struct cover *cover = arg;
    cover->hit = cover->hit || topic_matches(entry, cover->topic);
}

static void
every_wanted_topic_is_covered(void)
{
    static const char *const words[] = {"a", "b", "", "$s", "longer", "+", "x"};
    static char names[NAMES][64];
    static unsigned counts[NAMES];
    uint64_t random = 7;
    struct digest *d = digest_new(12);
    unsigned i, n = 0, used = 0;
    char e[64];
#define RND(m)                                                                                     \
    (random = random * UINT64_C(6364136223846793005) + 1442695040888963407u, (random >> 33) % (m))
    while (used < NAMES) {
        unsigned levels = 1 + (unsigned)RND(5), k;
        char *name = names[used];
        name[0] = 0;
        for (k = 0; k < levels; k++) {
            strcat(name, k != 0 ? "/" : "");
            strcat(name, words[RND(7)]);
        }
        if (RND(6) == 0)
            strcat(name, "/#");
        used += topic_filter_is_valid(slice_cstr(name));
    }
    for (n = 0; n < ROUNDS; n++) {
        i = (unsigned)RND(NAMES);
        if (RND(2) == 0 || n > ROUNDS - 2000) {
            if (counts[i] != 0) {
                (void)take(d, names[i], e);
                counts[i]--;
            }
        } else {
            (void)add(d, names[i], e);
            counts[i]++;
        }
        if (n % 50 != 0)
            continue;
        for (i = 0; i < NAMES; i++) {
            struct cover cover = {slice_cstr(names[i]), false};
            if (counts[i] == 0 || topic_filter_has_wildcard(cover.topic))
                continue; /* a filter without wildcards is a topic that must be covered */
            digest_each(d, cover_entry, &cover);
            if (!cover.hit) {
                printf(" %s is hidden at round %u ", names[i], n);
                CU_FAIL_FATAL("a wanted topic is hidden");
            }
        }
    }
    for (i = 0; i < NAMES; i++) {
        while (counts[i] != 0) {
            (void)take(d, names[i], e);
            counts[i]--;
        }
    }
    CU_ASSERT_EQUAL(digest_entries(d), 0);
    CU_ASSERT_EQUAL(digest_total(d), 0);
    digest_free(d);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(short_digest_is_the_filters),
    CUNIT_CASE(full_digest_is_shortened_level_by_level),
    CUNIT_CASE(dollar_topics_are_never_hidden_behind_a_hash),
    CUNIT_CASE(every_wanted_topic_is_covered),
};
CUNIT_MAIN("digest", cases)
