/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding: exact bytes of every packet in every version, every rule broken once, every split. */
#include "proto/mqtt_decode.h"

#include "common/buf.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_varint.h"
#include "tests/unit/cunit_main.h"
#include "tests/unit/proto/mqtt_hex.h"

#include <stdlib.h>
#include <string.h>

/* Decodes with the decoder of the packet's type; the result is thrown away. */
static enum err
decode_any(enum mqtt_version version, const struct mqtt_frame *frame, enum mqtt_reason *reason)
{
    union {
        struct mqtt_connect connect;
        struct mqtt_publish publish;
        struct mqtt_ack ack;
        struct mqtt_subscribe subscribe;
        struct mqtt_disconnect disconnect;
        struct mqtt_connack connack;
        struct mqtt_suback suback;
    } out;
    memset(&out, 0, sizeof(out));
    switch (frame->type) {
    case MQTT_CONNECT:
        return mqtt_decode_connect(frame, &out.connect, reason);
    case MQTT_CONNACK:
        return mqtt_decode_connack(version, frame, &out.connack, reason);
    case MQTT_PUBLISH:
        return mqtt_decode_publish(version, frame, &out.publish, reason);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return mqtt_decode_ack(version, frame, &out.ack, reason);
    case MQTT_SUBSCRIBE:
        return mqtt_decode_subscribe(version, frame, &out.subscribe, reason);
    case MQTT_UNSUBSCRIBE:
        return mqtt_decode_unsubscribe(version, frame, &out.subscribe, reason);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return mqtt_decode_suback(version, frame, &out.suback, reason);
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return mqtt_decode_ping(frame, reason);
    case MQTT_DISCONNECT:
        return mqtt_decode_disconnect(version, frame, &out.disconnect, reason);
    case MQTT_AUTH:
        return mqtt_decode_auth(version, frame, &out.disconnect, reason);
    case MQTT_WILL:
        break;
    }
    return ERR_INTERNAL;
}

/* Frame: */

static void
a_packet_split_anywhere_is_asked_for_again(void)
{
    static const char *const packets[] = {
        "C0 00",
        "30 05 00 01 'a' 00 'x'",
        "10 ?? 00 04 'MQTT' 04 02 00 3C 00 06 'sensor'",
    };
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        struct mqtt_hex hex;
        struct mqtt_frame frame = {.total_len = 99};
        struct slice bytes = mqtt_hex_parse(&hex, packets[i]);
        for (size_t len = 0; len < bytes.len; len++) {
            size_t need = 1;
            CU_ASSERT_EQUAL(mqtt_decode_frame(bytes.data, len, 1000, &need, &frame), ERR_AGAIN);
            CU_ASSERT_EQUAL(need, len < 2 ? 0 : bytes.len);
            CU_ASSERT_EQUAL(frame.total_len, 99);
        }
        (void)mqtt_hex_frame(&hex, packets[i]);
    }
}

static void
the_frame_stops_at_its_end(void)
{
    struct mqtt_hex hex;
    struct mqtt_frame frame;
    size_t need;
    struct slice bytes = mqtt_hex_parse(&hex, "32 07 00 01 'a' 00 05 'xy' C0 00");
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_frame(bytes.data, bytes.len, 1000, &need, &frame), OK);
    CU_ASSERT_EQUAL(frame.type, MQTT_PUBLISH);
    CU_ASSERT_EQUAL(frame.flags, 2);
    CU_ASSERT_EQUAL(frame.header_len, 2);
    CU_ASSERT_EQUAL(frame.total_len, 9);
    CU_ASSERT_EQUAL(frame.body.len, 7);
    CU_ASSERT_PTR_EQUAL(frame.body.data, bytes.data + 2);
}

static void
long_headers_are_split_too(void)
{
    static uint8_t bytes[5 + 2097152];
    struct mqtt_frame frame;
    size_t need = 0;
    bytes[0] = 0x30;
    CU_ASSERT_PTR_EQUAL(mqtt_varint_put(bytes + 1, 2097152), bytes + 5);
    for (size_t len = 1; len < 5; len++) {
        CU_ASSERT_EQUAL(mqtt_decode_frame(bytes, len, LIMITS_PACKET, &need, &frame), ERR_AGAIN);
        CU_ASSERT_EQUAL(need, 0);
    }
    CU_ASSERT_EQUAL(mqtt_decode_frame(bytes, 5, LIMITS_PACKET, &need, &frame), ERR_AGAIN);
    CU_ASSERT_EQUAL(need, sizeof(bytes));
    CU_ASSERT_EQUAL(mqtt_decode_frame(bytes, sizeof(bytes), LIMITS_PACKET, &need, &frame), OK);
    CU_ASSERT_EQUAL(frame.header_len, 5);
}

