/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/trace_desk.h"

#include "tests/unit/cunit_main.h"

/* Asks; items in the answer, the error's number below 0. */
static int
ask(struct trace_desk *desk, uint64_t number, const char *how, const char *client,
    const char *filter, uint64_t now_ms)
{
    Sluice__AdminValue values[4];
    Sluice__AdminValue *pointers[4];
    Sluice__AdminAsk message = SLUICE__ADMIN_ASK__INIT;
    Sluice__AdminAnswer *answer;
    struct admin_writer writer;
    const char *texts[] = {client, filter};
    static char trace[] = "trace", topic[] = "topic", of_client[] = "client";
    enum err err;
    int items;
    size_t i;
    for (i = 0; i < 4; i++) {
        values[i] = (Sluice__AdminValue)SLUICE__ADMIN_VALUE__INIT;
        pointers[i] = &values[i];
    }
    values[0].name = trace;
    values[0].number = number;
    values[1].name = (char *)(uintptr_t)how;
    values[1].number = 1;
    values[2].name = of_client;
    values[3].name = topic;
    for (i = 0; i < 2; i++)
        values[2 + i].text =
            (ProtobufCBinaryData){strlen(texts[i]), (uint8_t *)(uintptr_t)texts[i]};
    message.values = pointers;
    message.n_values = 4;
    admin_writer_init(&writer);
    err = trace_desk_ask(desk, "me", &message, now_ms, &writer);
    answer =
        sluice__admin_answer__unpack(NULL, admin_bytes(&writer).len, admin_bytes(&writer).data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    items = err == OK ? (int)answer->n_items : -(int)err;
    sluice__admin_answer__free_unpacked(answer, NULL);
    admin_writer_fini(&writer);
    return items;
}

static void
tell(struct trace_desk *desk)
{
    trace_desk_tell(desk, 1, slice_cstr("c"), "e", slice_cstr("t"), "");
}

static void
what_is_watched_is_kept_until_it_is_fetched(void)
{
    struct trace_desk desk = {NULL, NULL};
    tell(&desk);
    CU_ASSERT_EQUAL(ask(&desk, 1, "", "", "", 0), -(int)ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(ask(&desk, 1, "begin", "", "", 0), -(int)ERR_INVALID);
    CU_ASSERT_EQUAL(ask(&desk, 1, "begin", "", "a/#/b", 0), -(int)ERR_INVALID);
    CU_ASSERT_PTR_NULL(desk.watched);
    CU_ASSERT_EQUAL(ask(&desk, 1, "begin", "c", "", 0), 1); /* its name */
    CU_ASSERT_EQUAL(ask(&desk, 2, "begin", "", "x/#", 0), 1);
    CU_ASSERT_PTR_NOT_NULL(desk.watched);
    tell(&desk);
    tell(&desk);
    CU_ASSERT_EQUAL(ask(&desk, 1, "", "", "", 1), 2);
    CU_ASSERT_EQUAL(ask(&desk, 2, "", "", "", 1), 0);
    CU_ASSERT_EQUAL(ask(&desk, 1, "end", "", "", 1), 0);
    CU_ASSERT_EQUAL(ask(&desk, 1, "", "", "", 1), -(int)ERR_NOT_FOUND);
    CU_ASSERT_PTR_NOT_NULL(desk.watched);
    trace_desk_tick(&desk, TRACES_IDLE_MS, 1);
    CU_ASSERT_PTR_NOT_NULL(desk.watched);
    trace_desk_tick(&desk, TRACES_IDLE_MS + 1, 1); /* nobody asks for the other one */
    CU_ASSERT_PTR_NULL(desk.watched);
    CU_ASSERT_EQUAL(ask(&desk, 2, "", "", "", 2), -(int)ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(ask(&desk, 3, "begin", "c", "", 3), 1);
    trace_desk_fini(&desk);
    CU_ASSERT_PTR_NULL(desk.traces);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_is_watched_is_kept_until_it_is_fetched),
};
CUNIT_MAIN("trace_desk", cases)
