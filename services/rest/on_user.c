/* SPDX-License-Identifier: Apache-2.0 */
/* See on_user.h. */
#include "services/rest/on_user.h"

#include "common/clock.h"
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "services/rest/ask.h"
#include "services/rest/config_json.h"
#include "services/rest/user_json.h"
#include "services/rest/user_status.h"

#define PAGE         500
#define STATUSES_MAX 1000  /* names in one request */
#define LIST_MAX     10000 /* users in one answer */

int
on_user_http_status(enum err err)
{
    switch (err) {
    case OK:
        return 200;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_INVALID:
    case ERR_MALFORMED:
    case ERR_EXISTS:
        return 400;
    case ERR_TOO_LARGE:
        return 413;
    case ERR_NO_SPACE:
        return 507;
    case ERR_UNAVAILABLE:
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_PEER_LOST:
        return 503;
    default:
        return 500;
    }
}

static void
fail(struct on_user_answer *answer, enum err err)
{
    answer->status = on_user_http_status(err);
    answer->body = user_json_error(answer->status, err == ERR_NOT_FOUND ? "User does not found"
                                                   : err == ERR_EXISTS  ? "Already exists."
                                                   : err == ERR_INVALID ? "Invalid request"
                                                                        : err_text(err));
}

static void
succeed(struct on_user_answer *answer, int status, char *body)
{
    answer->status = status;
    answer->body = body;
}

static bool
name_is_valid(const char *name)
{
    return name != NULL && name[0] != 0 && strlen(name) <= USER_JSON_NAME_MAX &&
           str_utf8_is_valid(slice_cstr(name));
}

/* POST and PUT differ in whether the user may or must exist. */
static void
put(const struct on_user *desk, const struct on_user_request *request, bool create_only,
    struct on_user_answer *answer)
{
    struct user_body body;
    ProtobufCMessage *reply = NULL;
    if (!name_is_valid(request->name) || user_body_parse(request->body, &body) != OK) {
        fail(answer, ERR_INVALID);
        if (!create_only)
            answer->status = 415; /* as the replaced server answered, with code 400 in the body */
        return;
    }
    Sluice__UserPut message = SLUICE__USER_PUT__INIT;
    char empty[] = "";
    char *name = mem_strdup(request->name), *actor = mem_strdup(request->actor);
    message.name = name;
    message.actor = actor;
    message.password = body.password != NULL ? body.password : empty;
    message.has_password = body.password != NULL;
    message.password_md5 = body.password_md5 != NULL ? body.password_md5 : empty;
    message.has_password_md5 = body.password_md5 != NULL;
    message.roles = body.roles;
    message.n_roles = body.role_count;
    message.create_only = create_only;
    enum err err = ask_people(desk->upstream, CALL_USER_PUT, &message.base,
                              &sluice__user_put_done__descriptor, &reply);
    if (err == OK)
        succeed(answer, ((Sluice__UserPutDone *)(void *)reply)->created ? 201 : 200,
                mem_strdup("{}"));
    else
        fail(answer, err);
    ask_free(reply);
    mem_free(name);
    mem_free(actor);
    user_body_fini(&body);
}

void
on_user_create(const struct on_user *desk, const struct on_user_request *request,
               struct on_user_answer *answer)
{
    put(desk, request, true, answer);
}

void
on_user_update(const struct on_user *desk, const struct on_user_request *request,
               struct on_user_answer *answer)
{
    put(desk, request, false, answer);
}

void
on_user_get(const struct on_user *desk, const struct on_user_request *request,
            struct on_user_answer *answer)
{
    Sluice__UserGet message = SLUICE__USER_GET__INIT;
    ProtobufCMessage *reply = NULL;
    char *name = mem_strdup(request->name);
    message.name = name;
    enum err err = name_is_valid(name) ? ask_people(desk->upstream, CALL_USER_GET, &message.base,
                                                    &sluice__user__descriptor, &reply)
                                       : ERR_NOT_FOUND;
    if (err == OK) {
        Sluice__User *user = (Sluice__User *)(void *)reply;
        succeed(answer, 200, user_json_roles(user->roles, user->n_roles));
        ask_free(reply);
    } else {
        fail(answer, err);
    }
    mem_free(name);
}

