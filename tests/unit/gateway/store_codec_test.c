/* SPDX-License-Identifier: Apache-2.0 */
/* Posts to and from Protocol Buffers. */
#include "services/gateway/store_codec.h"
#include "tests/unit/cunit_main.h"

#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/limits.h"

#include <stdio.h>

static ProtobufCBinaryData
bytes(const char *text)
{
    static uint8_t room[8][64];
    static unsigned next;
    uint8_t *to = room[next++ % 8];
    size_t len = strlen(text);
    memcpy(to, text, len);
    return (ProtobufCBinaryData){len, to};
}

static struct slice
pack(const ProtobufCMessage *message, uint8_t *room)
{
    return slice_of(room, protobuf_c_message_pack(message, room));
}

static void
open_carries_every_field(void)
{
    const struct session_open_request request = {
        .conn = 1,
        .request = 2,
        .client_id = slice_cstr("c"),
        .user = slice_cstr("u"),
        .expiry_s = 3,
        .keep_alive_s = 4,
        .receive_maximum = 5,
        .version = 5,
        .has_user = true,
        .clean_start = true,
        .has_will = true,
        .will = {.topic = slice_cstr("w"), .qos = 2, .delay_s = 9},
        .address = "127.0.0.1:5"};
    size_t len = 0;
    uint8_t *out = store_codec_open(&request, &len);
    Sluice__SessionOpen *open = sluice__session_open__unpack(NULL, len, out);
    CU_ASSERT_FATAL(open != NULL);
    CU_ASSERT(open->conn == 1 && open->request == 2 && open->client_id.len == 1);
    CU_ASSERT(open->expiry_s == 3 && open->keep_alive_s == 4 && open->receive_maximum == 5 &&
              open->version == 5);
    CU_ASSERT(open->has_user && open->admitted && open->clean_start);
    CU_ASSERT_FATAL(open->will != NULL);
    CU_ASSERT(open->will->qos == 2 && open->will->delay_s == 9 && !open->will->has_expiry);
    CU_ASSERT_STRING_EQUAL(open->address, "127.0.0.1:5");
    sluice__session_open__free_unpacked(open, NULL);
    mem_free(out);
}

static void
opened_is_copied(void)
{
    uint8_t room[256];
    Sluice__SessionOpened a;
    Sluice__Subscription s = SLUICE__SUBSCRIPTION__INIT;
    Sluice__Subscription *list[1] = {&s};
    uint32_t inbound[2] = {1, 65535};
    s.filter = bytes("a/+");
    s.qos = 2;
    s.no_local = true;
    s.identifier = 268435455;
    sluice__session_opened__init(&a);
    a.session = 11;
    a.epoch = 12;
    a.session_present = true;
    a.n_subscriptions = 1;
    a.subscriptions = list;
    a.n_inbound = 2;
    a.inbound = inbound;
    struct session_opened *out = NULL;
    CU_ASSERT_FATAL(store_codec_opened(pack(&a.base, room), &out) == OK);
    CU_ASSERT(out->session == 11 && out->epoch == 12 && out->session_present && out->reason == 0);
    CU_ASSERT(out->subscription_count == 1 && out->subscriptions[0].qos == 2 &&
              out->subscriptions[0].no_local);
    CU_ASSERT(slice_equal_cstr(out->subscriptions[0].filter, "a/+"));
    CU_ASSERT(out->inbound_count == 2 && out->inbound[1] == 65535);
    session_opened_free(out);
}

static void
answers_with_impossible_values_are_refused(void)
{
    uint8_t room[256];
    struct session_opened *out = NULL;
    static const struct {
        const char *filter;
        uint32_t qos, handling, inbound, reason;
    } bad[] = {{"a/#/b", 0, 0, 1, 0}, {"", 0, 0, 1, 0},      {"a", 3, 0, 1, 0},  {"a", 0, 3, 1, 0},
               {"a", 0, 0, 0, 0},     {"a", 0, 0, 65536, 0}, {"a", 0, 0, 1, 256}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        Sluice__SessionOpened a;
        sluice__session_opened__init(&a);
        Sluice__Subscription s = SLUICE__SUBSCRIPTION__INIT;
        Sluice__Subscription *list[1] = {&s};
        uint32_t inbound = bad[i].inbound;
        s.filter = bytes(bad[i].filter);
        s.qos = bad[i].qos;
        s.retain_handling = bad[i].handling;
        a.reason = bad[i].reason;
        a.n_subscriptions = 1;
        a.subscriptions = list;
        a.n_inbound = 1;
        a.inbound = &inbound;
        CU_ASSERT(store_codec_opened(pack(&a.base, room), &out) == ERR_MALFORMED);
    }
    CU_ASSERT(store_codec_opened(slice_of("\xff\xff", 2), &out) == ERR_MALFORMED);
    CU_ASSERT_PTR_NULL(out);
}

