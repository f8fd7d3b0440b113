/* SPDX-License-Identifier: Apache-2.0 */
/* See message_json.h. */
#include "services/rest/message_json.h"

#include "common/crypt.h"
#include "common/mem.h"
#include "proto/mqtt_packet.h"
#include "proto/mqtt_properties.h"
#include "services/rest/api_json.h"

#define PROPERTIES_MAX ((size_t)256 * 1024)

/* ---- reading */

static enum err
read_payload(const json_t *body, struct message_json *out)
{
    const json_t *text = json_object_get(body, "payload");
    const json_t *encoded = json_object_get(body, "payload_base64");
    if (text != NULL && encoded != NULL)
        return ERR_INVALID;
    if (encoded != NULL) {
        struct slice base64 = slice_of(json_string_value(encoded), json_string_length(encoded));
        size_t cap = base64.len / 4 * 3 + 3;
        out->payload = mem_alloc(cap);
        return crypt_base64_decode(base64, out->payload, cap, &out->payload_len);
    }
    out->payload_len = json_string_length(text);
    out->payload = mem_dup(text != NULL ? json_string_value(text) : "", out->payload_len);
    return OK;
}

static void
put_text(struct buf *out, enum mqtt_property id, const json_t *value)
{
    if (value != NULL)
        mqtt_properties_put_string(out, id,
                                   slice_of(json_string_value(value), json_string_length(value)));
}

static struct slice
text_of(const json_t *object, const char *name)
{
    const json_t *text = json_object_get(object, name);
    return slice_of(json_string_value(text), json_string_length(text));
}

static enum err
put_correlation(struct buf *out, const json_t *value)
{
    struct slice base64 = slice_of(json_string_value(value), json_string_length(value));
    size_t cap = base64.len / 4 * 3 + 3, len;
    if (value == NULL)
        return OK;
    uint8_t *bytes = mem_alloc(cap);
    enum err err = crypt_base64_decode(base64, bytes, cap, &len);
    if (err == OK && len > UINT16_MAX)
        err = ERR_INVALID;
    if (err == OK)
        mqtt_properties_put_string(out, MQTT_PROPERTY_CORRELATION_DATA, slice_of(bytes, len));
    mem_free(bytes);
    return err;
}

/* Strings of MQTT have 16 bits for their length in bytes; the schema counted characters. */
static bool
fit_strings(const json_t *properties)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)properties, name, value)
    {
        if (strcmp(name, "correlation_data") != 0 && json_string_length(value) > UINT16_MAX)
            return false;
    }
    return true;
}

static enum err
read_properties(const json_t *properties, struct buf *out)
{
    struct mqtt_properties checked;
    enum mqtt_reason reason;
    size_t i;
    json_t *one;
    if (!fit_strings(properties))
        return ERR_INVALID;
    if (json_is_true(json_object_get(properties, "payload_is_text")))
        mqtt_properties_put_number(out, MQTT_PROPERTY_PAYLOAD_FORMAT, 1);
    put_text(out, MQTT_PROPERTY_CONTENT_TYPE, json_object_get(properties, "content_type"));
    put_text(out, MQTT_PROPERTY_RESPONSE_TOPIC, json_object_get(properties, "response_topic"));
    enum err err = put_correlation(out, json_object_get(properties, "correlation_data"));
    json_array_foreach(json_object_get(properties, "user_properties"), i, one)
    {
        if (text_of(one, "name").len > UINT16_MAX || text_of(one, "value").len > UINT16_MAX)
            return ERR_INVALID;
        mqtt_properties_put_user(out, text_of(one, "name"), text_of(one, "value"));
    }
    if (err == OK && buf_error(out) != OK)
        err = ERR_TOO_LARGE;
    if (err == OK &&
        mqtt_properties_decode(MQTT_PUBLISH, false, buf_slice(out), &reason, &checked) != OK)
        err = ERR_INVALID;
    return err;
}

enum err
message_json_read(const json_t *body, uint8_t default_qos, struct message_json *out)
{
    const json_t *qos = json_object_get(body, "qos");
    json_int_t expiry = json_integer_value(json_object_get(body, "expiry"));
    *out = (struct message_json){.retain = json_is_true(json_object_get(body, "retain"))};
    out->qos = qos != NULL ? (uint8_t)json_integer_value(qos) : default_qos;
    out->expiry_s = expiry > 0 ? (uint64_t)expiry : 0;
    buf_init(&out->properties, PROPERTIES_MAX);
    enum err err = read_payload(body, out);
    if (err == OK)
        err = read_properties(json_object_get(body, "properties"), &out->properties);
    if (err != OK)
        message_json_fini(out);
    return err == ERR_MALFORMED ? ERR_INVALID : err;
}

void
message_json_fini(struct message_json *message)
{
    mem_free(message->payload);
    message->payload = NULL;
    buf_fini(&message->properties);
}

/* ---- writing */

static json_t *
base64(struct slice bytes)
{
    size_t cap = CRYPT_BASE64_SIZE(bytes.len);
    char *text = mem_alloc(cap);
    crypt_base64(bytes.data, bytes.len, text, cap);
    json_t *json = json_string(text);
    mem_free(text);
    return json;
}

static json_t *
string_of(struct slice text)
{
    json_t *json = json_stringn((const char *)text.data, text.len);
    return json != NULL ? json : json_string("");
}

static json_t *
write_properties(struct slice wire)
{
    struct mqtt_properties properties;
    enum mqtt_reason reason;
    struct slice name, value;
    size_t at = 0;
    json_t *json = json_object();
    if (mqtt_properties_decode(MQTT_PUBLISH, false, wire, &reason, &properties) != OK)
        return json;
    if (mqtt_properties_has(&properties, MQTT_PROPERTY_PAYLOAD_FORMAT))
        json_object_set_new(json, "payload_is_text", json_boolean(properties.payload_format == 1));
    if (mqtt_properties_has(&properties, MQTT_PROPERTY_CONTENT_TYPE))
        json_object_set_new(json, "content_type", string_of(properties.content_type));
    if (mqtt_properties_has(&properties, MQTT_PROPERTY_RESPONSE_TOPIC))
        json_object_set_new(json, "response_topic", string_of(properties.response_topic));
    if (mqtt_properties_has(&properties, MQTT_PROPERTY_CORRELATION_DATA))
        json_object_set_new(json, "correlation_data", base64(properties.correlation_data));
    json_t *users = json_array();
    while (mqtt_properties_next_user(&properties, &at, &name, &value))
        json_array_append_new(
            users, json_pack("{s:o, s:o}", "name", string_of(name), "value", string_of(value)));
    if (json_array_size(users) != 0)
        json_object_set(json, "user_properties", users);
    json_decref(users);
    return json;
}

json_t *
message_json_retained(struct slice bytes)
{
    struct publish_record record;
    if (publish_record_decode(bytes, &record) != OK)
        return NULL;
    json_t *text = json_stringn((const char *)record.payload.data, record.payload.len);
    json_t *json = json_pack("{s:o, s:o?, s:I, s:i, s:o, s:o}", "topic", string_of(record.topic),
                             "payload", text, "bytes", (json_int_t)record.payload.len, "qos",
                             (int)record.qos, "expires_at", api_json_time(record.expiry_ms),
                             "properties", write_properties(record.properties));
    if (text == NULL)
        json_object_set_new(json, "payload_base64", base64(record.payload));
    return json;
}
