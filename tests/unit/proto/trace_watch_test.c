/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/trace_watch.h"

#include "tests/unit/cunit_main.h"

#include <stdio.h>

static char seen[4096];

static void
see(void *arg, uint64_t number, struct trace_event *event)
{
    size_t at = strlen(seen);
    (void)arg;
    (void)snprintf(seen + at, sizeof(seen) - at, "%u:%.*s %.*s;", (unsigned)number,
                   (int)event->event.len, (const char *)event->event.data, (int)event->topic.len,
                   (const char *)event->topic.data);
    trace_event_free(event);
}

static void
tell(struct trace_watch *list, const char *client, const char *event, const char *topic)
{
    trace_watch_tell(list, 1, slice_cstr(client), event, slice_cstr(topic), "", see, NULL);
}

static void
who_watches_hears_of_its_client_and_topic_only(void)
{
    struct trace_watch *list = NULL;
    seen[0] = '\0';
    tell(list, "c1", "nobody", "a/b");
    trace_watch_begin(&list, 1, slice_cstr("c1"), slice_cstr(""));
    trace_watch_begin(&list, 2, slice_cstr(""), slice_cstr("a/+"));
    trace_watch_begin(&list, 3, slice_cstr("c1"), slice_cstr("x/#"));
    trace_watch_begin(&list, 3, slice_cstr("c2"), slice_cstr("a/+")); /* it is there */
    tell(list, "c1", "both", "a/b");
    tell(list, "c2", "topic", "a/c");
    tell(list, "c1", "none", "");
    tell(list, "", "nobody's", "a/d");
    tell(list, "c1", "all", "x");
    tell(list, "c2", "wrong", "a/#");
    CU_ASSERT_STRING_EQUAL(seen, "2:both a/b;1:both a/b;2:topic a/c;1:none ;2:nobody's a/d;"
                                 "3:all x;1:all x;");
    trace_watch_end(&list, 2);
    trace_watch_end(&list, 9);
    seen[0] = '\0';
    tell(list, "c2", "topic", "a/c");
    CU_ASSERT_STRING_EQUAL(seen, "");
    trace_watch_end_all(&list);
    CU_ASSERT_PTR_NULL(list);
}

static unsigned came;

static void
count(void *arg, uint64_t number, struct trace_event *event)
{
    (void)number;
    came++;
    if (slice_equal_cstr(event->event, "lost"))
        *(bool *)arg = slice_equal_cstr(event->detail, "3 events came too fast and are left out");
    trace_event_free(event);
}

static void
what_comes_too_fast_is_counted_and_said(void)
{
    struct trace_watch *list = NULL;
    bool was_said = false;
    unsigned i;
    came = 0;
    trace_watch_begin(&list, 1, slice_cstr("c"), slice_cstr(""));
    for (i = 0; i < TRACE_WATCH_EVENTS + 3; i++)
        trace_watch_tell(list, 1, slice_cstr("c"), "e", slice_cstr("t"), "", count, &was_said);
    CU_ASSERT_EQUAL(came, TRACE_WATCH_EVENTS);
    trace_watch_tick(list, 1, count, &was_said);
    CU_ASSERT_TRUE(was_said);
    trace_watch_tick(list, 1, count, &was_said);
    CU_ASSERT_EQUAL(came, TRACE_WATCH_EVENTS + 1);
    trace_watch_tell(list, 1, slice_cstr("c"), "e", slice_cstr("t"), "", count, &was_said);
    CU_ASSERT_EQUAL(came, TRACE_WATCH_EVENTS + 2);
    trace_watch_end_all(&list);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(who_watches_hears_of_its_client_and_topic_only),
    CUNIT_CASE(what_comes_too_fast_is_counted_and_said),
};
CUNIT_MAIN("trace_watch", cases)
