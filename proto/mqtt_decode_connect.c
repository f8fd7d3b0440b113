/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT of all versions. It comes from somebody unknown, so it is read in strict order and
 * nothing is believed before it was checked.
 *
 *   10 12 | 00 04 4D 51 54 54 | 04 | 02 | 00 3C | 00 06 73 65 6E 73 6F 72
 *   type    "MQTT"              3.1.1 clean 60 s   client id "sensor"
 */
#include "proto/mqtt_decode.h"

#include "common/cursor.h"
#include "proto/mqtt_decode_part.h"
#include "proto/mqtt_properties.h"
#include "proto/topic.h"
#include "proto/utf8.h"

#define FLAG_RESERVED    0x01u
#define FLAG_CLEAN       0x02u
#define FLAG_WILL        0x04u
#define FLAG_WILL_QOS    0x18u
#define FLAG_WILL_RETAIN 0x20u
#define FLAG_PASSWORD    0x40u
#define FLAG_USERNAME    0x80u

/* Name and level. out->version is set in any case: it says in which version to answer. */
static enum err
decode_protocol(struct cursor *c, struct mqtt_connect *out, enum mqtt_reason *reason)
{
    struct slice name = cursor_bytes16(c);
    uint8_t level = cursor_u8(c);
    out->version = MQTT_3_1_1;
    if (c->err != OK)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    /* With an unknown name, too, the level says best who will read the answer. */
    out->version = level >= MQTT_5_0 && level < 0x80u ? MQTT_5_0 : MQTT_3_1_1;
    if (slice_equal_cstr(name, "MQTT")) {
        if (level == MQTT_3_1_1 || level == MQTT_5_0)
            return OK;
    } else if (slice_equal_cstr(name, "MQIsdp")) {
        out->version = MQTT_3_1;
        if (level == MQTT_3_1)
            return OK;
    }
    return mqtt_decode_part_fail(ERR_VERSION, reason);
}

static bool
flags_are_valid(enum mqtt_version version, unsigned flags)
{
    if ((flags & FLAG_WILL_QOS) == FLAG_WILL_QOS) /* [MQTT-3.1.2-12] */
        return false;
    if (version == MQTT_3_1) /* bits that mean nothing there are not reserved either */
        return true;
    if ((flags & FLAG_RESERVED) != 0) /* [MQTT-3.1.2-3] */
        return false;
    if ((flags & FLAG_WILL) == 0 && (flags & (FLAG_WILL_QOS | FLAG_WILL_RETAIN)) != 0)
        return false; /* [MQTT-3.1.2-11], [MQTT-3.1.2-13] */
    /* 3.1.1 [MQTT-3.1.2-22]; 5.0 allows a password alone. */
    return version == MQTT_5_0 || (flags & FLAG_USERNAME) != 0 || (flags & FLAG_PASSWORD) == 0;
}

static enum err
decode_will(struct cursor *c, unsigned flags, struct mqtt_connect *connect,
            enum mqtt_reason *reason)
{
    struct mqtt_will *will = &connect->will;
    if (connect->version == MQTT_5_0) {
        enum err err = mqtt_decode_part_properties(MQTT_WILL, false, c, reason, &will->properties);
        if (err != OK)
            return err;
    } else {
        mqtt_properties_init(&will->properties);
    }
    will->topic = cursor_bytes16(c);
    will->payload = cursor_bytes16(c);
    if (c->err != OK || !utf8_is_valid(will->topic))
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    /* Clients of 3.1 are about that set the flag and send two empty strings. */
    if (connect->version == MQTT_3_1 && will->topic.len == 0 && will->payload.len == 0)
        return OK;
    if (!topic_name_is_valid(will->topic)) {
        if (connect->version != MQTT_5_0)
            return mqtt_decode_part_fail(ERR_MALFORMED, reason);
        return mqtt_decode_part_invalid(MQTT_TOPIC_NAME_INVALID, reason);
    }
    will->qos = (uint8_t)((flags & FLAG_WILL_QOS) >> 3);
    will->retain = (flags & FLAG_WILL_RETAIN) != 0;
    connect->has_will = true;
    return OK;
}

static void
decode_credentials(struct cursor *c, unsigned flags, struct mqtt_connect *connect)
{
    /* In 3.1 the length takes precedence over the flags: what is not there is not given. */
    bool may_lack = connect->version == MQTT_3_1;
    if ((flags & FLAG_USERNAME) != 0 && !(may_lack && cursor_left(c) == 0)) {
        connect->username = cursor_bytes16(c);
        connect->has_username = true;
    }
    if ((flags & FLAG_PASSWORD) != 0 && !(may_lack && cursor_left(c) == 0)) {
        connect->password = cursor_bytes16(c);
        connect->has_password = true;
    }
}

static enum err
check_client_id(const struct mqtt_connect *connect, enum mqtt_reason *reason)
{
    if (connect->client_id.len > 0 || connect->version == MQTT_5_0)
        return OK;
    /* 3.1 has no empty ids; 3.1.1 only for clean sessions [MQTT-3.1.3-8]. */
    if (connect->version == MQTT_3_1 || !connect->clean_start)
        return mqtt_decode_part_invalid(MQTT_CLIENT_ID_NOT_VALID, reason);
    return OK;
}

static enum err
decode_fields(struct cursor *c, struct mqtt_connect *connect, enum mqtt_reason *reason)
{
    unsigned flags = cursor_u8(c);
    enum err err;
    connect->keep_alive_s = cursor_u16(c);
    if (c->err != OK || !flags_are_valid(connect->version, flags))
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    connect->clean_start = (flags & FLAG_CLEAN) != 0;
    mqtt_properties_init(&connect->properties);
    if (connect->version == MQTT_5_0) {
        err = mqtt_decode_part_properties(MQTT_CONNECT, false, c, reason, &connect->properties);
        if (err != OK)
            return err;
        if (mqtt_properties_has(&connect->properties, MQTT_PROPERTY_AUTH_DATA) &&
            !mqtt_properties_has(&connect->properties, MQTT_PROPERTY_AUTH_METHOD))
            return mqtt_decode_part_fail(ERR_PROTOCOL, reason); /* §3.1.2.11.10 */
    }
    connect->client_id = cursor_bytes16(c);
    if ((flags & FLAG_WILL) != 0) {
        err = decode_will(c, flags, connect, reason);
        if (err != OK)
            return err;
    }
    decode_credentials(c, flags, connect);
    if (cursor_end(c) != OK || !utf8_is_valid(connect->client_id) ||
        !utf8_is_valid(connect->username))
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    return check_client_id(connect, reason);
}

enum err
mqtt_decode_connect(const struct mqtt_frame *frame, struct mqtt_connect *out,
                    enum mqtt_reason *reason)
{
    struct mqtt_connect connect = {0};
    struct cursor c = cursor_of(frame->body);
    out->version = MQTT_3_1_1;
    if (frame->type != MQTT_CONNECT)
        return mqtt_decode_part_fail(ERR_PROTOCOL, reason);
    if (frame->flags != 0)
        return mqtt_decode_part_fail(ERR_MALFORMED, reason);
    enum err err = decode_protocol(&c, &connect, reason);
    out->version = connect.version;
    if (err != OK)
        return err;
    err = decode_fields(&c, &connect, reason);
    if (err != OK)
        return err;
    *out = connect;
    return OK;
}