static void
too_large_is_said_at_the_header(void)
{
    struct mqtt_frame frame;
    size_t need;
    CU_ASSERT_EQUAL(mqtt_decode_frame((const uint8_t *)"\x30\x08", 2, 9, &need, &frame),
                    ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(mqtt_decode_frame((const uint8_t *)"\x30\x08", 2, 10, &need, &frame),
                    ERR_AGAIN);
    CU_ASSERT_EQUAL(
        mqtt_decode_frame((const uint8_t *)"\x30\xff\xff\xff\x7f", 5, 1048576, &need, &frame),
        ERR_TOO_LARGE);
}

static void
impossible_headers_are_malformed_at_once(void)
{
    static const char *const bad[] = {"00",
                                      "01",
                                      "11",
                                      "1F",
                                      "21",
                                      "41",
                                      "52",
                                      "60",
                                      "61",
                                      "63",
                                      "64",
                                      "66",
                                      "6E",
                                      "71",
                                      "80",
                                      "81",
                                      "8B",
                                      "91",
                                      "A0",
                                      "A3",
                                      "B2",
                                      "C1",
                                      "D8",
                                      "E1",
                                      "F1",
                                      "30 80 00",
                                      "30 FF FF FF FF",
                                      "30 80 80 80 80"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mqtt_hex hex;
        struct mqtt_frame frame;
        size_t need;
        struct slice bytes = mqtt_hex_parse(&hex, bad[i]);
        enum err err = mqtt_decode_frame(bytes.data, bytes.len, LIMITS_PACKET, &need, &frame);
        if (err != ERR_MALFORMED)
            printf("\n    got %d: %s\n", (int)err, bad[i]);
        CU_ASSERT_EQUAL(err, ERR_MALFORMED);
    }
}

/* What is right: */

static struct mqtt_connect
connect_of(struct mqtt_hex *hex, const char *text)
{
    struct mqtt_connect connect = {0};
    enum mqtt_reason reason = MQTT_SUCCESS;
    struct mqtt_frame frame = mqtt_hex_frame(hex, text);
    CU_ASSERT_EQUAL(mqtt_decode_connect(&frame, &connect, &reason), OK);
    return connect;
}

static void
connect_of_3_1_1_is_read(void)
{
    struct mqtt_hex hex;
    struct mqtt_connect c = connect_of(&hex, "10 ?? 00 04 'MQTT' 04 02 00 3C 00 06 'sensor'");
    CU_ASSERT_EQUAL(c.version, MQTT_3_1_1);
    CU_ASSERT(c.clean_start && !c.has_will && !c.has_username && !c.has_password);
    CU_ASSERT_EQUAL(c.keep_alive_s, 60);
    CU_ASSERT(slice_equal_cstr(c.client_id, "sensor"));
    CU_ASSERT_EQUAL(c.properties.present, 0);
    c = connect_of(
        &hex,
        "10 ?? 00 04 'MQTT' 04 F4 00 00 00 01 'i' 00 03 'a/b' 00 02 'by' 00 02 'me' 00 02 'pw'");
    CU_ASSERT(!c.clean_start && c.has_will && c.will.retain && c.has_username && c.has_password);
    CU_ASSERT_EQUAL(c.will.qos, 2);
    CU_ASSERT(slice_equal_cstr(c.will.topic, "a/b") && slice_equal_cstr(c.will.payload, "by"));
    CU_ASSERT(slice_equal_cstr(c.username, "me") && slice_equal_cstr(c.password, "pw"));
    c = connect_of(&hex, "10 ?? 00 04 'MQTT' 04 02 00 00 00 00");
    CU_ASSERT_EQUAL(c.client_id.len, 0);
}

static void
connect_of_3_1_is_read_with_its_peculiarities(void)
{
    struct mqtt_hex hex;
    struct mqtt_connect c = connect_of(&hex, "10 ?? 00 06 'MQIsdp' 03 02 00 0A 00 01 'i'");
    CU_ASSERT_EQUAL(c.version, MQTT_3_1);
    /* user name and password flags set, but the packet ends: not given */
    c = connect_of(&hex, "10 ?? 00 06 'MQIsdp' 03 C2 00 0A 00 01 'i'");
    CU_ASSERT(!c.has_username && !c.has_password);
    c = connect_of(&hex, "10 ?? 00 06 'MQIsdp' 03 C2 00 0A 00 01 'i' 00 01 'u'");
    CU_ASSERT(c.has_username && !c.has_password);
    /* a will of nothing is no will */
    c = connect_of(&hex, "10 ?? 00 06 'MQIsdp' 03 06 00 0A 00 01 'i' 00 00 00 00");
    CU_ASSERT_FALSE(c.has_will);
    /* bits without a meaning in 3.1 */
    c = connect_of(&hex, "10 ?? 00 06 'MQIsdp' 03 2B 00 0A 00 01 'i'");
    CU_ASSERT_FALSE(c.has_will);
}

static void
connect_of_5_0_is_read(void)
{
    struct mqtt_hex hex;
    struct mqtt_connect c =
        connect_of(&hex, "10 ?? 00 04 'MQTT' 05 CE 00 3C 05 11 00 00 00 0A 00 01 'i' "
                         "0C 18 00 00 00 05 26 00 01 'k' 00 01 'v' 00 03 'w/t' 00 01 'p' "
                         "00 01 'u' 00 01 FF");
    CU_ASSERT_EQUAL(c.version, MQTT_5_0);
    CU_ASSERT_EQUAL(c.properties.session_expiry_s, 10);
    CU_ASSERT(c.clean_start && c.has_will && !c.will.retain && c.has_username && c.has_password);
    CU_ASSERT_EQUAL(c.will.qos, 1);
    CU_ASSERT_EQUAL(c.will.properties.will_delay_s, 5);
    CU_ASSERT_EQUAL(c.will.properties.user_property_count, 1);
    CU_ASSERT(slice_equal_cstr(c.will.topic, "w/t"));
    CU_ASSERT_EQUAL(c.password.data[0], 0xFF);
    c = connect_of(&hex, "10 ?? 00 04 'MQTT' 05 40 00 00 00 00 00 00 01 'p'"); /* password alone */
    CU_ASSERT(!c.has_username && c.has_password);
}

static void
an_unknown_level_is_answered_in_the_nearest_version(void)
{
    static const struct {
        const char *bytes;
        enum mqtt_version version;
    } rows[] = {
        {"10 ?? 00 04 'MQTT' 06 02 00 00 00 00", MQTT_5_0},
        {"10 ?? 00 04 'MQTT' 7F 02 00 00 00 00", MQTT_5_0},
        {"10 ?? 00 04 'MQTT' 03 02 00 00 00 00", MQTT_3_1_1},
        {"10 ?? 00 04 'MQTT' 84 02 00 00 00 00", MQTT_3_1_1},
        {"10 ?? 00 06 'MQIsdp' 04 02 00 00 00 00", MQTT_3_1},
        {"10 ?? 00 04 'HTTP' 04 02 00 00 00 00", MQTT_3_1_1},
        {"10 ?? 00 04 'HTTP' 05 02 00 00 00 00", MQTT_5_0},
        {"10 ?? 00 04 'MQTT' 09", MQTT_5_0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mqtt_hex hex;
        struct mqtt_connect connect = {.keep_alive_s = 99};
        enum mqtt_reason reason = MQTT_SUCCESS;
        struct mqtt_frame frame = mqtt_hex_frame(&hex, rows[i].bytes);
        CU_ASSERT_EQUAL(mqtt_decode_connect(&frame, &connect, &reason), ERR_VERSION);
        CU_ASSERT_EQUAL(reason, MQTT_UNSUPPORTED_VERSION);
        CU_ASSERT_EQUAL(connect.version, rows[i].version);
        CU_ASSERT_EQUAL(connect.keep_alive_s, 99);
    }
}

static struct mqtt_publish
publish_of(enum mqtt_version version, struct mqtt_hex *hex, const char *text)
{
    struct mqtt_publish publish = {0};
    enum mqtt_reason reason = MQTT_SUCCESS;
    struct mqtt_frame frame = mqtt_hex_frame(hex, text);
    CU_ASSERT_EQUAL(mqtt_decode_publish(version, &frame, &publish, &reason), OK);
    return publish;
}

static void
publish_is_read_in_all_versions(void)
{
    struct mqtt_hex hex;
    struct mqtt_publish p = publish_of(MQTT_3_1_1, &hex, "30 06 00 03 'a/b' 'x'");
    CU_ASSERT(slice_equal_cstr(p.topic, "a/b") && slice_equal_cstr(p.payload, "x"));
    CU_ASSERT(p.qos == 0 && !p.dup && !p.retain && p.packet_id == 0);
    p = publish_of(MQTT_3_1, &hex, "3D 08 00 03 'a/b' 01 02 00");
    CU_ASSERT(p.qos == 2 && p.dup && p.retain && p.packet_id == 258);
    CU_ASSERT_EQUAL(p.payload.len, 1);
    p = publish_of(MQTT_3_1_1, &hex, "31 03 00 01 'a'");
    CU_ASSERT(p.retain && p.payload.len == 0);
    p = publish_of(MQTT_5_0, &hex, "32 07 00 01 'a' 00 01 00 'x'");
    CU_ASSERT_EQUAL(p.properties.present, 0);
    CU_ASSERT_EQUAL(p.properties.topic_alias, 0);
    CU_ASSERT(slice_equal_cstr(p.payload, "x"));
    p = publish_of(MQTT_5_0, &hex, "30 0D 00 01 'a' 08 02 00 00 00 1E 23 00 05 'x'");
    CU_ASSERT_EQUAL(p.properties.message_expiry_s, 30);
    CU_ASSERT_EQUAL(p.properties.topic_alias, 5);
    CU_ASSERT(slice_equal_cstr(p.payload, "x"));
    p = publish_of(MQTT_5_0, &hex, "30 06 00 00 03 23 00 05"); /* alias alone */
    CU_ASSERT(p.topic.len == 0 && p.properties.topic_alias == 5);
}

static void
acknowledgements_are_read_in_short_and_long_form(void)
{
    static const char *const first[] = {"40", "50", "62", "70"};
    for (size_t i = 0; i < 4; i++) {
        struct mqtt_hex hex;
        struct mqtt_ack ack;
        struct mqtt_frame frame;
        enum mqtt_reason reason;
        char text[64];
        (void)snprintf(text, sizeof(text), "%s 02 12 34", first[i]);
        frame = mqtt_hex_frame(&hex, text);
        CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_3_1, &frame, &ack, &reason), OK);
        CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_5_0, &frame, &ack, &reason), OK);
        CU_ASSERT(ack.packet_id == 0x1234 && ack.reason == MQTT_SUCCESS);
        (void)snprintf(text, sizeof(text), "%s 03 12 34 %s", first[i], i < 2 ? "87" : "92");
        frame = mqtt_hex_frame(&hex, text);
        CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_5_0, &frame, &ack, &reason), OK);
        CU_ASSERT_EQUAL(ack.reason, i < 2 ? MQTT_NOT_AUTHORIZED : MQTT_PACKET_ID_NOT_FOUND);
        (void)snprintf(text, sizeof(text), "%s 04 12 34 00 00", first[i]);
        frame = mqtt_hex_frame(&hex, text);
        CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_5_0, &frame, &ack, &reason), OK);
        (void)snprintf(text, sizeof(text), "%s 09 12 34 00 05 1F 00 02 'ok'", first[i]);
        frame = mqtt_hex_frame(&hex, text);
        CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_5_0, &frame, &ack, &reason), OK);
        CU_ASSERT(slice_equal_cstr(ack.properties.reason_string, "ok"));
    }
    struct mqtt_hex hex;
    struct mqtt_ack ack;
    enum mqtt_reason reason;
    struct mqtt_frame frame = mqtt_hex_frame(&hex, "6A 02 00 01"); /* 3.1 repeats PUBREL with DUP */
    CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_3_1, &frame, &ack, &reason), OK);
    CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_3_1_1, &frame, &ack, &reason), ERR_MALFORMED);
}

