/* SPDX-License-Identifier: Apache-2.0 */
/* See document.h. */
#include "services/rest/document.h"

#include "common/log.h"
#include "common/mem.h"
#include "services/rest/caller.h"
#include "services/rest/schema.h"
#include "services/rest/url.h"

#include <stdio.h>

#define OPERATIONS_MAX 128

struct document {
    json_t *root;
    struct document_operation operations[OPERATIONS_MAX];
    char *verbs[OPERATIONS_MAX];
    size_t count;
};

/* ---- reading it */

static unsigned
roles_of(const json_t *roles)
{
    unsigned out = 0;
    size_t i;
    json_t *role;
    json_array_foreach(roles, i, role)
    {
        const char *name = json_string_value(role);
        out |= strcmp(name, "ADMIN") == 0 ? CALLER_ADMIN : 0u;
        out |= strcmp(name, "READER") == 0 ? CALLER_READER : 0u;
        out |= strcmp(name, "USER") == 0 ? CALLER_USER : 0u;
    }
    return out;
}

/* The schema of what a request or answer has as JSON, and its media type. */
static const json_t *
content_of(const json_t *holder, const char **type)
{
    const json_t *content = json_object_get(holder, "content");
    const char *name;
    json_t *media;
    json_object_foreach((json_t *)(uintptr_t)content, name, media)
    {
        *type = name;
        return json_object_get(media, "schema");
    }
    return NULL;
}

static const char *
answers_of(const json_t *root, const json_t *node)
{
    const char *status, *type = "application/json";
    json_t *answer;
    json_object_foreach(json_object_get(node, "responses"), status, answer)
    {
        if (status[0] == '2') {
            (void)content_of(schema_resolve(root, answer), &type);
            break;
        }
    }
    return type;
}

static void
add(struct document *document, const char *path, const char *verb, const json_t *node)
{
    struct document_operation *operation = &document->operations[document->count];
    const json_t *body = schema_resolve(document->root, json_object_get(node, "requestBody"));
    const char *ignored;
    if (document->count == OPERATIONS_MAX || json_object_get(node, "operationId") == NULL)
        log_fatal("openapi_document", path);
    char *upper = mem_strdup(verb);
    for (char *c = upper; *c != 0; c++)
        *c = (char)(*c & ~0x20);
    document->verbs[document->count++] = upper;
    *operation = (struct document_operation){
        .id = json_string_value(json_object_get(node, "operationId")),
        .verb = upper,
        .path = path,
        .roles = roles_of(json_object_get(node, "x-roles")),
        .own = json_string_value(json_object_get(node, "x-own")),
        .parameters = json_object_get(node, "parameters"),
        .body = body != NULL ? content_of(body, &ignored) : NULL,
        .body_required = json_is_true(json_object_get(body, "required")),
        .answers = answers_of(document->root, node),
    };
}

struct document *
document_new(struct slice text)
{
    struct document *document = mem_zalloc(sizeof *document);
    json_error_t error;
    const char *path, *verb;
    json_t *verbs, *node;
    document->root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
    if (document->root == NULL)
        log_fatal("openapi_document", error.text);
    json_object_foreach(json_object_get(document->root, "paths"), path, verbs)
    {
        json_object_foreach(verbs, verb, node)
        {
            add(document, path, verb, node);
        }
    }
    return document;
}

void
document_free(struct document *document)
{
    if (document == NULL)
        return;
    for (size_t i = 0; i < document->count; i++)
        mem_free(document->verbs[i]);
    json_decref(document->root);
    mem_free(document);
}

const json_t *
document_root(const struct document *document)
{
    return document->root;
}

size_t
document_count(const struct document *document)
{
    return document->count;
}

const struct document_operation *
document_operation(const struct document *document, size_t index)
{
    return &document->operations[index];
}

/* ---- finding */

/* How well the template fits: 0: not; else more the more of it is literal. */
static unsigned
fit(const char *template, struct slice path)
{
    struct slice want = slice_cstr(template), a, b;
    unsigned score = 1;
    while (url_segment(&want, &b)) {
        if (!url_segment(&path, &a) || a.len == 0)
            return 0;
        if (b.len != 0 && b.data[0] == '{')
            continue;
        if (!slice_equal(a, b))
            return 0;
        score++;
    }
    return path.len == 0 ? score : 0;
}

static json_t *
path_values(const char *template, struct slice path)
{
    struct slice want = slice_cstr(template), a, b;
    json_t *values = json_object();
    while (url_segment(&want, &b) && url_segment(&path, &a)) {
        if (b.len == 0 || b.data[0] != '{')
            continue;
        char *name = slice_dup(slice_sub(b, 1, b.len - 2));
        char *value = url_decode(a, false);
        bool good = value != NULL && json_object_set_new(values, name, json_string(value)) == 0;
        mem_free(name);
        mem_free(value);
        if (!good) {
            json_decref(values);
            return NULL;
        }
    }
    return values;
}

