/* SPDX-License-Identifier: Apache-2.0 */
/* Publishing, and retained messages. A store is the origin of what is published here: durable
 * before it is answered, unless it is QoS 0. */
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "proto/topic.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/ask.h"
#include "services/rest/message_json.h"
#include "services/rest/page.h"
#include "services/rest/question.h"

/* ---- publish */

static json_t *
published(const Sluice__AdminAnswer *answer)
{
    const Sluice__AdminItem *item = answer->n_items != 0 ? answer->items[0] : NULL;
    if (item == NULL)
        return json_pack("{s:s, s:n}", "state", "queued", "matched");
    return json_pack("{s:o, s:o}", "state", question_json_text(item, "state", false), "matched",
                     question_item_has(item, "matched")
                         ? json_boolean(question_item_flag(item, "matched"))
                         : json_null());
}

/* *out: a Published, new. */
static enum err
publish(struct api_request *request, const char *topic, const struct message_json *message,
        json_t **out)
{
    struct upstream *upstream = request->api->upstream;
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    enum err err = ERR_UNAVAILABLE;
    question_init(&question, CALL_ADMIN_PUBLISH);
    question_text(&question, "topic", topic);
    question_data(&question, "payload", slice_of(message->payload, message->payload_len));
    question_data(&question, "properties", buf_slice(&message->properties));
    question_number(&question, "qos", message->qos);
    question_flag(&question, "retain", message->retain);
    question_number(&question, "expiry_s", message->expiry_s);
    /* Any store will do; one that was lost while it was asked may have taken it, so no other is
     * asked then. */
    for (size_t i = 0; i < upstream_count(upstream, UPSTREAM_STORE); i++) {
        if (!upstream_is_up(upstream, UPSTREAM_STORE, i))
            continue;
        err = question_ask(upstream, UPSTREAM_STORE, i, &question, &answer);
        break;
    }
    if (err == OK)
        *out = published(answer);
    question_free(answer);
    return err;
}

static enum err
publish_body(struct api_request *request, const json_t *body, json_t **out)
{
    struct message_json message;
    enum err err = message_json_read(body, 0, &message);
    if (err != OK)
        return err;
    err = publish(request, api_json_member(body, "topic"), &message, out);
    message_json_fini(&message);
    return err;
}

static void
answer_published(struct api_request *request, enum err err, json_t *result)
{
    if (err != OK) {
        api_fail(request, err, "message");
        return;
    }
    bool is_queued = strcmp(api_json_member(result, "state"), "queued") == 0;
    api_answer(request, is_queued ? 202 : 200, result);
}

void
on_api_message_publish(struct api_request *request)
{
    json_t *result = NULL;
    enum err err = publish_body(request, request->body, &result);
    answer_published(request, err, result);
}

/* A message that fails ends the batch: those before it are out, and their results tell how many. */
void
on_api_message_batch(struct api_request *request)
{
    json_t *results = json_array(), *message;
    enum err err = OK;
    size_t i;
    json_array_foreach(json_object_get(request->body, "messages"), i, message)
    {
        json_t *result = NULL;
        err = publish_body(request, message, &result);
        if (err != OK)
            break;
        json_array_append_new(results, result);
    }
    if (err == OK || json_array_size(results) != 0) {
        api_answer(request, 200, json_pack("{s:o}", "results", results));
    } else {
        json_decref(results);
        api_fail(request, err, "message");
    }
}

/* ---- retained */

static Sluice__RetainedGot *
ask_retained(struct api_request *request, size_t store, struct slice filter, struct slice after,
             uint32_t limit, enum err *err)
{
    Sluice__RetainedGet message = SLUICE__RETAINED_GET__INIT;
    ProtobufCMessage *reply = NULL;
    message.filter = (ProtobufCBinaryData){filter.len, (uint8_t *)(uintptr_t)filter.data};
    message.after = (ProtobufCBinaryData){after.len, (uint8_t *)(uintptr_t)after.data};
    message.limit = limit;
    *err = ask_program(request->api->upstream, UPSTREAM_STORE, store, CALL_RETAINED_GET,
                       &message.base, &sluice__retained_got__descriptor, 0, &reply);
    return (Sluice__RetainedGot *)(void *)reply;
}