static void
subscribe_is_walked_filter_by_filter(void)
{
    struct mqtt_hex hex;
    struct mqtt_subscribe packet;
    struct mqtt_subscription s;
    enum mqtt_reason reason;
    size_t pos = 0;
    struct mqtt_frame frame = mqtt_hex_frame(&hex, "82 ?? 00 0A 00 03 'a/+' 01 00 01 '#' 02");
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_subscribe(MQTT_3_1_1, &frame, &packet, &reason), OK);
    CU_ASSERT(packet.packet_id == 10 && packet.filter_count == 2);
    CU_ASSERT(mqtt_decode_subscribe_next(&packet, &pos, &s));
    CU_ASSERT(slice_equal_cstr(s.filter, "a/+") && s.qos == 1 && s.share_group.len == 0);
    CU_ASSERT(mqtt_decode_subscribe_next(&packet, &pos, &s));
    CU_ASSERT(slice_equal_cstr(s.share_filter, "#") && s.qos == 2 && s.reason == MQTT_SUCCESS);
    CU_ASSERT_FALSE(mqtt_decode_subscribe_next(&packet, &pos, &s));

    pos = 0;
    frame = mqtt_hex_frame(&hex, "82 ?? 00 0A 02 0B 07 00 0C '$share/g/a/b' 01 00 03 'a/b' 2E");
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_subscribe(MQTT_5_0, &frame, &packet, &reason), OK);
    CU_ASSERT_EQUAL(packet.properties.subscription_id, 7);
    CU_ASSERT(mqtt_decode_subscribe_next(&packet, &pos, &s));
    CU_ASSERT(slice_equal_cstr(s.share_group, "g") && slice_equal_cstr(s.share_filter, "a/b"));
    CU_ASSERT(mqtt_decode_subscribe_next(&packet, &pos, &s));
    CU_ASSERT(s.no_local && s.retain_as_published && s.retain_handling == 2 && s.qos == 2);

    frame = mqtt_hex_frame(&hex, "8A 06 00 0A 00 01 'a' 00"); /* DUP in 3.1 */
    CU_ASSERT_EQUAL(mqtt_decode_subscribe(MQTT_3_1, &frame, &packet, &reason), OK);
    CU_ASSERT_EQUAL(mqtt_decode_subscribe(MQTT_3_1_1, &frame, &packet, &reason), ERR_MALFORMED);
}