void
on_user_delete(const struct on_user *desk, const struct on_user_request *request,
               struct on_user_answer *answer)
{
    Sluice__UserDelete message = SLUICE__USER_DELETE__INIT;
    char *name = mem_strdup(request->name), *actor = mem_strdup(request->actor);
    message.name = name;
    message.actor = actor;
    enum err err = name_is_valid(name)
                       ? ask_people(desk->upstream, CALL_USER_DELETE, &message.base, NULL, NULL)
                       : ERR_NOT_FOUND;
    if (err == OK)
        succeed(answer, 200, mem_strdup("{}"));
    else
        fail(answer, err);
    mem_free(name);
    mem_free(actor);
}

/* Asks for the states of `names`; `single`: one object, 404 when there is no such user. */
static void
statuses(const struct on_user *desk, char **names, size_t count, bool single,
         struct on_user_answer *answer)
{
    Sluice__UserStatus message = SLUICE__USER_STATUS__INIT;
    ProtobufCMessage *reply = NULL;
    message.names = names;
    message.n_names = count;
    enum err err = ask_people(desk->upstream, CALL_USER_STATUS, &message.base,
                              &sluice__user_statuses__descriptor, &reply);
    if (err != OK) {
        fail(answer, err);
        return;
    }
    Sluice__UserStatuses *got = (Sluice__UserStatuses *)(void *)reply;
    struct user_json_list *list = user_json_list_new();
    user_status_complete(desk->upstream, got->users, got->n_users);
    for (size_t i = 0; i < got->n_users; i++)
        user_json_list_add_status(list, got->users[i]->name, got->users[i]->status);
    bool missing = got->n_users == 0 || strcmp(got->users[0]->status, "notFound") == 0;
    char *body = single ? user_json_list_end_single(list) : user_json_list_end(list);
    if (single && missing) {
        mem_free(body);
        fail(answer, ERR_NOT_FOUND);
    } else {
        succeed(answer, 200, body);
    }
    ask_free(reply);
}

void
on_user_status(const struct on_user *desk, const struct on_user_request *request,
               struct on_user_answer *answer)
{
    char *name = mem_strdup(request->name);
    if (name_is_valid(name))
        statuses(desk, &name, 1, true, answer);
    else
        fail(answer, ERR_NOT_FOUND);
    mem_free(name);
}

void
on_user_statuses(const struct on_user *desk, const struct on_user_request *request,
                 struct on_user_answer *answer)
{
    struct slice rest = slice_cstr(request->users), item;
    size_t count = 0;
    bool good = request->users != NULL;
    char **names = mem_zalloc_array(STATUSES_MAX, sizeof *names);
    while (good && str_split(&rest, ',', &item)) {
        good = count < STATUSES_MAX && item.len <= USER_JSON_NAME_MAX && str_utf8_is_valid(item);
        if (good)
            names[count++] = slice_dup(item);
    }
    if (good && count > 0)
        statuses(desk, names, count, false, answer);
    else
        fail(answer, ERR_INVALID);
    for (size_t i = 0; i < count; i++)
        mem_free(names[i]);
    mem_free(names);
}

/* "from,to": places in the list by name; `to` is the first that is left out. */
static enum err
parse_indexes(const char *text, uint64_t *from, uint64_t *to)
{
    struct slice rest = slice_cstr(text), a, b, c;
    if (text == NULL || !str_split(&rest, ',', &a) || !str_split(&rest, ',', &b) ||
        str_split(&rest, ',', &c) || str_parse_u64(a, 0, UINT32_MAX, from) != OK ||
        str_parse_u64(b, 0, UINT32_MAX, to) != OK || *from > *to || *to - *from > LIST_MAX)
        return ERR_INVALID;
    return OK;
}

