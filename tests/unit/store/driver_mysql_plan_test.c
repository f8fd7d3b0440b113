/* SPDX-License-Identifier: Apache-2.0 */
/* What batches amount to for the MySQL driver; no server is needed. That the whole does what its
 * changes do one by one is shown by the contract of the drivers. */
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/store/driver_mysql_plan.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>
#include <string.h>

static void
message(struct batch *batch, const char *record)
{
    struct slice s = slice_cstr(record);
    batch_message(batch, &s, 1);
}

static void
append(struct batch *batch, uint64_t session, uint64_t seq)
{
    batch_queue_append(batch, session, seq, 1, NULL, 0);
}

/* The stages as text: ended sessions, bodies, changes, releases. */
static void
expect(struct batch *batch, const char *want, int line)
{
    static const char *const tables[] = {"meta",     "session", "subscription", "queue",
                                         "inbound",  "will",    "outbox",       "tokens",
                                         "retained", "user",    "row"};
    static const char *const whats[] = {"put", "delete", "mark"};
    struct driver_mysql_plan plan;
    struct buf got;
    size_t pos = 0, i;
    driver_mysql_plan_init(&plan);
    driver_mysql_plan_begin(&plan, 100);
    buf_init(&got, 1 << 20);
    while (driver_mysql_plan_stage(&plan, batch, &pos)) {
        driver_mysql_plan_sum_releases(&plan);
        for (i = 0; i < plan.ended_count; i++)
            buf_printf(&got, "end %u; ", (unsigned)plan.ended[i].session);
        for (i = 0; i < plan.body_count; i++)
            buf_printf(&got, "body %u*%u; ", (unsigned)plan.bodies[i].id, plan.bodies[i].refs);
        for (i = 0; i < plan.change_count; i++) {
            const struct driver_mysql_change *c = &plan.changes[i];
            buf_printf(&got, "%s %s %u/%u%.*s", whats[c->what], tables[c->table],
                       (unsigned)c->number, (unsigned)c->seq, (int)c->text.len,
                       c->text.len != 0 ? (const char *)c->text.data : "");
            if (c->table == MYSQL_PLAN_QUEUE && c->what == MYSQL_PLAN_PUT)
                buf_printf(&got, " f%u b%u %.*s%s", c->flags, (unsigned)c->body, (int)c->record.len,
                           c->record.len != 0 ? (const char *)c->record.data : "",
                           c->replaces ? " replaces" : "");
            buf_append_cstr(&got, "; ");
        }
        for (i = 0; i < plan.release_count; i++)
            buf_printf(&got, "release %u*%u; ", (unsigned)plan.releases[i].body,
                       (unsigned)plan.releases[i].refs);
    }
    if (!slice_equal_cstr(buf_slice(&got), want)) {
        printf("line %d: got  %.*s\n", line, (int)buf_len(&got),
               (const char *)buf_slice(&got).data);
        CU_FAIL("plan differs");
    }
    buf_fini(&got);
    driver_mysql_plan_fini(&plan);
    batch_reset(batch, 0);
}
#define EXPECT(batch, want) expect((batch), (want), __LINE__)

static void
the_last_change_of_a_row_counts(void)
{
    struct batch batch;
    batch_init(&batch);
    EXPECT(&batch, "");
    batch_will_put(&batch, 1, 0, slice_cstr("a"));
    batch_will_put(&batch, 1, 5, slice_cstr("b"));
    batch_will_put(&batch, 2, 5, slice_cstr("c"));
    batch_will_delete(&batch, 2);
    batch_will_delete(&batch, 3);
    batch_will_put(&batch, 3, 5, slice_cstr("c"));
    EXPECT(&batch, "put will 1/0; delete will 2/0; put will 3/0; ");
    batch_user_put(&batch, &(struct driver_user){.name = slice_cstr("b")});
    batch_user_put(&batch, &(struct driver_user){.name = slice_cstr("a")});
    batch_user_delete(&batch, slice_cstr("b"));
    batch_row_delete(&batch, DRIVER_ROW_BAN, slice_cstr("a"));
    EXPECT(&batch, "put user 0/0a; delete user 0/0b; delete row 2/0a; ");
    batch_fini(&batch);
}

