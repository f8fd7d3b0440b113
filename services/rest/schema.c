/* SPDX-License-Identifier: Apache-2.0 */
/* See schema.h. One function per keyword, by table. */
#include "services/rest/schema.h"

#include "common/crypt.h"
#include "common/mem.h"
#include "common/str.h"
#include "proto/topic.h"

#include <string.h>

#define DEPTH_MAX   24
#define POINTER_MAX 256

struct check {
    const json_t *document;
    json_t *errors;
    unsigned depth;
};

static bool check_value(struct check *check, const json_t *schema, const json_t *value,
                        const char *pointer);

void
schema_error(json_t *errors, const char *pointer, const char *detail)
{
    if (json_array_size(errors) < SCHEMA_ERRORS_MAX)
        json_array_append_new(errors,
                              json_pack("{s:s, s:s}", "pointer", pointer, "detail", detail));
}

static bool
wrong(struct check *check, const char *pointer, const char *before, const char *what)
{
    char detail[256];
    str_format(detail, sizeof detail, "%s%s", before, what);
    schema_error(check->errors, pointer, detail);
    return false;
}

const json_t *
schema_resolve(const json_t *document, const json_t *schema)
{
    const char *reference;
    for (unsigned hops = 0; hops < DEPTH_MAX; hops++) {
        reference = json_string_value(json_object_get(schema, "$ref"));
        if (reference == NULL)
            return schema;
        if (strncmp(reference, "#/", 2) != 0)
            return NULL;
        struct slice rest = slice_cstr(reference + 2), part;
        schema = document;
        while (schema != NULL && str_split(&rest, '/', &part)) {
            char *name = slice_dup(part);
            schema = json_object_get(schema, name);
            mem_free(name);
        }
    }
    return NULL;
}

/* ---- keywords */

static bool
is_type(const char *type, const json_t *value)
{
    return (strcmp(type, "object") == 0 && json_is_object(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value)) ||
           (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "number") == 0 && json_is_number(value)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
           (strcmp(type, "null") == 0 && json_is_null(value));
}

static bool
check_type(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
           const char *pointer)
{
    bool fits = json_is_string(rule) && is_type(json_string_value(rule), value);
    size_t i;
    json_t *one;
    (void)schema;
    json_array_foreach(rule, i, one)
    {
        fits = fits || is_type(json_string_value(one), value);
    }
    return fits || wrong(check, pointer, "must be of type ",
                         json_is_string(rule) ? json_string_value(rule)
                                              : json_string_value(json_array_get(rule, 0)));
}

static bool
check_enum(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
           const char *pointer)
{
    char known[200] = "";
    size_t i;
    json_t *one;
    (void)schema;
    json_array_foreach(rule, i, one)
    {
        size_t at = strlen(known);
        if (json_equal(one, value))
            return true;
        if (json_is_string(one))
            str_format(known + at, sizeof known - at, "%s%s", at != 0 ? ", " : "",
                       json_string_value(one));
    }
    return wrong(check, pointer, known[0] != 0 ? "must be one of: " : "is none of the values",
                 known);
}

static bool
check_number(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
             const char *pointer)
{
    bool is_minimum = json_object_get(schema, "minimum") == rule;
    char limit[32];
    if (!json_is_number(value))
        return true;
    if (is_minimum ? json_number_value(value) >= json_number_value(rule)
                   : json_number_value(value) <= json_number_value(rule))
        return true;
    str_format(limit, sizeof limit, "%lld", (long long)json_integer_value(rule));
    return wrong(check, pointer, is_minimum ? "must be at least " : "must be at most ", limit);
}

static size_t
characters(const json_t *text)
{
    const char *bytes = json_string_value(text);
    size_t count = 0;
    for (size_t i = 0; i < json_string_length(text); i++)
        count += ((unsigned char)bytes[i] & 0xC0) != 0x80;
    return count;
}

static bool
check_size(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
           const char *pointer)
{
    bool is_min = json_object_get(schema, "minLength") == rule ||
                  json_object_get(schema, "minItems") == rule ||
                  json_object_get(schema, "minProperties") == rule;
    size_t limit = (size_t)json_integer_value(rule);
    size_t size = json_is_string(value)  ? characters(value)
                  : json_is_array(value) ? json_array_size(value)
                                         : json_object_size(value);
    return (is_min ? size >= limit : size <= limit) ||
           wrong(check, pointer, is_min ? "is too short" : "is too long", "");
}

static bool
has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return true;
    return false;
}

static bool
is_base64(struct slice text)
{
    size_t len, cap = text.len / 4 * 3 + 3;
    uint8_t *space = mem_alloc(cap);
    bool is = crypt_base64_decode(text, space, cap, &len) == OK;
    mem_free(space);
    return is;
}

static bool
check_format(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
             const char *pointer)
{
    const char *format = json_string_value(rule);
    struct slice text = slice_of(json_string_value(value), json_string_length(value));
    bool fits = true;
    (void)schema;
    if (!json_is_string(value))
        return true;
    if (strcmp(format, "topic-name") == 0)
        fits = topic_name_is_valid(text);
    else if (strcmp(format, "topic-filter") == 0)
        fits = topic_filter_is_valid(text);
    else if (strcmp(format, "byte") == 0)
        fits = is_base64(text);
    else if (strcmp(format, "plain") == 0)
        fits = !has_control(text);
    return fits || wrong(check, pointer, "does not have the format ", format);
}

