/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server sends. Sizes are computed first, so that a packet is written once and never moved.
 */
#include "proto/mqtt_encode.h"

#include "proto/mqtt_encode_part.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_reason.h"
#include "proto/mqtt_varint.h"

#include <assert.h>
#include <string.h>

static uint8_t *
put_u16(uint8_t *out, uint16_t value)
{
    buf_store_u16(out, value);
    return out + 2;
}

static uint8_t *
put_slice(uint8_t *out, struct slice s)
{
    if (s.len > 0)
        memcpy(out, s.data, s.len);
    return out + s.len;
}

/* Property block of a PUBLISH without its length. */
static size_t
publish_block_size(const struct mqtt_publish_out *publish)
{
    size_t size = publish->properties.len;
    size += publish->has_expiry ? 5 : 0;
    size += publish->topic_alias != 0 ? 3 : 0;
    for (size_t i = 0; i < publish->subscription_id_count; i++)
        size += 1 + mqtt_varint_size(publish->subscription_ids[i]);
    return size;
}

/* Remaining Length, or more than LIMITS_REMAINING_LENGTH. */
static size_t
publish_remaining(const struct mqtt_publish_out *publish, bool has_block, size_t block)
{
    size_t size = 2 + publish->topic.len + (publish->qos > 0 ? 2 : 0);
    if (publish->topic.len > LIMITS_TOPIC || publish->payload_len > LIMITS_REMAINING_LENGTH ||
        block > LIMITS_REMAINING_LENGTH)
        return SIZE_MAX;
    if (has_block)
        size += mqtt_varint_size((uint32_t)block) + block;
    return size + publish->payload_len;
}

size_t
mqtt_encode_publish_size(enum mqtt_version version, const struct mqtt_publish_out *publish)
{
    bool has_block = version == MQTT_5_0;
    size_t remaining =
        publish_remaining(publish, has_block, has_block ? publish_block_size(publish) : 0);
    if (remaining > LIMITS_REMAINING_LENGTH)
        return 0;
    return 1 + mqtt_varint_size((uint32_t)remaining) + remaining;
}

size_t
mqtt_encode_publish_header_max(const struct mqtt_publish_out *publish)
{
    /* Header 5, topic length 2, packet id 2, block length 4, expiry 5, alias 3, each id 5. */
    return 21 + publish->topic.len + publish->properties.len + 5 * publish->subscription_id_count;
}

size_t
mqtt_encode_publish_header(enum mqtt_version version, const struct mqtt_publish_out *publish,
                           uint8_t *out, size_t *packet_id_at)
{
    bool has_block = version == MQTT_5_0;
    size_t block = has_block ? publish_block_size(publish) : 0;
    size_t remaining = publish_remaining(publish, has_block, block);
    uint8_t *p = out;
    if (remaining > LIMITS_REMAINING_LENGTH)
        return 0;
    assert(publish->qos <= 2);
    *p++ = (uint8_t)(MQTT_PUBLISH << 4 | (publish->dup ? 8 : 0) | publish->qos << 1 |
                     (publish->retain ? 1 : 0));
    p = mqtt_varint_put(p, (uint32_t)remaining);
    p = put_u16(p, (uint16_t)publish->topic.len);
    p = put_slice(p, publish->topic);
    if (publish->qos > 0) {
        if (packet_id_at != NULL)
            *packet_id_at = (size_t)(p - out);
        p = put_u16(p, publish->packet_id);
    }
    if (!has_block)
        return (size_t)(p - out);
    p = mqtt_varint_put(p, (uint32_t)block);
    p = put_slice(p, publish->properties);
    if (publish->has_expiry) {
        *p++ = MQTT_PROPERTY_MESSAGE_EXPIRY;
        buf_store_u32(p, publish->expiry_s);
        p += 4;
    }
    if (publish->topic_alias != 0) {
        *p++ = MQTT_PROPERTY_TOPIC_ALIAS;
        p = put_u16(p, publish->topic_alias);
    }
    for (size_t i = 0; i < publish->subscription_id_count; i++) {
        *p++ = MQTT_PROPERTY_SUBSCRIPTION_ID;
        p = mqtt_varint_put(p, publish->subscription_ids[i]);
    }
    return (size_t)(p - out);
}

