/* SPDX-License-Identifier: Apache-2.0 */
/* See user_json.h. */
#include "services/rest/user_json.h"

#include "common/mem.h"

#include <jansson.h>

struct user_json_list {
    json_t *array;
};

static char *
finish(json_t *json)
{
    size_t flags = JSON_COMPACT;
    size_t len = json_dumpb(json, NULL, 0, flags);
    char *out = mem_zalloc(len + 1);
    json_dumpb(json, out, len, flags);
    json_decref(json);
    return out;
}

static json_t *
texts(char *const *items, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(items[i]));
    return array;
}

static bool
take_roles(json_t *value, struct user_body *out)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > USER_JSON_ROLES_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *role = json_string_value(json_array_get(value, i));
        if (role == NULL || role[0] == 0 || strlen(role) > 64)
            return false;
        out->roles[out->role_count++] = mem_strdup(role);
    }
    return true;
}

static bool
is_md5(const char *text)
{
    return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static bool
take(json_t *root, bool login, struct user_body *out)
{
    const char *key;
    json_t *value;
    if (!json_is_object(root))
        return false;
    json_object_foreach(root, key, value)
    {
        const char *text = json_string_value(value);
        if (strcmp(key, "password") == 0 && text != NULL && text[0] != 0)
            out->password = mem_strdup(text);
        else if (!login && strcmp(key, "password_md5") == 0 && text != NULL && is_md5(text))
            out->password_md5 = mem_strdup(text);
        else if (login || strcmp(key, "roles") != 0 || !take_roles(value, out))
            return false;
    }
    return (out->password != NULL) != (out->password_md5 != NULL);
}

static enum err
parse(struct slice json, bool login, struct user_body *out)
{
    json_error_t ignored;
    struct user_body body = {0};
    json_t *root = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, &ignored);
    bool good = root != NULL && take(root, login, &body);
    json_decref(root);
    if (!good) {
        user_body_fini(&body);
        return ERR_INVALID;
    }
    *out = body;
    return OK;
}

enum err
user_body_parse(struct slice json, struct user_body *out)
{
    return parse(json, false, out);
}

enum err
user_login_parse(struct slice json, struct user_body *out)
{
    return parse(json, true, out);
}

void
user_body_fini(struct user_body *body)
{
    if (body->password != NULL)
        mem_free_secret(body->password, strlen(body->password));
    mem_free(body->password_md5);
    for (size_t i = 0; i < body->role_count; i++)
        mem_free(body->roles[i]);
    *body = (struct user_body){0};
}

char *
user_json_roles(char *const *roles, size_t count)
{
    return finish(json_pack("{s:o}", "roles", texts(roles, count)));
}

char *
user_json_login(bool success, char *const *roles, size_t count)
{
    return finish(json_pack("{s:b, s:o}", "success", success, "roles", texts(roles, count)));
}

char *
user_json_session(struct slice user, const struct slice *roles, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_stringn((const char *)roles[i].data, roles[i].len));
    return finish(json_pack("{s:o, s:o}", "user", json_stringn((const char *)user.data, user.len),
                            "roles", array));
}

char *
user_json_error(int code, const char *message)
{
    return finish(json_pack("{s:i, s:s}", "code", code, "message", message));
}

struct user_json_list *
user_json_list_new(void)
{
    struct user_json_list *list = mem_alloc(sizeof *list);
    list->array = json_array();
    return list;
}

void
user_json_list_add_status(struct user_json_list *list, const char *name, const char *status)
{
    json_array_append_new(list->array, json_pack("{s:s, s:s}", "id", name, "status", status));
}

void
user_json_list_add_user(struct user_json_list *list, const char *name, char *const *roles,
                        size_t count, const char *status)
{
    json_array_append_new(list->array, json_pack("{s:s, s:o, s:s}", "user_name", name, "roles",
                                                 texts(roles, count), "status", status));
}

char *
user_json_list_end(struct user_json_list *list)
{
    char *out = finish(list->array);
    mem_free(list);
    return out;
}

char *
user_json_list_end_single(struct user_json_list *list)
{
    json_t *single = json_incref(json_array_get(list->array, 0));
    json_decref(list->array);
    mem_free(list);
    return finish(single != NULL ? single : json_object());
}
