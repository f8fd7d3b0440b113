/* SPDX-License-Identifier: Apache-2.0 */
/* Properties: each of the 27 against each packet, values, multiplicity, forwarding, encoding. */
#include "proto/mqtt_properties.h"

#include "tests/unit/cunit_main.h"
#include "tests/unit/proto/mqtt_hex.h"

#define C(type) (1u << (type))
#define ACKS    (C(MQTT_PUBACK) | C(MQTT_PUBREC) | C(MQTT_PUBREL) | C(MQTT_PUBCOMP))

/* One valid property each, and the packets that may carry it (§2.2.2.2, table 2-4). */
static const struct {
    const char *bytes;
    unsigned packets;
} each[] = {
    {"01 01", C(MQTT_PUBLISH) | C(MQTT_WILL)},
    {"02 00 00 00 3C", C(MQTT_PUBLISH) | C(MQTT_WILL)},
    {"03 00 04 'json'", C(MQTT_PUBLISH) | C(MQTT_WILL)},
    {"08 00 03 'a/b'", C(MQTT_PUBLISH) | C(MQTT_WILL)},
    {"09 00 02 00 FF", C(MQTT_PUBLISH) | C(MQTT_WILL)},
    {"0B C1 02", C(MQTT_PUBLISH) | C(MQTT_SUBSCRIBE)},
    {"11 00 00 00 0A", C(MQTT_CONNECT) | C(MQTT_CONNACK) | C(MQTT_DISCONNECT)},
    {"12 00 02 'id'", C(MQTT_CONNACK)},
    {"13 00 3C", C(MQTT_CONNACK)},
    {"15 00 05 'SCRAM'", C(MQTT_CONNECT) | C(MQTT_CONNACK) | C(MQTT_AUTH)},
    {"16 00 01 80", C(MQTT_CONNECT) | C(MQTT_CONNACK) | C(MQTT_AUTH)},
    {"17 00", C(MQTT_CONNECT)},
    {"18 00 00 00 05", C(MQTT_WILL)},
    {"19 01", C(MQTT_CONNECT)},
    {"1A 00 01 'r'", C(MQTT_CONNACK)},
    {"1C 00 01 's'", C(MQTT_CONNACK) | C(MQTT_DISCONNECT)},
    {"1F 00 02 'no'", C(MQTT_CONNACK) | ACKS | C(MQTT_SUBACK) | C(MQTT_UNSUBACK) |
                          C(MQTT_DISCONNECT) | C(MQTT_AUTH)},
    {"21 00 0A", C(MQTT_CONNECT) | C(MQTT_CONNACK)},
    {"22 00 0B", C(MQTT_CONNECT) | C(MQTT_CONNACK)},
    {"23 00 01", C(MQTT_PUBLISH)},
    {"24 01", C(MQTT_CONNACK)},
    {"25 00", C(MQTT_CONNACK)},
    {"26 00 01 'k' 00 01 'v'", C(MQTT_CONNECT) | C(MQTT_CONNACK) | C(MQTT_PUBLISH) | C(MQTT_WILL) |
                                   ACKS | C(MQTT_SUBSCRIBE) | C(MQTT_SUBACK) | C(MQTT_UNSUBSCRIBE) |
                                   C(MQTT_UNSUBACK) | C(MQTT_DISCONNECT) | C(MQTT_AUTH)},
    {"27 00 00 10 00", C(MQTT_CONNECT) | C(MQTT_CONNACK)},
    {"28 00", C(MQTT_CONNACK)},
    {"29 00", C(MQTT_CONNACK)},
    {"2A 00", C(MQTT_CONNACK)},
};

#define EACH_COUNT (sizeof(each) / sizeof(each[0]))

static enum err
decode(enum mqtt_type type, bool from_server, struct slice block, enum mqtt_reason *reason,
       struct mqtt_properties *out)
{
    *reason = MQTT_SUCCESS;
    return mqtt_properties_decode(type, from_server, block, reason, out);
}

