/* SPDX-License-Identifier: Apache-2.0 */
/* The small records: exact bytes both ways, every cut and every surplus byte refused. */
#include "proto/records.h"

#include "tests/unit/cunit_main.h"
#include <string.h>

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})
#define U64(n)     0, 0, 0, 0, 0, 0, 0, (n)

static bool
same(const uint8_t *out, size_t len, const uint8_t *want, size_t want_len)
{
    return len == want_len && memcmp(out, want, len) == 0;
}
#define SAME(out, len, ...) same((out), (len), BYTES(__VA_ARGS__), sizeof(BYTES(__VA_ARGS__)))

static void
route_add_has_its_bytes(void)
{
    static const uint8_t bytes[] = {U64(5), 1, 'a', '/', '#'};
    struct records_route_add r;
    uint8_t out[RECORDS_ROUTE_ADD_BYTES];
    CU_ASSERT_TRUE(SAME(out, records_route_add_encode(5, ROUTE_QOS1, out), U64(5), 1));
    CU_ASSERT_EQUAL_FATAL(records_route_add_decode(slice_of(bytes, sizeof(bytes)), &r), OK);
    CU_ASSERT_EQUAL(r.ticket, 5);
    CU_ASSERT_EQUAL(r.flags, ROUTE_QOS1);
    CU_ASSERT_TRUE(slice_equal_cstr(r.filter, "a/#"));
    CU_ASSERT_EQUAL(records_route_add_decode(slice_of(bytes, 9), &r), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_route_add_decode(slice_of(bytes, 4), &r), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_route_add_decode(slice_of(BYTES(U64(5), 1, 'a', '#'), 11), &r),
                    ERR_MALFORMED);
}

static void
filters_and_numbers_are_strict(void)
{
    static const uint8_t added[] = {U64(3), 'x'};
    struct slice filter;
    struct records_digest digest;
    uint64_t n;
    uint8_t out[8];
    CU_ASSERT_EQUAL(records_filter_decode(slice_cstr("+/x"), &filter), OK);
    CU_ASSERT_EQUAL(records_filter_decode(slice_cstr(""), &filter), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_filter_decode(slice_cstr("a+"), &filter), ERR_MALFORMED);
    CU_ASSERT_TRUE(SAME(out, records_number_encode(0x0102, out), 0, 0, 0, 0, 0, 0, 1, 2));
    CU_ASSERT_EQUAL(records_number_decode(slice_of(out, 8), &n), OK);
    CU_ASSERT_EQUAL(n, 0x0102);
    CU_ASSERT_EQUAL(records_number_decode(slice_of(out, 7), &n), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_number_decode(slice_of(NULL, 0), &n), ERR_MALFORMED);
    CU_ASSERT_TRUE(SAME(out, records_digest_encode(3, out), U64(3)));
    CU_ASSERT_EQUAL(records_digest_decode(slice_of(added, sizeof(added)), &digest), OK);
    CU_ASSERT_EQUAL(digest.version, 3);
    CU_ASSERT_TRUE(slice_equal_cstr(digest.filter, "x"));
    CU_ASSERT_EQUAL(records_digest_decode(slice_of(BYTES(U64(3)), 8), &digest), ERR_MALFORMED);
}

static void
counters_leave_out_zeros_and_skip_what_is_unknown(void)
{
    static const uint8_t newer[] = {U64(7), 0, 200, U64(1), COUNTER_RETAINED, U64(3)};
    struct records_counters r = {.incarnation = 9, .flags = COUNTERS_WANT_SYS}, got;
    uint8_t out[RECORDS_COUNTERS_BYTES];
    r.values[COUNTER_CLIENTS_CONNECTED] = 2;
    r.values[COUNTER_BYTES_SENT] = 4;
    size_t len = records_counters_encode(&r, out);
    CU_ASSERT_TRUE(SAME(out, len, U64(9), 1, 1, U64(2), 19, U64(4)));
    CU_ASSERT_EQUAL_FATAL(records_counters_decode(slice_of(out, len), &got), OK);
    CU_ASSERT_EQUAL(memcmp(&r, &got, sizeof(r)), 0);
    CU_ASSERT_EQUAL(records_counters_decode(slice_of(out, len - 1), &got), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_counters_decode(slice_of(out, 8), &got), ERR_MALFORMED);
    CU_ASSERT_EQUAL_FATAL(records_counters_decode(slice_of(newer, sizeof(newer)), &got), OK);
    CU_ASSERT_EQUAL(got.values[COUNTER_RETAINED], 3);
    for (unsigned i = 0; i < FEED_COUNTER_MAX; i++)
        r.values[i] = UINT64_MAX;
    CU_ASSERT_EQUAL(records_counters_encode(&r, out), sizeof(out));
}

