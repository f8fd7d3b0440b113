/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the MQTT decoders. The first byte chooses the version, the side and the largest packet;
 * the rest is a stream. Each packet is decoded, every byte that the result borrows is read, and a
 * PUBLISH must survive decode, encode, decode.
 */
#include "common/buf.h"
#include "common/mem.h"
#include "proto/mqtt_decode.h"
#include "proto/mqtt_encode.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_reason.h"
#include "proto/topic.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sum;

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
touch(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        sum += s.data[i];
}

static void
touch_properties(const struct mqtt_properties *p)
{
    struct slice name;
    struct slice value;
    uint32_t id;
    size_t pos = 0;
    unsigned count = 0;
    touch(p->raw);
    touch(p->content_type);
    touch(p->response_topic);
    touch(p->correlation_data);
    touch(p->assigned_client_id);
    touch(p->auth_method);
    touch(p->auth_data);
    touch(p->response_info);
    touch(p->server_reference);
    touch(p->reason_string);
    while (mqtt_properties_next_user(p, &pos, &name, &value)) {
        touch(name);
        touch(value);
        count++;
    }
    require(count == p->user_property_count);
    for (pos = 0, count = 0; mqtt_properties_next_subscription_id(p, &pos, &id); count++)
        require(id > 0);
    require(count == p->subscription_id_count);
    require(mqtt_properties_size(p) <= p->raw.len + 5);
}

static void
check_publish(enum mqtt_version version, const struct mqtt_frame *frame,
              const struct mqtt_publish *in)
{
    struct buf forwarded;
    struct buf wire;
    struct mqtt_frame again;
    struct mqtt_publish back;
    enum mqtt_reason reason;
    size_t need;
    touch(in->topic);
    touch(in->payload);
    require(in->topic.len == 0 || topic_name_is_valid(in->topic));
    require((in->qos > 0) == (in->packet_id > 0));
    buf_init(&forwarded, frame->total_len);
    buf_init(&wire, frame->total_len + 64);
    require(mqtt_properties_filter_publish(&in->properties, &forwarded) == OK);
    struct mqtt_publish_out out = {
        .topic = in->topic,
        .payload_len = in->payload.len,
        .packet_id = in->packet_id,
        .qos = in->qos,
        .dup = in->dup,
        .retain = in->retain,
        .has_expiry = mqtt_properties_has(&in->properties, MQTT_PROPERTY_MESSAGE_EXPIRY),
        .expiry_s = in->properties.message_expiry_s,
        .topic_alias = in->properties.topic_alias,
        .properties = buf_slice(&forwarded),
    };
    size_t len = mqtt_encode_publish(version, &out, in->payload, &wire);
    require(len > 0 && len == mqtt_encode_publish_size(version, &out));
    require(mqtt_decode_frame(buf_slice(&wire).data, len, LIMITS_PACKET, &need, &again) == OK);
    require(mqtt_decode_publish(version, &again, &back, &reason) == OK);
    require(slice_equal(back.topic, in->topic) && slice_equal(back.payload, in->payload));
    require(back.qos == in->qos && back.packet_id == in->packet_id && back.dup == in->dup &&
            back.retain == in->retain);
    require(back.properties.message_expiry_s == in->properties.message_expiry_s);
    require(back.properties.topic_alias == in->properties.topic_alias);
    require(back.properties.user_property_count == in->properties.user_property_count);
    require(slice_equal(back.properties.correlation_data, in->properties.correlation_data));
    require(slice_equal(back.properties.response_topic, in->properties.response_topic));
    /* Without subscription ids, what is written and read has the same properties. */
    uint64_t ids = (uint64_t)1 << MQTT_PROPERTY_SUBSCRIPTION_ID;
    require(back.properties.present == (in->properties.present & ~ids));
    buf_fini(&forwarded);
    buf_fini(&wire);
}

static void
check_subscribe(const struct mqtt_subscribe *packet, bool has_options)
{
    struct mqtt_subscription s;
    struct slice filter;
    size_t pos = 0;
    unsigned count = 0;
    if (has_options) {
        for (; mqtt_decode_subscribe_next(packet, &pos, &s); count++) {
            require(topic_filter_is_valid(s.filter) && s.qos <= 2 && s.retain_handling <= 2);
            touch(s.share_group);
            touch(s.share_filter);
        }
    } else {
        for (; mqtt_decode_unsubscribe_next(packet, &pos, &filter); count++)
            require(topic_filter_is_valid(filter));
    }
    require(count == packet->filter_count && count > 0 && count <= LIMITS_FILTERS_PER_PACKET);
    touch_properties(&packet->properties);
}