/* A page of a store, its records as items of an AdminAnswer, so that it pages as other lists do. */
static enum err
ask_store(struct api_request *request, const char *store, struct slice after, uint32_t limit,
          Sluice__AdminAnswer **out)
{
    struct slice filter = slice_cstr(api_text(request, "filter"));
    enum err err;
    Sluice__RetainedGot *got = ask_retained(request, page_store(store), filter, after, limit, &err);
    if (err != OK)
        return err;
    /* Packed and read again: what comes out has one owner and is freed in one way. */
    Sluice__AdminAnswer answer = SLUICE__ADMIN_ANSWER__INIT;
    Sluice__AdminItem *items = mem_zalloc_array(got->n_records + 1, sizeof *items);
    Sluice__AdminValue *values = mem_zalloc_array(got->n_records + 1, sizeof *values);
    Sluice__AdminItem **item_list = mem_zalloc_array(got->n_records + 1, sizeof *item_list);
    Sluice__AdminValue **value_list = mem_zalloc_array(got->n_records + 1, sizeof *value_list);
    char name[] = "record";
    for (size_t i = 0; i < got->n_records; i++) {
        values[i] = (Sluice__AdminValue)SLUICE__ADMIN_VALUE__INIT;
        values[i].name = name;
        values[i].text = got->records[i];
        value_list[i] = &values[i];
        items[i] = (Sluice__AdminItem)SLUICE__ADMIN_ITEM__INIT;
        items[i].n_values = 1;
        items[i].values = &value_list[i];
        item_list[i] = &items[i];
    }
    answer.n_items = got->n_records;
    answer.items = item_list;
    answer.next = got->next;
    size_t len = sluice__admin_answer__get_packed_size(&answer);
    uint8_t *packed = mem_alloc(len);
    sluice__admin_answer__pack(&answer, packed);
    *out = sluice__admin_answer__unpack(NULL, len, packed);
    mem_free(packed);
    mem_free(items);
    mem_free(values);
    mem_free(item_list);
    mem_free(value_list);
    sluice__retained_got__free_unpacked(got, NULL);
    return *out != NULL ? OK : ERR_INTERNAL;
}

static json_t *
to_json(const Sluice__AdminItem *item, const char *store)
{
    (void)store;
    return message_json_retained(question_item_text(item, "record"));
}

void
on_api_message_retained_list(struct api_request *request)
{
    struct slice filter = slice_cstr(api_text(request, "filter"));
    if (slice_has_prefix(filter, slice_cstr("$share/"))) {
        api_problem(request, 400, "malformed", "Retained messages have no groups");
        return;
    }
    if (topic_filter_has_wildcard(filter)) {
        size_t count;
        char **stores = page_stores(request->api->upstream, &count);
        page_answer(request, stores, count, ask_store, to_json, "retained messages");
        api_json_free_texts(stores, count);
    } else {
        char *store = page_store_name(upstream_store_of(request->api->upstream, filter));
        page_answer(request, &store, 1, ask_store, to_json, "retained messages");
        mem_free(store);
    }
}

void
on_api_message_retained_get(struct api_request *request)
{
    struct upstream *upstream = request->api->upstream;
    struct slice topic = slice_cstr(api_text(request, "topic"));
    json_t *found = NULL;
    enum err err = OK;
    if (slice_has_prefix(topic, slice_cstr("$share/"))) {
        api_fail(request, ERR_NOT_FOUND, "retained message"); /* the name of a group, no topic */
        return;
    }
    Sluice__RetainedGot *got = ask_retained(request, upstream_store_of(upstream, topic), topic,
                                            slice_of(NULL, 0), 1, &err);
    if (err == OK && got->n_records != 0)
        found = message_json_retained(slice_of(got->records[0].data, got->records[0].len));
    if (err == OK)
        sluice__retained_got__free_unpacked(got, NULL);
    if (found != NULL)
        api_answer(request, 200, found);
    else
        api_fail(request, err == OK ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "retained message");
}

void
on_api_message_retained_put(struct api_request *request)
{
    const char *topic = api_text(request, "topic");
    json_t *result = NULL;
    struct message_json message;
    enum err err = message_json_read(request->body, 1, &message);
    if (err == OK && message.payload_len == 0) {
        message_json_fini(&message);
        api_problem(request, 422, "not_valid",
                    "An empty message is not retained; DELETE clears a topic");
        return;
    }
    if (err == OK) {
        message.retain = true;
        err = publish(request, topic, &message, &result);
        message_json_fini(&message);
    }
    if (err == OK)
        api_audit(request, "retained.put", topic, "");
    answer_published(request, err, result);
}

void
on_api_message_retained_delete(struct api_request *request)
{
    const char *topic = api_text(request, "topic");
    const struct message_json empty = {.qos = 1, .retain = true};
    json_t *result = NULL;
    enum err err = publish(request, topic, &empty, &result);
    json_decref(result);
    if (err == OK) {
        api_audit(request, "retained.delete", topic, "");
        api_answer_empty(request, 204);
    } else {
        api_fail(request, err, "retained message");
    }
}