static void
unsubscribe_is_walked_filter_by_filter(void)
{
    struct mqtt_hex hex;
    struct mqtt_subscribe packet;
    struct slice filter;
    enum mqtt_reason reason;
    size_t pos = 0;
    struct mqtt_frame frame = mqtt_hex_frame(&hex, "A2 0A 00 0A 00 03 'a/+' 00 01 '#'");
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_unsubscribe(MQTT_3_1_1, &frame, &packet, &reason), OK);
    CU_ASSERT_EQUAL(packet.filter_count, 2);
    CU_ASSERT(mqtt_decode_unsubscribe_next(&packet, &pos, &filter));
    CU_ASSERT(slice_equal_cstr(filter, "a/+"));
    CU_ASSERT(mqtt_decode_unsubscribe_next(&packet, &pos, &filter));
    CU_ASSERT(slice_equal_cstr(filter, "#"));
    CU_ASSERT_FALSE(mqtt_decode_unsubscribe_next(&packet, &pos, &filter));
    frame = mqtt_hex_frame(&hex, "A2 0D 00 0A 07 26 00 01 'k' 00 01 'v' 00 01 '#'");
    CU_ASSERT_EQUAL(mqtt_decode_unsubscribe(MQTT_5_0, &frame, &packet, &reason), OK);
    CU_ASSERT_EQUAL(packet.properties.user_property_count, 1);
}

static void
too_many_levels_are_refused_one_by_one(void)
{
    uint8_t bytes[512] = {0x82, 0, 0, 0, 1, 0, LIMITS_FILTER_LEVELS};
    struct mqtt_frame frame;
    struct mqtt_subscribe packet;
    struct mqtt_subscription s;
    enum mqtt_reason reason;
    size_t need;
    size_t pos = 0;
    size_t len = 2 + 2 + LIMITS_FILTER_LEVELS + 1;
    CU_ASSERT_PTR_EQUAL(mqtt_varint_put(bytes + 1, (uint32_t)len), bytes + 3);
    memset(bytes + 7, '/', LIMITS_FILTER_LEVELS);
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_frame(bytes, len + 3, 1000, &need, &frame), OK);
    CU_ASSERT_EQUAL_FATAL(mqtt_decode_subscribe(MQTT_3_1_1, &frame, &packet, &reason), OK);
    CU_ASSERT(mqtt_decode_subscribe_next(&packet, &pos, &s));
    CU_ASSERT_EQUAL(s.reason, MQTT_TOPIC_FILTER_INVALID);
}

