/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the contract about retained messages: lookup by filter, paging, costs, expiry. */
#include "tests/unit/store/driver_contract.h"

#include "common/mem.h"
#include "proto/topic.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"", "a", "b", "ab", "a b", "\x01", "$x", "z", "long"};
#define WORDS (sizeof(words) / sizeof(words[0]))

static uint64_t random_state;

static unsigned
random_below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((random_state >> 33) % n);
}

/* A topic or filter of 1 to 4 levels; "long" stands for a level that keys cannot hold. */
static void
random_path(struct buf *out, bool filter)
{
    unsigned levels = 1 + random_below(4);
    unsigned i;
    buf_reset(out);
    for (i = 0; i < levels; i++) {
        unsigned pick = random_below(filter ? WORDS + 3 : WORDS);
        if (i > 0)
            buf_put_u8(out, '/');
        if (pick >= WORDS) {
            bool last = i + 1 == levels;
            buf_put_u8(out, pick == WORDS && last ? '#' : '+');
        } else if (strcmp(words[pick], "long") == 0) {
            unsigned n = 430 + random_below(20);
            while (n-- > 0)
                buf_put_u8(out, 'l');
            buf_put_u8(out, (uint8_t)('a' + random_below(4)));
        } else {
            buf_append_cstr(out, words[pick]);
        }
    }
    if (buf_len(out) == 0)
        buf_put_u8(out, 'e');
}

#define TOPICS 400

struct hits {
    struct slice topics[TOPICS];
    size_t count;
    bool seen[TOPICS];
    size_t found, unknown, twice;
    bool count_none;
};

static bool
hit(void *arg, struct slice topic, struct slice record)
{
    struct hits *hits = arg;
    size_t i;
    CU_ASSERT(slice_equal(topic, record)); /* the tests retain each topic as its own message */
    for (i = 0; i < hits->count && !slice_equal(hits->topics[i], topic); i++)
        ;
    if (i == hits->count) {
        hits->unknown++;
    } else {
        hits->twice += hits->seen[i];
        hits->seen[i] = true;
        hits->found++;
    }
    return !hits->count_none;
}

static void
lookup(struct driver *driver, struct slice filter, size_t page, struct hits *hits)
{
    struct buf next, after;
    buf_init(&next, 1 << 17);
    buf_init(&after, 1 << 17);
    memset(hits->seen, 0, sizeof(hits->seen));
    hits->found = hits->unknown = hits->twice = 0;
    do {
        buf_reset(&after);
        buf_append_slice(&after, buf_slice(&next));
        CU_ASSERT_EQUAL_FATAL(driver_retained_page(driver, filter, buf_slice(&after), page,
                                                   SIZE_MAX, hit, hits, &next),
                              OK);
    } while (buf_len(&next) != 0);
    buf_fini(&next);
    buf_fini(&after);
}

/* Adds the topic unless it is there. */
static void
add_topic(struct hits *hits, struct batch *batch, struct slice topic)
{
    size_t i;
    for (i = 0; i < hits->count; i++) {
        if (slice_equal(hits->topics[i], topic))
            return;
    }
    batch_retained_put(batch, topic, 0, &topic, 1);
    hits->topics[hits->count++] = slice_of(slice_dup(topic), topic.len);
}

static void
free_topics(struct hits *hits)
{
    size_t i;
    for (i = 0; i < hits->count; i++)
        mem_free((void *)(uintptr_t)hits->topics[i].data);
}

void
driver_contract_retained_lookup_agrees_with_the_matching_rules(void)
{
    struct driver *driver = driver_contract_open_fresh();
    struct hits *hits = mem_zalloc(sizeof(*hits));
    struct batch batch;
    struct buf path;
    size_t round, i;
    batch_init(&batch);
    buf_init(&path, 1 << 17);
    random_state = 1;
    while (hits->count < TOPICS) {
        random_path(&path, false);
        add_topic(hits, &batch, buf_slice(&path));
    }
    driver_contract_apply(driver, &batch);
    for (round = 0; round < 3000; round++) {
        size_t page = 1 + random_below(30);
        struct slice filter;
        random_path(&path, round % 10 != 0);
        filter = buf_slice(&path);
        lookup(driver, filter, page, hits);
        CU_ASSERT_EQUAL(hits->unknown, 0);
        CU_ASSERT_EQUAL(hits->twice, 0);
        for (i = 0; i < hits->count; i++) {
            if (hits->seen[i] != topic_matches(filter, hits->topics[i])) {
                printf("filter %.*s topic %.*s\n", (int)filter.len, (const char *)filter.data,
                       (int)hits->topics[i].len, (const char *)hits->topics[i].data);
                CU_FAIL("lookup differs from topic_matches");
            }
        }
    }
    free_topics(hits);
    buf_fini(&path);
    batch_fini(&batch);
    mem_free(hits);
    driver_close(driver);
}

