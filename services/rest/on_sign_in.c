/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in to the API and out, and who one is. The cookie is all there is of a sign-in and names
 * the user's revision: signing out makes a new revision, so that no copy of a cookie of this user
 * is good any more, whoever has it and whichever rest is asked. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "proto/mqtt_packet.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/ask.h"
#include "services/rest/assets.h"

#define COOKIE_PATH API_PREFIX

static json_t *
describe(const struct caller *caller)
{
    static const char *const kinds[] = {"configured", "key", "user"};
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{CALLER_ADMIN, "ADMIN"}, {CALLER_READER, "READER"}, {CALLER_USER, "USER"}};
    json_t *roles = json_array();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if ((caller->roles & names[i].bit) != 0)
            json_array_append_new(roles, json_string(names[i].name));
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "kind", kinds[caller->kind], "name", caller->name,
                     "roles", roles, "csrf_token", api_json_text_or_null(caller->csrf), "until",
                     api_json_time(caller->until_ms));
}

static void
set_cookie(struct api_request *request, const char *value, uint64_t seconds)
{
    char cookie[COOKIE_TEXT_MAX + 160];
    str_format(cookie, sizeof cookie,
               CALLER_COOKIE_NAME "=%s; Max-Age=%llu; Path=" COOKIE_PATH
                                  "; HttpOnly; SameSite=Strict%s",
               value, (unsigned long long)seconds, request->exchange->is_tls ? "; Secure" : "");
    exchange_set_header(request->exchange, "Set-Cookie", cookie);
}

bool
on_sign_in_may_try(struct api_request *request, const char *user)
{
    struct exchange *exchange = request->exchange;
    uint64_t now_ms = clock_monotonic_ms(), retry_ms = 0;
    char name[CALLER_NAME_MAX + 8];
    str_format(name, sizeof name, "user:%s", user);
    if (rate_take(request->api->sign_ins, slice_cstr(exchange->address), now_ms, &retry_ms) &&
        rate_take(request->api->sign_ins, slice_cstr(name), now_ms, &retry_ms))
        return true;
    exchange_set_retry(exchange, retry_ms);
    api_problem(request, 429, "too_many_requests", "Too many attempts to sign in; wait a moment");
    return false;
}

static enum err
ask_sign_in(struct api_request *request, const char *user, const char *password,
            ProtobufCMessage **out)
{
    Sluice__SignIn message = SLUICE__SIGN_IN__INIT;
    char *name = mem_strdup(user), *secret = mem_strdup(password);
    message.user = (ProtobufCBinaryData){strlen(name), (uint8_t *)name};
    message.password = (ProtobufCBinaryData){strlen(secret), (uint8_t *)secret};
    enum err err = ask_people(request->api->upstream, CALL_SIGN_IN, &message.base,
                              &sluice__signed_in__descriptor, out);
    mem_free(name);
    mem_free_secret(secret, strlen(secret));
    if (err != OK)
        return err;
    const Sluice__SignedIn *answer = (const Sluice__SignedIn *)(void *)*out;
    if (answer->reason == 0 && answer->access != NULL)
        return OK;
    return answer->reason == MQTT_SERVER_UNAVAILABLE || answer->reason == MQTT_SERVER_BUSY
               ? ERR_UNAVAILABLE
               : ERR_DENIED;
}

enum err
on_sign_in_check(struct api_request *request, const char *user, const char *password)
{
    ProtobufCMessage *reply = NULL;
    enum err err = ask_sign_in(request, user, password, &reply);
    ask_free(reply);
    return err;
}

/* As on_sign_in_check; then the cookie is set. */
static enum err
sign_in(struct api_request *request, const char *user, const char *password)
{
    struct api *api = request->api;
    ProtobufCMessage *reply = NULL;
    char cookie[COOKIE_TEXT_MAX];
    enum err err = ask_sign_in(request, user, password, &reply);
    if (err == OK) {
        const Sluice__Access *access = ((const Sluice__SignedIn *)(void *)reply)->access;
        err = caller_sign_in(api->keys, user, access->revision,
                             caller_roles(access->roles, access->n_roles) | CALLER_USER,
                             clock_wall_ms() + api->config->sign_in_ms, cookie, &request->caller);
    }
    if (err == OK)
        set_cookie(request, cookie, api->config->sign_in_ms / 1000);
    ask_free(reply);
    return err;
}

void
on_sign_in(struct api_request *request)
{
    const char *user = json_string_value(json_object_get(request->body, "name"));
    const char *password = json_string_value(json_object_get(request->body, "password"));
    const char *site = exchange_header(request->exchange, "Sec-Fetch-Site");
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0) {
        api_problem(request, 403, "not_from_here", "Pages of other origins may not sign people in");
        return;
    }
    if (!on_sign_in_may_try(request, user))
        return;
    enum err err = sign_in(request, user, password);
    if (err == OK)
        api_answer(request, 201, describe(&request->caller));
    else if (err == ERR_DENIED)
        api_problem(request, 401, "who_are_you", "The name or the password is wrong");
    else
        api_fail(request, err, "user");
}

void
on_sign_in_who(struct api_request *request)
{
    api_answer(request, 200, describe(&request->caller));
}

/* A user that has been changed or deleted since the cookie was looked at has no sign-in either. */
static enum err
end_sign_ins(struct api_request *request)
{
    Sluice__UserPut message = SLUICE__USER_PUT__INIT;
    char actor[CALLER_ACTOR_SIZE];
    char *name = mem_strdup(request->caller.name);
    api_actor(request, actor);
    message.name = name;
    message.actor = actor;
    message.keep_roles = true;
    message.update_only = true;
    message.has_if_revision = true;
    message.if_revision = request->caller.revision;
    message.sign_out = true;
    enum err err = ask_people(request->api->upstream, CALL_USER_PUT, &message.base, NULL, NULL);
    mem_free(name);
    return err == ERR_CONFLICT || err == ERR_NOT_FOUND ? OK : err;
}

void
on_sign_in_out(struct api_request *request)
{
    enum err err = request->caller.kind == CALLER_COOKIE ? end_sign_ins(request) : OK;
    set_cookie(request, "", 0);
    if (err == OK)
        api_answer_empty(request, 204);
    else
        api_fail(request, err, "user");
}

void
on_sign_in_document(struct api_request *request)
{
    exchange_set_header(request->exchange, "Cache-Control", "no-cache");
    exchange_answer_static(request->exchange, 200, "application/json", assets_openapi());
}
