/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties. Everything that the standard says of a property is in its row of the table below;
 * decoding, encoding and sizes go by the row and know no property by name.
 */
#include "proto/mqtt_properties.h"

#include "common/cursor.h"
#include "proto/mqtt_varint.h"
#include "proto/topic.h"
#include "proto/utf8.h"

#include <assert.h>

enum kind { NONE, U8, U16, U32, VARINT, STRING, BINARY, PAIR };

#define BIT(type)   (1u << (type))
#define WILL        BIT(MQTT_WILL)
#define CONNECT     BIT(MQTT_CONNECT)
#define CONNACK     BIT(MQTT_CONNACK)
#define PUBLISH     BIT(MQTT_PUBLISH)
#define CLOSE       BIT(MQTT_DISCONNECT)
#define AUTH        BIT(MQTT_AUTH)
#define ACKS        (BIT(MQTT_PUBACK) | BIT(MQTT_PUBREC) | BIT(MQTT_PUBREL) | BIT(MQTT_PUBCOMP))
#define SUBSCRIBE   BIT(MQTT_SUBSCRIBE)
#define SUBACKS     (BIT(MQTT_SUBACK) | BIT(MQTT_UNSUBACK))
#define UNSUBSCRIBE BIT(MQTT_UNSUBSCRIBE)
#define ALL                                                                                        \
    (WILL | CONNECT | CONNACK | PUBLISH | CLOSE | AUTH | ACKS | SUBSCRIBE | SUBACKS | UNSUBSCRIBE)

#define ID_MAX MQTT_PROPERTY_SHARED_AVAILABLE

struct row {
    const char *name;
    enum kind kind;
    uint16_t packets;     /* which may carry it, one bit a type */
    uint16_t client_only; /* of these: not from a server, or not from a client */
    uint16_t server_only;
    uint32_t min; /* numbers: what is out of min..max is a protocol error */
    uint32_t max;
    size_t offset; /* of the field */
};

#define AT(field) offsetof(struct mqtt_properties, field)

