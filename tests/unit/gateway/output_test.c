/* SPDX-License-Identifier: Apache-2.0 */
/* Output chains: bytes come out as they went in, however they are consumed. */
#include "services/gateway/output.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/mem.h"
#include "tests/unit/cunit_main.h"

/* Takes everything out in steps of at most `step` bytes through at most `pieces` pieces. */
static void
take(struct output *output, struct output_pool *pool, size_t step, int pieces, struct buf *out)
{
    struct iovec iov[8];
    while (output->len > 0) {
        int n = output_iov(output, iov, pieces);
        size_t left = step, taken = 0;
        if (n == 0) {
            CU_FAIL_FATAL("bytes but no pieces");
        }
        for (int i = 0; i < n && left > 0; i++) {
            size_t len = iov[i].iov_len < left ? iov[i].iov_len : left;
            buf_append(out, iov[i].iov_base, len);
            left -= len;
            taken += len;
        }
        output_consume(output, pool, taken);
    }
}

static void
bytes_come_out_as_they_went_in(void)
{
    static const size_t steps[] = {1, 7, 4000, 4048, 4049, 100000};
    struct publish_record record = {.topic = slice_cstr("t"),
                                    .payload = slice_cstr("0123456789abcdef")};
    for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
        struct output output = {0};
        struct output_pool pool = {0};
        struct buf want, got;
        buf_init(&want, 1 << 20);
        buf_init(&got, 1 << 20);
        struct message *message = message_new(&record);
        unsigned seed = (unsigned)s + 1;
        uint8_t bytes[6000];
        for (int i = 0; i < 60; i++) {
            seed = seed * 1103515245u + 12345u;
            size_t len = (seed >> 8) % sizeof(bytes);
            memset(bytes, i, len);
            output_append(&output, &pool, slice_of(bytes, len));
            buf_append(&want, bytes, len);
            if (i % 3 == 0) {
                output_append_ref(&output, &pool, message, message_payload(message));
                buf_append_slice(&want, message_payload(message));
            }
            uint8_t *to = output_reserve(&output, &pool, 3);
            memcpy(to, "xyz", 3);
            output_commit(&output, 3);
            buf_append(&want, "xyz", 3);
        }
        message_unref(message); /* the chunks hold their own references */
        CU_ASSERT_EQUAL(output.len, buf_len(&want));
        take(&output, &pool, steps[s], 8, &got);
        CU_ASSERT(slice_equal(buf_slice(&want), buf_slice(&got)));
        CU_ASSERT_PTR_NULL(output.head);
        CU_ASSERT_PTR_NULL(output.tail);
        CU_ASSERT_EQUAL(pool.in_use, 0);
        output_pool_fini(&pool);
        buf_fini(&want);
        buf_fini(&got);
    }
}

static void
an_empty_output_holds_no_chunk(void)
{
    struct output output = {0};
    struct output_pool pool = {0};
    output_append(&output, &pool, slice_cstr("hello"));
    CU_ASSERT_EQUAL(pool.in_use, 1);
    output_consume(&output, &pool, 5);
    CU_ASSERT_EQUAL(pool.in_use, 0);
    CU_ASSERT_PTR_NULL(output.head);
    CU_ASSERT_EQUAL(pool.free_count, 1);
    output_append(&output, &pool, slice_cstr("again"));
    CU_ASSERT_EQUAL(pool.free_count, 0);
    output_clear(&output, &pool);
    CU_ASSERT_EQUAL(output.len, 0);
    CU_ASSERT_EQUAL(pool.in_use, 0);
    output_pool_fini(&pool);
}

static void
clearing_drops_references(void)
{
    struct publish_record record = {.topic = slice_cstr("t"), .payload = slice_cstr("payload")};
    struct message *message = message_new(&record);
    struct output output = {0};
    struct output_pool pool = {0};
    output_append_ref(&output, &pool, message, message_payload(message));
    output_append_ref(&output, &pool, message, message_payload(message));
    CU_ASSERT_EQUAL(message->refs, 3);
    output_consume(&output, &pool, 9);
    CU_ASSERT_EQUAL(message->refs, 2);
    output_clear(&output, &pool);
    CU_ASSERT_EQUAL(message->refs, 1);
    message_unref(message);
    output_pool_fini(&pool);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(bytes_come_out_as_they_went_in),
    CUNIT_CASE(an_empty_output_holds_no_chunk),
    CUNIT_CASE(clearing_drops_references),
};
CUNIT_MAIN("output", cases)