static void
there_are_27_with_names(void)
{
    unsigned named = 0;
    for (unsigned id = 0; id < 256; id++)
        named += mqtt_properties_name((uint8_t)id) != NULL;
    CU_ASSERT_EQUAL(named, 27);
    CU_ASSERT_EQUAL(EACH_COUNT, 27);
    CU_ASSERT_STRING_EQUAL(mqtt_properties_name(0x11), "session expiry interval");
}

static void
each_is_allowed_in_its_packets_only(void)
{
    for (size_t i = 0; i < EACH_COUNT; i++) {
        struct mqtt_hex hex;
        struct slice block = mqtt_hex_parse(&hex, each[i].bytes);
        for (unsigned type = 0; type < 16; type++) {
            struct mqtt_properties p;
            enum mqtt_reason reason;
            /* From the side that may send it. */
            bool server = type == MQTT_CONNACK || block.data[0] == 0x0B || block.data[0] == 0x1C;
            enum err err = decode((enum mqtt_type)type, server, block, &reason, &p);
            if ((each[i].packets & C(type)) != 0) {
                CU_ASSERT_EQUAL(err, OK);
                CU_ASSERT_EQUAL(p.present, (uint64_t)1 << block.data[0]);
            } else {
                CU_ASSERT_EQUAL(err, ERR_MALFORMED);
                CU_ASSERT_EQUAL(reason, MQTT_MALFORMED_PACKET);
            }
        }
    }
}

static unsigned
lowest_type(unsigned packets)
{
    unsigned type = 0;
    while ((packets >> type & 1u) == 0)
        type++;
    return type;
}

static void
each_cut_short_is_malformed(void)
{
    for (size_t i = 0; i < EACH_COUNT; i++) {
        struct mqtt_hex hex;
        struct slice block = mqtt_hex_parse(&hex, each[i].bytes);
        for (size_t len = 1; len < block.len; len++) {
            struct mqtt_properties p;
            enum mqtt_reason reason;
            CU_ASSERT_EQUAL(decode((enum mqtt_type)lowest_type(each[i].packets), true,
                                   slice_of(block.data, len), &reason, &p),
                            ERR_MALFORMED);
        }
    }
}

static void
each_may_come_once_but_user_properties_often(void)
{
    for (size_t i = 0; i < EACH_COUNT; i++) {
        char twice[128];
        struct mqtt_hex hex;
        struct mqtt_properties p;
        enum mqtt_reason reason;
        (void)snprintf(twice, sizeof(twice), "%s %s", each[i].bytes, each[i].bytes);
        struct slice block = mqtt_hex_parse(&hex, twice);
        /* Of those types that may carry it, the last: a subscription id may repeat in PUBLISH only.
         */
        unsigned type = block.data[0] == 0x0B ? MQTT_SUBSCRIBE : lowest_type(each[i].packets);
        enum err err = decode((enum mqtt_type)type, type == MQTT_CONNACK, block, &reason, &p);
        CU_ASSERT_EQUAL(err, block.data[0] == 0x26 ? OK : ERR_PROTOCOL);
        CU_ASSERT_EQUAL(reason, block.data[0] == 0x26 ? MQTT_SUCCESS : MQTT_PROTOCOL_ERROR);
    }
}

