/* SPDX-License-Identifier: Apache-2.0 */
/* What the builder writes is what drivers read; field by field for each kind is in the drivers'
 * contract. */
#include "common/cursor.h"
#include "services/store/batch.h"
#include "tests/unit/cunit_main.h"

static void
changes_come_back_in_order(void)
{
    struct batch batch;
    struct batch_op op;
    struct slice parts[2] = {slice_cstr("he"), slice_cstr("llo")};
    size_t pos = 0;
    batch_init(&batch);
    batch_meta_put(&batch, "boot", slice_cstr("1"));
    batch_outbox_append(&batch, 9, parts, 2);
    batch_will_delete(&batch, 3);
    CU_ASSERT_EQUAL(batch.op_count, 3);
    CU_ASSERT_TRUE_FATAL(batch_next(&batch, &pos, &op));
    CU_ASSERT_EQUAL(op.kind, BATCH_META_PUT);
    CU_ASSERT(slice_equal_cstr(op.text, "boot"));
    CU_ASSERT(slice_equal_cstr(op.value, "1"));
    CU_ASSERT_TRUE_FATAL(batch_next(&batch, &pos, &op));
    CU_ASSERT_EQUAL(op.kind, BATCH_OUTBOX_APPEND);
    CU_ASSERT_EQUAL(op.seq, 9);
    CU_ASSERT(slice_equal_cstr(op.value, "hello"));
    CU_ASSERT_TRUE_FATAL(batch_next(&batch, &pos, &op));
    CU_ASSERT_EQUAL(op.kind, BATCH_WILL_DELETE);
    CU_ASSERT_EQUAL(op.number, 3);
    CU_ASSERT_FALSE(batch_next(&batch, &pos, &op));
    batch_fini(&batch);
}

static void
a_message_counts_the_appends_up_to_the_next_one(void)
{
    static const uint32_t want[] = {2, 0, 1};
    static const uint32_t ids[] = {1, 268435455};
    struct slice record = slice_cstr("m");
    struct batch batch;
    struct batch_op op;
    size_t pos = 0, messages = 0;
    batch_init(&batch);
    batch_message(&batch, &record, 1);
    batch_queue_append(&batch, 1, 1, 1, ids, 2);
    batch_queue_remove(&batch, 5, 5);
    batch_queue_append(&batch, 2, 1, 1, NULL, 0);
    batch_message(&batch, &record, 1);
    batch_message(&batch, &record, 1);
    batch_queue_append(&batch, 3, 1, 1, NULL, 0);
    while (batch_next(&batch, &pos, &op)) {
        if (op.kind == BATCH_MESSAGE)
            CU_ASSERT_EQUAL(op.count, want[messages++]);
        if (op.kind == BATCH_QUEUE_APPEND && op.number == 1) {
            CU_ASSERT_EQUAL(op.count, 2);
            CU_ASSERT_EQUAL(cursor_load_u32(op.ids + 4), 268435455);
        }
    }
    CU_ASSERT_EQUAL(messages, 3);
    batch_fini(&batch);
}

static void
an_emptied_batch_is_as_new_and_keeps_only_what_it_may(void)
{
    struct batch batch;
    struct batch_op op;
    size_t pos = 0;
    int i;
    batch_init(&batch);
    CU_ASSERT_TRUE(batch_is_empty(&batch));
    for (i = 0; i < 1000; i++)
        batch_queue_remove(&batch, 1, 1);
    batch.id = 7;
    CU_ASSERT_EQUAL(batch_bytes(&batch), 17000);
    batch_reset(&batch, 1000);
    CU_ASSERT_TRUE(batch_is_empty(&batch));
    CU_ASSERT_EQUAL(batch.id, 0);
    CU_ASSERT_EQUAL(batch.bytes.size, 0);
    CU_ASSERT_EQUAL(batch_error(&batch), OK);
    CU_ASSERT_FALSE(batch_next(&batch, &pos, &op));
    batch_fini(&batch);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(changes_come_back_in_order),
    CUNIT_CASE(a_message_counts_the_appends_up_to_the_next_one),
    CUNIT_CASE(an_emptied_batch_is_as_new_and_keeps_only_what_it_may),
};

CUNIT_MAIN("batch", cases)
