/* SPDX-License-Identifier: Apache-2.0 */
/* See api_json.h. */
#include "services/rest/api_json.h"

#include "common/clock.h"
#include "common/mem.h"

#define LINES_MAX ((size_t)8 << 20)

json_t *
api_json_time(uint64_t wall_ms)
{
    char text[CLOCK_ISO8601_SIZE];
    if (wall_ms == 0)
        return json_null();
    clock_iso8601(wall_ms, text);
    return json_string(text);
}

json_t *
api_json_text_or_null(const char *text)
{
    return text != NULL && text[0] != 0 ? json_string(text) : json_null();
}

json_t *
api_json_texts(char *const *items, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(items[i]));
    return list;
}

json_t *
api_json_lines(const char *text)
{
    json_t *list = json_array();
    struct slice rest = slice_cstr(text), line;
    while (str_split(&rest, '\n', &line))
        json_array_append_new(list, json_stringn((const char *)line.data, line.len));
    return list;
}

char *
api_json_join(const json_t *list)
{
    struct buf text;
    size_t i, len;
    json_t *line;
    buf_init(&text, LINES_MAX);
    json_array_foreach(list, i, line)
    {
        buf_append(&text, json_string_value(line), json_string_length(line));
        buf_put_u8(&text, '\n');
    }
    buf_put_u8(&text, 0);
    return (char *)buf_take(&text, &len);
}

char **
api_json_list(const json_t *list, size_t *count)
{
    size_t n = json_array_size(list);
    char **items = mem_zalloc_array(n + 1, sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = mem_strdup(json_string_value(json_array_get(list, i)));
    *count = n;
    return items;
}

void
api_json_free_texts(char **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mem_free(items[i]);
    mem_free(items);
}

const char *
api_json_member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

void
api_json_dump(json_t *json, struct buf *out)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY, len = json_dumpb(json, NULL, 0, flags);
    uint8_t *to = buf_reserve(out, len);
    if (to != NULL) {
        json_dumpb(json, (char *)to, len, flags);
        buf_commit(out, len);
    }
    json_decref(json);
}