/* MQTT 5.0 §2.2.2.2, and the section of each packet for the values. */
static const struct row table[ID_MAX + 1] = {
    [0x01] = {"payload format indicator", U8, PUBLISH | WILL, 0, 0, 0, 1, AT(payload_format)},
    [0x02] = {"message expiry interval", U32, PUBLISH | WILL, 0, 0, 0, UINT32_MAX,
              AT(message_expiry_s)},
    [0x03] = {"content type", STRING, PUBLISH | WILL, 0, 0, 0, 0, AT(content_type)},
    [0x08] = {"response topic", STRING, PUBLISH | WILL, 0, 0, 0, 0, AT(response_topic)},
    [0x09] = {"correlation data", BINARY, PUBLISH | WILL, 0, 0, 0, 0, AT(correlation_data)},
    [0x0B] = {"subscription identifier", VARINT, PUBLISH | SUBSCRIBE, 0, PUBLISH, 1,
              LIMITS_SUBSCRIPTION_ID, AT(subscription_id)},
    [0x11] = {"session expiry interval", U32, CONNECT | CONNACK | CLOSE, CLOSE, 0, 0, UINT32_MAX,
              AT(session_expiry_s)},
    [0x12] = {"assigned client identifier", STRING, CONNACK, 0, 0, 0, 0, AT(assigned_client_id)},
    [0x13] = {"server keep alive", U16, CONNACK, 0, 0, 0, UINT16_MAX, AT(server_keep_alive_s)},
    [0x15] = {"authentication method", STRING, CONNECT | CONNACK | AUTH, 0, 0, 0, 0,
              AT(auth_method)},
    [0x16] = {"authentication data", BINARY, CONNECT | CONNACK | AUTH, 0, 0, 0, 0, AT(auth_data)},
    [0x17] = {"request problem information", U8, CONNECT, 0, 0, 0, 1, AT(request_problem_info)},
    [0x18] = {"will delay interval", U32, WILL, 0, 0, 0, UINT32_MAX, AT(will_delay_s)},
    [0x19] = {"request response information", U8, CONNECT, 0, 0, 0, 1, AT(request_response_info)},
    [0x1A] = {"response information", STRING, CONNACK, 0, 0, 0, 0, AT(response_info)},
    [0x1C] = {"server reference", STRING, CONNACK | CLOSE, 0, CLOSE, 0, 0, AT(server_reference)},
    [0x1F] = {"reason string", STRING, CONNACK | ACKS | SUBACKS | CLOSE | AUTH, 0, 0, 0, 0,
              AT(reason_string)},
    [0x21] = {"receive maximum", U16, CONNECT | CONNACK, 0, 0, 1, UINT16_MAX, AT(receive_maximum)},
    [0x22] = {"topic alias maximum", U16, CONNECT | CONNACK, 0, 0, 0, UINT16_MAX,
              AT(topic_alias_maximum)},
    [0x23] = {"topic alias", U16, PUBLISH, 0, 0, 1, UINT16_MAX, AT(topic_alias)},
    [0x24] = {"maximum qos", U8, CONNACK, 0, 0, 0, 1, AT(maximum_qos)},
    [0x25] = {"retain available", U8, CONNACK, 0, 0, 0, 1, AT(retain_available)},
    [0x26] = {"user property", PAIR, ALL, 0, 0, 0, 0, 0},
    [0x27] = {"maximum packet size", U32, CONNECT | CONNACK, 0, 0, 1, UINT32_MAX,
              AT(maximum_packet_size)},
    [0x28] = {"wildcard subscription available", U8, CONNACK, 0, 0, 0, 1, AT(wildcard_available)},
    [0x29] = {"subscription identifiers available", U8, CONNACK, 0, 0, 0, 1,
              AT(subscription_id_available)},
    [0x2A] = {"shared subscription available", U8, CONNACK, 0, 0, 0, 1, AT(shared_available)},
};

static const struct mqtt_properties absent = {
    .receive_maximum = UINT16_MAX,
    .request_problem_info = 1,
    .maximum_qos = 2,
    .retain_available = 1,
    .wildcard_available = 1,
    .subscription_id_available = 1,
    .shared_available = 1,
};

/* What a broker passes on of a PUBLISH or will. */
#define FORWARDED                                                                                  \
    ((UINT64_C(1) << MQTT_PROPERTY_PAYLOAD_FORMAT) | (UINT64_C(1) << MQTT_PROPERTY_CONTENT_TYPE) | \
     (UINT64_C(1) << MQTT_PROPERTY_RESPONSE_TOPIC) |                                               \
     (UINT64_C(1) << MQTT_PROPERTY_CORRELATION_DATA) |                                             \
     (UINT64_C(1) << MQTT_PROPERTY_USER_PROPERTY))

/* Value of one property as it was read. */
struct value {
    uint32_t number;
    struct slice text;   /* strings, binary, the name of a pair */
    struct slice second; /* the value of a pair */
};

static const struct row *
row_of(uint8_t id)
{
    return id <= ID_MAX && table[id].kind != NONE ? &table[id] : NULL;
}

const char *
mqtt_properties_name(uint8_t id)
{
    const struct row *row = row_of(id);
    return row == NULL ? NULL : row->name;
}

void
mqtt_properties_init(struct mqtt_properties *properties)
{
    /* Copied from where gcc does not see what it copies: it would clear the fields one after the
     * other by `rep stos`, which holds up every PUBLISH for some 40 cycles. */
    const struct mqtt_properties *from = &absent;
    __asm__("" : "+r"(from));
    *properties = *from;
}

