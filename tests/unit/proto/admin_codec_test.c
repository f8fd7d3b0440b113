/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer writes by hand, protobuf reads. */
#include "proto/admin_codec.h"

#include "common/mem.h"
#include "tests/unit/cunit_main.h"

static void
protobuf_reads_what_is_written(void)
{
    struct admin_writer writer;
    admin_writer_init(&writer);
    admin_text(&writer, "name", slice_cstr("a"));
    admin_number(&writer, "big", UINT64_MAX);
    admin_flag(&writer, "yes", true);
    admin_data(&writer, "empty", slice_of(NULL, 0));
    CU_ASSERT_TRUE(admin_item_end(&writer));
    CU_ASSERT_TRUE(admin_item_end(&writer)); /* an item without values */
    admin_next_number(&writer, 258);
    struct slice bytes = admin_bytes(&writer);
    Sluice__AdminAnswer *answer = sluice__admin_answer__unpack(NULL, bytes.len, bytes.data);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    CU_ASSERT_EQUAL_FATAL(answer->n_items, 2);
    CU_ASSERT_EQUAL(answer->items[1]->n_values, 0);
    CU_ASSERT_EQUAL_FATAL(answer->items[0]->n_values, 4);
    CU_ASSERT_STRING_EQUAL(answer->items[0]->values[0]->name, "name");
    CU_ASSERT_EQUAL(answer->items[0]->values[0]->kind, ADMIN_TEXT);
    CU_ASSERT_EQUAL(answer->items[0]->values[1]->number, UINT64_MAX);
    CU_ASSERT_EQUAL(answer->items[0]->values[2]->number, 1);
    CU_ASSERT_EQUAL(answer->items[0]->values[3]->text.len, 0);
    CU_ASSERT_EQUAL(answer->next.len, 8);
    sluice__admin_answer__free_unpacked(answer, NULL);
    admin_writer_fini(&writer);
}

static void
an_answer_ends_before_it_is_too_long(void)
{
    static uint8_t text[1000];
    struct admin_writer writer;
    size_t count = 0;
    admin_writer_init(&writer);
    memset(text, 'x', sizeof(text));
    while (admin_has_room(&writer)) {
        admin_text(&writer, "t", slice_of(text, sizeof(text)));
        CU_ASSERT_TRUE(admin_item_end(&writer));
        count++;
    }
    CU_ASSERT_EQUAL(admin_count(&writer), count);
    admin_next(&writer, slice_of(text, sizeof(text)));
    CU_ASSERT(admin_bytes(&writer).len < ADMIN_ANSWER_MAX);
    CU_ASSERT_EQUAL(buf_error(&writer.out), OK);
    admin_writer_fini(&writer);
    /* One item that is too long is left out, and the next one is not harmed. */
    admin_writer_init(&writer);
    for (unsigned i = 0; i < 300; i++)
        admin_text(&writer, "t", slice_of(text, sizeof(text)));
    CU_ASSERT_FALSE(admin_item_end(&writer));
    admin_text(&writer, "t", slice_cstr("x"));
    CU_ASSERT_TRUE(admin_item_end(&writer));
    admin_writer_fini(&writer);
}

static void
a_question_is_read_by_name(void)
{
    Sluice__AdminAsk ask = SLUICE__ADMIN_ASK__INIT;
    Sluice__AdminValue values[2] = {SLUICE__ADMIN_VALUE__INIT, SLUICE__ADMIN_VALUE__INIT};
    Sluice__AdminValue *list[] = {&values[0], &values[1]};
    char names[2][8] = {"text", "number"};
    uint8_t after[8] = {0, 0, 0, 0, 0, 0, 1, 2}, packed[256];
    uint64_t at = 0;
    values[0].name = names[0];
    values[0].text = (ProtobufCBinaryData){8, after};
    values[1].name = names[1];
    values[1].number = 7;
    ask.n_values = 2;
    ask.values = list;
    ask.after = (ProtobufCBinaryData){8, after};
    ask.limit = 5000;
    size_t len = sluice__admin_ask__pack(&ask, packed);
    Sluice__AdminAsk *read = admin_ask_decode(slice_of(packed, len));
    CU_ASSERT_PTR_NOT_NULL_FATAL(read);
    CU_ASSERT_EQUAL(admin_ask_text(read, "text").len, 8);
    CU_ASSERT_EQUAL(admin_ask_number(read, "number"), 7);
    CU_ASSERT_TRUE(admin_ask_flag(read, "number"));
    CU_ASSERT_EQUAL(admin_ask_text(read, "none").len, 0);
    CU_ASSERT_FALSE(admin_ask_flag(read, "none"));
    CU_ASSERT_EQUAL(admin_ask_limit(read, 1000), 1000);
    CU_ASSERT_EQUAL(admin_ask_after(read, &at), OK);
    CU_ASSERT_EQUAL(at, 258);
    read->after.len = 3;
    CU_ASSERT_EQUAL(admin_ask_after(read, &at), ERR_MALFORMED);
    read->after.len = 8;
    admin_ask_free(read);
    CU_ASSERT_PTR_NULL(admin_ask_decode(slice_of("\xff\xff\xff", 3)));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(protobuf_reads_what_is_written),
    CUNIT_CASE(an_answer_ends_before_it_is_too_long),
    CUNIT_CASE(a_question_is_read_by_name),
};

CUNIT_MAIN("admin_codec", cases)