void
driver_contract_retained_pages_go_on_where_they_ended(void)
{
    struct driver *driver = driver_contract_open_fresh();
    struct hits *hits = mem_zalloc(sizeof(*hits));
    struct batch batch;
    struct buf next;
    char topic[32];
    size_t page, i;
    batch_init(&batch);
    buf_init(&next, 1000);
    for (i = 0; i < 50; i++) {
        snprintf(topic, sizeof(topic), "p/%zu/x", i);
        add_topic(hits, &batch, slice_cstr(topic));
        snprintf(topic, sizeof(topic), "p/%zu/y", i);
        add_topic(hits, &batch, slice_cstr(topic));
    }
    driver_contract_apply(driver, &batch);
    for (page = 1; page <= 51; page++) {
        lookup(driver, slice_cstr("p/+/y"), page, hits);
        CU_ASSERT_EQUAL(hits->found, 50);
        CU_ASSERT_EQUAL(hits->twice, 0);
    }
    /* What does not count fills no page. */
    hits->count_none = true;
    lookup(driver, slice_cstr("#"), 1, hits);
    CU_ASSERT_EQUAL(hits->found, 100);
    hits->count_none = false;
    /* Bytes: at least one, and a stop behind the one that reaches the limit. */
    hits->found = 0;
    memset(hits->seen, 0, sizeof(hits->seen));
    CU_ASSERT_EQUAL(
        driver_retained_page(driver, slice_cstr("p/1/#"), slice_cstr(""), 10, 1, hit, hits, &next),
        OK);
    CU_ASSERT_EQUAL(hits->found, 1);
    CU_ASSERT(slice_equal_cstr(buf_slice(&next), "p/1/x"));
    /* A topic that is not there any more is still a place to go on from. */
    hits->found = 0;
    memset(hits->seen, 0, sizeof(hits->seen));
    CU_ASSERT_EQUAL(driver_retained_page(driver, slice_cstr("p/1/#"), slice_cstr("p/1/xx"), 10,
                                         1000, hit, hits, &next),
                    OK);
    CU_ASSERT_EQUAL(hits->found, 1);
    CU_ASSERT_EQUAL(buf_len(&next), 0);
    free_topics(hits);
    buf_fini(&next);
    batch_fini(&batch);
    mem_free(hits);
    driver_close(driver);
}

void
driver_contract_wildcards_first_do_not_show_dollar_topics(void)
{
    static const struct {
        const char *filter;
        size_t found;
    } table[] = {{"#", 3},      {"+", 1},      {"+/a", 2},      {"+/#", 3}, {"$SYS/#", 2},
                 {"$SYS/+", 1}, {"$SYS/a", 1}, {"$other/#", 1}, {"$+", 0}};
    static const char *const topics[] = {"!/a", "$SYS", "$SYS/a", "$other/a", "b", "b/a"};
    struct driver *driver = driver_contract_open_fresh();
    struct hits *hits = mem_zalloc(sizeof(*hits));
    struct batch batch;
    size_t i;
    batch_init(&batch);
    for (i = 0; i < sizeof(topics) / sizeof(topics[0]); i++)
        add_topic(hits, &batch, slice_cstr(topics[i]));
    driver_contract_apply(driver, &batch);
    for (i = 0; i + 1 < sizeof(table) / sizeof(table[0]); i++) {
        lookup(driver, slice_cstr(table[i].filter), 10, hits);
        CU_ASSERT_EQUAL(hits->found, table[i].found);
    }
    free_topics(hits);
    batch_fini(&batch);
    mem_free(hits);
    driver_close(driver);
}

static bool
count_hit(void *arg, struct slice topic, struct slice record)
{
    size_t *count = arg;
    (void)topic;
    (void)record;
    (*count)++;
    return true;
}

