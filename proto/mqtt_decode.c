/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cutting packets out of a stream, and every packet but CONNECT, SUBSCRIBE and UNSUBSCRIBE (those
 * have files of their own). PUBLISH reads its fixed parts straight from memory, since it is the hot
 * path; all others go through a cursor.
 */
#include "proto/mqtt_decode.h"

#include "common/cursor.h"
#include "proto/mqtt_decode_part.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_reason.h"
#include "proto/mqtt_varint.h"
#include "proto/topic.h"
#include "proto/utf8.h"

#define FLAG_DUP    0x08u
#define FLAG_RETAIN 0x01u

static bool
type_has_flags_of_two(unsigned type)
{
    return type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE;
}

/* What some version allows: DUP beside the fixed 0010 is legal in 3.1 only, and checked later. */
static bool
flags_are_possible(unsigned type, unsigned flags)
{
    if (type == MQTT_PUBLISH)
        return true;
    return (type_has_flags_of_two(type) ? flags & ~FLAG_DUP : flags ^ 2u) == 2u;
}

bool
mqtt_decode_part_flags_are_valid(enum mqtt_version version, const struct mqtt_frame *frame)
{
    if (!type_has_flags_of_two((unsigned)frame->type))
        return frame->flags == 0;
    return frame->flags == 2u || (version == MQTT_3_1 && frame->flags == (2u | FLAG_DUP));
}

enum err
mqtt_decode_frame(const uint8_t *data, size_t len, size_t max_packet, size_t *need,
                  struct mqtt_frame *out)
{
    *need = 0;
    if (len == 0)
        return ERR_AGAIN;
    unsigned type = data[0] >> 4;
    unsigned flags = data[0] & 0x0Fu;
    if (type == MQTT_WILL || !flags_are_possible(type, flags))
        return ERR_MALFORMED;
    uint32_t body_len = 0;
    int n = mqtt_varint_get(data + 1, len - 1, &body_len);
    if (n == MQTT_VARINT_SHORT)
        return ERR_AGAIN;
    if (n == MQTT_VARINT_BAD)
        return ERR_MALFORMED;
    size_t header_len = 1 + (size_t)n;
    size_t total_len = header_len + body_len;
    if (total_len > max_packet)
        return ERR_TOO_LARGE;
    if (total_len > len) {
        *need = total_len;
        return ERR_AGAIN;
    }
    out->type = (enum mqtt_type)type;
    out->flags = (uint8_t)flags;
    out->from_server = false;
    out->header_len = (uint8_t)header_len;
    out->total_len = total_len;
    out->body = slice_of(data + header_len, body_len);
    return OK;
}

enum err
mqtt_decode_part_fail(enum err err, enum mqtt_reason *reason)
{
    *reason = mqtt_reason(err);
    return err;
}

enum err
mqtt_decode_part_invalid(enum mqtt_reason code, enum mqtt_reason *reason)
{
    *reason = code;
    return ERR_INVALID;
}