static void
bad_values_are_refused_with_their_reason(void)
{
    static const struct {
        const char *bytes;
        enum mqtt_type type;
        bool from_server;
        enum err err;
        enum mqtt_reason reason;
    } rows[] = {
        {"01 02", MQTT_PUBLISH, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"03 00 01 FF", MQTT_PUBLISH, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"03 00 01 00", MQTT_PUBLISH, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"08 00 03 'a/+'", MQTT_PUBLISH, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"08 00 01 '#'", MQTT_WILL, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"08 00 00", MQTT_PUBLISH, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"0B 01", MQTT_PUBLISH, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"0B 00", MQTT_SUBSCRIBE, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"0B 81 00", MQTT_SUBSCRIBE, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"0B FF FF FF FF 01", MQTT_SUBSCRIBE, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"11 00 00 00 01", MQTT_DISCONNECT, true, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"1C 00 01 's'", MQTT_DISCONNECT, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"15 00 01 C0", MQTT_CONNECT, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"17 02", MQTT_CONNECT, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"19 02", MQTT_CONNECT, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"21 00 00", MQTT_CONNECT, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"23 00 00", MQTT_PUBLISH, false, ERR_PROTOCOL, MQTT_TOPIC_ALIAS_INVALID},
        {"24 02", MQTT_CONNACK, true, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"26 00 01 FF 00 00", MQTT_PUBLISH, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"26 00 00 00 01 FF", MQTT_PUBLISH, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"27 00 00 00 00", MQTT_CONNECT, false, ERR_PROTOCOL, MQTT_PROTOCOL_ERROR},
        {"00", MQTT_CONNECT, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"2B 00", MQTT_CONNECT, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"91 00 00 00 00 00", MQTT_CONNECT, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
        {"FF", MQTT_CONNECT, false, ERR_MALFORMED, MQTT_MALFORMED_PACKET},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mqtt_hex hex;
        struct mqtt_properties p = {.present = 77};
        enum mqtt_reason reason;
        enum err err = decode(rows[i].type, rows[i].from_server,
                              mqtt_hex_parse(&hex, rows[i].bytes), &reason, &p);
        if (err != rows[i].err || reason != rows[i].reason)
            printf("\n    got %d %02X: %s\n", (int)err, (unsigned)reason, rows[i].bytes);
        CU_ASSERT_EQUAL(err, rows[i].err);
        CU_ASSERT_EQUAL(reason, rows[i].reason);
        CU_ASSERT_EQUAL(p.present, 77); /* untouched */
    }
}

static void
absent_ones_have_the_values_of_the_standard(void)
{
    struct mqtt_properties p;
    enum mqtt_reason reason;
    CU_ASSERT_EQUAL(decode(MQTT_CONNECT, false, slice_of(NULL, 0), &reason, &p), OK);
    CU_ASSERT_EQUAL(p.present, 0);
    CU_ASSERT_EQUAL(p.receive_maximum, 65535);
    CU_ASSERT_EQUAL(p.request_problem_info, 1);
    CU_ASSERT_EQUAL(p.maximum_qos, 2);
    CU_ASSERT_EQUAL(p.shared_available, 1);
    CU_ASSERT_EQUAL(p.maximum_packet_size, 0);
    CU_ASSERT_EQUAL(p.session_expiry_s, 0);
    CU_ASSERT(slice_is_empty(p.auth_method));
}

static void
a_connect_block_is_read_into_its_fields(void)
{
    struct mqtt_hex hex;
    struct mqtt_properties p;
    enum mqtt_reason reason;
    struct slice block =
        mqtt_hex_parse(&hex, "11 00 00 0E 10 21 00 14 27 00 01 00 00 22 00 0A 19 01 17 00 "
                             "15 00 03 'abc' 16 00 02 01 02");
    CU_ASSERT_EQUAL_FATAL(decode(MQTT_CONNECT, false, block, &reason, &p), OK);
    CU_ASSERT_EQUAL(p.session_expiry_s, 3600);
    CU_ASSERT_EQUAL(p.receive_maximum, 20);
    CU_ASSERT_EQUAL(p.maximum_packet_size, 65536);
    CU_ASSERT_EQUAL(p.topic_alias_maximum, 10);
    CU_ASSERT_EQUAL(p.request_response_info, 1);
    CU_ASSERT_EQUAL(p.request_problem_info, 0);
    CU_ASSERT(slice_equal_cstr(p.auth_method, "abc"));
    CU_ASSERT_EQUAL(p.auth_data.len, 2);
    CU_ASSERT(slice_equal(p.raw, block));
}

static void
user_properties_and_subscription_ids_are_walked_in_order(void)
{
    struct mqtt_hex hex;
    struct mqtt_properties p;
    enum mqtt_reason reason;
    struct slice name = {NULL, 0};
    struct slice value = {NULL, 0};
    size_t pos = 0;
    uint32_t id = 0;
    struct slice block =
        mqtt_hex_parse(&hex, "26 00 01 'a' 00 01 '1' 0B 05 01 01 26 00 01 'a' 00 00 0B C1 02");
    CU_ASSERT_EQUAL_FATAL(decode(MQTT_PUBLISH, true, block, &reason, &p), OK);
    CU_ASSERT_EQUAL(p.user_property_count, 2);
    CU_ASSERT_EQUAL(p.subscription_id_count, 2);
    CU_ASSERT_EQUAL(p.subscription_id, 5);
    CU_ASSERT(mqtt_properties_next_user(&p, &pos, &name, &value));
    CU_ASSERT(slice_equal_cstr(name, "a") && slice_equal_cstr(value, "1"));
    CU_ASSERT(mqtt_properties_next_user(&p, &pos, &name, &value));
    CU_ASSERT(slice_equal_cstr(name, "a") && value.len == 0);
    CU_ASSERT_FALSE(mqtt_properties_next_user(&p, &pos, &name, &value));
    pos = 0;
    CU_ASSERT(mqtt_properties_next_subscription_id(&p, &pos, &id));
    CU_ASSERT_EQUAL(id, 5);
    CU_ASSERT(mqtt_properties_next_subscription_id(&p, &pos, &id));
    CU_ASSERT_EQUAL(id, 321);
    CU_ASSERT_FALSE(mqtt_properties_next_subscription_id(&p, &pos, &id));
}

static void
too_many_user_properties_are_a_quota(void)
{
    struct buf buf;
    struct mqtt_properties p;
    enum mqtt_reason reason;
    buf_init(&buf, 100000);
    for (unsigned i = 0; i < LIMITS_USER_PROPERTIES; i++)
        mqtt_properties_put_user(&buf, slice_cstr("k"), slice_cstr("v"));
    CU_ASSERT_EQUAL(decode(MQTT_PUBLISH, false, buf_slice(&buf), &reason, &p), OK);
    mqtt_properties_put_user(&buf, slice_cstr("k"), slice_cstr("v"));
    CU_ASSERT_EQUAL(decode(MQTT_PUBLISH, false, buf_slice(&buf), &reason, &p), ERR_QUOTA);
    CU_ASSERT_EQUAL(reason, MQTT_QUOTA_EXCEEDED);
    buf_fini(&buf);
}

static void
forwarding_leaves_out_what_is_per_delivery(void)
{
    static const struct {
        enum mqtt_type type;
        const char *in;
        const char *out;
        bool as_is;
    } rows[] = {
        {MQTT_PUBLISH, "", "", true},
        {MQTT_PUBLISH, "01 01 26 00 01 'b' 00 01 '2' 03 00 01 'c' 26 00 01 'a' 00 00",
         "01 01 26 00 01 'b' 00 01 '2' 03 00 01 'c' 26 00 01 'a' 00 00", true},
        {MQTT_PUBLISH, "02 00 00 00 01", "", false},
        {MQTT_PUBLISH, "23 00 01 09 00 01 00", "09 00 01 00", false},
        {MQTT_PUBLISH, "09 00 01 00 23 00 01", "09 00 01 00", false},
        {MQTT_PUBLISH,
         "26 00 01 'b' 00 01 '2' 02 00 00 00 09 23 00 07 08 00 01 'r' 26 00 01 'a' 00 01 '1'",
         "26 00 01 'b' 00 01 '2' 08 00 01 'r' 26 00 01 'a' 00 01 '1'", false},
        {MQTT_WILL, "18 00 00 00 05 01 00", "01 00", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mqtt_hex hex;
        struct mqtt_properties p;
        enum mqtt_reason reason;
        struct buf buf;
        buf_init(&buf, 1000);
        CU_ASSERT_EQUAL_FATAL(
            decode(rows[i].type, false, mqtt_hex_parse(&hex, rows[i].in), &reason, &p), OK);
        CU_ASSERT_EQUAL(mqtt_properties_is_forwardable(&p), rows[i].as_is);
        CU_ASSERT_EQUAL(mqtt_properties_filter_publish(&p, &buf), OK);
        CU_ASSERT(mqtt_hex_is(buf_slice(&buf), rows[i].out));
        buf_fini(&buf);
    }
}

static void
a_full_buffer_is_said_when_forwarding(void)
{
    struct mqtt_hex hex;
    struct mqtt_properties p;
    enum mqtt_reason reason;
    struct buf buf;
    buf_init(&buf, 3);
    CU_ASSERT_EQUAL_FATAL(decode(MQTT_PUBLISH, false,
                                 mqtt_hex_parse(&hex, "02 00 00 00 01 09 00 02 00 00"), &reason,
                                 &p),
                          OK);
    CU_ASSERT_EQUAL(mqtt_properties_filter_publish(&p, &buf), ERR_TOO_LARGE);
    buf_fini(&buf);
}

static void
each_is_encoded_as_it_was_read(void)
{
    for (size_t i = 0; i < EACH_COUNT; i++) {
        struct mqtt_hex hex;
        struct mqtt_properties p;
        enum mqtt_reason reason;
        struct buf buf;
        struct slice block = mqtt_hex_parse(&hex, each[i].bytes);
        if (block.data[0] == MQTT_PROPERTY_USER_PROPERTY)
            continue;
        unsigned type = lowest_type(each[i].packets);
        bool server = type == MQTT_CONNACK || type == MQTT_PUBLISH;
        CU_ASSERT_EQUAL_FATAL(decode((enum mqtt_type)type, server, block, &reason, &p), OK);
        buf_init(&buf, 1000);
        p.extra = slice_of("\x26\x00\x00\x00\x00", 5);
        CU_ASSERT_EQUAL(mqtt_properties_size(&p), block.len + 5);
        mqtt_properties_encode_block(&p, &buf);
        CU_ASSERT(slice_has_prefix(buf_slice(&buf), block));
        CU_ASSERT_EQUAL(buf_len(&buf), block.len + 5);
        buf_fini(&buf);
    }
}

static void
single_properties_are_appended(void)
{
    struct buf buf;
    buf_init(&buf, 1000);
    mqtt_properties_put_number(&buf, MQTT_PROPERTY_SESSION_EXPIRY, 10);
    mqtt_properties_put_number(&buf, MQTT_PROPERTY_SUBSCRIPTION_ID, 321);
    mqtt_properties_put_number(&buf, MQTT_PROPERTY_TOPIC_ALIAS, 258);
    mqtt_properties_put_number(&buf, MQTT_PROPERTY_PAYLOAD_FORMAT, 1);
    mqtt_properties_put_string(&buf, MQTT_PROPERTY_REASON_STRING, slice_cstr("no"));
    mqtt_properties_put_string(&buf, MQTT_PROPERTY_CORRELATION_DATA, slice_of("\0", 1));
    mqtt_properties_put_user(&buf, slice_cstr("k"), slice_cstr("v"));
    CU_ASSERT(mqtt_hex_is(buf_slice(&buf),
                          "11 00 00 00 0A 0B C1 02 23 01 02 01 01 1F 00 02 'no' 09 00 01 00 "
                          "26 00 01 'k' 00 01 'v'"));
    buf_fini(&buf);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(there_are_27_with_names),
    CUNIT_CASE(each_is_allowed_in_its_packets_only),
    CUNIT_CASE(each_cut_short_is_malformed),
    CUNIT_CASE(each_may_come_once_but_user_properties_often),
    CUNIT_CASE(bad_values_are_refused_with_their_reason),
    CUNIT_CASE(absent_ones_have_the_values_of_the_standard),
    CUNIT_CASE(a_connect_block_is_read_into_its_fields),
    CUNIT_CASE(user_properties_and_subscription_ids_are_walked_in_order),
    CUNIT_CASE(too_many_user_properties_are_a_quota),
    CUNIT_CASE(forwarding_leaves_out_what_is_per_delivery),
    CUNIT_CASE(a_full_buffer_is_said_when_forwarding),
    CUNIT_CASE(each_is_encoded_as_it_was_read),
    CUNIT_CASE(single_properties_are_appended),
};

CUNIT_MAIN("mqtt_properties", cases)
