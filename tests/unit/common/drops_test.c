/* SPDX-License-Identifier: Apache-2.0 */
/* What is lost is said with a name, and seldom. */
#include "common/drops.h"

#include <stdio.h>

#include "tests/unit/cunit_main.h"

enum { SLOW, QUEUE, SIZE, REASONS };
static const struct drops_reason reasons[REASONS] = {
    {"lost", "slow"}, {"lost", "queue"}, {"lost", "size"}};

struct heard {
    unsigned lines;
    uint64_t count; /* of all lines */
    struct drops_line last;
    char client[DROPS_NAME_MAX + 1];
};

static void
hear(void *arg, const struct drops_line *line)
{
    struct heard *heard = arg;
    heard->lines++;
    heard->count += line->count;
    heard->last = *line;
    (void)snprintf(heard->client, sizeof(heard->client), "%.*s",
                   (int)(line->client.len < DROPS_NAME_MAX ? line->client.len : DROPS_NAME_MAX),
                   (const char *)line->client.data);
}

static void
the_first_is_said_at_once_and_the_others_together(void)
{
    struct heard heard = {0};
    struct drops *drops = drops_new(reasons, REASONS, hear, &heard);
    for (int i = 0; i < 100; i++)
        drops_note(drops, SLOW, 1, 7, slice_cstr("meter"), 1000);
    CU_ASSERT_EQUAL(heard.lines, 1);
    CU_ASSERT_STRING_EQUAL(heard.client, "meter");
    CU_ASSERT_STRING_EQUAL(heard.last.reason->label, "slow");
    drops_tick(drops, 1000 + DROPS_INTERVAL_MS - 1);
    CU_ASSERT_EQUAL(heard.lines, 1);
    drops_tick(drops, 1000 + DROPS_INTERVAL_MS);
    CU_ASSERT_EQUAL(heard.lines, 2);
    CU_ASSERT_EQUAL(heard.last.count, 99);
    drops_tick(drops, 1000 + 3 * DROPS_INTERVAL_MS);
    CU_ASSERT_EQUAL(heard.lines, 2); /* quiet: forgotten */
    drops_note(drops, SLOW, 1, 7, slice_cstr("meter"), 50000);
    CU_ASSERT_EQUAL(heard.lines, 3);
    drops_free(drops);
}

static void
clients_and_reasons_have_lines_of_their_own(void)
{
    struct heard heard = {0};
    struct drops *drops = drops_new(reasons, REASONS, hear, &heard);
    for (int i = 0; i < 10; i++) {
        drops_note(drops, SLOW, 1, 1, slice_cstr("a"), 1);
        drops_note(drops, QUEUE, 1, 1, slice_cstr("a"), 1);
        drops_note(drops, SLOW, 1, 2, slice_cstr("b"), 1);
    }
    CU_ASSERT_EQUAL(heard.lines, 3);
    drops_tick(drops, 1 + DROPS_INTERVAL_MS);
    CU_ASSERT_EQUAL(heard.lines, 6);
    CU_ASSERT_EQUAL(heard.count, 30);
    drops_free(drops);
}

static void
beyond_so_many_clients_one_line_stands_for_all(void)
{
    struct heard heard = {0};
    struct drops *drops = drops_new(reasons, REASONS, hear, &heard);
    for (uint64_t who = 0; who < 1000; who++)
        drops_note(drops, SLOW, 1, who, slice_cstr("one of many"), 1);
    CU_ASSERT_EQUAL(heard.lines, DROPS_CLIENTS);
    drops_tick(drops, 1 + DROPS_INTERVAL_MS);
    CU_ASSERT_EQUAL(heard.lines, DROPS_CLIENTS + 1);
    CU_ASSERT_EQUAL(heard.last.client.len, 0);
    CU_ASSERT_EQUAL(heard.count, 1000);
    drops_note(drops, SLOW, 1, 5000, slice_cstr("new"), 2 + DROPS_INTERVAL_MS);
    CU_ASSERT_STRING_EQUAL(heard.client, "new"); /* there is room again */
    drops_free(drops);
}

static void
a_long_name_is_cut(void)
{
    struct heard heard = {0};
    struct drops *drops = drops_new(reasons, REASONS, hear, &heard);
    char name[1000];
    memset(name, 'x', sizeof(name));
    drops_note(drops, SIZE, 1, 1, slice_of(name, sizeof(name)), 1);
    drops_note(drops, SIZE, 1, 1, slice_of(name, sizeof(name)), 1);
    drops_tick(drops, 1 + DROPS_INTERVAL_MS);
    CU_ASSERT_EQUAL(heard.lines, 2);
    CU_ASSERT_EQUAL(heard.last.client.len, DROPS_NAME_MAX);
    drops_free(drops);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_first_is_said_at_once_and_the_others_together),
    CUNIT_CASE(clients_and_reasons_have_lines_of_their_own),
    CUNIT_CASE(beyond_so_many_clients_one_line_stands_for_all),
    CUNIT_CASE(a_long_name_is_cut),
};
CUNIT_MAIN("drops", cases)