static void
read_value(struct cursor *c, enum kind kind, struct value *value)
{
    switch (kind) {
    case U8:
        value->number = cursor_u8(c);
        break;
    case U16:
        value->number = cursor_u16(c);
        break;
    case U32:
        value->number = cursor_u32(c);
        break;
    case VARINT:
        value->number = cursor_varint32(c);
        break;
    case STRING:
    case BINARY:
        value->text = cursor_bytes16(c);
        break;
    case PAIR:
        value->text = cursor_bytes16(c);
        value->second = cursor_bytes16(c);
        break;
    case NONE:
        break;
    }
}

static void
store_value(struct mqtt_properties *properties, const struct row *row, const struct value *value)
{
    void *field = (uint8_t *)properties + row->offset;
    switch (row->kind) {
    case U8:
        *(uint8_t *)field = (uint8_t)value->number;
        break;
    case U16:
        *(uint16_t *)field = (uint16_t)value->number;
        break;
    case U32:
    case VARINT:
        *(uint32_t *)field = value->number;
        break;
    case STRING:
    case BINARY:
        *(struct slice *)field = value->text;
        break;
    case PAIR:
    case NONE:
        break;
    }
}

static void
load_value(const struct mqtt_properties *properties, const struct row *row, struct value *value)
{
    const void *field = (const uint8_t *)properties + row->offset;
    switch (row->kind) {
    case U8:
        value->number = *(const uint8_t *)field;
        break;
    case U16:
        value->number = *(const uint16_t *)field;
        break;
    case U32:
    case VARINT:
        value->number = *(const uint32_t *)field;
        break;
    case STRING:
    case BINARY:
        value->text = *(const struct slice *)field;
        break;
    case PAIR:
    case NONE:
        break;
    }
}

static enum mqtt_reason
check_value(uint8_t id, const struct row *row, const struct value *value)
{
    switch (row->kind) {
    case STRING:
        if (!utf8_is_valid(value->text))
            return MQTT_MALFORMED_PACKET;
        /* [MQTT-3.3.2-14]; an empty one is no topic name either. */
        if (id == MQTT_PROPERTY_RESPONSE_TOPIC && !topic_name_is_valid(value->text))
            return MQTT_PROTOCOL_ERROR;
        return MQTT_SUCCESS;
    case PAIR:
        return utf8_is_valid(value->text) && utf8_is_valid(value->second) ? MQTT_SUCCESS
                                                                          : MQTT_MALFORMED_PACKET;
    case U8:
    case U16:
    case U32:
    case VARINT:
        if (value->number >= row->min && value->number <= row->max)
            return MQTT_SUCCESS;
        return id == MQTT_PROPERTY_TOPIC_ALIAS ? MQTT_TOPIC_ALIAS_INVALID : MQTT_PROTOCOL_ERROR;
    case BINARY:
    case NONE:
        break;
    }
    return MQTT_SUCCESS;
}

static enum mqtt_reason
check_place(enum mqtt_type type, bool from_server, uint8_t id, const struct row *row,
            const struct mqtt_properties *properties)
{
    uint32_t bit = BIT(type);
    if ((row->packets & bit) == 0)
        return MQTT_MALFORMED_PACKET;
    if (((from_server ? row->client_only : row->server_only) & bit) != 0)
        return MQTT_PROTOCOL_ERROR;
    if (id == MQTT_PROPERTY_USER_PROPERTY)
        return properties->user_property_count < LIMITS_USER_PROPERTIES ? MQTT_SUCCESS
                                                                        : MQTT_QUOTA_EXCEEDED;
    if (id == MQTT_PROPERTY_SUBSCRIPTION_ID && type == MQTT_PUBLISH)
        return properties->subscription_id_count < LIMITS_SUBSCRIPTION_IDS ? MQTT_SUCCESS
                                                                           : MQTT_QUOTA_EXCEEDED;
    return mqtt_properties_has(properties, (enum mqtt_property)id) ? MQTT_PROTOCOL_ERROR
                                                                   : MQTT_SUCCESS;
}

