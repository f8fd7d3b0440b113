/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes that come twice, or too late. */
#include "proto/origins.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

enum { IDLE = 1000 };

struct flushed {
    unsigned count;
    uint64_t origin;
    uint8_t bytes[4096];
    size_t len;
};

static void
note_flush(void *arg, uint64_t origin, struct slice encoded)
{
    struct flushed *flushed = arg;
    flushed->count++;
    flushed->origin = origin;
    flushed->len = encoded.len;
    if (encoded.len != 0)
        memcpy(flushed->bytes, encoded.data, encoded.len);
}

static bool
keep_eight(void *arg, uint64_t origin)
{
    (void)arg;
    return origin == 8;
}

static bool
seen(struct origins *o, uint64_t origin, uint64_t token, uint64_t floor, uint64_t now_ms)
{
    bool out = false;
    CU_ASSERT_EQUAL(origins_take(o, origin, token, floor, now_ms, &out), OK);
    return out;
}

static void
second_time_is_a_repeat_for_its_origin_only(void)
{
    struct origins *o = origins_new(ORIGINS_IN_MEMORY, 10);
    CU_ASSERT(!seen(o, 1, 5, 1, 0));
    CU_ASSERT(seen(o, 1, 5, 1, 0));
    CU_ASSERT(!seen(o, 2, 5, 1, 0));
    CU_ASSERT(!seen(o, 1, 4, 1, 0));
    CU_ASSERT(seen(o, 1, 4, 1, 0));
    CU_ASSERT_EQUAL(origins_count(o), 2);
    origins_free(o);
}

static void
token_below_the_floor_is_a_repeat(void)
{
    struct origins *o = origins_new(ORIGINS_IN_MEMORY, 10);
    CU_ASSERT(!seen(o, 1, 100, 50, 0));
    CU_ASSERT(seen(o, 1, 49, 50, 0));
    CU_ASSERT(!seen(o, 1, 50, 50, 0));
    origins_free(o);
}

static void
silent_origin_is_forgotten_unless_it_lives(void)
{
    struct origins *o = origins_new(ORIGINS_IN_MEMORY, 10);
    CU_ASSERT(!seen(o, 1, 1, 1, 0));
    CU_ASSERT(!seen(o, 2, 1, 1, IDLE));
    CU_ASSERT(!seen(o, 8, 1, 1, 0));
    origins_forget(o, IDLE - 1, IDLE, NULL, NULL, NULL);
    CU_ASSERT_EQUAL(origins_count(o), 3);
    origins_forget(o, IDLE, IDLE, keep_eight, NULL, NULL);
    CU_ASSERT_EQUAL(origins_count(o), 2);
    CU_ASSERT(seen(o, 2, 1, 1, IDLE));
    CU_ASSERT(seen(o, 8, 1, 1, IDLE));
    origins_free(o);
}

static void
in_memory_too_many_push_out_the_most_silent_one(void)
{
    struct origins *o = origins_new(ORIGINS_IN_MEMORY, 3);
    for (uint64_t i = 1; i <= 3; i++)
        CU_ASSERT(!seen(o, i, 1, 1, 10 * i));
    CU_ASSERT(seen(o, 1, 1, 1, 40));
    CU_ASSERT(!seen(o, 4, 1, 1, 50));
    CU_ASSERT_EQUAL(origins_count(o), 3);
    CU_ASSERT(seen(o, 1, 1, 1, 60));
    CU_ASSERT(seen(o, 3, 1, 1, 60));
    CU_ASSERT(!seen(o, 2, 1, 1, 60));
    origins_free(o);
}