size_t
mqtt_encode_ack_short(enum mqtt_version version, enum mqtt_type type, uint16_t packet_id,
                      enum mqtt_reason reason, uint8_t out[MQTT_ENCODE_ACK_SHORT])
{
    assert(type >= MQTT_PUBACK && type <= MQTT_PUBCOMP);
    bool has_reason = version == MQTT_5_0 && reason != MQTT_SUCCESS;
    out[0] = (uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0));
    out[1] = has_reason ? 3 : 2;
    buf_store_u16(out + 2, packet_id);
    if (has_reason)
        out[4] = (uint8_t)reason;
    return has_reason ? 5 : 4;
}

size_t
mqtt_encode_part_finish(const struct mqtt_encode_part *part, struct buf *buf)
{
    size_t before = buf_len(buf);
    size_t remaining = part->head_len + part->tail.len;
    struct mqtt_properties trimmed;
    const struct mqtt_properties *properties = part->properties;
    size_t block = 0;
    size_t limit = part->max_packet == 0 ? LIMITS_PACKET : part->max_packet;
    if (part->has_block && properties == NULL) {
        mqtt_properties_init(&trimmed);
        properties = &trimmed;
    }
    /* 0: everything; 1: without user properties; 2: without the reason string too. */
    for (unsigned attempt = 0; part->has_block; attempt++) {
        block = mqtt_properties_size(properties);
        if (block <= LIMITS_REMAINING_LENGTH) {
            remaining = part->head_len + mqtt_varint_size((uint32_t)block) + block + part->tail.len;
            if (block == 0 && part->block_may_lack)
                remaining = part->head_len;
            if (remaining <= LIMITS_REMAINING_LENGTH &&
                1 + mqtt_varint_size((uint32_t)remaining) + remaining <= limit)
                break;
        }
        if (attempt == 2)
            return 0;
        if (attempt == 0)
            trimmed = *properties;
        trimmed.extra = slice_of(NULL, 0);
        if (attempt == 1)
            trimmed.present &= ~((uint64_t)1 << MQTT_PROPERTY_REASON_STRING);
        properties = &trimmed;
    }
    if (remaining > LIMITS_REMAINING_LENGTH ||
        1 + mqtt_varint_size((uint32_t)remaining) + remaining > limit)
        return 0;
    buf_put_u8(buf, part->first);
    buf_put_varint32(buf, (uint32_t)remaining);
    buf_append(buf, part->head, part->head_len);
    if (part->has_block && !(block == 0 && part->block_may_lack))
        mqtt_properties_encode(properties, buf);
    buf_append_slice(buf, part->tail);
    if (buf_error(buf) == OK)
        return buf_len(buf) - before;
    buf_truncate(buf, before);
    return 0;
}

size_t
mqtt_encode_ack(enum mqtt_version version, enum mqtt_type type, uint16_t packet_id,
                enum mqtt_reason reason, const struct mqtt_properties *properties,
                uint32_t max_packet, struct buf *buf)
{
    uint8_t head[MQTT_ENCODE_ACK_SHORT];
    size_t len = mqtt_encode_ack_short(version, type, packet_id, reason, head);
    bool has_block =
        version == MQTT_5_0 && properties != NULL && mqtt_properties_size(properties) > 0;
    if (has_block && len == 4) { /* properties need a reason before them */
        head[4] = (uint8_t)reason;
        len = 5;
    }
    struct mqtt_encode_part part = {
        .first = head[0],
        .has_block = has_block,
        .block_may_lack = true,
        .max_packet = max_packet,
        .head = head + 2,
        .head_len = len - 2,
        .properties = properties,
    };
    return mqtt_encode_part_finish(&part, buf);
}

