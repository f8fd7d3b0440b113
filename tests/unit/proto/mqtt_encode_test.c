/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding: exact bytes of every packet, size limits, and what is read back is what was written. */
#include "proto/mqtt_encode.h"

#include "proto/mqtt_decode.h"
#include "proto/mqtt_properties.h"
#include "tests/unit/cunit_main.h"
#include "tests/unit/proto/mqtt_hex.h"

#include <string.h>

static struct buf buf;

/* Whether the buffer holds exactly these bytes, of the length returned; empties it. */
static bool
wrote(size_t len, const char *want)
{
    bool same = len == buf_len(&buf) && mqtt_hex_is(buf_slice(&buf), want);
    buf_reset(&buf);
    return same;
}

static struct mqtt_properties
reason_and_user(void)
{
    struct mqtt_properties p;
    mqtt_properties_init(&p);
    mqtt_properties_set(&p, MQTT_PROPERTY_REASON_STRING);
    p.reason_string = slice_cstr("no");
    p.extra = slice_of("\x26\0\1k\0\1v", 7);
    return p;
}

static void
publish_headers_have_their_exact_bytes(void)
{
    static const uint32_t ids[] = {5, 321};
    static const struct {
        enum mqtt_version version;
        struct mqtt_publish_out publish;
        const char *bytes;
        size_t packet_id_at;
    } rows[] = {
        {MQTT_3_1_1, {.payload_len = 1}, "30 06 00 03 'a/b'", 0},
        {MQTT_3_1,
         {.payload_len = 0, .retain = true, .qos = 1, .packet_id = 258, .dup = true},
         "3B 07 00 03 'a/b' 01 02",
         7},
        {MQTT_3_1_1,
         {.payload_len = 200, .qos = 2, .packet_id = 1},
         "34 CF 01 00 03 'a/b' 00 01",
         8},
        {MQTT_3_1_1, {.has_expiry = true, .topic_alias = 3}, "30 05 00 03 'a/b'", 0},
        {MQTT_5_0, {.payload_len = 1}, "30 07 00 03 'a/b' 00", 0},
        {MQTT_5_0,
         {.qos = 1, .packet_id = 9, .has_expiry = true, .expiry_s = 30},
         "32 0D 00 03 'a/b' 00 09 05 02 00 00 00 1E",
         7},
        {MQTT_5_0,
         {.topic_alias = 7,
          .subscription_ids = ids,
          .subscription_id_count = 2,
          .properties = {(const uint8_t *)"\1\1", 2}},
         "30 10 00 03 'a/b' 0A 01 01 23 00 07 0B 05 0B C1 02",
         0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t out[256];
        size_t packet_id_at = 0;
        struct mqtt_publish_out publish = rows[i].publish;
        publish.topic = slice_cstr("a/b");
        size_t len = mqtt_encode_publish_header(rows[i].version, &publish, out, &packet_id_at);
        CU_ASSERT(mqtt_hex_is(slice_of(out, len), rows[i].bytes));
        CU_ASSERT_EQUAL(packet_id_at, rows[i].packet_id_at);
        CU_ASSERT_EQUAL(mqtt_encode_publish_size(rows[i].version, &publish),
                        len + publish.payload_len);
        CU_ASSERT(mqtt_encode_publish_header_max(&publish) >= len);
    }
}

static void
a_publish_that_no_length_can_say_is_refused(void)
{
    uint8_t out[64];
    struct mqtt_publish_out publish = {.topic = slice_cstr("a"),
                                       .payload_len = LIMITS_REMAINING_LENGTH - 3};
    CU_ASSERT_EQUAL(mqtt_encode_publish_size(MQTT_3_1_1, &publish), (size_t)LIMITS_PACKET);
    CU_ASSERT_EQUAL(mqtt_encode_publish_size(MQTT_5_0, &publish), 0);
    CU_ASSERT_EQUAL(mqtt_encode_publish_header(MQTT_5_0, &publish, out, NULL), 0);
    publish.payload_len = SIZE_MAX;
    CU_ASSERT_EQUAL(mqtt_encode_publish_size(MQTT_3_1_1, &publish), 0);
}

static void
short_acknowledgements_have_4_or_5_bytes(void)
{
    uint8_t out[MQTT_ENCODE_ACK_SHORT];
    CU_ASSERT(mqtt_hex_is(
        slice_of(out, mqtt_encode_ack_short(MQTT_3_1_1, MQTT_PUBACK, 258, MQTT_SUCCESS, out)),
        "40 02 01 02"));
    CU_ASSERT(mqtt_hex_is(
        slice_of(out, mqtt_encode_ack_short(MQTT_5_0, MQTT_PUBREC, 1, MQTT_SUCCESS, out)),
        "50 02 00 01"));
    CU_ASSERT(mqtt_hex_is(
        slice_of(out, mqtt_encode_ack_short(MQTT_5_0, MQTT_PUBREC, 1, MQTT_QUOTA_EXCEEDED, out)),
        "50 03 00 01 97"));
    CU_ASSERT(mqtt_hex_is(
        slice_of(out, mqtt_encode_ack_short(MQTT_3_1_1, MQTT_PUBREL, 1, MQTT_QUOTA_EXCEEDED, out)),
        "62 02 00 01"));
    CU_ASSERT(mqtt_hex_is(slice_of(out, mqtt_encode_ack_short(MQTT_5_0, MQTT_PUBCOMP, 1,
                                                              MQTT_PACKET_ID_NOT_FOUND, out)),
                          "70 03 00 01 92"));
}

static void
acknowledgements_carry_properties(void)
{
    struct mqtt_properties p = reason_and_user();
    CU_ASSERT(wrote(mqtt_encode_ack(MQTT_5_0, MQTT_PUBACK, 1, MQTT_SUCCESS, NULL, 0, &buf),
                    "40 02 00 01"));
    CU_ASSERT(wrote(mqtt_encode_ack(MQTT_5_0, MQTT_PUBACK, 1, MQTT_NOT_AUTHORIZED, NULL, 0, &buf),
                    "40 03 00 01 87"));
    CU_ASSERT(wrote(mqtt_encode_ack(MQTT_5_0, MQTT_PUBACK, 1, MQTT_SUCCESS, &p, 0, &buf),
                    "40 10 00 01 00 0C 1F 00 02 'no' 26 00 01 'k' 00 01 'v'"));
    CU_ASSERT(wrote(mqtt_encode_ack(MQTT_3_1_1, MQTT_PUBREL, 1, MQTT_SUCCESS, &p, 0, &buf),
                    "62 02 00 01"));
}

static void
what_does_not_fit_the_receiver_is_left_out_in_order(void)
{
    struct mqtt_properties p = reason_and_user();
    CU_ASSERT(wrote(mqtt_encode_ack(MQTT_5_0, MQTT_PUBACK, 1, MQTT_NOT_AUTHORIZED, &p, 18, &buf),
                    "40 10 00 01 87 0C 1F 00 02 'no' 26 00 01 'k' 00 01 'v'"));
    CU_ASSERT(wrote(mqtt_encode_ack(MQTT_5_0, MQTT_PUBACK, 1, MQTT_NOT_AUTHORIZED, &p, 17, &buf),
                    "40 09 00 01 87 05 1F 00 02 'no'"));
    CU_ASSERT(wrote(mqtt_encode_ack(MQTT_5_0, MQTT_PUBACK, 1, MQTT_NOT_AUTHORIZED, &p, 10, &buf),
                    "40 03 00 01 87"));
    CU_ASSERT(
        wrote(mqtt_encode_ack(MQTT_5_0, MQTT_PUBACK, 1, MQTT_NOT_AUTHORIZED, &p, 4, &buf), ""));
    CU_ASSERT(
        wrote(mqtt_encode_disconnect(MQTT_5_0, MQTT_SESSION_TAKEN_OVER, &p, 5, &buf), "E0 01 8E"));
    CU_ASSERT(wrote(mqtt_encode_suback(MQTT_5_0, 1, slice_of("\1", 1), &p, 8, &buf),
                    "90 04 00 01 00 01"));
    CU_ASSERT(wrote(mqtt_encode_pingresp(&buf), "D0 00"));
}

static void
connack_has_its_exact_bytes(void)
{
    struct mqtt_properties p;
    CU_ASSERT(
        wrote(mqtt_encode_connack(MQTT_3_1_1, true, MQTT_SUCCESS, NULL, 0, &buf), "20 02 01 00"));
    CU_ASSERT(
        wrote(mqtt_encode_connack(MQTT_3_1, true, MQTT_SUCCESS, NULL, 0, &buf), "20 02 00 00"));
    CU_ASSERT(
        wrote(mqtt_encode_connack(MQTT_3_1_1, true, MQTT_BAD_USER_NAME_OR_PASSWORD, NULL, 0, &buf),
              "20 02 00 04"));
    CU_ASSERT(
        wrote(mqtt_encode_connack(MQTT_5_0, true, MQTT_SUCCESS, NULL, 0, &buf), "20 03 01 00 00"));
    CU_ASSERT(
        wrote(mqtt_encode_connack(MQTT_5_0, true, MQTT_BANNED, NULL, 0, &buf), "20 03 00 8A 00"));
    mqtt_properties_init(&p);
    p.present = 0;
    mqtt_properties_set(&p, MQTT_PROPERTY_SESSION_EXPIRY);
    mqtt_properties_set(&p, MQTT_PROPERTY_RECEIVE_MAXIMUM);
    mqtt_properties_set(&p, MQTT_PROPERTY_MAXIMUM_QOS);
    mqtt_properties_set(&p, MQTT_PROPERTY_RETAIN_AVAILABLE);
    mqtt_properties_set(&p, MQTT_PROPERTY_MAXIMUM_PACKET_SIZE);
    mqtt_properties_set(&p, MQTT_PROPERTY_ASSIGNED_CLIENT_ID);
    mqtt_properties_set(&p, MQTT_PROPERTY_TOPIC_ALIAS_MAXIMUM);
    mqtt_properties_set(&p, MQTT_PROPERTY_WILDCARD_AVAILABLE);
    mqtt_properties_set(&p, MQTT_PROPERTY_SUBSCRIPTION_ID_AVAILABLE);
    mqtt_properties_set(&p, MQTT_PROPERTY_SHARED_AVAILABLE);
    mqtt_properties_set(&p, MQTT_PROPERTY_SERVER_KEEP_ALIVE);
    mqtt_properties_set(&p, MQTT_PROPERTY_RESPONSE_INFO);
    mqtt_properties_set(&p, MQTT_PROPERTY_SERVER_REFERENCE);
    mqtt_properties_set(&p, MQTT_PROPERTY_AUTH_METHOD);
    mqtt_properties_set(&p, MQTT_PROPERTY_AUTH_DATA);
    p.session_expiry_s = 10;
    p.receive_maximum = 20;
    p.maximum_qos = 1;
    p.maximum_packet_size = 4096;
    p.assigned_client_id = slice_cstr("id");
    p.topic_alias_maximum = 30;
    p.server_keep_alive_s = 60;
    p.response_info = slice_cstr("r");
    p.server_reference = slice_cstr("s");
    p.auth_method = slice_cstr("m");
    p.auth_data = slice_cstr("d");
    CU_ASSERT(wrote(mqtt_encode_connack(MQTT_5_0, false, MQTT_SUCCESS, &p, 0, &buf),
                    "20 35 00 00 32 11 00 00 00 0A 12 00 02 'id' 13 00 3C 15 00 01 'm' 16 00 01 "
                    "'d' 1A 00 01 'r' 1C 00 01 's' "
                    "21 00 14 22 00 1E 24 01 25 01 27 00 00 10 00 28 01 29 01 2A 01"));
}

static void
suback_and_unsuback_have_their_exact_bytes(void)
{
    struct slice codes = slice_of("\0\1\2\x87", 4);
    CU_ASSERT(
        wrote(mqtt_encode_suback(MQTT_3_1_1, 10, codes, NULL, 0, &buf), "90 06 00 0A 00 01 02 80"));
    CU_ASSERT(wrote(mqtt_encode_suback(MQTT_5_0, 10, codes, NULL, 0, &buf),
                    "90 07 00 0A 00 00 01 02 87"));
    CU_ASSERT(wrote(mqtt_encode_unsuback(MQTT_3_1_1, 10, slice_of("\0\x11", 2), NULL, 0, &buf),
                    "B0 02 00 0A"));
    CU_ASSERT(wrote(mqtt_encode_unsuback(MQTT_5_0, 10, slice_of("\0\x11", 2), NULL, 0, &buf),
                    "B0 05 00 0A 00 00 11"));
}

static void
disconnect_and_auth_are_as_short_as_can_be(void)
{
    struct mqtt_properties p;
    mqtt_properties_init(&p);
    CU_ASSERT(wrote(mqtt_encode_disconnect(MQTT_5_0, MQTT_SUCCESS, NULL, 0, &buf), "E0 00"));
    CU_ASSERT(wrote(mqtt_encode_disconnect(MQTT_5_0, MQTT_SUCCESS, &p, 0, &buf), "E0 00"));
    CU_ASSERT(wrote(mqtt_encode_disconnect(MQTT_5_0, MQTT_SERVER_SHUTTING_DOWN, NULL, 0, &buf),
                    "E0 01 8B"));
    CU_ASSERT(wrote(mqtt_encode_disconnect(MQTT_3_1_1, MQTT_SERVER_SHUTTING_DOWN, NULL, 0, &buf),
                    "E0 00"));
    mqtt_properties_set(&p, MQTT_PROPERTY_AUTH_METHOD);
    p.auth_method = slice_cstr("abc");
    CU_ASSERT(wrote(mqtt_encode_auth(MQTT_CONTINUE_AUTHENTICATION, &p, 0, &buf),
                    "F0 08 18 06 15 00 03 'abc'"));
    CU_ASSERT(wrote(mqtt_encode_auth(MQTT_SUCCESS, &p, 0, &buf), "F0 08 00 06 15 00 03 'abc'"));
}

static void
a_full_buffer_takes_nothing_of_a_packet(void)
{
    struct buf small;
    buf_init(&small, 6);
    CU_ASSERT_EQUAL(mqtt_encode_connack(MQTT_3_1_1, false, MQTT_SUCCESS, NULL, 0, &small), 4);
    CU_ASSERT_EQUAL(mqtt_encode_connack(MQTT_3_1_1, false, MQTT_SUCCESS, NULL, 0, &small), 0);
    CU_ASSERT_EQUAL(buf_len(&small), 4);
    buf_fini(&small);
}

static void
a_client_writes_connect_in_all_versions(void)
{
    struct mqtt_connect c = {
        .version = MQTT_3_1, .clean_start = true, .keep_alive_s = 10, .client_id = slice_cstr("i")};
    CU_ASSERT(wrote(mqtt_encode_connect(&c, &buf), "10 0F 00 06 'MQIsdp' 03 02 00 0A 00 01 'i'"));
    c.version = MQTT_3_1_1;
    c.has_will = true;
    c.will = (struct mqtt_will){
        .topic = slice_cstr("w"), .payload = slice_cstr("p"), .qos = 2, .retain = true};
    c.has_username = true;
    c.username = slice_cstr("u");
    c.has_password = true;
    c.password = slice_cstr("s");
    CU_ASSERT(
        wrote(mqtt_encode_connect(&c, &buf),
              "10 19 00 04 'MQTT' 04 F6 00 0A 00 01 'i' 00 01 'w' 00 01 'p' 00 01 'u' 00 01 's'"));
    c.version = MQTT_5_0;
    mqtt_properties_init(&c.properties);
    mqtt_properties_init(&c.will.properties);
    mqtt_properties_set(&c.properties, MQTT_PROPERTY_SESSION_EXPIRY);
    c.properties.session_expiry_s = 10;
    mqtt_properties_set(&c.will.properties, MQTT_PROPERTY_WILL_DELAY);
    c.will.properties.will_delay_s = 5;
    CU_ASSERT(wrote(mqtt_encode_connect(&c, &buf),
                    "10 25 00 04 'MQTT' 05 F6 00 0A 05 11 00 00 00 0A 00 01 'i' 05 18 00 00 00 05 "
                    "00 01 'w' 00 01 'p' 00 01 'u' 00 01 's'"));
}

static void
a_client_writes_subscribe_unsubscribe_and_publish(void)
{
    struct mqtt_subscription s[2] = {
        {.filter = slice_cstr("a/+"), .qos = 1},
        {.filter = slice_cstr("#"),
         .qos = 2,
         .no_local = true,
         .retain_as_published = true,
         .retain_handling = 2},
    };
    struct slice filters[2] = {s[0].filter, s[1].filter};
    struct mqtt_properties p;
    mqtt_properties_init(&p);
    mqtt_properties_set(&p, MQTT_PROPERTY_SUBSCRIPTION_ID);
    p.subscription_id = 321;
    CU_ASSERT(wrote(mqtt_encode_subscribe(MQTT_3_1_1, 10, s, 2, NULL, &buf),
                    "82 0C 00 0A 00 03 'a/+' 01 00 01 '#' 02"));
    CU_ASSERT(wrote(mqtt_encode_subscribe(MQTT_5_0, 10, s, 2, &p, &buf),
                    "82 10 00 0A 03 0B C1 02 00 03 'a/+' 01 00 01 '#' 2E"));
    CU_ASSERT(wrote(mqtt_encode_unsubscribe(MQTT_3_1_1, 10, filters, 2, NULL, &buf),
                    "A2 0A 00 0A 00 03 'a/+' 00 01 '#'"));
    CU_ASSERT(wrote(mqtt_encode_unsubscribe(MQTT_5_0, 10, filters, 2, NULL, &buf),
                    "A2 0B 00 0A 00 00 03 'a/+' 00 01 '#'"));
    CU_ASSERT(wrote(mqtt_encode_pingreq(&buf), "C0 00"));
    struct mqtt_publish_out publish = {
        .topic = slice_cstr("t"), .payload_len = 2, .qos = 1, .packet_id = 3};
    CU_ASSERT(wrote(mqtt_encode_publish(MQTT_3_1_1, &publish, slice_cstr("hi"), &buf),
                    "32 07 00 01 't' 00 03 'hi'"));
    CU_ASSERT(wrote(mqtt_encode_publish(MQTT_5_0, &publish, slice_cstr("hi"), &buf),
                    "32 08 00 01 't' 00 03 00 'hi'"));
}

static void
a_forwarded_publish_reads_as_it_was(void)
{
    struct mqtt_hex hex;
    struct mqtt_publish in;
    struct mqtt_publish back;
    enum mqtt_reason reason;
    struct mqtt_frame frame = mqtt_hex_frame(
        &hex, "3D ?? 00 03 'a/b' 00 07 16 02 00 00 00 1E 26 00 01 'b' 00 01 '1' 23 00 05 "
              "09 00 02 00 FF 01 01 'payload'");
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_publish(MQTT_5_0, &frame, &in, &reason), OK);
    struct buf forwarded;
    buf_init(&forwarded, 1000);
    CU_ASSERT_EQUAL(mqtt_properties_filter_publish(&in.properties, &forwarded), OK);
    struct mqtt_publish_out out = {.topic = in.topic,
                                   .payload_len = in.payload.len,
                                   .packet_id = 9,
                                   .qos = 1,
                                   .retain = in.retain,
                                   .has_expiry = true,
                                   .expiry_s = in.properties.message_expiry_s - 1,
                                   .properties = buf_slice(&forwarded)};
    size_t len = mqtt_encode_publish(MQTT_5_0, &out, in.payload, &buf);
    size_t need;
    struct mqtt_frame again;
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_frame(buf_slice(&buf).data, len, 1000, &need, &again), OK);
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_publish(MQTT_5_0, &again, &back, &reason), OK);
    CU_ASSERT(slice_equal(back.topic, in.topic) && slice_equal(back.payload, in.payload));
    CU_ASSERT_EQUAL(back.properties.message_expiry_s, 29);
    CU_ASSERT_EQUAL(back.properties.topic_alias, 0);
    CU_ASSERT_EQUAL(back.properties.payload_format, 1);
    CU_ASSERT_EQUAL(back.properties.user_property_count, 1);
    CU_ASSERT(slice_equal(back.properties.correlation_data, in.properties.correlation_data));
    buf_fini(&forwarded);
    buf_reset(&buf);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(publish_headers_have_their_exact_bytes),
    CUNIT_CASE(a_publish_that_no_length_can_say_is_refused),
    CUNIT_CASE(short_acknowledgements_have_4_or_5_bytes),
    CUNIT_CASE(acknowledgements_carry_properties),
    CUNIT_CASE(what_does_not_fit_the_receiver_is_left_out_in_order),
    CUNIT_CASE(connack_has_its_exact_bytes),
    CUNIT_CASE(suback_and_unsuback_have_their_exact_bytes),
    CUNIT_CASE(disconnect_and_auth_are_as_short_as_can_be),
    CUNIT_CASE(a_full_buffer_takes_nothing_of_a_packet),
    CUNIT_CASE(a_client_writes_connect_in_all_versions),
    CUNIT_CASE(a_client_writes_subscribe_unsubscribe_and_publish),
    CUNIT_CASE(a_forwarded_publish_reads_as_it_was),
};

int
main(void)
{
    buf_init(&buf, 100000);
    int code = cunit_run("mqtt_encode", cases, sizeof(cases) / sizeof(cases[0]));
    buf_fini(&buf);
    return code;
}
