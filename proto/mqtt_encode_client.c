/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client sends: for tools, tests and bridges. No broker's hot path runs through here.
 */
#include "proto/mqtt_encode.h"

#include "proto/mqtt_encode_part.h"
#include "proto/mqtt_properties.h"
#include "proto/mqtt_varint.h"

#include <assert.h>

static void
put_text(struct buf *buf, struct slice text)
{
    assert(text.len <= LIMITS_STRING);
    buf_put_u16(buf, (uint16_t)text.len);
    buf_append_slice(buf, text);
}

/* Header, or false when no packet can be that long. */
static bool
put_header(struct buf *buf, unsigned first, size_t remaining)
{
    if (remaining > LIMITS_REMAINING_LENGTH)
        return false;
    buf_put_u8(buf, (uint8_t)first);
    buf_put_varint32(buf, (uint32_t)remaining);
    return true;
}

static size_t
finish(struct buf *buf, size_t before)
{
    if (buf_error(buf) == OK)
        return buf_len(buf) - before;
    buf_truncate(buf, before);
    return 0;
}

static size_t
block_size(const struct mqtt_properties *properties)
{
    size_t size = properties == NULL ? 0 : mqtt_properties_size(properties);
    return size + (size > LIMITS_REMAINING_LENGTH ? 4 : mqtt_varint_size((uint32_t)size));
}

static void
put_block(struct buf *buf, const struct mqtt_properties *properties)
{
    if (properties == NULL)
        buf_put_u8(buf, 0);
    else
        mqtt_properties_encode(properties, buf);
}

static uint8_t
connect_flags(const struct mqtt_connect *connect)
{
    unsigned flags = connect->clean_start ? 0x02u : 0;
    if (connect->has_will)
        flags |= 0x04u | (unsigned)connect->will.qos << 3 | (connect->will.retain ? 0x20u : 0);
    flags |= connect->has_password ? 0x40u : 0;
    flags |= connect->has_username ? 0x80u : 0;
    return (uint8_t)flags;
}

size_t
mqtt_encode_connect(const struct mqtt_connect *connect, struct buf *buf)
{
    bool v5 = connect->version == MQTT_5_0;
    struct slice name = slice_cstr(connect->version == MQTT_3_1 ? "MQIsdp" : "MQTT");
    size_t before = buf_len(buf);
    size_t remaining =
        2 + name.len + 4 + (v5 ? block_size(&connect->properties) : 0) + 2 + connect->client_id.len;
    if (connect->has_will)
        remaining += (v5 ? block_size(&connect->will.properties) : 0) + 2 +
                     connect->will.topic.len + 2 + connect->will.payload.len;
    remaining += connect->has_username ? 2 + connect->username.len : 0;
    remaining += connect->has_password ? 2 + connect->password.len : 0;
    if (!put_header(buf, MQTT_CONNECT << 4, remaining))
        return 0;
    put_text(buf, name);
    buf_put_u8(buf, (uint8_t)connect->version);
    buf_put_u8(buf, connect_flags(connect));
    buf_put_u16(buf, connect->keep_alive_s);
    if (v5)
        put_block(buf, &connect->properties);
    put_text(buf, connect->client_id);
    if (connect->has_will) {
        if (v5)
            put_block(buf, &connect->will.properties);
        put_text(buf, connect->will.topic);
        put_text(buf, connect->will.payload);
    }
    if (connect->has_username)
        put_text(buf, connect->username);
    if (connect->has_password)
        put_text(buf, connect->password);
    return finish(buf, before);
}

size_t
mqtt_encode_publish(enum mqtt_version version, const struct mqtt_publish_out *publish,
                    struct slice payload, struct buf *buf)
{
    size_t before = buf_len(buf);
    assert(publish->payload_len == payload.len);
    uint8_t *out = buf_reserve(buf, mqtt_encode_publish_header_max(publish));
    size_t len = out == NULL ? 0 : mqtt_encode_publish_header(version, publish, out, NULL);
    if (len == 0)
        return 0;
    buf_commit(buf, len);
    buf_append_slice(buf, payload);
    return finish(buf, before);
}

size_t
mqtt_encode_subscribe(enum mqtt_version version, uint16_t packet_id,
                      const struct mqtt_subscription *subscriptions, size_t count,
                      const struct mqtt_properties *properties, struct buf *buf)
{
    size_t before = buf_len(buf);
    size_t remaining = 2 + (version == MQTT_5_0 ? block_size(properties) : 0);
    for (size_t i = 0; i < count; i++)
        remaining += 2 + subscriptions[i].filter.len + 1;
    if (!put_header(buf, MQTT_SUBSCRIBE << 4 | 2, remaining))
        return 0;
    buf_put_u16(buf, packet_id);
    if (version == MQTT_5_0)
        put_block(buf, properties);
    for (size_t i = 0; i < count; i++) {
        const struct mqtt_subscription *s = &subscriptions[i];
        unsigned options = s->qos;
        if (version == MQTT_5_0)
            options |= (s->no_local ? 0x04u : 0) | (s->retain_as_published ? 0x08u : 0) |
                       (unsigned)s->retain_handling << 4;
        put_text(buf, s->filter);
        buf_put_u8(buf, (uint8_t)options);
    }
    return finish(buf, before);
}

size_t
mqtt_encode_unsubscribe(enum mqtt_version version, uint16_t packet_id, const struct slice *filters,
                        size_t count, const struct mqtt_properties *properties, struct buf *buf)
{
    size_t before = buf_len(buf);
    size_t remaining = 2 + (version == MQTT_5_0 ? block_size(properties) : 0);
    for (size_t i = 0; i < count; i++)
        remaining += 2 + filters[i].len;
    if (!put_header(buf, MQTT_UNSUBSCRIBE << 4 | 2, remaining))
        return 0;
    buf_put_u16(buf, packet_id);
    if (version == MQTT_5_0)
        put_block(buf, properties);
    for (size_t i = 0; i < count; i++)
        put_text(buf, filters[i]);
    return finish(buf, before);
}