static bool
check_items(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
            const char *pointer)
{
    bool good = true;
    size_t i;
    json_t *item;
    (void)schema;
    json_array_foreach(value, i, item)
    {
        char name[POINTER_MAX];
        str_format(name, sizeof name, "%s/%zu", pointer, i);
        good = check_value(check, rule, item, name) && good;
        if (json_array_size(check->errors) == SCHEMA_ERRORS_MAX)
            break;
    }
    return good;
}

static bool
check_unique(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
             const char *pointer)
{
    (void)schema;
    (void)rule;
    for (size_t i = 0; i < json_array_size(value); i++)
        for (size_t k = 0; k < i; k++)
            if (json_equal(json_array_get(value, i), json_array_get(value, k)))
                return wrong(check, pointer, "holds the same twice", "");
    return true;
}

static bool
check_required(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
               const char *pointer)
{
    bool good = true;
    size_t i;
    json_t *name;
    (void)schema;
    if (!json_is_object(value))
        return true;
    json_array_foreach(rule, i, name)
    {
        if (json_object_get(value, json_string_value(name)) == NULL)
            good = wrong(check, pointer, "lacks ", json_string_value(name));
    }
    return good;
}

/* "properties" and "additionalProperties": each member against its schema. */
static bool
check_members(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
              const char *pointer)
{
    const json_t *members = json_object_get(schema, "properties");
    const json_t *others = json_object_get(schema, "additionalProperties");
    bool good = true;
    const char *name;
    json_t *member;
    if (rule == others && members != NULL)
        return true; /* "properties" has seen to it */
    json_object_foreach((json_t *)(uintptr_t)value, name, member)
    {
        const json_t *own = json_object_get(members, name);
        char path[POINTER_MAX];
        str_format(path, sizeof path, "%s/%s", pointer, name);
        if (own != NULL)
            good = check_value(check, own, member, path) && good;
        else if (json_is_false(others))
            good = wrong(check, path, "is not known", "");
        else if (json_is_object(others))
            good = check_value(check, others, member, path) && good;
        if (json_array_size(check->errors) == SCHEMA_ERRORS_MAX)
            break;
    }
    return good;
}

static bool
check_one_of(struct check *check, const json_t *schema, const json_t *rule, const json_t *value,
             const char *pointer)
{
    json_t *all = check->errors;
    size_t fits = 0, i;
    json_t *one;
    (void)schema;
    json_array_foreach(rule, i, one)
    {
        check->errors = json_array();
        fits += check_value(check, one, value, pointer);
        json_decref(check->errors);
    }
    check->errors = all;
    return fits == 1 || wrong(check, pointer, "must fit exactly one of the forms", "");
}

typedef bool (*keyword_fn)(struct check *check, const json_t *schema, const json_t *rule,
                           const json_t *value, const char *pointer);

static const struct {
    const char *name;
    keyword_fn fn; /* NULL: says nothing about values */
} keywords[] = {
    {"type", check_type},
    {"enum", check_enum},
    {"minimum", check_number},
    {"maximum", check_number},
    {"minLength", check_size},
    {"maxLength", check_size},
    {"minItems", check_size},
    {"maxItems", check_size},
    {"minProperties", check_size},
    {"maxProperties", check_size},
    {"format", check_format},
    {"items", check_items},
    {"uniqueItems", check_unique},
    {"required", check_required},
    {"properties", check_members},
    {"additionalProperties", check_members},
    {"oneOf", check_one_of},
    {"$ref", NULL},
    {"title", NULL},
    {"description", NULL},
    {"default", NULL},
    {"examples", NULL},
    {"readOnly", NULL},
    {"writeOnly", NULL},
};
#define KEYWORD_COUNT (sizeof keywords / sizeof keywords[0])

static bool
check_value(struct check *check, const json_t *schema, const json_t *value, const char *pointer)
{
    const json_t *resolved = schema_resolve(check->document, schema);
    bool good = true;
    if (resolved == NULL || check->depth == DEPTH_MAX)
        return wrong(check, pointer, "cannot be checked", "");
    const json_t *type = json_object_get(resolved, "type");
    if (type != NULL && !check_type(check, resolved, type, value, pointer))
        return false;
    check->depth++;
    for (size_t i = 1; i < KEYWORD_COUNT; i++) {
        const json_t *rule = json_object_get(resolved, keywords[i].name);
        if (rule != NULL && keywords[i].fn != NULL)
            good = keywords[i].fn(check, resolved, rule, value, pointer) && good;
    }
    check->depth--;
    return good;
}

bool
schema_check(const json_t *document, const json_t *schema, const json_t *value, const char *pointer,
             json_t *errors)
{
    struct check check = {.document = document, .errors = errors};
    return check_value(&check, schema, value, pointer);
}

static bool
is_keyword(const char *name)
{
    for (size_t i = 0; i < KEYWORD_COUNT; i++)
        if (strcmp(keywords[i].name, name) == 0)
            return true;
    return false;
}

bool
schema_is_known(const json_t *schema, const char **unknown)
{
    const char *name;
    json_t *value, *member;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)schema, name, value)
    {
        if (!is_keyword(name)) {
            *unknown = name;
            return false;
        }
        if (strcmp(name, "properties") == 0) {
            const char *ignored;
            json_object_foreach(value, ignored, member)
            {
                if (!schema_is_known(member, unknown))
                    return false;
            }
        }
        if ((strcmp(name, "items") == 0 || strcmp(name, "additionalProperties") == 0) &&
            json_is_object(value) && !schema_is_known(value, unknown))
            return false;
        if (strcmp(name, "oneOf") == 0) {
            json_array_foreach(value, i, member)
            {
                if (!schema_is_known(member, unknown))
                    return false;
            }
        }
    }
    return true;
}