static void
done_records_hold_whole_items(void)
{
    static const uint8_t tokens[] = {U64(1), 1, U64(2), 0};
    size_t count;
    uint64_t token;
    uint8_t flags, out[9];
    CU_ASSERT_EQUAL_FATAL(records_token_done_count(slice_of(tokens, 18), &count), OK);
    CU_ASSERT_EQUAL(count, 2);
    records_token_done_get(slice_of(tokens, 18), 0, &token, &flags);
    CU_ASSERT_TRUE(token == 1 && flags == RECORDS_TOKEN_WANTED);
    records_token_done_get(slice_of(tokens, 18), 1, &token, &flags);
    CU_ASSERT_TRUE(token == 2 && flags == 0);
    CU_ASSERT_EQUAL(records_token_done_count(slice_of(tokens, 17), &count), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_token_done_count(slice_of(tokens, 0), &count), ERR_MALFORMED);
    CU_ASSERT_TRUE(SAME(out, records_token_done_encode(7, 1, out), U64(7), 1));
    CU_ASSERT_EQUAL_FATAL(records_route_done_count(slice_of(BYTES(U64(4), U64(6)), 16), &count),
                          OK);
    CU_ASSERT_EQUAL(count, 2);
    CU_ASSERT_EQUAL(records_route_done_get(slice_of(BYTES(U64(4), U64(6)), 16), 1), 6);
    CU_ASSERT_EQUAL(records_route_done_count(slice_of(tokens, 9), &count), ERR_MALFORMED);
}

static void
session_records_have_their_bytes(void)
{
    struct records_session_ready ready = {1, 2, 3, 4}, ready2;
    struct records_session_close close = {1, 2, CLOSE_WILL, 60}, close2;
    struct records_session_kick kick = {1, 2, 3, 0x8e}, kick2;
    struct records_queue queue = {1, 2, 3}, queue2;
    uint8_t out[64];
    CU_ASSERT_TRUE(
        SAME(out, records_session_ready_encode(&ready, out), U64(1), U64(2), U64(3), U64(4)));
    CU_ASSERT_EQUAL(records_session_ready_decode(slice_of(out, 32), &ready2), OK);
    CU_ASSERT_EQUAL(memcmp(&ready, &ready2, sizeof(ready)), 0);
    CU_ASSERT_EQUAL(records_session_ready_decode(slice_of(out, 33), &ready2), ERR_MALFORMED);
    CU_ASSERT_TRUE(
        SAME(out, records_session_close_encode(&close, out), U64(1), U64(2), 1, 0, 0, 0, 60));
    CU_ASSERT_EQUAL(records_session_close_decode(slice_of(out, 21), &close2), OK);
    CU_ASSERT_TRUE(close2.session == 1 && close2.epoch == 2 && close2.flags == CLOSE_WILL &&
                   close2.expiry_s == 60);
    CU_ASSERT_EQUAL(records_session_close_decode(slice_of(out, 20), &close2), ERR_MALFORMED);
    CU_ASSERT_TRUE(
        SAME(out, records_session_kick_encode(&kick, out), U64(1), U64(2), U64(3), 0x8e));
    CU_ASSERT_EQUAL(records_session_kick_decode(slice_of(out, 25), &kick2), OK);
    CU_ASSERT_TRUE(kick2.conn == 1 && kick2.session == 2 && kick2.epoch == 3 &&
                   kick2.reason == 0x8e);
    CU_ASSERT_EQUAL(records_session_kick_decode(slice_of(out, 24), &kick2), ERR_MALFORMED);
    CU_ASSERT_TRUE(SAME(out, records_queue_encode(&queue, out), U64(1), U64(2), U64(3)));
    CU_ASSERT_EQUAL(records_queue_decode(slice_of(out, 24), &queue2), OK);
    CU_ASSERT_EQUAL(memcmp(&queue, &queue2, sizeof(queue)), 0);
    CU_ASSERT_EQUAL(records_queue_decode(slice_of(out, 25), &queue2), ERR_MALFORMED);
}