/* 120 groups of 1,000 topics: g/<group>/<n>/v, one of them with a fourth level "rare". */
void
driver_contract_retained_lookup_costs_hits_not_topics(void)
{
    static const struct {
        const char *filter;
        size_t hits;
        uint64_t steps;
    } table[] = {
        {"g/7/7/v", 1, 3},          {"g/7/7/v/#", 1, 4},    {"g/7/7/+", 1, 6},
        {"g/+/7/v", 120, 500},      {"g/+/7/+", 120, 600},  {"+/7/7/v", 1, 8},
        {"g/7/+/v", 1000, 4100},    {"g/7/#", 1000, 1200},  {"none/#", 0, 2},
        {"g/+/+/+/rare", 1, 0},     {"g/+/none/#", 0, 600}, {"+/+", 0, 600},
        {"g/119/999/v/rare", 1, 3},
    };
    struct driver *driver = driver_contract_open_fresh();
    struct batch batch;
    struct slice one = slice_cstr("1");
    struct buf next, after;
    char topic[64];
    size_t group, n, i;
    batch_init(&batch);
    buf_init(&next, 1000);
    buf_init(&after, 1000);
    for (group = 0; group < 120; group++) {
        for (n = 0; n < 1000; n++) {
            snprintf(topic, sizeof(topic), "g/%zu/%zu/v", group, n);
            batch_retained_put(&batch, slice_cstr(topic), 0, &one, 1);
        }
    }
    batch_retained_put(&batch, slice_cstr("g/119/999/v/rare"), 0, &one, 1);
    driver_contract_apply(driver, &batch);
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t before = atomic_load(&driver->steps);
        uint64_t steps;
        size_t hits = 0;
        buf_reset(&next);
        do {
            uint64_t page_before = atomic_load(&driver->steps);
            buf_reset(&after);
            buf_append_slice(&after, buf_slice(&next));
            CU_ASSERT_EQUAL(driver_retained_page(driver, slice_cstr(table[i].filter),
                                                 buf_slice(&after), 500, SIZE_MAX, count_hit, &hits,
                                                 &next),
                            OK);
            /* No page takes long, whatever it looks for. */
            CU_ASSERT(atomic_load(&driver->steps) - page_before < 10000);
        } while (buf_len(&next) != 0);
        steps = atomic_load(&driver->steps) - before;
        CU_ASSERT_EQUAL(hits, table[i].hits);
        if (table[i].steps != 0 && steps > table[i].steps) {
            printf("%s: %zu hits in %llu steps\n", table[i].filter, hits,
                   (unsigned long long)steps);
            CU_FAIL("a lookup costs more than its hits");
        }
    }
    buf_fini(&next);
    buf_fini(&after);
    batch_fini(&batch);
    driver_close(driver);
}

static void
append_topic(void *arg, struct slice topic, uint64_t expiry_ms)
{
    buf_append_slice(arg, topic);
    buf_printf(arg, "@%llu ", (unsigned long long)expiry_ms);
}

static void
expect_expired(struct driver *driver, uint64_t now_ms, size_t max, const char *want)
{
    struct buf got;
    buf_init(&got, 1000);
    CU_ASSERT_EQUAL(driver_retained_expired(driver, now_ms, max, append_topic, &got), OK);
    CU_ASSERT(slice_equal_cstr(buf_slice(&got), want));
    buf_fini(&got);
}

void
driver_contract_expired_retained_messages_are_found_earliest_first(void)
{
    struct driver *driver = driver_contract_open_fresh();
    struct slice one = slice_cstr("1");
    struct batch batch;
    batch_init(&batch);
    expect_expired(driver, 1000, 10, "");
    batch_retained_put(&batch, slice_cstr("never"), 0, &one, 1);
    batch_retained_put(&batch, slice_cstr("late"), 300, &one, 1);
    batch_retained_put(&batch, slice_cstr("a/soon"), 100, &one, 1);
    batch_retained_put(&batch, slice_cstr("moved"), 50, &one, 1);
    batch_retained_put(&batch, slice_cstr("moved"), 200, &one, 1);
    batch_retained_put(&batch, slice_cstr("kept"), 10, &one, 1);
    batch_retained_put(&batch, slice_cstr("kept"), 0, &one, 1);
    batch_retained_put(&batch, slice_cstr("gone"), 10, &one, 1);
    batch_retained_delete(&batch, slice_cstr("gone"));
    driver_contract_apply(driver, &batch);
    expect_expired(driver, 99, 10, "");
    expect_expired(driver, 100, 10, "a/soon@100 ");
    expect_expired(driver, 1000, 10, "a/soon@100 moved@200 late@300 ");
    expect_expired(driver, 1000, 2, "a/soon@100 moved@200 ");
    batch_retained_delete(&batch, slice_cstr("a/soon"));
    driver_contract_apply(driver, &batch);
    expect_expired(driver, 1000, 1, "moved@200 ");
    batch_fini(&batch);
    driver_close(driver);
}

void
driver_contract_retained_totals_are_kept(void)
{
    struct driver *driver = driver_contract_open_fresh();
    struct slice parts[2] = {slice_cstr("123"), slice_cstr("45")};
    struct driver_totals totals;
    struct batch batch;
    batch_init(&batch);
    batch_retained_put(&batch, slice_cstr("a"), 0, parts, 2);
    batch_retained_put(&batch, slice_cstr("b"), 0, parts, 2);
    batch_retained_put(&batch, slice_cstr("b"), 7, parts, 1);
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    CU_ASSERT_EQUAL(totals.retained_count, 2);
    CU_ASSERT_EQUAL(totals.retained_bytes, 8);
    batch_retained_delete(&batch, slice_cstr("a"));
    batch_retained_delete(&batch, slice_cstr("none"));
    driver_contract_apply(driver, &batch);
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    CU_ASSERT_EQUAL(totals.retained_count, 1);
    CU_ASSERT_EQUAL(totals.retained_bytes, 3);
    batch_fini(&batch);
    driver_close(driver);
}
