/* SPDX-License-Identifier: Apache-2.0 */
/* See paho_properties.h. */
#include "tests/interop/c/paho_properties.h"

static MQTTLenString
lent(struct line_text text)
{
    return (MQTTLenString){(int)text.len, (char *)(size_t)text.data};
}

static void
add(MQTTProperties *properties, enum MQTTPropertyCodes code, struct line_text text,
    struct line_text value)
{
    if (text.data == NULL)
        return;
    MQTTProperty property = {.identifier = code};
    property.value.data = lent(text);
    property.value.value = lent(value);
    MQTTProperties_add(properties, &property);
}

void
paho_properties_add(MQTTProperties *properties, const struct line_extras *extras)
{
    const struct line_text none = {"", 0};
    add(properties, MQTTPROPERTY_CODE_CONTENT_TYPE, extras->content, none);
    add(properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC, extras->response, none);
    add(properties, MQTTPROPERTY_CODE_CORRELATION_DATA, extras->correlation, none);
    add(properties, MQTTPROPERTY_CODE_USER_PROPERTY, extras->key, extras->value);
}

static struct line_text
get(MQTTProperties *properties, enum MQTTPropertyCodes code)
{
    const MQTTProperty *property = MQTTProperties_getProperty(properties, code);
    if (property == NULL)
        return (struct line_text){NULL, 0};
    return (struct line_text){property->value.data.data, (size_t)property->value.data.len};
}

struct line_extras
paho_properties_get(MQTTProperties *properties)
{
    struct line_extras extras = {
        .content = get(properties, MQTTPROPERTY_CODE_CONTENT_TYPE),
        .response = get(properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC),
        .correlation = get(properties, MQTTPROPERTY_CODE_CORRELATION_DATA),
        .key = get(properties, MQTTPROPERTY_CODE_USER_PROPERTY),
    };
    const MQTTProperty *user =
        MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_USER_PROPERTY);
    if (user != NULL)
        extras.value = (struct line_text){user->value.value.data, (size_t)user->value.value.len};
    return extras;
}

int
paho_properties_shared(MQTTProperties *properties)
{
    const MQTTProperty *property =
        MQTTProperties_getProperty(properties, MQTTPROPERTY_CODE_SHARED_SUBSCRIPTION_AVAILABLE);
    return property == NULL || property->value.byte == 1;
}
