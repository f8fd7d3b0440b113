/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feed records of a hostile program: the first byte says of which kind the rest is. What is taken
 * must be what is written: those with a fixed form are encoded again and compared.
 */
#include "common/buf.h"
#include "common/mem.h"
#include "proto/admin_codec.h"
#include "proto/limits.h"
#include "proto/origins.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "proto/token_set.h"
#include "proto/topic.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
same(struct slice body, const uint8_t *out, size_t len)
{
    require(len <= body.len && memcmp(out, body.data, len) == 0);
}

static void
routes(struct slice body)
{
    struct records_route_add add;
    struct records_shared shared;
    struct records_digest digest;
    struct slice filter;
    uint64_t number;
    bool others;
    uint8_t out[RECORDS_ROUTE_ADD_BYTES];
    if (records_route_add_decode(body, &add) == OK)
        require(topic_filter_is_valid(add.filter) && add.members <= 0xFFFFFF);
    if (records_shared_publish_decode(body, &shared) == OK)
        same(body, out, records_shared_publish_encode(&shared, out));
    if (records_shared_return_decode(body, &shared) == OK)
        same(body, out, records_shared_return_encode(&shared, out));
    if (records_shared_others_decode(body, &others, &filter) == OK)
        same(body, out, records_shared_others_encode(others, out));
    if (records_filter_decode(body, &filter) == OK)
        require(filter.len > 0);
    if (records_number_decode(body, &number) == OK)
        same(body, out, records_number_encode(number, out));
    if (records_digest_decode(body, &digest) == OK)
        require(topic_filter_is_valid(digest.filter));
}

static void
lists(struct slice body)
{
    struct records_counters counters;
    struct records_load load;
    uint8_t out[RECORDS_COUNTERS_BYTES];
    size_t count, i;
    uint64_t token;
    uint8_t flags;
    if (records_token_done_count(body, &count) == OK)
        for (i = 0; i < count; i++)
            records_token_done_get(body, i, &token, &flags);
    if (records_route_done_count(body, &count) == OK)
        for (i = 0; i < count; i++)
            (void)records_route_done_get(body, i);
    if (records_counters_decode(body, &counters) == OK)
        require(records_counters_encode(&counters, out) <= sizeof(out));
    if (records_load_decode(body, &load) == OK)
        same(body, out, records_load_encode(&load, out));
}

static void
sessions(struct slice body)
{
    struct records_session_ready ready;
    struct records_session_close close;
    struct records_session_kick kick;
    struct records_queue queue;
    struct records_inbound inbound;
    uint8_t out[64];
    uint64_t conn, seq;
    uint16_t id;
    uint8_t reason;
    if (records_session_ready_decode(body, &ready) == OK)
        same(body, out, records_session_ready_encode(&ready, out));
    if (records_session_close_decode(body, &close) == OK)
        same(body, out, records_session_close_encode(&close, out));
    if (records_session_kick_decode(body, &kick) == OK)
        same(body, out, records_session_kick_encode(&kick, out));
    if (records_queue_decode(body, &queue) == OK)
        same(body, out, records_queue_encode(&queue, out));
    if (records_queue_recorded_decode(body, &conn, &seq) == OK)
        same(body, out, records_queue_recorded_encode(conn, seq, out));
    if (records_inbound_publish_decode(body, &inbound) == OK)
        same(body, out, records_inbound_encode(&inbound, out));
    if (records_inbound_release_decode(body, &inbound) == OK)
        same(body, out, records_inbound_encode(&inbound, out));
    if (records_inbound_done_decode(body, &conn, &id, &reason) == OK)
        same(body, out, records_inbound_done_encode(conn, id, reason, out));
    if (records_inbound_released_decode(body, &conn, &id) == OK)
        same(body, out, records_inbound_released_encode(conn, id, out));
}

static void
deliver(struct slice body)
{
    struct records_deliver deliver;
    struct records_target target;
    size_t count = 0;
    if (records_deliver_decode(body, &deliver) != OK)
        return;
    for (; records_target_next(&deliver.targets, &target); count++) {
        require((target.flags & DELIVER_QOS_MASK) != 3);
        for (uint8_t i = 0; i < target.id_count; i++) {
            uint32_t id = records_target_id(&target, i);
            require(id >= 1 && id <= LIMITS_SUBSCRIPTION_ID);
        }
    }
    require(count == deliver.count);
}

static void
publish(struct slice body)
{
    struct publish_record record;
    uint8_t *out;
    size_t len;
    if (publish_record_decode(body, &record) != OK)
        return;
    require(record.qos <= 2 && topic_name_is_valid(record.topic));
    require(publish_record_size(&record) == body.len);
    out = mem_alloc(body.len);
    len = publish_record_encode_head(&record, out);
    require(len + record.payload.len == body.len);
    out[40] = body.data[40]; /* bits that are not ours are let through */
    same(body, out, len);
    mem_free(out);
}

/* What a store keeps of origins: its own bytes, but from a database. */
static void
tokens(struct slice body)
{
    struct origins *origins = origins_new(ORIGINS_WRITTEN, 4);
    struct token_set *set = NULL;
    struct buf again;
    bool seen;
    if (origins_load(origins, 1, body, 0) == OK) {
        (void)!origins_take(origins, 1, 1, 1, 0, &seen);
        (void)!origins_take(origins, 1, UINT64_MAX, UINT64_MAX - 7, 0, &seen);
    }
    origins_free(origins);
    if (token_set_decode(body, &set) != OK)
        return;
    buf_init(&again, TOKEN_SET_ENCODED_MAX);
    token_set_encode(set, &again);
    require(buf_error(&again) == OK);
    token_set_raise(set, token_set_floor(set) + 5000);
    (void)!token_set_add(set, token_set_floor(set) + 3, &seen);
    token_set_raise(set, UINT64_MAX);
    require(token_set_count(set) == 0);
    buf_fini(&again);
    token_set_free(set);
}

static void
admin(struct slice body)
{
    Sluice__AdminAsk *ask = admin_ask_decode(body);
    uint64_t after;
    if (ask == NULL)
        return;
    (void)admin_ask_text(ask, "client");
    (void)admin_ask_number(ask, "conn");
    (void)admin_ask_flag(ask, "begin");
    require(admin_ask_limit(ask, 10) >= 1 && admin_ask_limit(ask, 10) <= 10);
    (void)!admin_ask_after(ask, &after);
    admin_ask_free(ask);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct slice) = {routes,  lists,  sessions, deliver,
                                                  publish, tokens, admin};
    if (size > 0)
        kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))](slice_of(data + 1, size - 1));
    return 0;
}