static void
list_verb(char *verbs, size_t cap, const char *verb)
{
    size_t at = strlen(verbs);
    str_format(verbs + at, cap - at, "%s%s", at != 0 ? ", " : "", verb);
}

const struct document_operation *
document_find(const struct document *document, const char *verb, struct slice path, char *verbs,
              size_t cap, json_t **values)
{
    const struct document_operation *found = NULL;
    const char *best_path = NULL;
    unsigned best = 0;
    verbs[0] = 0;
    for (size_t i = 0; i < document->count; i++) {
        unsigned score = fit(document->operations[i].path, path);
        if (score > best) {
            best = score;
            best_path = document->operations[i].path;
        }
    }
    for (size_t i = 0; best_path != NULL && i < document->count; i++) {
        const struct document_operation *operation = &document->operations[i];
        if (strcmp(operation->path, best_path) != 0)
            continue;
        list_verb(verbs, cap, operation->verb);
        if (strcmp(operation->verb, verb) == 0)
            found = operation;
    }
    if (found != NULL)
        *values = path_values(found->path, path);
    return found;
}

/* ---- checking */

/* Text of a query as the type that the schema wants; what does not fit stays a text, so that the
 * check says what is wrong. */
static json_t *
typed(const json_t *schema, const char *text)
{
    const char *type = json_string_value(json_object_get(schema, "type"));
    int64_t number;
    if (type != NULL && strcmp(type, "integer") == 0 &&
        str_parse_i64(slice_cstr(text), INT64_MIN, INT64_MAX, &number) == OK)
        return json_integer(number);
    if (type != NULL && strcmp(type, "boolean") == 0 &&
        (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return json_boolean(strcmp(text, "true") == 0);
    return json_string(text);
}

static const json_t *
query_parameter(const struct document *document, const struct document_operation *operation,
                const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach(operation->parameters, i, one)
    {
        const json_t *parameter = schema_resolve(document->root, one);
        if (strcmp(json_string_value(json_object_get(parameter, "in")), "query") == 0 &&
            strcmp(json_string_value(json_object_get(parameter, "name")), name) == 0)
            return parameter;
    }
    return NULL;
}

static bool
take_query(const struct document *document, const struct document_operation *operation,
           struct slice query, json_t *values, json_t *errors)
{
    struct slice key, text;
    bool good = true;
    while (url_pair(&query, &key, &text)) {
        char *name = url_decode(key, true), *value = url_decode(text, true);
        const json_t *parameter =
            name != NULL && value != NULL ? query_parameter(document, operation, name) : NULL;
        char pointer[128];
        str_format(pointer, sizeof pointer, "?%s", name != NULL ? name : "");
        if (parameter == NULL) {
            schema_error(errors, pointer, "is not a parameter of this operation");
            good = false;
        } else if (json_object_get(values, name) != NULL) {
            schema_error(errors, pointer, "is given twice");
            good = false;
        } else {
            const json_t *schema =
                schema_resolve(document->root, json_object_get(parameter, "schema"));
            json_object_set_new(values, name, typed(schema, value));
        }
        mem_free(name);
        mem_free(value);
    }
    return good;
}

bool
document_check_parameters(const struct document *document,
                          const struct document_operation *operation, struct slice query,
                          json_t *values, json_t *errors)
{
    bool good = take_query(document, operation, query, values, errors);
    size_t i;
    json_t *one;
    json_array_foreach(operation->parameters, i, one)
    {
        const json_t *parameter = schema_resolve(document->root, one);
        const json_t *schema = json_object_get(parameter, "schema");
        const char *name = json_string_value(json_object_get(parameter, "name"));
        const char *in = json_string_value(json_object_get(parameter, "in"));
        json_t *value = json_object_get(values, name);
        json_t *fallback = json_object_get(schema_resolve(document->root, schema), "default");
        char pointer[128];
        bool is_query = strcmp(in, "query") == 0;
        if (strcmp(in, "header") == 0)
            continue; /* read by the desks that know them */
        str_format(pointer, sizeof pointer, "%s%s", is_query ? "?" : "/", name);
        if (value != NULL)
            good = schema_check(document->root, schema, value, pointer, errors) && good;
        else if (fallback != NULL)
            json_object_set(values, name, fallback);
        else if (json_is_true(json_object_get(parameter, "required"))) {
            schema_error(errors, pointer, "is missing");
            good = false;
        }
    }
    return good;
}

bool
document_check_body(const struct document *document, const struct document_operation *operation,
                    const json_t *body, json_t *errors)
{
    return schema_check(document->root, operation->body, body, "", errors);
}
