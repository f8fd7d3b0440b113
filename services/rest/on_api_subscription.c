/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions: of a client, or all that want a topic; groups of shared subscriptions. Gateways
 * know those of connected clients, stores those of sessions that sleep. */
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/page.h"
#include "services/rest/question.h"

static json_t *
to_json(const Sluice__AdminItem *item, const char *place)
{
    struct slice own = question_item_text(item, "place");
    return json_pack(
        "{s:o, s:o, s:I, s:b, s:b, s:o, s:b, s:b, s:o}", "client",
        question_json_text(item, "client", false), "filter",
        question_json_text(item, "filter", false), "qos",
        (json_int_t)question_item_number(item, "qos"), "no_local",
        question_item_flag(item, "no_local"), "retain_as_published",
        question_item_flag(item, "retain_as_published"), "identifier",
        question_json_number(item, "identifier"), "persistent",
        question_item_flag(item, "persistent"), "connected", question_item_flag(item, "connected"),
        "place", own.len != 0 ? json_stringn((const char *)own.data, own.len) : json_string(place));
}

static void
take(json_t *items, Sluice__AdminAnswer *answer, const char *place)
{
    for (size_t i = 0; i < answer->n_items; i++)
        json_array_append_new(items, to_json(answer->items[i], place));
    question_free(answer);
}

static enum err
of_stores(struct api_request *request, const struct question *question, json_t *items)
{
    struct upstream *upstream = request->api->upstream;
    enum err err = OK;
    for (size_t i = 0; err == OK && i < upstream_count(upstream, UPSTREAM_STORE); i++) {
        Sluice__AdminAnswer *answer = NULL;
        err = question_ask(upstream, UPSTREAM_STORE, i, question, &answer);
        if (err == OK)
            take(items, answer, "");
    }
    return err;
}

static enum err
of_gateway(struct api_request *request, const char *gateway, const struct question *question,
           json_t *items)
{
    Sluice__AdminAnswer *answer = NULL;
    enum err err = question_ask_gateway(request->api->upstream, gateway, question, &answer);
    if (err == OK)
        take(items, answer, gateway);
    return err == ERR_NOT_FOUND ? OK : err;
}

static enum err
by_topic(struct api_request *request, const char *topic, json_t *items)
{
    struct question question;
    char **names;
    size_t count;
    question_init(&question, CALL_ADMIN_SUBSCRIPTIONS);
    question_text(&question, "topic", topic);
    enum err err = question_gateways(request->api->upstream, &names, &count);
    if (err != OK)
        return err;
    for (size_t i = 0; err == OK && i < count; i++)
        err = of_gateway(request, names[i], &question, items);
    api_json_free_texts(names, count);
    return err == OK ? of_stores(request, &question, items) : err;
}

static enum err
by_client(struct api_request *request, const char *client, json_t *items)
{
    Sluice__AdminAnswer *session = NULL;
    struct question question;
    enum err err = on_api_client_find(request, client, &session);
    if (err != OK)
        return err == ERR_NOT_FOUND ? OK : err;
    question_init(&question, CALL_ADMIN_SUBSCRIPTIONS);
    char *gateway = slice_dup(question_item_text(session->items[0], "gateway"));
    if (gateway[0] != 0) {
        question_number(&question, "conn", question_item_number(session->items[0], "conn"));
        err = of_gateway(request, gateway, &question, items);
    } else {
        question_text(&question, "client", client);
        err = of_stores(request, &question, items);
    }
    mem_free(gateway);
    question_free(session);
    return err;
}

void
on_api_subscription_list(struct api_request *request)
{
    const char *client = api_text(request, "client"), *topic = api_text(request, "topic");
    if ((client == NULL) == (topic == NULL)) {
        api_problem(request, 422, "not_valid", "Either client or topic must be given");
        return;
    }
    json_t *items = json_array();
    enum err err =
        topic != NULL ? by_topic(request, topic, items) : by_client(request, client, items);
    if (err == OK) {
        api_answer_page(request, items, NULL);
    } else {
        json_decref(items);
        api_fail(request, err, "subscriptions");
    }
}

/* ---- groups */

static json_t *
group_to_json(const Sluice__AdminItem *item, const char *core)
{
    (void)core;
    return json_pack("{s:o, s:o, s:o, s:I, s:I}", "share", question_json_text(item, "share", false),
                     "place", question_json_text(item, "place", false), "service",
                     question_json_text(item, "service", false), "members",
                     (json_int_t)question_item_number(item, "members"), "members_qos0",
                     (json_int_t)question_item_number(item, "members_qos0"));
}

/* Every core knows all groups: whichever answers. */
static enum err
ask_groups(struct api_request *request, const char *core, struct slice after, uint32_t limit,
           Sluice__AdminAnswer **out)
{
    struct question question;
    (void)core;
    question_init(&question, CALL_ADMIN_GROUPS);
    question_text(&question, "topic", api_text(request, "topic"));
    question_page(&question, after, limit);
    return question_ask_core(request->api->upstream, &question, out);
}

void
on_api_subscription_groups(struct api_request *request)
{
    char any[] = "core";
    char *places[] = {any};
    page_answer(request, places, 1, ask_groups, group_to_json, "groups");
}