enum err
mqtt_decode_part_properties(enum mqtt_type type, bool from_server, struct cursor *c,
                            enum mqtt_reason *reason, struct mqtt_properties *out)
{
    uint32_t len = cursor_varint32(c);
    struct slice block = cursor_bytes(c, len);
    if (c->err != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    return mqtt_properties_decode(type, from_server, block, reason, out);
}

enum err
mqtt_decode_publish(enum mqtt_version version, const struct mqtt_frame *frame,
                    struct mqtt_publish *out, enum mqtt_reason *reason)
{
    const uint8_t *pos = frame->body.data;
    size_t left = frame->body.len;
    unsigned qos = (unsigned)frame->flags >> 1 & 3u;
    if (frame->type != MQTT_PUBLISH)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    /* [MQTT-3.3.1-4], [MQTT-3.3.1-2] */
    if (qos == 3 || (qos == 0 && (frame->flags & FLAG_DUP) != 0) || left < 2)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    size_t topic_len = cursor_load_u16(pos);
    size_t id_len = qos > 0 ? 2 : 0;
    if (topic_len + id_len > left - 2)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    struct slice topic = slice_of(pos + 2, topic_len);
    pos += 2 + topic_len;
    left -= 2 + topic_len;
    uint16_t packet_id = 0;
    if (qos > 0) {
        packet_id = cursor_load_u16(pos);
        pos += 2;
        left -= 2;
        if (packet_id == 0) /* [MQTT-2.2.1-3] */
            return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    }
    if (topic_len > 0 && !topic_name_is_valid(topic)) {
        if (!utf8_is_valid(topic) || version != MQTT_5_0)
            return mqtt_decode_part_fail(ERR_MALFORMED, reason);
        return mqtt_decode_part_invalid(MQTT_TOPIC_NAME_INVALID, reason);
    }
    if (version == MQTT_5_0 && left > 0 && pos[0] == 0 && topic_len > 0) {
        mqtt_properties_init(&out->properties); /* no properties: the usual case */
        pos++;
        left--;
    } else if (version == MQTT_5_0) {
        struct mqtt_properties properties;
        struct cursor c = cursor_of(slice_of(pos, left));
        enum err err =
            mqtt_decode_part_properties(MQTT_PUBLISH, frame->from_server, &c, reason, &properties);
        if (err != OK)
            return err;
        if (topic_len == 0 && properties.topic_alias == 0) /* §3.3.2.1 */
            return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
        out->properties = properties;
        left = cursor_left(&c);
        pos = c.pos;
    } else {
        if (topic_len == 0) /* [MQTT-4.7.3-1] */
            return mqtt_decode_part_fail(ERR_MALFORMED, reason);
        mqtt_properties_init(&out->properties);
    }
    out->topic = topic;
    out->payload = slice_of(pos, left);
    out->packet_id = packet_id;
    out->qos = (uint8_t)qos;
    out->dup = (frame->flags & FLAG_DUP) != 0;
    out->retain = (frame->flags & FLAG_RETAIN) != 0;
    return OK;
}

enum err
mqtt_decode_ack(enum mqtt_version version, const struct mqtt_frame *frame, struct mqtt_ack *out,
                enum mqtt_reason *reason)
{
    struct cursor c = cursor_of(frame->body);
    if (frame->type < MQTT_PUBACK || frame->type > MQTT_PUBCOMP)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (!mqtt_decode_part_flags_are_valid(version, frame))
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (frame->body.len == 2) { /* the packet id alone: the usual case */
        uint16_t packet_id = cursor_u16(&c);
        if (packet_id == 0)
            return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
        out->packet_id = packet_id;
        out->reason = MQTT_SUCCESS;
        mqtt_properties_init(&out->properties);
        return OK;
    }
    struct mqtt_ack ack = {0};
    mqtt_properties_init(&ack.properties);
    ack.packet_id = cursor_u16(&c);
    if (version == MQTT_5_0 && cursor_left(&c) > 0) {
        uint8_t code = cursor_u8(&c);
        if (!mqtt_reason_is_allowed(frame->type, frame->from_server, code))
            return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
        ack.reason = (enum mqtt_reason)code;
        /* The property length may be missing when nothing follows (§3.4.2.2.1). */
        if (cursor_left(&c) > 0) {
            enum err err = mqtt_decode_part_properties(frame->type, frame->from_server, &c, reason,
                                                       &ack.properties);
            if (err != OK)
                return err;
        }
    }
    if (cursor_end(&c) != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (ack.packet_id == 0)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    *out = ack;
    return OK;
}

enum err
mqtt_decode_ping(const struct mqtt_frame *frame, enum mqtt_reason *reason)
{
    if (frame->type != MQTT_PINGREQ && frame->type != MQTT_PINGRESP)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (frame->flags != 0 || frame->body.len != 0)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    return OK;
}

/* DISCONNECT and AUTH of 5.0: reason and properties, each of which may be left out. */
static enum err
decode_reasoned(const struct mqtt_frame *frame, struct mqtt_disconnect *out,
                enum mqtt_reason *reason)
{
    struct mqtt_disconnect packet = {.reason = MQTT_SUCCESS};
    struct cursor c = cursor_of(frame->body);
    mqtt_properties_init(&packet.properties);
    uint8_t code = cursor_left(&c) > 0 ? cursor_u8(&c) : (uint8_t)MQTT_SUCCESS;
    if (!mqtt_reason_is_allowed(frame->type, frame->from_server, code))
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    packet.reason = (enum mqtt_reason)code;
    if (cursor_left(&c) > 0) {
        enum err err = mqtt_decode_part_properties(frame->type, frame->from_server, &c, reason,
                                                   &packet.properties);
        if (err != OK)
            return err;
    }
    if (cursor_end(&c) != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    *out = packet;
    return OK;
}

enum err
mqtt_decode_disconnect(enum mqtt_version version, const struct mqtt_frame *frame,
                       struct mqtt_disconnect *out, enum mqtt_reason *reason)
{
    if (frame->type != MQTT_DISCONNECT)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (frame->flags != 0)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (version == MQTT_5_0)
        return decode_reasoned(frame, out, reason);
    if (frame->body.len != 0)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    out->reason = MQTT_SUCCESS;
    mqtt_properties_init(&out->properties);
    return OK;
}

enum err
mqtt_decode_auth(enum mqtt_version version, const struct mqtt_frame *frame,
                 struct mqtt_disconnect *out, enum mqtt_reason *reason)
{
    struct mqtt_disconnect packet;
    if (frame->type != MQTT_AUTH || version != MQTT_5_0)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (frame->flags != 0)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    enum err err = decode_reasoned(frame, &packet, reason);
    if (err != OK)
        return err;
    /* §3.15.2.2.2: the method must be there; only a server's plain success may leave it out. */
    bool short_success = packet.reason == MQTT_SUCCESS && frame->body.len == 0;
    if (!short_success && !mqtt_properties_has(&packet.properties, MQTT_PROPERTY_AUTH_METHOD))
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    *out = packet;
    return OK;
}

enum err
mqtt_decode_connack(enum mqtt_version version, const struct mqtt_frame *frame,
                    struct mqtt_connack *out, enum mqtt_reason *reason)
{
    struct mqtt_connack packet = {0};
    struct cursor c = cursor_of(frame->body);
    if (frame->type != MQTT_CONNACK)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    uint8_t flags = cursor_u8(&c);
    uint8_t code = cursor_u8(&c);
    if (frame->flags != 0 || c.err != OK || (flags & 0xFEu) != 0)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (version == MQTT_5_0 ? !mqtt_reason_is_allowed(MQTT_CONNACK, true, code) : code > 5)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (flags != 0 && code != 0) /* [MQTT-3.2.2-6] */
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    packet.session_present = flags != 0;
    packet.reason = (enum mqtt_reason)code;
    mqtt_properties_init(&packet.properties);
    if (version == MQTT_5_0) {
        enum err err =
            mqtt_decode_part_properties(MQTT_CONNACK, true, &c, reason, &packet.properties);
        if (err != OK)
            return err;
    }
    if (cursor_end(&c) != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    *out = packet;
    return OK;
}

enum err
mqtt_decode_suback(enum mqtt_version version, const struct mqtt_frame *frame,
                   struct mqtt_suback *out, enum mqtt_reason *reason)
{
    struct mqtt_suback packet = {0};
    struct cursor c = cursor_of(frame->body);
    if (frame->type != MQTT_SUBACK && frame->type != MQTT_UNSUBACK)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    mqtt_properties_init(&packet.properties);
    packet.packet_id = cursor_u16(&c);
    if (frame->flags != 0 || c.err != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (version == MQTT_5_0) {
        enum err err =
            mqtt_decode_part_properties(frame->type, true, &c, reason, &packet.properties);
        if (err != OK)
            return err;
    }
    packet.codes = cursor_rest(&c);
    bool has_codes = frame->type == MQTT_SUBACK || version == MQTT_5_0;
    if (has_codes != (packet.codes.len > 0))
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (packet.packet_id == 0)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    for (size_t i = 0; i < packet.codes.len; i++) {
        uint8_t code = packet.codes.data[i];
        if (!mqtt_reason_is_allowed(frame->type, true, code) ||
            (version != MQTT_5_0 && code > 2 && code != 0x80))
            return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    }
    *out = packet;
    return OK;
}