static void
inbound_records_have_their_bytes(void)
{
    struct records_inbound in = {1, 2, 0x0304, {NULL, 0}}, got;
    uint8_t out[RECORDS_INBOUND_BYTES + 47] = {0};
    uint64_t conn;
    uint16_t id;
    uint8_t reason;
    CU_ASSERT_TRUE(SAME(out, records_inbound_encode(&in, out), U64(1), U64(2), 3, 4));
    CU_ASSERT_EQUAL(records_inbound_release_decode(slice_of(out, 18), &got), OK);
    CU_ASSERT_TRUE(got.session == 1 && got.epoch == 2 && got.packet_id == 0x0304);
    CU_ASSERT_EQUAL(records_inbound_release_decode(slice_of(out, 19), &got), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_inbound_publish_decode(slice_of(out, sizeof(out)), &got), OK);
    CU_ASSERT_EQUAL(got.record.len, 47);
    CU_ASSERT_EQUAL(records_inbound_publish_decode(slice_of(out, sizeof(out) - 1), &got),
                    ERR_MALFORMED);
    out[16] = out[17] = 0;
    CU_ASSERT_EQUAL(records_inbound_publish_decode(slice_of(out, sizeof(out)), &got),
                    ERR_MALFORMED);
    CU_ASSERT_TRUE(SAME(out, records_inbound_done_encode(1, 2, 0x10, out), U64(1), 0, 2, 0x10));
    CU_ASSERT_EQUAL(records_inbound_done_decode(slice_of(out, 11), &conn, &id, &reason), OK);
    CU_ASSERT_TRUE(conn == 1 && id == 2 && reason == 0x10);
    CU_ASSERT_EQUAL(records_inbound_done_decode(slice_of(out, 10), &conn, &id, &reason),
                    ERR_MALFORMED);
    CU_ASSERT_TRUE(SAME(out, records_inbound_released_encode(1, 2, out), U64(1), 0, 2));
    CU_ASSERT_EQUAL(records_inbound_released_decode(slice_of(out, 10), &conn, &id), OK);
    CU_ASSERT_EQUAL(records_inbound_released_decode(slice_of(out, 9), &conn, &id), ERR_MALFORMED);
    CU_ASSERT_TRUE(SAME(out, records_queue_recorded_encode(1, 2, out), U64(1), U64(2)));
    CU_ASSERT_EQUAL(records_queue_recorded_decode(slice_of(out, 16), &conn, &conn), OK);
    CU_ASSERT_EQUAL(records_queue_recorded_decode(slice_of(out, 15), &conn, &conn), ERR_MALFORMED);
}

static void
deliver_reads_its_targets(void)
{
    static const uint32_t ids[] = {0x01020304, 9};
    uint8_t out[2 + 26 + 18 + 47] = {0};
    struct records_deliver got;
    struct records_target target;
    size_t at = records_deliver_encode(2, out), cut;
    at += records_target_encode(7, 8, 2 | DELIVER_DUP, ids, 2, out + at);
    at += records_target_encode(9, 0, 0, NULL, 0, out + at);
    CU_ASSERT_TRUE(SAME(out, 28, 0, 2, U64(7), U64(8), 2 | DELIVER_DUP, 2, 1, 2, 3, 4, 0, 0, 0, 9));
    CU_ASSERT_EQUAL_FATAL(records_deliver_decode(slice_of(out, sizeof(out)), &got), OK);
    CU_ASSERT_TRUE(got.count == 2 && got.record.len == 47);
    CU_ASSERT_TRUE_FATAL(records_target_next(&got.targets, &target));
    CU_ASSERT_TRUE(target.conn == 7 && target.seq == 8 && target.id_count == 2);
    CU_ASSERT_EQUAL(records_target_id(&target, 0), 0x01020304);
    CU_ASSERT_EQUAL(records_target_id(&target, 1), 9);
    CU_ASSERT_TRUE_FATAL(records_target_next(&got.targets, &target));
    CU_ASSERT_TRUE(target.conn == 9 && target.id_count == 0);
    CU_ASSERT_FALSE(records_target_next(&got.targets, &target));
    for (cut = 0; cut < sizeof(out); cut++)
        CU_ASSERT_EQUAL(records_deliver_decode(slice_of(out, cut), &got), ERR_MALFORMED);
    out[1] = 0;
    CU_ASSERT_EQUAL(records_deliver_decode(slice_of(out, sizeof(out)), &got), ERR_MALFORMED);
    out[1] = 2;
    out[2 + 16] = 3;
    CU_ASSERT_EQUAL(records_deliver_decode(slice_of(out, sizeof(out)), &got), ERR_MALFORMED);
}

/* What does not fit the four bytes of a subscription identifier in PUBLISH is none. */
static void
deliver_has_no_impossible_identifiers(void)
{
    static const struct {
        uint32_t id;
        enum err err;
    } table[] = {{1, OK},
                 {0x0FFFFFFF, OK},
                 {0, ERR_MALFORMED},
                 {0x10000000, ERR_MALFORMED},
                 {UINT32_MAX, ERR_MALFORMED}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const uint32_t ids[] = {1, table[i].id};
        uint8_t out[2 + 26 + 47] = {0};
        struct records_deliver got;
        size_t at = records_deliver_encode(1, out);
        at += records_target_encode(7, 8, 1, ids, 2, out + at);
        CU_ASSERT_EQUAL(at + 47, sizeof(out));
        CU_ASSERT_EQUAL(records_deliver_decode(slice_of(out, sizeof(out)), &got), table[i].err);
    }
}