void
on_user_list(const struct on_user *desk, const struct on_user_request *request,
             struct on_user_answer *answer)
{
    uint64_t from, to, at = 0;
    if (parse_indexes(request->indexes, &from, &to) != OK) {
        fail(answer, ERR_INVALID);
        return;
    }
    struct user_json_list *list = user_json_list_new();
    char *after = mem_strdup("");
    enum err err = OK;
    bool more = from < to;
    while (more && err == OK) {
        Sluice__UserList message = SLUICE__USER_LIST__INIT;
        ProtobufCMessage *reply = NULL;
        message.after = after;
        message.limit = PAGE;
        err = ask_people(desk->upstream, CALL_USER_LIST, &message.base,
                         &sluice__user_listed__descriptor, &reply);
        if (err != OK)
            break;
        Sluice__UserListed *page = (Sluice__UserListed *)(void *)reply;
        user_status_complete(desk->upstream, page->users, page->n_users);
        for (size_t i = 0; i < page->n_users; i++, at++) {
            const Sluice__User *user = page->users[i];
            if (at >= from && at < to)
                user_json_list_add_user(list, user->name, user->roles, user->n_roles, user->status);
        }
        more = page->next[0] != 0 && page->n_users > 0 && at < to;
        mem_free(after);
        after = mem_strdup(page->next);
        ask_free(reply);
    }
    mem_free(after);
    char *body = user_json_list_end(list);
    if (err == OK) {
        succeed(answer, 200, body);
    } else {
        mem_free(body);
        fail(answer, err);
    }
}

static void
sign_in(const struct on_user *desk, const char *user, const Sluice__UserVerified *verified,
        struct on_user_answer *answer)
{
    struct cookie cookie = {.expires_ms = clock_wall_ms() + ON_USER_SESSION_S * UINT64_C(1000),
                            .user = slice_cstr(user)};
    while (cookie.role_count < verified->n_roles && cookie.role_count < COOKIE_ROLES) {
        cookie.roles[cookie.role_count] = slice_cstr(verified->roles[cookie.role_count]);
        cookie.role_count++;
    }
    /* A user whose name and roles do not fit a cookie is signed in all the same, without one. */
    if (cookie_encode(&cookie, desk->cookie_key, answer->session) != OK)
        answer->session[0] = 0;
}

void
on_user_login(const struct on_user *desk, const struct on_user_request *request,
              struct on_user_answer *answer)
{
    struct user_body body;
    ProtobufCMessage *reply = NULL;
    if (!name_is_valid(request->name)) {
        fail(answer, ERR_NOT_FOUND);
        return;
    }
    if (user_login_parse(request->body, &body) != OK) {
        fail(answer, ERR_INVALID);
        return;
    }
    Sluice__UserVerify message = SLUICE__USER_VERIFY__INIT;
    char *name = mem_strdup(request->name);
    message.name = name;
    message.password = body.password;
    enum err err = ask_people(desk->upstream, CALL_USER_VERIFY, &message.base,
                              &sluice__user_verified__descriptor, &reply);
    if (err == OK) {
        Sluice__UserVerified *verified = (Sluice__UserVerified *)(void *)reply;
        if (verified->ok)
            sign_in(desk, name, verified, answer);
        succeed(
            answer, 200,
            user_json_login(verified->ok, verified->roles, verified->ok ? verified->n_roles : 0));
        ask_free(reply);
    } else {
        fail(answer, err);
    }
    mem_free(name);
    user_body_fini(&body);
}

void
on_user_session(const struct on_user *desk, const struct on_user_request *request,
                struct on_user_answer *answer)
{
    struct cookie cookie;
    uint8_t *space = mem_alloc(COOKIE_TEXT_MAX);
    if (request->session != NULL && cookie_decode(slice_cstr(request->session), desk->cookie_key,
                                                  clock_wall_ms(), space, &cookie) == OK)
        succeed(answer, 200, user_json_session(cookie.user, cookie.roles, cookie.role_count));
    else
        succeed(answer, 200, mem_strdup("{}"));
    mem_free(space);
}

void
on_user_config(const struct on_user *desk, const struct on_user_request *request,
               struct on_user_answer *answer)
{
    if (request->apps == NULL)
        fail(answer, ERR_INVALID);
    else
        succeed(answer, 200, config_json_apps(desk->upstream, desk->conf, request->apps));
}
