/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of this API. The store makes their secrets and keeps only hashes. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/api_rows.h"
#include "services/rest/ask.h"

static json_t *
to_json(const ProtobufCMessage *row)
{
    const Sluice__Key *key = (const Sluice__Key *)(const void *)row;
    return json_pack("{s:s, s:o, s:o, s:s, s:I}", "name", key->name, "roles",
                     api_json_texts(key->roles, key->n_roles), "until",
                     api_json_time(key->until_ms), "note", key->note, "revision",
                     (json_int_t)key->revision);
}

static const struct api_rows rows = {
    "key", CALL_KEY_LIST, CALL_KEY_GET, CALL_KEY_DELETE, &sluice__key__descriptor, to_json};

void
on_api_key_list(struct api_request *request)
{
    api_rows_list(request, &rows);
}

void
on_api_key_get(struct api_request *request)
{
    api_rows_get(request, &rows);
}

void
on_api_key_delete(struct api_request *request)
{
    api_rows_delete(request, &rows);
}

void
on_api_key_put(struct api_request *request)
{
    Sluice__KeyPut message = SLUICE__KEY_PUT__INIT;
    ProtobufCMessage *reply = NULL;
    char actor[CALLER_ACTOR_SIZE];
    json_int_t seconds = json_integer_value(json_object_get(request->body, "seconds"));
    uint64_t revision = 0;
    bool has_revision;
    if (!api_if_match(request, &revision, &has_revision))
        return;
    message.name = mem_strdup(api_text(request, "key"));
    message.note = mem_strdup(api_json_member(request->body, "note"));
    message.roles = api_json_list(json_object_get(request->body, "roles"), &message.n_roles);
    message.until_ms = seconds > 0 ? clock_wall_ms() + (uint64_t)seconds * 1000 : 0;
    message.new_secret = json_is_true(json_object_get(request->body, "new_secret"));
    api_actor(request, actor);
    message.actor = actor;
    message.if_revision = revision;
    message.has_if_revision = has_revision;
    enum err err = ask_people(request->api->upstream, CALL_KEY_PUT, &message.base,
                              &sluice__key_put_done__descriptor, &reply);
    if (err == OK) {
        const Sluice__KeyPutDone *done = (const Sluice__KeyPutDone *)(void *)reply;
        api_set_etag(request, done->revision);
        api_answer(request, done->created ? 201 : 200,
                   json_pack("{s:s, s:o, s:I}", "name", message.name, "secret",
                             api_json_text_or_null(done->secret), "revision",
                             (json_int_t)done->revision));
    } else {
        api_fail(request, err, "key");
    }
    ask_free(reply);
    api_json_free_texts(message.roles, message.n_roles);
    mem_free(message.name);
    mem_free(message.note);
}