static void
a_share_is_told_with_its_members(void)
{
    static const uint8_t bytes[] = {U64(5), 3,   0,   0,   0,   7,   0,   0,   0,   9,
                                    '$',    's', 'h', 'a', 'r', 'e', '/', 'g', '/', 't'};
    struct records_route_add r;
    uint8_t out[RECORDS_ROUTE_ADD_BYTES], bad[sizeof(bytes)];
    CU_ASSERT_TRUE(same(out,
                        records_route_add_encode(5, records_route_shared(ROUTE_QOS1, 7, 9), out),
                        bytes, RECORDS_ROUTE_ADD_BYTES));
    CU_ASSERT_EQUAL_FATAL(records_route_add_decode(slice_of(bytes, sizeof(bytes)), &r), OK);
    CU_ASSERT_TRUE(r.flags == (ROUTE_QOS1 | ROUTE_SHARED) && r.members == 7 && r.members_qos0 == 9);
    CU_ASSERT_TRUE(slice_equal_cstr(r.filter, "$share/g/t"));
    memcpy(bad, bytes, sizeof(bytes));
    bad[8] = ROUTE_QOS1; /* a share must say so, and nothing else may */
    CU_ASSERT_EQUAL(records_route_add_decode(slice_of(bad, sizeof(bad)), &r), ERR_MALFORMED);
    bad[8] = ROUTE_SHARED;
    bad[17] = 'x';
    CU_ASSERT_EQUAL(records_route_add_decode(slice_of(bad, sizeof(bad)), &r), ERR_MALFORMED);
    memcpy(bad, bytes, sizeof(bytes));
    bad[9] = 1; /* more members than the count has room for */
    CU_ASSERT_EQUAL(records_route_add_decode(slice_of(bad, sizeof(bad)), &r), ERR_MALFORMED);
    CU_ASSERT_EQUAL(records_route_shared(0, UINT32_MAX, UINT32_MAX),
                    UINT64_C(0x00FFFFFFFFFFFF00) | ROUTE_SHARED);
}

static void
shared_records_have_their_bytes(void)
{
    struct records_shared in = {
        .number = 4, .hops = 2, .flags = 1, .pick = 6, .share = slice_cstr("$share/g/t")};
    struct records_shared got;
    uint8_t bytes[128] = {0};
    size_t head = records_shared_publish_encode(&in, bytes);
    CU_ASSERT_TRUE(SAME(bytes, head, U64(4), 2, 0, 0, 0, 6, 0, 10));
    memcpy(bytes + head, in.share.data, in.share.len);
    CU_ASSERT_EQUAL_FATAL(records_shared_publish_decode(slice_of(bytes, head + 10 + 48), &got), OK);
    CU_ASSERT_TRUE(got.number == 4 && got.hops == 2 && got.pick == 6 && got.record.len == 48);
    CU_ASSERT_TRUE(slice_equal(got.share, in.share));
    for (size_t n = 0; n < head + 10 + 47; n++)
        CU_ASSERT_EQUAL(records_shared_publish_decode(slice_of(bytes, n), &got), ERR_MALFORMED);
    head = records_shared_return_encode(&in, bytes);
    CU_ASSERT_TRUE(SAME(bytes, head, U64(4), 2, 1, 0, 10));
    memcpy(bytes + head, in.share.data, in.share.len);
    CU_ASSERT_EQUAL_FATAL(records_shared_return_decode(slice_of(bytes, head + 10 + 48), &got), OK);
    CU_ASSERT_TRUE(got.number == 4 && got.hops == 2 && got.flags == 1 && got.record.len == 48);
    bytes[head] = 'x'; /* not a share */
    CU_ASSERT_EQUAL(records_shared_return_decode(slice_of(bytes, head + 10 + 48), &got),
                    ERR_MALFORMED);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_share_is_told_with_its_members),
    CUNIT_CASE(shared_records_have_their_bytes),
    CUNIT_CASE(route_add_has_its_bytes),
    CUNIT_CASE(filters_and_numbers_are_strict),
    CUNIT_CASE(counters_leave_out_zeros_and_skip_what_is_unknown),
    CUNIT_CASE(done_records_hold_whole_items),
    CUNIT_CASE(session_records_have_their_bytes),
    CUNIT_CASE(inbound_records_have_their_bytes),
    CUNIT_CASE(deliver_reads_its_targets),
    CUNIT_CASE(deliver_has_no_impossible_identifiers),
};
CUNIT_MAIN("records", cases)
