/* SPDX-License-Identifier: Apache-2.0 */
/* See transfer_json.h. */
#include "services/store/transfer_json.h"

#include <jansson.h>

static const json_t *
of(const struct transfer_json *json)
{
    return (const json_t *)(const void *)json;
}

struct transfer_json *
transfer_json_new(struct slice text, char *why)
{
    json_error_t error;
    json_t *json = json_loadb((const char *)text.data, text.len,
                              JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (json == NULL) {
        (void)str_format(why, 160, "not JSON at column %d: %.100s", error.column, error.text);
        return NULL;
    }
    if (!json_is_object(json)) {
        (void)str_format(why, 160, "not a JSON object");
        json_decref(json);
        return NULL;
    }
    return (struct transfer_json *)(void *)json;
}

void
transfer_json_free(struct transfer_json *json)
{
    json_decref((json_t *)(void *)json);
}

static bool
text_of(const json_t *value, struct slice *out)
{
    if (!json_is_string(value))
        return false;
    *out = slice_of(json_string_value(value), json_string_length(value));
    return true;
}

bool
transfer_json_text(const struct transfer_json *json, const char *key, struct slice *out)
{
    return text_of(json_object_get(of(json), key), out);
}

bool
transfer_json_number(const struct transfer_json *json, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(of(json), key);
    struct slice text;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    return text_of(value, &text) && str_parse_u64(text, 0, UINT64_MAX, out) == OK;
}

bool
transfer_json_ids(const struct transfer_json *json, const char *key, uint32_t *out, size_t max,
                  size_t *count)
{
    const json_t *list = json_object_get(of(json), key);
    size_t i;
    *count = 0;
    if (list == NULL)
        return true;
    if (!json_is_array(list) || json_array_size(list) > max)
        return false;
    for (i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > UINT32_MAX)
            return false;
        out[i] = (uint32_t)json_integer_value(item);
    }
    *count = json_array_size(list);
    return true;
}

bool
transfer_json_item(const struct transfer_json *json, const char *key, size_t i, bool *is_list,
                   struct slice *out)
{
    const json_t *list = json_object_get(of(json), key);
    *is_list = json_is_array(list);
    return *is_list && text_of(json_array_get(list, i), out);
}
