/* SPDX-License-Identifier: Apache-2.0 */
/* See config_json.h. */
#include "services/rest/config_json.h"

#include "common/mem.h"

#include <jansson.h>

#define APPS_MAX 16

static void
add(void *arg, const struct conf_row *row, const char *value, const char *source)
{
    uint64_t number;
    (void)source;
    bool is_number = str_parse_u64(slice_cstr(value), 0, INT64_MAX, &number) == OK;
    json_object_set_new(arg, row->name,
                        is_number ? json_integer((json_int_t)number) : json_string(value));
}

char *
config_json_apps(const struct conf *conf, const char *apps)
{
    json_t *list = json_array();
    struct slice rest = slice_cstr(apps), app;
    while (json_array_size(list) < APPS_MAX && str_split(&rest, ',', &app)) {
        json_t *config = json_object();
        if (slice_equal_cstr(app, "mqtt_rest"))
            conf_describe(conf, add, config);
        json_array_append_new(list, json_pack("{s:o, s:o}", "config", config, "app",
                                              json_stringn((const char *)app.data, app.len)));
    }
    size_t len = json_dumpb(list, NULL, 0, JSON_COMPACT);
    char *out = mem_zalloc(len + 1);
    json_dumpb(list, out, len, JSON_COMPACT);
    json_decref(list);
    return out;
}