/* The settings of both programs allow more of them than a mere 65,536. */
static void
a_session_may_have_very_many_subscriptions(void)
{
    enum { COUNT = 100000 };
    Sluice__Subscription s = SLUICE__SUBSCRIPTION__INIT;
    Sluice__Subscription **list = mem_zalloc_array(COUNT, sizeof(Sluice__Subscription *));
    struct session_opened *out = NULL;
    Sluice__SessionOpened a;
    uint8_t *room;
    sluice__session_opened__init(&a);
    s.filter = bytes("a");
    for (size_t i = 0; i < COUNT; i++)
        list[i] = &s;
    a.n_subscriptions = COUNT;
    a.subscriptions = list;
    room = mem_alloc(protobuf_c_message_get_packed_size(&a.base));
    CU_ASSERT_FATAL(store_codec_opened(pack(&a.base, room), &out) == OK);
    CU_ASSERT_EQUAL(out->subscription_count, COUNT);
    session_opened_free(out);
    mem_free(room);
    mem_free(list);
}

/* It goes into a packet whose strings have 16 bits for their length. */
static void
a_reason_that_no_packet_can_carry_is_refused(void)
{
    static uint8_t room[2 * LIMITS_STRING];
    static char text[LIMITS_STRING + 2];
    struct session_opened *out = NULL;
    Sluice__SessionOpened a;
    sluice__session_opened__init(&a);
    a.reason = 0x97;
    a.reason_string = text;
    memset(text, 'x', LIMITS_STRING);
    CU_ASSERT_FATAL(store_codec_opened(pack(&a.base, room), &out) == OK);
    CU_ASSERT_EQUAL(out->reason_string.len, LIMITS_STRING);
    session_opened_free(out);
    out = NULL;
    text[LIMITS_STRING] = 'x';
    CU_ASSERT(store_codec_opened(pack(&a.base, room), &out) == ERR_MALFORMED && out == NULL);
    (void)snprintf(text, sizeof(text), "no \xff text");
    CU_ASSERT(store_codec_opened(pack(&a.base, room), &out) == ERR_MALFORMED && out == NULL);
}

static void
reasons_become_bytes(void)
{
    uint8_t room[64];
    uint32_t reasons[3] = {0, 2, 0x87};
    struct subscribe_answer *out = NULL;
    Sluice__SessionSubscribed a = SLUICE__SESSION_SUBSCRIBED__INIT;
    a.n_reasons = 3;
    a.reasons = reasons;
    CU_ASSERT_FATAL(store_codec_subscribed(pack(&a.base, room), &out) == OK);
    CU_ASSERT_EQUAL(out->count, 3);
    CU_ASSERT_EQUAL(out->reasons[1], 2);
    CU_ASSERT_EQUAL(out->reasons[2], 0x87);
    subscribe_answer_free(out);
    reasons[2] = 300;
    out = NULL;
    CU_ASSERT(store_codec_subscribed(pack(&a.base, room), &out) == ERR_MALFORMED && out == NULL);
}

static void
bad_retained_records_are_left_out(void)
{
    uint8_t room[512], record[128];
    const struct publish_record good = {
        .qos = 1, .retain = true, .topic = slice_cstr("t"), .payload = slice_cstr("")};
    size_t len = publish_record_encode_head(&good, record);
    ProtobufCBinaryData list[2] = {{3, record}, {len, record}};
    Sluice__RetainedGot a = SLUICE__RETAINED_GOT__INIT;
    struct retained_answer *out = NULL;
    a.n_records = 2;
    a.records = list;
    a.next = bytes("t");
    CU_ASSERT_FATAL(store_codec_retained_got(pack(&a.base, room), &out) == OK);
    CU_ASSERT(out->count == 1 && out->messages[0]->qos == 1 && out->messages[0]->retain);
    CU_ASSERT(slice_equal_cstr(out->next, "t"));
    retained_answer_free(out);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(open_carries_every_field),
    CUNIT_CASE(opened_is_copied),
    CUNIT_CASE(answers_with_impossible_values_are_refused),
    CUNIT_CASE(a_session_may_have_very_many_subscriptions),
    CUNIT_CASE(a_reason_that_no_packet_can_carry_is_refused),
    CUNIT_CASE(reasons_become_bytes),
    CUNIT_CASE(bad_retained_records_are_left_out),
};
CUNIT_MAIN("store_codec", cases)
