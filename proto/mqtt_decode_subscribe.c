/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SUBSCRIBE and UNSUBSCRIBE. All filters are checked in one pass; the packet keeps them as bytes,
 * and the _next functions walk them without allocating.
 *
 *   82 08 | 00 01 | 00 03 61 2F 62 | 01
 *   type    id      "a/b"            QoS 1
 */
#include "proto/mqtt_decode.h"

#include "common/cursor.h"
#include "proto/mqtt_decode_part.h"
#include "proto/mqtt_properties.h"
#include "proto/topic.h"
#include "proto/utf8.h"

#define OPTION_QOS             0x03u
#define OPTION_NO_LOCAL        0x04u
#define OPTION_RETAIN_AS       0x08u
#define OPTION_RETAIN_HANDLING 0x30u
#define OPTION_RESERVED        0xC0u

static enum err
check_filter(struct slice filter, enum mqtt_reason *reason)
{
    if (!utf8_is_valid(filter))
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (!topic_filter_is_valid(filter))
        return mqtt_decode_part_invalid(MQTT_TOPIC_FILTER_INVALID, reason);
    return OK;
}

static enum err
check_options(enum mqtt_version version, struct slice filter, unsigned options,
              enum mqtt_reason *reason)
{
    unsigned reserved = version == MQTT_5_0 ? OPTION_RESERVED : ~OPTION_QOS;
    if ((options & reserved) != 0 || (options & OPTION_QOS) == 3u) /* [MQTT-3.8.3-5] */
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if ((options & OPTION_RETAIN_HANDLING) == OPTION_RETAIN_HANDLING)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    struct slice group;
    struct slice inner;
    if ((options & OPTION_NO_LOCAL) != 0 &&
        topic_share_parse(filter, &group, &inner) != TOPIC_SHARE_NONE)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason); /* [MQTT-3.8.3-4] */
    return OK;
}

static enum err
check_filters(const struct mqtt_subscribe *packet, bool has_options, uint16_t *count,
              enum mqtt_reason *reason)
{
    struct cursor c = cursor_of(packet->filters);
    unsigned n = 0;
    while (cursor_left(&c) > 0) {
        struct slice filter = cursor_bytes16(&c);
        unsigned options = has_options ? cursor_u8(&c) : 0;
        if (c.err != OK)
            return mqtt_decode_part_fail(ERR_MALFORMED, reason);
        if (++n > LIMITS_FILTERS_PER_PACKET)
            return mqtt_decode_part_fail(ERR_QUOTA, reason);
        enum err err = check_filter(filter, reason);
        if (err == OK && has_options)
            err = check_options(packet->version, filter, options, reason);
        if (err != OK)
            return err;
    }
    if (c.err != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (n == 0) /* [MQTT-3.8.3-2], [MQTT-3.10.3-2] */
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    *count = (uint16_t)n;
    return OK;
}

static enum err
decode(enum mqtt_type type, enum mqtt_version version, const struct mqtt_frame *frame,
       struct mqtt_subscribe *out, enum mqtt_reason *reason)
{
    struct mqtt_subscribe packet = {.version = version};
    struct cursor c = cursor_of(frame->body);
    if (frame->type != type)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (!mqtt_decode_part_flags_are_valid(version, frame))
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    mqtt_properties_init(&packet.properties);
    packet.packet_id = cursor_u16(&c);
    if (c.err != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    if (packet.packet_id == 0)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (version == MQTT_5_0) {
        enum err err =
            mqtt_decode_part_properties(type, frame->from_server, &c, reason, &packet.properties);
        if (err != OK)
            return err;
    }
    packet.filters = cursor_rest(&c);
    enum err err = check_filters(&packet, type == MQTT_SUBSCRIBE, &packet.filter_count, reason);
    if (err != OK)
        return err;
    *out = packet;
    return OK;
}

enum err
mqtt_decode_subscribe(enum mqtt_version version, const struct mqtt_frame *frame,
                      struct mqtt_subscribe *out, enum mqtt_reason *reason)
{
    return decode(MQTT_SUBSCRIBE, version, frame, out, reason);
}

enum err
mqtt_decode_unsubscribe(enum mqtt_version version, const struct mqtt_frame *frame,
                        struct mqtt_subscribe *out, enum mqtt_reason *reason)
{
    return decode(MQTT_UNSUBSCRIBE, version, frame, out, reason);
}

static bool
next(const struct mqtt_subscribe *packet, size_t *pos, struct slice *filter, uint8_t *options)
{
    if (*pos >= packet->filters.len)
        return false;
    struct cursor c = cursor_of(slice_of(packet->filters.data + *pos, packet->filters.len - *pos));
    struct slice text = cursor_bytes16(&c);
    uint8_t byte = options == NULL ? 0 : cursor_u8(&c);
    if (c.err != OK)
        return false;
    *filter = text;
    if (options != NULL)
        *options = byte;
    *pos = packet->filters.len - cursor_left(&c);
    return true;
}

bool
mqtt_decode_subscribe_next(const struct mqtt_subscribe *packet, size_t *pos,
                           struct mqtt_subscription *out)
{
    struct mqtt_subscription subscription = {.reason = MQTT_SUCCESS};
    uint8_t options;
    if (!next(packet, pos, &subscription.filter, &options))
        return false;
    subscription.share_filter = subscription.filter;
    (void)topic_share_parse(subscription.filter, &subscription.share_group,
                            &subscription.share_filter);
    if (topic_level_count(subscription.share_filter) > LIMITS_FILTER_LEVELS)
        subscription.reason = MQTT_TOPIC_FILTER_INVALID;
    subscription.qos = options & OPTION_QOS;
    subscription.no_local = (options & OPTION_NO_LOCAL) != 0;
    subscription.retain_as_published = (options & OPTION_RETAIN_AS) != 0;
    subscription.retain_handling = (uint8_t)((options & OPTION_RETAIN_HANDLING) >> 4);
    *out = subscription;
    return true;
}

bool
mqtt_decode_unsubscribe_next(const struct mqtt_subscribe *packet, size_t *pos, struct slice *filter)
{
    return next(packet, pos, filter, NULL);
}