size_t
mqtt_encode_connack(enum mqtt_version version, bool session_present, enum mqtt_reason reason,
                    const struct mqtt_properties *properties, uint32_t max_packet, struct buf *buf)
{
    uint8_t head[2] = {0, version == MQTT_5_0 ? (uint8_t)reason : mqtt_reason_connack_v3(reason)};
    /* The flag does not exist in 3.1: reserved there. */
    head[0] = session_present && reason == MQTT_SUCCESS && version != MQTT_3_1;
    struct mqtt_encode_part part = {
        .first = MQTT_CONNACK << 4,
        .has_block = version == MQTT_5_0,
        .max_packet = max_packet,
        .head = head,
        .head_len = sizeof(head),
        .properties = properties,
    };
    return mqtt_encode_part_finish(&part, buf);
}

size_t
mqtt_encode_suback(enum mqtt_version version, uint16_t packet_id, struct slice codes,
                   const struct mqtt_properties *properties, uint32_t max_packet, struct buf *buf)
{
    uint8_t head[2];
    uint8_t mapped[LIMITS_FILTERS_PER_PACKET];
    assert(codes.len <= sizeof(mapped));
    for (size_t i = 0; i < codes.len; i++)
        mapped[i] = mqtt_reason_suback(version, (enum mqtt_reason)codes.data[i]);
    buf_store_u16(head, packet_id);
    struct mqtt_encode_part part = {
        .first = MQTT_SUBACK << 4,
        .has_block = version == MQTT_5_0,
        .max_packet = max_packet,
        .head = head,
        .head_len = sizeof(head),
        .properties = properties,
        .tail = slice_of(mapped, codes.len),
    };
    return mqtt_encode_part_finish(&part, buf);
}

size_t
mqtt_encode_unsuback(enum mqtt_version version, uint16_t packet_id, struct slice codes,
                     const struct mqtt_properties *properties, uint32_t max_packet, struct buf *buf)
{
    uint8_t head[2];
    buf_store_u16(head, packet_id);
    struct mqtt_encode_part part = {
        .first = MQTT_UNSUBACK << 4,
        .has_block = version == MQTT_5_0,
        .max_packet = max_packet,
        .head = head,
        .head_len = sizeof(head),
        .properties = properties,
        .tail = version == MQTT_5_0 ? codes : slice_of(NULL, 0),
    };
    return mqtt_encode_part_finish(&part, buf);
}

/* DISCONNECT and AUTH: reason and block, each left out when it says nothing. */
static size_t
encode_reasoned(uint8_t first, enum mqtt_reason reason, const struct mqtt_properties *properties,
                uint32_t max_packet, struct buf *buf)
{
    uint8_t head[1] = {(uint8_t)reason};
    bool has_block = properties != NULL && mqtt_properties_size(properties) > 0;
    struct mqtt_encode_part part = {
        .first = first,
        .has_block = has_block,
        .block_may_lack = true,
        .max_packet = max_packet,
        .head = head,
        .head_len = has_block || reason != MQTT_SUCCESS ? 1 : 0,
        .properties = properties,
    };
    return mqtt_encode_part_finish(&part, buf);
}

size_t
mqtt_encode_disconnect(enum mqtt_version version, enum mqtt_reason reason,
                       const struct mqtt_properties *properties, uint32_t max_packet,
                       struct buf *buf)
{
    if (version != MQTT_5_0)
        return encode_reasoned(MQTT_DISCONNECT << 4, MQTT_SUCCESS, NULL, 0, buf);
    return encode_reasoned(MQTT_DISCONNECT << 4, reason, properties, max_packet, buf);
}

size_t
mqtt_encode_auth(enum mqtt_reason reason, const struct mqtt_properties *properties,
                 uint32_t max_packet, struct buf *buf)
{
    return encode_reasoned(MQTT_AUTH << 4, reason, properties, max_packet, buf);
}

static size_t
encode_empty(uint8_t first, struct buf *buf)
{
    struct mqtt_encode_part part = {.first = first};
    return mqtt_encode_part_finish(&part, buf);
}

size_t
mqtt_encode_pingresp(struct buf *buf)
{
    return encode_empty(MQTT_PINGRESP << 4, buf);
}

size_t
mqtt_encode_pingreq(struct buf *buf)
{
    return encode_empty(MQTT_PINGREQ << 4, buf);
}