static void
too_many_filters_are_a_quota(void)
{
    struct buf buf;
    struct mqtt_frame frame = {.type = MQTT_UNSUBSCRIBE, .flags = 2};
    struct mqtt_subscribe packet;
    enum mqtt_reason reason;
    buf_init(&buf, 100000);
    buf_put_u16(&buf, 1);
    for (unsigned i = 0; i < LIMITS_FILTERS_PER_PACKET; i++)
        buf_append(&buf, "\0\1a", 3);
    frame.body = buf_slice(&buf);
    CU_ASSERT_EQUAL(mqtt_decode_unsubscribe(MQTT_3_1_1, &frame, &packet, &reason), OK);
    buf_append(&buf, "\0\1a", 3);
    frame.body = buf_slice(&buf);
    CU_ASSERT_EQUAL(mqtt_decode_unsubscribe(MQTT_3_1_1, &frame, &packet, &reason), ERR_QUOTA);
    CU_ASSERT_EQUAL(reason, MQTT_QUOTA_EXCEEDED);
    buf_fini(&buf);
}

static void
pings_disconnects_and_auths_are_read(void)
{
    struct mqtt_hex hex;
    struct mqtt_disconnect d;
    enum mqtt_reason reason;
    struct mqtt_frame frame = mqtt_hex_frame(&hex, "C0 00");
    CU_ASSERT_EQUAL(mqtt_decode_ping(&frame, &reason), OK);
    frame = mqtt_hex_frame(&hex, "E0 00");
    CU_ASSERT_EQUAL(mqtt_decode_disconnect(MQTT_3_1_1, &frame, &d, &reason), OK);
    CU_ASSERT_EQUAL(mqtt_decode_disconnect(MQTT_5_0, &frame, &d, &reason), OK);
    CU_ASSERT_EQUAL(d.reason, MQTT_SUCCESS);
    frame = mqtt_hex_frame(&hex, "E0 01 04");
    CU_ASSERT_EQUAL(mqtt_decode_disconnect(MQTT_5_0, &frame, &d, &reason), OK);
    CU_ASSERT_EQUAL(d.reason, MQTT_DISCONNECT_WITH_WILL);
    frame = mqtt_hex_frame(&hex, "E0 07 00 05 11 00 00 00 3C");
    CU_ASSERT_EQUAL(mqtt_decode_disconnect(MQTT_5_0, &frame, &d, &reason), OK);
    CU_ASSERT_EQUAL(d.properties.session_expiry_s, 60);
    frame = mqtt_hex_frame(&hex, "F0 08 18 06 15 00 03 'abc'");
    CU_ASSERT_EQUAL(mqtt_decode_auth(MQTT_5_0, &frame, &d, &reason), OK);
    CU_ASSERT_EQUAL(d.reason, MQTT_CONTINUE_AUTHENTICATION);
    frame = mqtt_hex_frame(&hex, "F0 00");
    frame.from_server = true;
    CU_ASSERT_EQUAL(mqtt_decode_auth(MQTT_5_0, &frame, &d, &reason), OK);
}

static void
a_client_reads_what_a_server_sends(void)
{
    struct mqtt_hex hex;
    struct mqtt_connack connack;
    struct mqtt_suback suback;
    enum mqtt_reason reason;
    struct mqtt_frame frame = mqtt_hex_frame(&hex, "20 02 01 00");
    CU_ASSERT_EQUAL(mqtt_decode_connack(MQTT_3_1_1, &frame, &connack, &reason), OK);
    CU_ASSERT(connack.session_present && connack.reason == MQTT_SUCCESS);
    frame = mqtt_hex_frame(&hex, "20 06 00 00 03 21 00 0A");
    CU_ASSERT_EQUAL(mqtt_decode_connack(MQTT_5_0, &frame, &connack, &reason), OK);
    CU_ASSERT_EQUAL(connack.properties.receive_maximum, 10);
    frame = mqtt_hex_frame(&hex, "90 04 00 01 02 80");
    CU_ASSERT_EQUAL(mqtt_decode_suback(MQTT_3_1_1, &frame, &suback, &reason), OK);
    CU_ASSERT_EQUAL(suback.codes.len, 2);
    frame = mqtt_hex_frame(&hex, "90 05 00 01 00 02 87");
    CU_ASSERT_EQUAL(mqtt_decode_suback(MQTT_5_0, &frame, &suback, &reason), OK);
    frame = mqtt_hex_frame(&hex, "B0 02 00 01");
    CU_ASSERT_EQUAL(mqtt_decode_suback(MQTT_3_1_1, &frame, &suback, &reason), OK);
    frame = mqtt_hex_frame(&hex, "B0 04 00 01 00 11");
    CU_ASSERT_EQUAL(mqtt_decode_suback(MQTT_5_0, &frame, &suback, &reason), OK);
}

/* What is wrong: version 0 means all of 3.1.1 and 5.0. */

struct bad_row {
    const char *bytes;
    int version;
    enum err err;
    enum mqtt_reason reason;
};

#define MALFORMED ERR_MALFORMED, MQTT_MALFORMED_PACKET
#define PROTOCOL  ERR_PROTOCOL, MQTT_PROTOCOL_ERROR

