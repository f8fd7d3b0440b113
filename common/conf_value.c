/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing of setting values. Each type is one function in one table. */
#include "common/conf_value.h"

#include "common/mem.h"

#include <inttypes.h>

struct conf_unit {
    const char *name;
    uint64_t factor;
};

static const struct conf_unit conf_time_units[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};
static const struct conf_unit conf_size_units[] = {
    {"", 1},         {"B", 1},          {"k", 1u << 10}, {"KiB", 1u << 10},
    {"m", 1u << 20}, {"MiB", 1u << 20}, {"g", 1u << 30}, {"GiB", 1u << 30},
};

static void *
conf_value_at(const struct conf_row *row, void *settings)
{
    return (char *)settings + row->offset;
}

static uint64_t
conf_value_max(const struct conf_row *row, uint64_t natural)
{
    return row->max != 0 && row->max < natural ? row->max : natural;
}

static enum err
conf_value_text(const struct conf_row *row, struct slice text, void *to)
{
    if (text.len < row->min || text.len > conf_value_max(row, CONF_VALUE_MAX) ||
        slice_find(text, '\0') != text.len)
        return ERR_INVALID;
    *(char **)to = slice_dup(text);
    return OK;
}

static enum err
conf_value_number(const struct conf_row *row, struct slice text, const struct conf_unit *units,
                  size_t unit_count, void *to)
{
    size_t digits = 0;
    struct slice unit;
    uint64_t value;
    size_t i;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    unit = slice_trim(slice_sub(text, digits, text.len));
    if (str_parse_u64(slice_sub(text, 0, digits), 0, UINT64_MAX, &value) != OK)
        return ERR_INVALID;
    for (i = 0; i < unit_count; i++) {
        if (!str_equal_nocase(unit, slice_cstr(units[i].name)))
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value) || value < row->min ||
            value > conf_value_max(row, UINT64_MAX))
            return ERR_INVALID;
        *(uint64_t *)to = value;
        return OK;
    }
    return ERR_INVALID;
}

static enum err
conf_value_bool(struct slice text, void *to)
{
    static const char *const words[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
    size_t i;
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_equal_nocase(text, slice_cstr(words[i]))) {
            *(bool *)to = i % 2 == 1;
            return OK;
        }
    }
    return ERR_INVALID;
}

static enum err
conf_value_enum(const struct conf_row *row, struct slice text, void *to)
{
    struct slice rest = slice_cstr(row->choices);
    struct slice choice;
    unsigned index;
    for (index = 0; str_split(&rest, '|', &choice); index++) {
        if (slice_equal(choice, text)) {
            *(unsigned *)to = index;
            return OK;
        }
    }
    return ERR_INVALID;
}

static enum err
conf_value_list(const struct conf_row *row, struct slice text, void *to)
{
    struct conf_list list = {NULL, 0};
    struct slice rest = text;
    struct slice item;
    size_t count = 0;
    if (text.len > CONF_VALUE_MAX || slice_find(text, '\0') != text.len)
        return ERR_INVALID;
    while (str_split(&rest, ',', &item))
        count++;
    if (count < row->min || count > conf_value_max(row, CONF_VALUE_MAX))
        return ERR_INVALID;
    list.items = mem_zalloc_array(count + 1, sizeof(*list.items));
    for (rest = text; str_split(&rest, ',', &item);)
        list.items[list.count++] = slice_dup(item);
    *(struct conf_list *)to = list;
    return OK;
}

#define CONF_UNITS(table) (table), sizeof(table) / sizeof((table)[0])

enum err
conf_value_set(const struct conf_row *row, struct slice text, void *settings)
{
    void *to = conf_value_at(row, settings);
    switch (row->type) {
    case CONF_STR:
    case CONF_SECRET:
        return conf_value_text(row, text, to);
    case CONF_U64:
        return conf_value_number(row, text, conf_size_units, 1, to);
    case CONF_BOOL:
        return conf_value_bool(text, to);
    case CONF_ENUM:
        return conf_value_enum(row, text, to);
    case CONF_LIST:
        return conf_value_list(row, text, to);
    case CONF_DURATION_MS:
        return conf_value_number(row, text, CONF_UNITS(conf_time_units), to);
    case CONF_SIZE:
        return conf_value_number(row, text, CONF_UNITS(conf_size_units), to);
    }
    return ERR_INVALID;
}

void
conf_value_set_empty(const struct conf_row *row, void *settings)
{
    void *to = conf_value_at(row, settings);
    switch (row->type) {
    case CONF_STR:
    case CONF_SECRET:
        *(char **)to = mem_strdup("");
        break;
    case CONF_LIST:
        *(struct conf_list *)to = (struct conf_list){NULL, 0};
        break;
    case CONF_BOOL:
        *(bool *)to = false;
        break;
    case CONF_ENUM:
        *(unsigned *)to = 0;
        break;
    case CONF_U64:
    case CONF_DURATION_MS:
    case CONF_SIZE:
        *(uint64_t *)to = 0;
        break;
    }
}

void
conf_value_clear(const struct conf_row *row, void *settings)
{
    void *at = conf_value_at(row, settings);
    if (row->type == CONF_STR || row->type == CONF_SECRET) {
        char **text = at;
        if (*text != NULL)
            mem_free_secret(*text, strlen(*text));
        *text = NULL;
    } else if (row->type == CONF_LIST) {
        struct conf_list *list = at;
        size_t i;
        for (i = 0; i < list->count; i++)
            mem_free(list->items[i]);
        mem_free(list->items);
        *list = (struct conf_list){NULL, 0};
    }
}

static void
conf_value_put_number(const struct conf_row *row, uint64_t value, struct buf *out)
{
    const struct conf_unit *units = conf_size_units;
    size_t count = 1;
    if (row->type == CONF_DURATION_MS) {
        units = conf_time_units;
        count = sizeof(conf_time_units) / sizeof(conf_time_units[0]);
    } else if (row->type == CONF_SIZE) {
        units = conf_size_units;
        count = sizeof(conf_size_units) / sizeof(conf_size_units[0]);
    }
    while (count > 1 && (value < units[count - 1].factor || value % units[count - 1].factor != 0))
        count--;
    buf_printf(out, "%" PRIu64 "%s", value / units[count - 1].factor, units[count - 1].name);
}

static void
conf_value_put_range(const struct conf_row *row, struct buf *out)
{
    conf_value_put_number(row, row->min, out);
    if (row->max == 0) {
        buf_append_cstr(out, " or more");
        return;
    }
    buf_append_cstr(out, "..");
    conf_value_put_number(row, row->max, out);
}

void
conf_value_describe(const struct conf_row *row, struct buf *out)
{
    switch (row->type) {
    case CONF_STR:
    case CONF_SECRET:
        buf_printf(out, "text of %" PRIu64 "..%" PRIu64 " bytes", row->min,
                   conf_value_max(row, CONF_VALUE_MAX));
        return;
    case CONF_BOOL:
        buf_append_cstr(out, "on or off");
        return;
    case CONF_ENUM:
        buf_printf(out, "one of %s", row->choices);
        return;
    case CONF_LIST:
        buf_append_cstr(out, "a list separated by commas with ");
        conf_value_put_range(row, out);
        buf_append_cstr(out, " items");
        return;
    case CONF_U64:
        buf_append_cstr(out, "a number, ");
        break;
    case CONF_DURATION_MS:
        buf_append_cstr(out, "a time (ms, s, m, h, d), ");
        break;
    case CONF_SIZE:
        buf_append_cstr(out, "a size (KiB, MiB, GiB), ");
        break;
    }
    conf_value_put_range(row, out);
}
