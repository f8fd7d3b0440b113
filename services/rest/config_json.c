/* SPDX-License-Identifier: Apache-2.0 */
/* See config_json.h. */
#include "services/rest/config_json.h"

#include "common/mem.h"

#include "proto/feed_records.h"
#include "services/rest/api_json.h"
#include "services/rest/question.h"

#include <jansson.h>

#define APPS_MAX 16
#define TEXT_MAX ((size_t)4 << 20)

static void
put(json_t *config, const char *name, const char *value)
{
    uint64_t number;
    bool is_number = str_parse_u64(slice_cstr(value), 0, INT64_MAX, &number) == OK;
    json_object_set_new(config, name,
                        is_number ? json_integer((json_int_t)number) : json_string(value));
}

static void
add_own(void *arg, const struct conf_row *row, const char *value, const char *source)
{
    (void)source;
    put(arg, row->name, value);
}

/* Takes answer. */
static void
add_others(json_t *config, Sluice__AdminAnswer *answer)
{
    for (size_t i = 0; answer != NULL && i < answer->n_items; i++) {
        char *name = slice_dup(question_item_text(answer->items[i], "name"));
        char *value = slice_dup(question_item_text(answer->items[i], "value"));
        put(config, name, value);
        mem_free(name);
        mem_free(value);
    }
    question_free(answer);
}

static void
add_store(struct upstream *upstream, json_t *config)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    question_init(&question, CALL_ADMIN_SETTINGS);
    if (question_ask(upstream, UPSTREAM_STORE, 0, &question, &answer) == OK)
        add_others(config, answer);
}

static void
add_gateway(struct upstream *upstream, json_t *config)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    char **names;
    size_t count;
    question_init(&question, CALL_ADMIN_SETTINGS);
    if (question_gateways(upstream, &names, &count) != OK)
        return;
    if (count != 0 && question_ask_gateway(upstream, names[0], &question, &answer) == OK)
        add_others(config, answer);
    api_json_free_texts(names, count);
}

char *
config_json_apps(struct upstream *upstream, const struct conf *conf, const char *apps)
{
    json_t *list = json_array();
    struct slice rest = slice_cstr(apps), app;
    while (json_array_size(list) < APPS_MAX && str_split(&rest, ',', &app)) {
        json_t *config = json_object();
        if (slice_equal_cstr(app, "mqtt_rest"))
            conf_describe(conf, add_own, config);
        else if (slice_equal_cstr(app, "mqtt_common"))
            add_store(upstream, config);
        else if (slice_equal_cstr(app, "mqtt_server"))
            add_gateway(upstream, config);
        json_array_append_new(list, json_pack("{s:o, s:o}", "config", config, "app",
                                              json_stringn((const char *)app.data, app.len)));
    }
    struct buf text;
    size_t len;
    buf_init(&text, TEXT_MAX);
    api_json_dump(list, &text);
    buf_put_u8(&text, 0);
    return (char *)buf_take(&text, &len);
}