static const struct bad_row bad_rows[] = {
    /* CONNECT */
    {"10 00", 4, MALFORMED},
    {"10 ?? 00 04 'MQ'", 4, MALFORMED},
    {"10 ?? 00 04 'MQTT'", 4, MALFORMED},
    {"10 ?? 00 04 'MQTT' 04", 4, MALFORMED},
    {"10 ?? 00 04 'MQTT' 04 02 00 3C", 4, MALFORMED},           /* no client id */
    {"10 ?? 00 04 'MQTT' 04 03 00 3C 00 01 'i'", 4, MALFORMED}, /* reserved flag */
    {"10 ?? 00 04 'MQTT' 04 0A 00 3C 00 01 'i'", 4, MALFORMED}, /* will QoS, no will */
    {"10 ?? 00 04 'MQTT' 04 22 00 3C 00 01 'i'", 4, MALFORMED}, /* will retain, no will */
    {"10 ?? 00 04 'MQTT' 04 1E 00 3C 00 01 'i' 00 01 't' 00 01 'p'", 4, MALFORMED}, /* will QoS 3 */
    {"10 ?? 00 04 'MQTT' 04 06 00 3C 00 01 'i' 00 00 00 01 'p'", 4,
     MALFORMED}, /* empty will topic */
    {"10 ?? 00 04 'MQTT' 04 06 00 3C 00 01 'i' 00 01 '#' 00 01 'p'", 4, MALFORMED}, /* wildcard */
    {"10 ?? 00 04 'MQTT' 04 06 00 3C 00 01 'i' 00 01 't'", 4, MALFORMED}, /* no will payload */
    {"10 ?? 00 04 'MQTT' 04 42 00 3C 00 01 'i' 00 01 'p'", 4, MALFORMED}, /* password alone */
    {"10 ?? 00 04 'MQTT' 04 82 00 3C 00 01 'i'", 4, MALFORMED},           /* no user name */
    {"10 ?? 00 04 'MQTT' 04 C2 00 3C 00 01 'i' 00 01 'u'", 4, MALFORMED}, /* no password */
    {"10 ?? 00 04 'MQTT' 04 82 00 3C 00 01 'i' 00 01 FF", 4, MALFORMED},  /* user name not UTF-8 */
    {"10 ?? 00 04 'MQTT' 04 02 00 3C 00 01 00", 4, MALFORMED},            /* client id not UTF-8 */
    {"10 ?? 00 04 'MQTT' 04 02 00 3C 00 01 'i' 00", 4, MALFORMED},        /* more behind the end */
    {"10 ?? 00 04 'MQTT' 04 00 00 3C 00 00", 4, ERR_INVALID,
     MQTT_CLIENT_ID_NOT_VALID}, /* empty, not clean */
    {"10 ?? 00 06 'MQIsdp' 03 02 00 3C 00 00", 3, ERR_INVALID,
     MQTT_CLIENT_ID_NOT_VALID},                                     /* empty in 3.1 */
    {"10 ?? 00 06 'MQIsdp' 03 1E 00 3C 00 00 00 00", 3, MALFORMED}, /* will QoS 3 */
    {"10 ?? 00 04 'MQTT' 05 03 00 3C 00 00 01 'i'", 5, MALFORMED},
    {"10 ?? 00 04 'MQTT' 05 02 00 3C 00 01 'i'", 5, MALFORMED}, /* no property length */
    {"10 ?? 00 04 'MQTT' 05 02 00 3C 04 16 00 01 'd' 00 01 'i'", 5, PROTOCOL}, /* data, no method */
    {"10 ?? 00 04 'MQTT' 05 02 00 3C 05 01 00 00 00 00 00 01 'i'", 5,
     MALFORMED}, /* property not allowed */
    {"10 ?? 00 04 'MQTT' 05 02 00 3C 03 21 00 00 00 01 'i'", 5, PROTOCOL}, /* receive maximum 0 */
    {"10 ?? 00 04 'MQTT' 05 06 00 3C 00 00 01 'i' 00 00 01 '+' 00 01 'p'", 5, ERR_INVALID,
     MQTT_TOPIC_NAME_INVALID},
    {"10 ?? 00 04 'MQTT' 05 06 00 3C 00 00 01 'i' 00 00 00 00 01 'p'", 5, ERR_INVALID,
     MQTT_TOPIC_NAME_INVALID},
    {"10 ?? 00 04 'MQTT' 05 06 00 3C 00 00 01 'i' 02 01 02 00 01 't' 00 01 'p'", 5,
     PROTOCOL}, /* format 2 */
    /* PUBLISH */
    {"36 05 00 01 'a' 00 01", 0, MALFORMED}, /* QoS 3 */
    {"38 04 00 01 'a' 00", 0, MALFORMED},    /* DUP with QoS 0 */
    {"30 00", 0, MALFORMED},
    {"30 01 00", 0, MALFORMED},
    {"30 03 00 02 'a'", 0, MALFORMED},    /* topic too short */
    {"32 04 00 01 'a' 00", 0, MALFORMED}, /* half a packet id */
    {"32 03 00 01 'a'", 0, MALFORMED},
    {"32 06 00 01 'a' 00 00 00", 0, PROTOCOL}, /* packet id 0 */
    {"30 04 00 01 '#' 00", 4, MALFORMED},
    {"30 04 00 01 '+' 00", 5, ERR_INVALID, MQTT_TOPIC_NAME_INVALID},
    {"30 04 00 01 FF 00", 0, MALFORMED},
    {"30 04 00 01 00 00", 0, MALFORMED},
    {"30 03 00 00 'x'", 4, MALFORMED}, /* empty topic */
    {"30 03 00 00 00", 5, PROTOCOL},   /* empty topic, no alias */
    {"30 06 00 00 03 23 00 00", 5, ERR_PROTOCOL, MQTT_TOPIC_ALIAS_INVALID},
    {"30 03 00 01 'a'", 5, MALFORMED},               /* no property length */
    {"30 04 00 01 'a' 05", 5, MALFORMED},            /* properties too short */
    {"30 05 00 01 'a' 80 00", 5, MALFORMED},         /* length not minimal */
    {"30 06 00 01 'a' 02 0B 01", 5, PROTOCOL},       /* subscription id from a client */
    {"30 08 00 01 'a' 04 01 00 01 00", 5, PROTOCOL}, /* twice */
    {"30 06 00 01 'a' 02 17 00", 5, MALFORMED},      /* property of another packet */
    /* acknowledgements */
    {"40 02 00 00", 0, PROTOCOL},
    {"40 01 00", 0, MALFORMED},
    {"40 00", 0, MALFORMED},
    {"40 03 00 01 00", 4, MALFORMED},
    {"40 03 00 01 02", 5, PROTOCOL}, /* not a reason code of PUBACK */
    {"62 03 00 01 80", 5, PROTOCOL},
    {"50 05 00 01 00 00 00", 5, MALFORMED},
    {"70 06 00 01 00 02 01 00", 5, MALFORMED},
    {"6A 02 00 01", 0, MALFORMED}, /* DUP beyond 3.1 */
    /* SUBSCRIBE */
    {"82 02 00 01", 4, PROTOCOL}, /* no filter */
    {"82 03 00 01 00", 5, PROTOCOL},
    {"82 00", 0, MALFORMED},
    {"82 01 00", 0, MALFORMED},
    {"82 06 00 00 00 01 'a' 00", 4, PROTOCOL},     /* packet id 0 */
    {"82 06 00 01 00 01 'a' 03", 4, MALFORMED},    /* QoS 3 */
    {"82 06 00 01 00 01 'a' 04", 4, MALFORMED},    /* options of 5.0 */
    {"82 05 00 01 00 01 'a'", 4, MALFORMED},       /* no options */
    {"82 07 00 01 00 01 'a' 00 00", 4, MALFORMED}, /* half a filter behind */
    {"82 05 00 01 00 00 00", 4, ERR_INVALID, MQTT_TOPIC_FILTER_INVALID},
    {"82 07 00 01 00 02 'a#' 00", 4, ERR_INVALID, MQTT_TOPIC_FILTER_INVALID},
    {"82 06 00 01 00 01 FF 00", 4, MALFORMED},
    {"82 ?? 00 01 00 08 '$share/g' 00", 4, ERR_INVALID, MQTT_TOPIC_FILTER_INVALID},
    {"82 07 00 01 00 00 01 'a' 03", 5, MALFORMED},
    {"82 07 00 01 00 00 01 'a' 40", 5, MALFORMED}, /* reserved option bits */
    {"82 07 00 01 00 00 01 'a' 80", 5, MALFORMED},
    {"82 07 00 01 00 00 01 'a' 30", 5, PROTOCOL},          /* retain handling 3 */
    {"82 ?? 00 01 00 00 0A '$share/g/a' 04", 5, PROTOCOL}, /* no local on shared */
    {"82 09 00 01 02 0B 00 00 01 'a' 00", 5, PROTOCOL},    /* subscription id 0 */
    {"8A 06 00 01 00 01 'a' 00", 4, MALFORMED},            /* DUP beyond 3.1 */
    /* UNSUBSCRIBE */
    {"A2 02 00 01", 4, PROTOCOL},
    {"A2 03 00 01 00", 5, PROTOCOL},
    {"A2 05 00 00 00 01 'a'", 4, PROTOCOL},
    {"A2 04 00 01 00 05", 4, MALFORMED},
    {"A2 06 00 01 00 02 '+a'", 4, ERR_INVALID, MQTT_TOPIC_FILTER_INVALID},
    {"A2 08 00 01 02 0B 01 00 01 'a'", 5, MALFORMED}, /* property of SUBSCRIBE */
    /* PINGREQ, DISCONNECT, AUTH */
    {"C0 01 00", 0, MALFORMED},
    {"E0 01 00", 4, MALFORMED},
    {"E0 01 8E", 5, PROTOCOL}, /* a server's reason */
    {"E0 01 05", 5, PROTOCOL},
    {"E0 03 00 00 00", 5, MALFORMED},
    {"E0 06 00 04 1C 00 01 's'", 5, PROTOCOL}, /* a server's property */
    {"F0 08 18 06 15 00 03 'abc'", 4, PROTOCOL},
    {"F0 00", 5, PROTOCOL},       /* a client never succeeds */
    {"F0 02 18 00", 5, PROTOCOL}, /* no method */
    {"F0 08 00 06 15 00 03 'abc'", 5, PROTOCOL},
    /* of a server, seen by a client */
    {"20 02 02 00", 4, MALFORMED},
    {"20 01 00", 0, MALFORMED},
    {"20 02 00 06", 4, PROTOCOL},
    {"20 02 01 05", 4, PROTOCOL}, /* session present with an error */
    {"20 03 00 01 00", 5, PROTOCOL},
    {"20 02 00 00", 5, MALFORMED},
    {"90 02 00 01", 4, MALFORMED},
    {"90 03 00 01 03", 4, PROTOCOL},
    {"90 03 00 00 00", 4, PROTOCOL},
    {"90 04 00 01 00 03", 5, PROTOCOL},
    {"B0 03 00 01 00", 4, MALFORMED},
};