static void
entries_of_queues_are_joined(void)
{
    struct batch batch;
    batch_init(&batch);
    message(&batch, "m");
    append(&batch, 1, 1);
    batch_queue_mark_rec(&batch, 1, 1);
    message(&batch, "n");
    append(&batch, 1, 2);
    batch_queue_remove(&batch, 1, 2);
    batch_queue_remove(&batch, 1, 3);
    message(&batch, "o");
    append(&batch, 1, 3);
    batch_queue_mark_rec(&batch, 1, 4);
    batch_queue_mark_rec(&batch, 1, 5);
    append(&batch, 1, 5); /* the second of "o" */
    batch_queue_remove(&batch, 1, 6);
    batch_queue_mark_rec(&batch, 1, 6);
    EXPECT(&batch, "body 100*2; put queue 1/1 f17 b0 ; delete queue 1/2; "
                   "put queue 1/3 f1 b100 o replaces; mark queue 1/4; "
                   "put queue 1/5 f1 b100 o replaces; delete queue 1/6; ");
    batch_fini(&batch);
}

static void
references_of_entries_that_are_not_written_are_given_back(void)
{
    struct batch batch;
    batch_init(&batch);
    message(&batch, "m");
    append(&batch, 1, 1);
    append(&batch, 2, 1);
    append(&batch, 3, 1);
    append(&batch, 4, 1);
    batch_queue_remove(&batch, 1, 1);
    batch_queue_mark_rec(&batch, 2, 1);
    message(&batch, "n");
    append(&batch, 3, 1);
    EXPECT(&batch, "body 100*4; delete queue 1/1; put queue 2/1 f17 b0 ; put queue 3/1 f1 b0 n; "
                   "put queue 4/1 f1 b100 m; release 100*3; ");
    batch_fini(&batch);
}

static void
what_an_end_deletes_is_not_written(void)
{
    struct batch batch;
    batch_init(&batch);
    batch_session_put(&batch, &(struct driver_session){.session = 1});
    message(&batch, "m");
    append(&batch, 1, 1);
    append(&batch, 2, 1);
    batch_session_delete(&batch, 1);
    batch_inbound_put(&batch, 1, 5, 5);
    batch_session_delete(&batch, 1);
    batch_session_put(&batch, &(struct driver_session){.session = 1});
    batch_outbox_append(&batch, 1, NULL, 0); /* not of the session */
    EXPECT(&batch, "end 1; body 100*2; put session 1/0; put queue 2/1 f1 b100 m; put outbox 1/0; "
                   "release 100*1; ");
    batch_fini(&batch);
}

static void
a_body_spans_stages(void)
{
    struct driver_mysql_plan plan;
    struct batch batch;
    size_t pos = 0, puts = 0, stages = 0;
    uint64_t session;
    batch_init(&batch);
    driver_mysql_plan_init(&plan);
    driver_mysql_plan_begin(&plan, 7);
    message(&batch, "m");
    for (session = 1; session <= 2 * MYSQL_PLAN_MAX; session++)
        append(&batch, session, 1);
    while (driver_mysql_plan_stage(&plan, &batch, &pos)) {
        size_t i;
        CU_ASSERT_EQUAL(plan.body_count, stages == 0 ? 1 : 0);
        for (i = 0; i < plan.change_count; i++)
            puts += plan.changes[i].body == 7;
        stages++;
    }
    CU_ASSERT_EQUAL(stages, 3);
    CU_ASSERT_EQUAL(puts, 2 * MYSQL_PLAN_MAX);
    CU_ASSERT_EQUAL(plan.next_body, 8);
    driver_mysql_plan_fini(&plan);
    batch_fini(&batch);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_last_change_of_a_row_counts),
    CUNIT_CASE(entries_of_queues_are_joined),
    CUNIT_CASE(references_of_entries_that_are_not_written_are_given_back),
    CUNIT_CASE(what_an_end_deletes_is_not_written),
    CUNIT_CASE(a_body_spans_stages),
};

CUNIT_MAIN("driver_mysql_plan", cases)