static enum err
err_of(enum mqtt_reason reason)
{
    return reason == MQTT_MALFORMED_PACKET ? ERR_MALFORMED
           : reason == MQTT_QUOTA_EXCEEDED ? ERR_QUOTA
                                           : ERR_PROTOCOL;
}

enum err
mqtt_properties_decode(enum mqtt_type type, bool from_server, struct slice block,
                       enum mqtt_reason *reason, struct mqtt_properties *out)
{
    struct mqtt_properties properties = absent;
    struct cursor c = cursor_of(block);
    properties.raw = block;
    while (cursor_left(&c) > 0) {
        /* The identifier is a varint in the standard; all that exist take one byte, and a longer
         * form of those is not minimal. */
        uint8_t id = cursor_u8(&c);
        const struct row *row = row_of(id);
        struct value value = {0, {NULL, 0}, {NULL, 0}};
        enum mqtt_reason bad = row == NULL ? MQTT_MALFORMED_PACKET
                                           : check_place(type, from_server, id, row, &properties);
        if (bad == MQTT_SUCCESS) {
            read_value(&c, row->kind, &value);
            bad = c.err != OK ? MQTT_MALFORMED_PACKET : check_value(id, row, &value);
        }
        if (bad != MQTT_SUCCESS) {
            *reason = bad;
            return err_of(bad);
        }
        if (id == MQTT_PROPERTY_USER_PROPERTY)
            properties.user_property_count++;
        else if (id != MQTT_PROPERTY_SUBSCRIPTION_ID || properties.subscription_id_count++ == 0)
            store_value(&properties, row, &value);
        mqtt_properties_set(&properties, (enum mqtt_property)id);
    }
    *out = properties;
    return OK;
}

/* Reads on from *pos to the next property; false at the end. The block was checked before. */
static bool
next(struct slice raw, size_t *pos, uint8_t *id, struct value *value)
{
    if (*pos >= raw.len)
        return false;
    struct cursor c = cursor_of(slice_of(raw.data + *pos, raw.len - *pos));
    *id = cursor_u8(&c);
    const struct row *row = row_of(*id);
    if (row == NULL)
        return false;
    read_value(&c, row->kind, value);
    if (c.err != OK)
        return false;
    *pos = raw.len - cursor_left(&c);
    return true;
}

bool
mqtt_properties_next_user(const struct mqtt_properties *properties, size_t *pos, struct slice *name,
                          struct slice *value)
{
    struct value v = {0, {NULL, 0}, {NULL, 0}};
    uint8_t id;
    if (!mqtt_properties_has(properties, MQTT_PROPERTY_USER_PROPERTY))
        return false;
    while (next(properties->raw, pos, &id, &v)) {
        if (id == MQTT_PROPERTY_USER_PROPERTY) {
            *name = v.text;
            *value = v.second;
            return true;
        }
    }
    return false;
}

bool
mqtt_properties_next_subscription_id(const struct mqtt_properties *properties, size_t *pos,
                                     uint32_t *out)
{
    struct value v = {0, {NULL, 0}, {NULL, 0}};
    uint8_t id;
    if (!mqtt_properties_has(properties, MQTT_PROPERTY_SUBSCRIPTION_ID))
        return false;
    while (next(properties->raw, pos, &id, &v)) {
        if (id == MQTT_PROPERTY_SUBSCRIPTION_ID) {
            *out = v.number;
            return true;
        }
    }
    return false;
}

bool
mqtt_properties_is_forwardable(const struct mqtt_properties *properties)
{
    return (properties->present & ~FORWARDED) == 0;
}

enum err
mqtt_properties_filter_publish(const struct mqtt_properties *properties, struct buf *buf)
{
    size_t pos = 0;
    size_t start = 0; /* of the run of properties to keep */
    struct value v = {0, {NULL, 0}, {NULL, 0}};
    uint8_t id;
    if (mqtt_properties_is_forwardable(properties)) {
        buf_append_slice(buf, properties->raw);
        return buf_error(buf);
    }
    for (size_t before = 0; next(properties->raw, &pos, &id, &v); before = pos) {
        if ((FORWARDED >> id & 1u) != 0)
            continue;
        buf_append(buf, properties->raw.data + start, before - start);
        start = pos;
    }
    buf_append(buf, properties->raw.data + start, pos - start);
    return buf_error(buf);
}