static void
each_broken_rule_has_its_error_and_reason(void)
{
    for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++) {
        const struct bad_row *row = &bad_rows[i];
        for (unsigned version = MQTT_3_1_1; version <= MQTT_5_0; version++) {
            struct mqtt_hex hex;
            enum mqtt_reason reason = MQTT_SUCCESS;
            if (row->version == MQTT_3_1 ? version != MQTT_5_0
                                         : row->version != 0 && row->version != (int)version)
                continue;
            struct mqtt_frame frame = mqtt_hex_frame(&hex, row->bytes);
            enum err err = decode_any(
                row->version == MQTT_3_1 ? MQTT_3_1 : (enum mqtt_version)version, &frame, &reason);
            if (err != row->err || reason != row->reason)
                printf("\n    got %d %02X in version %u: %s\n", (int)err, (unsigned)reason, version,
                       row->bytes);
            CU_ASSERT_EQUAL(err, row->err);
            CU_ASSERT_EQUAL(reason, row->reason);
        }
    }
}

static void
a_frame_of_another_type_is_a_protocol_error(void)
{
    struct mqtt_frame ping = {.type = MQTT_PINGREQ};
    struct mqtt_frame publish = {.type = MQTT_PUBLISH};
    struct mqtt_connect connect;
    struct mqtt_publish p;
    struct mqtt_ack ack;
    struct mqtt_subscribe subscribe;
    struct mqtt_disconnect disconnect;
    enum mqtt_reason reason;
    CU_ASSERT_EQUAL(mqtt_decode_connect(&ping, &connect, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(mqtt_decode_publish(MQTT_5_0, &ping, &p, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(mqtt_decode_ack(MQTT_5_0, &ping, &ack, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(mqtt_decode_subscribe(MQTT_5_0, &ping, &subscribe, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(mqtt_decode_unsubscribe(MQTT_5_0, &ping, &subscribe, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(mqtt_decode_disconnect(MQTT_5_0, &ping, &disconnect, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(mqtt_decode_auth(MQTT_5_0, &ping, &disconnect, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(mqtt_decode_ping(&publish, &reason), ERR_PROTOCOL);
    CU_ASSERT_EQUAL(reason, MQTT_PROTOCOL_ERROR);
}

/* Every body cut short must be refused or, where a shorter packet is legal, read without harm. */
static void
no_shortened_body_is_read_past_its_end(void)
{
    static const char *const packets[] = {
        "10 ?? 00 04 'MQTT' 05 CE 00 3C 05 11 00 00 00 0A 00 01 'i' 0C 18 00 00 00 05 26 00 01 'k' "
        "00 01 'v' "
        "00 03 'w/t' 00 01 'p' 00 01 'u' 00 01 FF",
        "32 ?? 00 01 'a' 00 01 08 02 00 00 00 1E 23 00 05 'x'",
        "40 09 12 34 00 05 1F 00 02 'ok'",
        "82 ?? 00 0A 02 0B 07 00 0C '$share/g/a/b' 01 00 03 'a/b' 2E",
        "A2 0D 00 0A 07 26 00 01 'k' 00 01 'v' 00 01 '#'",
        "E0 07 00 05 11 00 00 00 3C",
        "F0 08 18 06 15 00 03 'abc'",
    };
    for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        for (unsigned version = MQTT_3_1; version <= MQTT_5_0; version++) {
            struct mqtt_hex hex;
            struct mqtt_frame frame = mqtt_hex_frame(&hex, packets[i]);
            for (size_t len = 0; len < frame.body.len; len++) {
                struct mqtt_frame cut = frame;
                enum mqtt_reason reason = MQTT_SUCCESS;
                uint8_t *copy = malloc(len + 1); /* the sanitizer sees one byte too far */
                memcpy(copy, frame.body.data, len);
                cut.body = slice_of(copy, len);
                enum err err = decode_any((enum mqtt_version)version, &cut, &reason);
                CU_ASSERT_EQUAL(err == OK, reason == MQTT_SUCCESS);
                free(copy);
            }
        }
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_packet_split_anywhere_is_asked_for_again),
    CUNIT_CASE(the_frame_stops_at_its_end),
    CUNIT_CASE(long_headers_are_split_too),
    CUNIT_CASE(too_large_is_said_at_the_header),
    CUNIT_CASE(impossible_headers_are_malformed_at_once),
    CUNIT_CASE(connect_of_3_1_1_is_read),
    CUNIT_CASE(connect_of_3_1_is_read_with_its_peculiarities),
    CUNIT_CASE(connect_of_5_0_is_read),
    CUNIT_CASE(an_unknown_level_is_answered_in_the_nearest_version),
    CUNIT_CASE(publish_is_read_in_all_versions),
    CUNIT_CASE(acknowledgements_are_read_in_short_and_long_form),
    CUNIT_CASE(subscribe_is_walked_filter_by_filter),
    CUNIT_CASE(unsubscribe_is_walked_filter_by_filter),
    CUNIT_CASE(too_many_levels_are_refused_one_by_one),
    CUNIT_CASE(too_many_filters_are_a_quota),
    CUNIT_CASE(pings_disconnects_and_auths_are_read),
    CUNIT_CASE(a_client_reads_what_a_server_sends),
    CUNIT_CASE(each_broken_rule_has_its_error_and_reason),
    CUNIT_CASE(a_frame_of_another_type_is_a_protocol_error),
    CUNIT_CASE(no_shortened_body_is_read_past_its_end),
};

CUNIT_MAIN("mqtt_decode", cases)
