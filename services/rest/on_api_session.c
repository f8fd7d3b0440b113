/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: what the stores keep of clients, connected or not. */
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/page.h"
#include "services/rest/question.h"

static json_t *
to_json(const Sluice__AdminItem *item, const char *store)
{
    (void)store;
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:b, s:o, s:o}", "client", question_json_text(item, "client", false),
        "user", question_json_text(item, "user", true), "state",
        question_json_text(item, "state", false), "persistent",
        question_item_flag(item, "persistent"), "gateway",
        question_json_text(item, "gateway", true), "expiry", question_json_number(item, "expiry"));
    static const char *const numbers[] = {"subscriptions", "queued", "queued_bytes", "inbound"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(json, numbers[i],
                            json_integer((json_int_t)question_item_number(item, numbers[i])));
    json_object_set_new(json, "created_at", question_json_time(item, "created_ms"));
    json_object_set_new(json, "disconnected_at", question_json_time(item, "disconnected_ms"));
    json_object_set_new(json, "has_will", json_boolean(question_item_flag(item, "has_will")));
    return json;
}

static enum err
ask_store(struct api_request *request, const char *store, struct slice after, uint32_t limit,
          Sluice__AdminAnswer **out)
{
    const char *state = api_text(request, "state");
    const json_t *persistent = json_object_get(request->values, "persistent");
    struct question question;
    question_init(&question, CALL_ADMIN_SESSIONS);
    question_text(&question, "search", api_text(request, "search"));
    question_flag(&question, "connected", state != NULL && strcmp(state, "connected") == 0);
    question_flag(&question, "disconnected", state != NULL && strcmp(state, "disconnected") == 0);
    question_flag(&question, "persistent", json_is_true(persistent));
    question_flag(&question, "transient", json_is_false(persistent));
    question_page(&question, after, limit);
    return question_ask(request->api->upstream, UPSTREAM_STORE, page_store(store), &question, out);
}

void
on_api_session_list(struct api_request *request)
{
    size_t count;
    char **stores = page_stores(request->api->upstream, &count);
    page_answer(request, stores, count, ask_store, to_json, "sessions");
    api_json_free_texts(stores, count);
}

void
on_api_session_get(struct api_request *request)
{
    Sluice__AdminAnswer *answer = NULL;
    enum err err = on_api_client_find(request, api_text(request, "client"), &answer);
    if (err == OK)
        api_answer(request, 200, to_json(answer->items[0], ""));
    else
        api_fail(request, err, "session");
    question_free(answer);
}

void
on_api_session_delete(struct api_request *request)
{
    const char *client = api_text(request, "client");
    enum err err = on_api_client_tell(request, CALL_ADMIN_SESSION_END, client);
    if (err == OK)
        api_audit(request, "session.delete", client, "");
    if (err == OK || err == ERR_NOT_FOUND)
        api_answer_empty(request, 204);
    else
        api_fail(request, err, "session");
}
