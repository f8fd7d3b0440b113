/* SPDX-License-Identifier: Apache-2.0 */
/* Packet ids, the order of acknowledgements, the bounded queue, aliases. */
#include "services/gateway/session.h"

#include <stdlib.h>

#include "common/mem.h"
#include "proto/mqtt_packet.h"
#include "tests/unit/cunit_main.h"

static struct message *
sample(size_t payload_len)
{
    uint8_t *payload = mem_zalloc(payload_len);
    struct publish_record record = {.topic = slice_cstr("t"),
                                    .payload = slice_of(payload, payload_len)};
    struct message *message = message_new(&record);
    mem_free(payload);
    return message;
}

static void
ids_are_not_given_twice_while_in_flight(void)
{
    struct session *session = session_new(3, 10, 1000);
    session->next_id = 65533;
    CU_ASSERT_EQUAL(session_take_id(session, 1), 65534);
    CU_ASSERT_EQUAL(session_take_id(session, 2), 65535);
    CU_ASSERT_EQUAL(session_take_id(session, 1), 1);
    CU_ASSERT_FALSE(session_has_room(session));
    idmap_remove(&session->out, 65535);
    session->next_id = 65533;
    CU_ASSERT_EQUAL(session_take_id(session, 1), 65535);
    CU_ASSERT_EQUAL(idmap_get(&session->out, 65535)->state, SESSION_OUT_ACK);
    session_free(session);
}

static void
a_map_agrees_with_a_plain_array(void)
{
    static uint64_t naive[65536];
    struct idmap map = {0};
    uint32_t count = 0;
    unsigned seed = 12345;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1103515245u + 12345u;
        uint16_t id = (uint16_t)(1 + (seed >> 16) % 500);
        if (seed >> 8 & 1) {
            if (naive[id] == 0)
                count++;
            naive[id] = (uint64_t)i + 1;
            idmap_add(&map, id)->value = (uint64_t)i + 1;
        } else {
            if (naive[id] != 0)
                count--;
            naive[id] = 0;
            idmap_remove(&map, id);
        }
        struct idmap_entry *entry = idmap_get(&map, id);
        if ((entry != NULL ? entry->value : 0) != naive[id] || map.count != count) {
            CU_FAIL_FATAL("map and array differ");
        }
    }
    for (unsigned id = 1; id <= 500; id++) {
        struct idmap_entry *entry = idmap_get(&map, (uint16_t)id);
        CU_ASSERT_EQUAL(entry != NULL ? entry->value : 0, naive[id]);
    }
    idmap_fini(&map);
}

static void
all_ids_fit_the_map(void)
{
    struct idmap map = {0};
    for (unsigned id = 1; id <= 65535; id++)
        idmap_add(&map, (uint16_t)id)->value = id;
    CU_ASSERT_EQUAL(map.count, 65535);
    CU_ASSERT_EQUAL(idmap_get(&map, 40000)->value, 40000);
    for (unsigned id = 1; id <= 65535; id++)
        idmap_remove(&map, (uint16_t)id);
    CU_ASSERT_EQUAL(map.count, 0);
    idmap_fini(&map);
}

static void
acknowledgements_leave_in_order(void)
{
    struct session *session = session_new(10, 10, 1000);
    struct session_ack ack;
    uint64_t cookies[40];
    for (uint16_t i = 0; i < 40; i++)
        cookies[i] =
            session_ack_push(session, i % 2 ? MQTT_PUBREC : MQTT_PUBACK, (uint16_t)(i + 1));
    CU_ASSERT_NOT_EQUAL(cookies[0], 0);
    CU_ASSERT_EQUAL(session_inbound_count(session), 20);
    session_ack_done(session, cookies[1], 0);
    session_ack_done(session, cookies[2], 0x10);
    session_ack_done(session, 9999, 0);
    CU_ASSERT_FALSE(session_ack_pop(session, &ack));
    session_ack_done(session, cookies[0], 0);
    for (uint16_t i = 0; i < 3; i++) {
        CU_ASSERT_TRUE_FATAL(session_ack_pop(session, &ack));
        CU_ASSERT_EQUAL(ack.packet_id, i + 1);
    }
    CU_ASSERT_EQUAL(ack.reason, 0x10);
    CU_ASSERT_FALSE(session_ack_pop(session, &ack));
    session_ack_done(session, cookies[0], 0); /* an old cookie touches nothing */
    CU_ASSERT_FALSE(session_ack_pop(session, &ack));
    session_free(session);
}