static size_t
value_size(const struct row *row, const struct value *value)
{
    switch (row->kind) {
    case U8:
        return 1;
    case U16:
        return 2;
    case U32:
        return 4;
    case VARINT:
        return mqtt_varint_size(value->number);
    case STRING:
    case BINARY:
        return 2 + value->text.len;
    case PAIR:
    case NONE:
        break;
    }
    return 0;
}

static void
put_text(struct buf *buf, struct slice text)
{
    assert(text.len <= LIMITS_STRING);
    buf_put_u16(buf, (uint16_t)text.len);
    buf_append_slice(buf, text);
}

static void
put_value(struct buf *buf, uint8_t id, const struct row *row, const struct value *value)
{
    buf_put_u8(buf, id);
    switch (row->kind) {
    case U8:
        buf_put_u8(buf, (uint8_t)value->number);
        break;
    case U16:
        buf_put_u16(buf, (uint16_t)value->number);
        break;
    case U32:
        buf_put_u32(buf, value->number);
        break;
    case VARINT:
        buf_put_varint32(buf, value->number);
        break;
    case STRING:
    case BINARY:
        put_text(buf, value->text);
        break;
    case PAIR:
    case NONE:
        break;
    }
}

/* The next property at or after identifier `from` that an encoder writes from its field, or 0. */
static uint8_t
next_field(uint64_t present, uint8_t from)
{
    for (unsigned id = from; id <= ID_MAX; id++) {
        if ((present >> id & 1u) != 0 && table[id].kind != NONE && table[id].kind != PAIR)
            return (uint8_t)id;
    }
    return 0;
}

size_t
mqtt_properties_size(const struct mqtt_properties *properties)
{
    size_t size = properties->extra.len;
    for (uint8_t id = 0; (id = next_field(properties->present, (uint8_t)(id + 1))) != 0;) {
        struct value value = {0, {NULL, 0}, {NULL, 0}};
        load_value(properties, &table[id], &value);
        size += 1 + value_size(&table[id], &value);
    }
    return size;
}

void
mqtt_properties_encode_block(const struct mqtt_properties *properties, struct buf *buf)
{
    for (uint8_t id = 0; (id = next_field(properties->present, (uint8_t)(id + 1))) != 0;) {
        struct value value = {0, {NULL, 0}, {NULL, 0}};
        load_value(properties, &table[id], &value);
        put_value(buf, id, &table[id], &value);
    }
    buf_append_slice(buf, properties->extra);
}

void
mqtt_properties_encode(const struct mqtt_properties *properties, struct buf *buf)
{
    size_t size = mqtt_properties_size(properties);
    assert(size <= LIMITS_REMAINING_LENGTH);
    buf_put_varint32(buf, (uint32_t)size);
    mqtt_properties_encode_block(properties, buf);
}

void
mqtt_properties_put_number(struct buf *buf, enum mqtt_property id, uint32_t value)
{
    const struct row *row = row_of((uint8_t)id);
    assert(row != NULL && value <= row->max);
    put_value(buf, (uint8_t)id, row, &(struct value){.number = value});
}

void
mqtt_properties_put_string(struct buf *buf, enum mqtt_property id, struct slice value)
{
    const struct row *row = row_of((uint8_t)id);
    assert(row != NULL && (row->kind == STRING || row->kind == BINARY));
    put_value(buf, (uint8_t)id, row, &(struct value){.text = value});
}

void
mqtt_properties_put_user(struct buf *buf, struct slice name, struct slice value)
{
    buf_put_u8(buf, MQTT_PROPERTY_USER_PROPERTY);
    put_text(buf, name);
    put_text(buf, value);
}
