/* SPDX-License-Identifier: Apache-2.0 */
/* Connected clients: what the gateways know of them; who has one, the stores know. */
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/page.h"
#include "services/rest/question.h"

static json_t *
to_json(const Sluice__AdminItem *item, const char *gateway)
{
    json_t *json = json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:I, s:b, s:I}", "client",
                             question_json_text(item, "client", false), "user",
                             question_json_text(item, "user", true), "gateway", gateway, "address",
                             question_json_text(item, "address", false), "listener",
                             question_json_text(item, "listener", false), "version",
                             question_json_text(item, "version", false), "connected_at",
                             question_json_time(item, "connected_ms"), "keep_alive",
                             (json_int_t)question_item_number(item, "keep_alive"), "persistent",
                             question_item_flag(item, "persistent"), "subscriptions",
                             (json_int_t)question_item_number(item, "subscriptions"));
    json_object_set_new(json, "inflight", question_json_number(item, "inflight"));
    json_object_set_new(json, "queued", question_json_number(item, "queued"));
    json_object_set_new(json, "queued_bytes", question_json_number(item, "queued_bytes"));
    return json;
}

static enum err
ask_gateway(struct api_request *request, const char *gateway, struct slice after, uint32_t limit,
            Sluice__AdminAnswer **out)
{
    struct question question;
    question_init(&question, CALL_ADMIN_CLIENTS);
    question_text(&question, "search", api_text(request, "search"));
    question_text(&question, "user", api_text(request, "user"));
    question_page(&question, after, limit);
    return question_ask_gateway(request->api->upstream, gateway, &question, out);
}

void
on_api_client_list(struct api_request *request)
{
    const char *only = api_text(request, "gateway");
    char **names;
    size_t count;
    enum err err = question_gateways(request->api->upstream, &names, &count);
    if (err != OK) {
        api_fail(request, err, "clients");
        return;
    }
    char *one[] = {(char *)(uintptr_t)only};
    page_answer(request, only != NULL ? one : names, only != NULL ? 1 : count, ask_gateway, to_json,
                "clients");
    api_json_free_texts(names, count);
}

/* ---- one */

enum err
on_api_client_find(struct api_request *request, const char *client, Sluice__AdminAnswer **out)
{
    struct upstream *upstream = request->api->upstream;
    struct question question;
    question_init(&question, CALL_ADMIN_SESSIONS);
    question_text(&question, "client", client);
    enum err err = question_ask(upstream, UPSTREAM_STORE,
                                upstream_store_of(upstream, slice_cstr(client)), &question, out);
    if (err == OK && (*out)->n_items == 1)
        return OK;
    if (err == OK)
        question_free(*out);
    *out = NULL;
    return err == OK || err == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
}

void
on_api_client_get(struct api_request *request)
{
    Sluice__AdminAnswer *session = NULL, *answer = NULL;
    struct question question;
    enum err err = on_api_client_find(request, api_text(request, "client"), &session);
    char *gateway =
        err == OK ? slice_dup(question_item_text(session->items[0], "gateway")) : mem_strdup("");
    if (err == OK && gateway[0] == 0)
        err = ERR_NOT_FOUND; /* not connected */
    if (err == OK) {
        question_init(&question, CALL_ADMIN_CLIENTS);
        question_number(&question, "conn", question_item_number(session->items[0], "conn"));
        question_page(&question, slice_of(NULL, 0), 1);
        err = question_ask_gateway(request->api->upstream, gateway, &question, &answer);
    }
    if (err == OK && answer->n_items == 0)
        err = ERR_NOT_FOUND;
    if (err == OK)
        api_answer(request, 200, to_json(answer->items[0], gateway));
    else
        api_fail(request, err, "client");
    question_free(session);
    question_free(answer);
    mem_free(gateway);
}

/* ---- sending away */

enum err
on_api_client_tell(struct api_request *request, uint16_t method, const char *client)
{
    struct upstream *upstream = request->api->upstream;
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    question_init(&question, method);
    question_text(&question, "client", client);
    enum err err =
        question_ask(upstream, UPSTREAM_STORE, upstream_store_of(upstream, slice_cstr(client)),
                     &question, &answer);
    question_free(answer);
    return err == OK || err == ERR_NOT_FOUND ? err : ERR_UNAVAILABLE;
}

void
on_api_client_disconnect(struct api_request *request)
{
    const char *client = api_text(request, "client");
    enum err err = on_api_client_tell(request, CALL_ADMIN_DISCONNECT, client);
    if (err == OK)
        api_audit(request, "client.disconnect", client, "");
    if (err == OK || err == ERR_NOT_FOUND)
        api_answer_empty(request, 204); /* not connected, as was wanted */
    else
        api_fail(request, err, "client");
}

void
on_api_client_disconnect_many(struct api_request *request)
{
    const json_t *body = request->body;
    const char *search = json_string_value(json_object_get(body, "search"));
    const char *user = json_string_value(json_object_get(body, "user"));
    const char *gateway = json_string_value(json_object_get(body, "gateway"));
    json_int_t per_second = json_integer_value(json_object_get(body, "per_second"));
    char **names, detail[512];
    size_t count;
    if (search == NULL && user == NULL && gateway == NULL &&
        !json_is_true(json_object_get(body, "all"))) {
        api_problem(request, 422, "not_valid",
                    "All clients would be meant: say so with \"all\": true");
        return;
    }
    struct question question;
    question_init(&question, CALL_ADMIN_DISCONNECTS);
    question_text(&question, "search", search);
    question_text(&question, "user", user);
    question_number(&question, "per_second", (uint64_t)per_second);
    enum err err = question_gateways(request->api->upstream, &names, &count);
    if (err != OK) {
        api_fail(request, err, "gateways");
        return;
    }
    for (size_t i = 0; err == OK && i < count; i++) {
        Sluice__AdminAnswer *answer = NULL;
        if (gateway != NULL && strcmp(gateway, names[i]) != 0)
            continue;
        err = question_ask_gateway(request->api->upstream, names[i], &question, &answer);
        if (err == ERR_NOT_FOUND)
            err = OK; /* gone meanwhile, with its clients */
        question_free(answer);
    }
    api_json_free_texts(names, count);
    str_format(detail, sizeof detail, "search %.100s, user %.100s, gateway %.100s, %lld per second",
               search != NULL ? search : "-", user != NULL ? user : "-",
               gateway != NULL ? gateway : "-", (long long)per_second);
    api_audit(request, "client.disconnect_many", "", detail);
    if (err == OK)
        api_answer_empty(request, 202);
    else
        api_fail(request, err, "gateways");
}