static void
the_queue_is_bounded_in_messages_and_bytes(void)
{
    struct session *session = session_new(1, 3, 2000);
    struct session_queued queued;
    uint32_t ids[2] = {7, 8};
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(session_queue_push(session, sample(10), 1, false, ids, i == 1 ? 2 : 0), OK);
    struct message *more = sample(10);
    CU_ASSERT_EQUAL(session_queue_push(session, more, 1, false, NULL, 0), ERR_BUSY);
    message_unref(more);
    CU_ASSERT_TRUE(session_queue_pop(session, &queued));
    session_queued_free(&queued);
    more = sample(5000);
    CU_ASSERT_EQUAL(session_queue_push(session, more, 1, false, NULL, 0), ERR_BUSY);
    message_unref(more);
    CU_ASSERT_TRUE_FATAL(session_queue_pop(session, &queued));
    CU_ASSERT_EQUAL(queued.identifiers[0], 2);
    CU_ASSERT_EQUAL(queued.identifiers[2], 8);
    session_queued_free(&queued);
    session_free(session); /* frees the one that is left */
}

static void
the_queue_keeps_order_while_it_grows(void)
{
    struct session *session = session_new(1, 1000, 1 << 20);
    struct session_queued queued;
    size_t in = 0, out = 0;
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 13; i++)
            CU_ASSERT_EQUAL(session_queue_push(session, sample(in++), 1, false, NULL, 0), OK);
        for (int i = 0; i < 7; i++) {
            CU_ASSERT_TRUE_FATAL(session_queue_pop(session, &queued));
            CU_ASSERT_EQUAL(queued.message->payload_len, out++);
            session_queued_free(&queued);
        }
    }
    session_free(session);
}

static void
aliases_are_remembered_up_to_their_maximum(void)
{
    struct session *session = session_new(1, 1, 1);
    CU_ASSERT_EQUAL(session_alias_set(session, 4, 0, slice_cstr("a")), ERR_INVALID);
    CU_ASSERT_EQUAL(session_alias_set(session, 4, 5, slice_cstr("a")), ERR_INVALID);
    CU_ASSERT_EQUAL(session_alias_set(session, 4, 4, slice_cstr("a")), OK);
    CU_ASSERT_EQUAL(session_alias_set(session, 4, 4, slice_cstr("bb")), OK);
    CU_ASSERT_EQUAL(session_alias_set(session, 4, 4, slice_cstr("bb")), OK);
    CU_ASSERT(slice_equal_cstr(session_alias_get(session, 4), "bb"));
    CU_ASSERT_EQUAL(session_alias_get(session, 1).len, 0);
    CU_ASSERT_EQUAL(session_alias_get(session, 9).len, 0);
    session_free(session);
}

static void
only_a_message_that_nobody_wants_is_answered_so(void)
{
    static const struct {
        bool lonely, wanted;
        uint8_t reason;
    } rows[] = {{false, false, 0}, {false, true, 0}, {true, true, 0}, {true, false, 0x10}};
    struct session *session = session_new(10, 10, 1000);
    struct session_ack ack;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t cookie = session_ack_push(session, MQTT_PUBACK, 1);
        if (rows[i].lonely)
            session_ack_lonely(session, cookie);
        session_ack_lonely(session, cookie + 1);
        session_ack_answered(session, cookie + 1, true);
        session_ack_answered(session, cookie, rows[i].wanted);
        CU_ASSERT_TRUE_FATAL(session_ack_pop(session, &ack));
        CU_ASSERT_EQUAL(ack.reason, rows[i].reason);
    }
    session_free(session);
}

static void
what_a_client_makes_it_hold_is_known(void)
{
    struct session *session = session_new(1, 10, 100000);
    struct session_queued queued;
    CU_ASSERT_EQUAL(session_bytes(session), 0);
    CU_ASSERT_EQUAL(session_alias_set(session, 4, 1, slice_cstr("topic")), OK);
    CU_ASSERT_EQUAL(session_alias_set(session, 4, 3, slice_cstr("a")), OK);
    CU_ASSERT_EQUAL(session_bytes(session), 6);
    CU_ASSERT_EQUAL(session_queue_push(session, sample(1000), 1, false, NULL, 0), OK);
    CU_ASSERT(session_bytes(session) > 1006);
    CU_ASSERT_TRUE_FATAL(session_queue_pop(session, &queued));
    session_queued_free(&queued);
    CU_ASSERT_EQUAL(session_bytes(session), 6);
    session_free(session);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(only_a_message_that_nobody_wants_is_answered_so),
    CUNIT_CASE(ids_are_not_given_twice_while_in_flight),
    CUNIT_CASE(a_map_agrees_with_a_plain_array),
    CUNIT_CASE(all_ids_fit_the_map),
    CUNIT_CASE(acknowledgements_leave_in_order),
    CUNIT_CASE(the_queue_is_bounded_in_messages_and_bytes),
    CUNIT_CASE(the_queue_keeps_order_while_it_grows),
    CUNIT_CASE(aliases_are_remembered_up_to_their_maximum),
    CUNIT_CASE(what_a_client_makes_it_hold_is_known),
};
CUNIT_MAIN("session", cases)