static void
tokens_are_taken_once_also_after_being_written_and_read(void)
{
    struct origins *o = origins_new(ORIGINS_WRITTEN, 2);
    struct flushed flushed = {0};
    bool out;
    CU_ASSERT(!seen(o, 7, 1, 1, 0));
    CU_ASSERT(seen(o, 7, 1, 1, 0));
    origins_flush(o, note_flush, &flushed);
    CU_ASSERT_EQUAL(flushed.count, 1);
    CU_ASSERT_EQUAL(flushed.origin, 7);
    origins_flush(o, note_flush, &flushed);
    CU_ASSERT_EQUAL(flushed.count, 1);
    CU_ASSERT(!seen(o, 8, 1, 1, 0));
    CU_ASSERT_EQUAL(origins_take(o, 9, 1, 1, 0, &out), ERR_QUOTA);
    origins_free(o);
    o = origins_new(ORIGINS_WRITTEN, 2);
    CU_ASSERT_EQUAL(origins_load(o, 7, slice_of(flushed.bytes, flushed.len), 0), OK);
    CU_ASSERT_EQUAL(origins_load(o, 7, slice_of(flushed.bytes, flushed.len), 0), ERR_MALFORMED);
    CU_ASSERT_EQUAL(origins_load(o, 8, slice_of(flushed.bytes, 7), 0), ERR_MALFORMED);
    CU_ASSERT(seen(o, 7, 1, 1, 0));
    CU_ASSERT(!seen(o, 7, 2, 1, 0));
    origins_flush(o, note_flush, &flushed);
    origins_forget(o, IDLE / 2, IDLE, NULL, note_flush, &flushed);
    CU_ASSERT_EQUAL(origins_count(o), 1);
    origins_forget(o, IDLE, IDLE, NULL, note_flush, &flushed);
    CU_ASSERT_EQUAL(origins_count(o), 0);
    CU_ASSERT_EQUAL(flushed.len, 0);
    origins_free(o);
}

static void
what_is_not_flushed_yet_is_not_forgotten(void)
{
    struct origins *o = origins_new(ORIGINS_WRITTEN, 2);
    CU_ASSERT(!seen(o, 7, 1, 1, 0));
    origins_forget(o, 2 * IDLE, IDLE, NULL, NULL, NULL);
    CU_ASSERT_EQUAL(origins_count(o), 1);
    origins_free(o);
}

static void
a_former_era_is_late_for_its_origin_only(void)
{
    struct origins *o = origins_new(ORIGINS_IN_MEMORY, 3);
    CU_ASSERT(!origins_is_late(o, 1, 0, 0));
    CU_ASSERT_EQUAL(origins_count(o), 0); /* nothing to remember */
    CU_ASSERT(!origins_is_late(o, 1, 2, 0));
    CU_ASSERT(!origins_is_late(o, 1, 2, 0));
    CU_ASSERT(origins_is_late(o, 1, 1, 0));
    CU_ASSERT(origins_is_late(o, 1, 0, 0));
    CU_ASSERT(!origins_is_late(o, 2, 0, 0));
    CU_ASSERT(!origins_is_late(o, 2, 1, 0));
    CU_ASSERT(!origins_is_late(o, 1, 3, IDLE));
    CU_ASSERT(origins_is_late(o, 1, 2, IDLE));
    CU_ASSERT(!seen(o, 1, 5, 1, IDLE)); /* tokens do not mind */
    origins_forget(o, IDLE, IDLE, NULL, NULL, NULL);
    CU_ASSERT_EQUAL(origins_count(o), 1);
    CU_ASSERT(!origins_is_late(o, 2, 0, IDLE));
    origins_free(o);
}

static void
an_era_is_written_when_it_rises(void)
{
    struct origins *o = origins_new(ORIGINS_WRITTEN, 1);
    struct flushed flushed = {0};
    CU_ASSERT(!origins_is_late(o, 7, 3, 0));
    CU_ASSERT(!origins_is_late(o, 8, 3, 0)); /* too many: goes through */
    CU_ASSERT(!origins_is_late(o, 8, 2, 0));
    origins_flush(o, note_flush, &flushed);
    CU_ASSERT_EQUAL(flushed.count, 1);
    CU_ASSERT(!origins_is_late(o, 7, 3, 0));
    origins_flush(o, note_flush, &flushed);
    CU_ASSERT_EQUAL(flushed.count, 1);
    origins_free(o);
    o = origins_new(ORIGINS_WRITTEN, 1);
    CU_ASSERT_EQUAL(origins_load(o, 7, slice_of(flushed.bytes, flushed.len), 0), OK);
    CU_ASSERT(origins_is_late(o, 7, 2, 0));
    CU_ASSERT(origins_is_late(o, 7, 0, 0));
    CU_ASSERT(!origins_is_late(o, 7, 3, 0));
    origins_free(o);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(second_time_is_a_repeat_for_its_origin_only),
    CUNIT_CASE(token_below_the_floor_is_a_repeat),
    CUNIT_CASE(silent_origin_is_forgotten_unless_it_lives),
    CUNIT_CASE(in_memory_too_many_push_out_the_most_silent_one),
    CUNIT_CASE(tokens_are_taken_once_also_after_being_written_and_read),
    CUNIT_CASE(what_is_not_flushed_yet_is_not_forgotten),
    CUNIT_CASE(a_former_era_is_late_for_its_origin_only),
    CUNIT_CASE(an_era_is_written_when_it_rises),
};
CUNIT_MAIN("origins", cases)
