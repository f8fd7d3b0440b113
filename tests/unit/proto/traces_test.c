/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/traces.h"

#include "common/mem.h"
#include "tests/unit/cunit_main.h"

static struct trace_event *
event(const char *name)
{
    struct trace_event *made = mem_zalloc(sizeof(*made));
    made->event = slice_cstr(name);
    return made;
}

/* Items read behind `after`; *next: where to go on. */
static size_t
read_from(struct traces *traces, uint64_t number, uint64_t after, uint64_t *next)
{
    struct admin_writer writer;
    admin_writer_init(&writer);
    CU_ASSERT_EQUAL(traces_read(traces, number, after, 0, &writer), OK);
    struct slice bytes = admin_bytes(&writer);
    Sluice__AdminAnswer *answer = sluice__admin_answer__unpack(NULL, bytes.len, bytes.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    size_t count = answer->n_items;
    *next = answer->next.data[7] + 256u * answer->next.data[6];
    sluice__admin_answer__free_unpacked(answer, NULL);
    admin_writer_fini(&writer);
    return count;
}

static void
events_are_read_once_and_in_order(void)
{
    struct traces *traces = traces_new();
    uint64_t next;
    bool is_new;
    CU_ASSERT_EQUAL(traces_begin(traces, 5, 0, &is_new), OK);
    CU_ASSERT_TRUE(is_new);
    CU_ASSERT_EQUAL(traces_begin(traces, 5, 0, &is_new), OK);
    CU_ASSERT_FALSE(is_new);
    traces_add(traces, 5, event("a"));
    traces_add(traces, 5, event("b"));
    traces_add(traces, 6, event("of nobody"));
    CU_ASSERT_EQUAL(read_from(traces, 5, 0, &next), 2);
    CU_ASSERT_EQUAL(next, 2);
    CU_ASSERT_EQUAL(read_from(traces, 5, next, &next), 0);
    traces_add(traces, 5, event("c"));
    CU_ASSERT_EQUAL(read_from(traces, 5, next, &next), 1);
    CU_ASSERT_TRUE(traces_end(traces, 5));
    CU_ASSERT_FALSE(traces_end(traces, 5));
    traces_free(traces);
}

static void
the_oldest_go_and_that_is_said(void)
{
    struct traces *traces = traces_new();
    uint64_t next;
    bool is_new;
    CU_ASSERT_EQUAL(traces_begin(traces, 5, 0, &is_new), OK);
    for (unsigned i = 0; i < TRACES_EVENTS + 10; i++)
        traces_add(traces, 5, event("x"));
    CU_ASSERT_EQUAL(read_from(traces, 5, 0, &next), TRACES_EVENTS + 1);
    CU_ASSERT_EQUAL(next, TRACES_EVENTS + 10);
    traces_free(traces);
}

static void
one_that_nobody_asks_for_ends(void)
{
    struct traces *traces = traces_new();
    struct admin_writer writer;
    bool is_new;
    CU_ASSERT_EQUAL(traces_begin(traces, 5, 1000, &is_new), OK);
    CU_ASSERT_EQUAL(traces_expire(traces, 1000 + TRACES_IDLE_MS - 1), 0);
    admin_writer_init(&writer);
    CU_ASSERT_EQUAL(traces_read(traces, 5, 0, 2000, &writer), OK);
    CU_ASSERT_EQUAL(traces_expire(traces, 1000 + TRACES_IDLE_MS), 0);
    CU_ASSERT_EQUAL(traces_expire(traces, 2000 + TRACES_IDLE_MS), 5);
    CU_ASSERT_EQUAL(traces_expire(traces, 2000 + TRACES_IDLE_MS), 0);
    CU_ASSERT_EQUAL(traces_read(traces, 5, 0, 2000, &writer), ERR_NOT_FOUND);
    admin_writer_fini(&writer);
    for (uint64_t i = 1; i <= TRACES_MAX; i++)
        CU_ASSERT_EQUAL(traces_begin(traces, i, 0, &is_new), OK);
    CU_ASSERT_EQUAL(traces_begin(traces, 100, 0, &is_new), ERR_BUSY);
    CU_ASSERT_EQUAL(traces_begin(traces, 0, 0, &is_new), ERR_INVALID);
    traces_free(traces);
}

static void
long_texts_are_cut_between_characters(void)
{
    char topic[TRACES_TEXT + 3];
    struct trace_event *event;
    memset(topic, 'x', sizeof(topic));
    memcpy(topic + TRACES_TEXT - 1, "\xc3\xa9", 2);
    event = trace_event_new(1, slice_of(topic, TRACES_TEXT - 1), "e",
                            slice_of(topic, sizeof(topic)), "d");
    CU_ASSERT_EQUAL(event->topic.len, TRACES_TEXT - 1);
    CU_ASSERT_EQUAL(event->client.len, TRACES_TEXT - 1);
    CU_ASSERT_TRUE(slice_equal_cstr(event->detail, "d"));
    trace_event_free(event);
    memset(topic, 'x', sizeof(topic));
    event = trace_event_new(1, slice_of(NULL, 0), "e", slice_of(topic, sizeof(topic)), "");
    CU_ASSERT_EQUAL(event->topic.len, TRACES_TEXT);
    trace_event_free(event);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(long_texts_are_cut_between_characters),
    CUNIT_CASE(events_are_read_once_and_in_order),
    CUNIT_CASE(the_oldest_go_and_that_is_said),
    CUNIT_CASE(one_that_nobody_asks_for_ends),
};

CUNIT_MAIN("traces", cases)