static enum err
decode(enum mqtt_version version, const struct mqtt_frame *frame, enum mqtt_reason *reason)
{
    struct mqtt_connect connect;
    struct mqtt_connack connack;
    struct mqtt_publish publish;
    struct mqtt_ack ack;
    struct mqtt_subscribe subscribe;
    struct mqtt_suback suback;
    struct mqtt_disconnect disconnect;
    enum err err;
    switch (frame->type) {
    case MQTT_CONNECT:
        err = mqtt_decode_connect(frame, &connect, reason);
        require(connect.version >= MQTT_3_1 && connect.version <= MQTT_5_0);
        if (err == OK) {
            touch(connect.client_id);
            touch(connect.username);
            touch(connect.password);
            touch_properties(&connect.properties);
            if (connect.has_will) {
                touch_properties(&connect.will.properties);
                touch(connect.will.payload);
                require(topic_name_is_valid(connect.will.topic) && connect.will.qos <= 2);
            }
        }
        return err;
    case MQTT_CONNACK:
        err = mqtt_decode_connack(version, frame, &connack, reason);
        if (err == OK)
            touch_properties(&connack.properties);
        return err;
    case MQTT_PUBLISH:
        err = mqtt_decode_publish(version, frame, &publish, reason);
        if (err == OK) {
            touch_properties(&publish.properties);
            check_publish(version, frame, &publish);
        }
        return err;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        err = mqtt_decode_ack(version, frame, &ack, reason);
        if (err == OK) {
            require(ack.packet_id > 0);
            touch_properties(&ack.properties);
        }
        return err;
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        err = frame->type == MQTT_SUBSCRIBE
                  ? mqtt_decode_subscribe(version, frame, &subscribe, reason)
                  : mqtt_decode_unsubscribe(version, frame, &subscribe, reason);
        if (err == OK)
            check_subscribe(&subscribe, frame->type == MQTT_SUBSCRIBE);
        return err;
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        err = mqtt_decode_suback(version, frame, &suback, reason);
        if (err == OK) {
            touch(suback.codes);
            touch_properties(&suback.properties);
        }
        return err;
    case MQTT_PINGREQ:
    case MQTT_PINGRESP:
        return mqtt_decode_ping(frame, reason);
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        err = frame->type == MQTT_AUTH
                  ? mqtt_decode_auth(version, frame, &disconnect, reason)
                  : mqtt_decode_disconnect(version, frame, &disconnect, reason);
        if (err == OK)
            touch_properties(&disconnect.properties);
        return err;
    case MQTT_WILL:
        break;
    }
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t max_packets[] = {16, 256, 65536, LIMITS_PACKET};
    if (size == 0)
        return 0;
    enum mqtt_version version = (enum mqtt_version)(MQTT_3_1 + data[0] % 3);
    size_t max_packet = max_packets[data[0] >> 2 & 3];
    bool from_server = (data[0] & 0x80) != 0;
    const uint8_t *pos = data + 1;
    const uint8_t *end = data + size;
    for (;;) {
        struct mqtt_frame frame;
        size_t need;
        size_t left = (size_t)(end - pos);
        enum err err = mqtt_decode_frame(pos, left, max_packet, &need, &frame);
        if (err != OK) {
            require(err == ERR_AGAIN || err == ERR_MALFORMED || err == ERR_TOO_LARGE);
            require(err != ERR_AGAIN || need == 0 || (need > left && need <= max_packet));
            return 0;
        }
        require(frame.total_len <= left && frame.total_len <= max_packet);
        /* No shorter piece of it may look whole. */
        size_t cut = frame.total_len - 1;
        struct mqtt_frame unused;
        require(mqtt_decode_frame(pos, cut, max_packet, &need, &unused) == ERR_AGAIN);
        frame.from_server = from_server;
        enum mqtt_reason reason = MQTT_SUCCESS;
        err = decode(version, &frame, &reason);
        require((err == OK) == (reason == MQTT_SUCCESS));
        /* A copy of exactly the body shows reads behind its end. */
        uint8_t *copy = mem_dup(frame.body.data, frame.body.len);
        struct mqtt_frame apart = frame;
        apart.body = slice_of(copy, frame.body.len);
        require(decode(version, &apart, &reason) == err);
        mem_free(copy);
        pos += frame.total_len;
    }
}
