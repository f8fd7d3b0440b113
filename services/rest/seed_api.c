/* SPDX-License-Identifier: Apache-2.0 */
/* See seed_api.h. */
#include "services/rest/seed_api.h"

#include "common/mem.h"
#include "services/rest/url.h"
#include "services/rest/user_json.h"

#include <stdio.h>

struct seed_route {
    const char *verb;
    const char *path; /* below /rest; ':' stands for the user's name */
    on_user_fn serve;
};

/* Literal paths come before those with a name in their place. */
static const struct seed_route routes[] = {
    {"GET", "user/status", on_user_statuses}, {"GET", "user/list", on_user_list},
    {"POST", "user/login/:", on_user_login},  {"GET", "user/:/status", on_user_status},
    {"POST", "user/:", on_user_create},       {"GET", "user/:", on_user_get},
    {"PUT", "user/:", on_user_update},        {"DELETE", "user/:", on_user_delete},
    {"GET", "server/config", on_user_config}, {"GET", "server/checksession", on_user_session},
};
#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

void
seed_api_refuse(struct exchange *exchange, int status, const char *message)
{
    exchange_answer(exchange, status, "application/json", user_json_error(status, message));
    if (status == 401)
        exchange_set_header(exchange, "WWW-Authenticate", "ApiKey");
}

/* *name: the segment in place of ':'. */
static bool
matches(struct slice path, const char *pattern, struct slice *name)
{
    struct slice want = slice_cstr(pattern), a, b;
    while (url_segment(&want, &b)) {
        if (!url_segment(&path, &a))
            return false;
        if (slice_equal_cstr(b, ":"))
            *name = a;
        else if (!slice_equal(a, b))
            return false;
    }
    return path.len == 0;
}

/* allow: the verbs of the path, "": there is no such path. */
static const struct seed_route *
find(const char *verb, struct slice path, struct slice *name, char allow[64])
{
    allow[0] = 0;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        size_t at = strlen(allow);
        if (!matches(path, routes[i].path, name))
            continue;
        if (strcmp(verb, routes[i].verb) == 0)
            return &routes[i];
        if (strstr(allow, routes[i].verb) == NULL)
            str_format(allow + at, 64 - at, "%s%s", at != 0 ? ", " : "", routes[i].verb);
    }
    return NULL;
}

static bool
may_be_served(const struct seed_api *api, const struct seed_route *route, struct exchange *exchange,
              struct caller *caller)
{
    bool has_body = strcmp(route->verb, "POST") == 0 || strcmp(route->verb, "PUT") == 0;
    enum err err = caller_of_key(api->keys, exchange, caller);
    bool may_read = (caller->roles & (CALLER_ADMIN | CALLER_READER)) != 0;
    bool is_read = strcmp(route->verb, "GET") == 0;
    if (err == OK && (is_read ? !may_read : (caller->roles & CALLER_ADMIN) == 0))
        seed_api_refuse(exchange, 403, "This key may not do that");
    else if (err == ERR_DENIED)
        seed_api_refuse(exchange, 401, "The API key is missing or wrong");
    else if (err != OK)
        seed_api_refuse(exchange, 503, "unavailable");
    else if (!exchange_accepts(exchange, "application/json"))
        seed_api_refuse(exchange, 406, "Only application/json is served");
    else if (has_body && !exchange_has_json(exchange))
        seed_api_refuse(exchange, 415, "The body must be application/json");
    else if (exchange->is_truncated || exchange->body.len > SEED_API_BODY_MAX)
        seed_api_refuse(exchange, 413, "The body is too large");
    else
        return true;
    return false;
}

/* Max-Age and Path are those of the replaced server. */
static void
set_session(struct exchange *exchange, const char *session)
{
    char cookie[COOKIE_TEXT_MAX + 128];
    str_format(cookie, sizeof cookie,
               "sessionid=%s; Max-Age=%d; Path=/rest; HttpOnly; SameSite=Strict%s", session,
               ON_USER_SESSION_S, exchange->is_tls ? "; Secure" : "");
    exchange_set_header(exchange, "Set-Cookie", cookie);
}

static void
answer(const struct seed_api *api, const struct seed_route *route, struct slice name,
       const struct caller *caller, struct exchange *exchange)
{
    char actor[CALLER_ACTOR_SIZE];
    char *user = url_decode(name, false), *users = NULL, *indexes = NULL, *apps = NULL;
    struct on_user_answer *out = mem_zalloc(sizeof *out);
    if (user == NULL || url_query(exchange->query, "users", &users) != OK ||
        url_query(exchange->query, "indexes", &indexes) != OK ||
        url_query(exchange->query, "app", &apps) != OK) {
        seed_api_refuse(exchange, 400, "Invalid request");
    } else {
        const struct on_user_request in = {.name = user,
                                           .users = users,
                                           .indexes = indexes,
                                           .apps = apps,
                                           .session = exchange_cookie(exchange, "sessionid"),
                                           .actor = caller_actor(caller, actor),
                                           .body = exchange->body};
        route->serve(api->desk, &in, out);
        if (out->session[0] != 0)
            set_session(exchange, out->session);
        exchange_answer(exchange, out->status, "application/json", out->body);
    }
    mem_free(out);
    mem_free(user);
    mem_free(users);
    mem_free(indexes);
    mem_free(apps);
}

void
seed_api_serve(const struct seed_api *api, struct exchange *exchange)
{
    struct slice path = slice_sub(exchange->path, strlen("/rest"), exchange->path.len);
    struct slice name = {NULL, 0};
    struct caller caller;
    char allow[64];
    const struct seed_route *route = find(exchange->verb, path, &name, allow);
    if (route == NULL && allow[0] == 0) {
        seed_api_refuse(exchange, 404, "There is nothing here");
    } else if (route == NULL) {
        exchange_set_header(exchange, "Allow", allow);
        seed_api_refuse(exchange, 405, "This method is not served here");
    } else if (may_be_served(api, route, exchange, &caller)) {
        answer(api, route, name, &caller, exchange);
    }
}
