/* SPDX-License-Identifier: Apache-2.0 */
/* See api_rows.h. */
#include "services/rest/api_rows.h"

#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/rest/ask.h"

/* False: the bytes are no such row. */
static bool
add(json_t *items, const struct api_rows *rows, const ProtobufCBinaryData *bytes)
{
    ProtobufCMessage *row = protobuf_c_message_unpack(rows->row, NULL, bytes->len, bytes->data);
    if (row == NULL)
        return false;
    json_array_append_new(items, rows->to_json(row));
    ask_free(row);
    return true;
}

void
api_rows_list(struct api_request *request, const struct api_rows *rows)
{
    Sluice__RowList message = SLUICE__ROW_LIST__INIT;
    ProtobufCMessage *reply = NULL;
    const char *cursor = api_text(request, "cursor");
    char *after = mem_strdup(cursor != NULL ? cursor : "");
    message.after = after;
    message.limit = (uint32_t)api_number(request, "limit");
    enum err err = ask_people(request->api->upstream, rows->list, &message.base,
                              &sluice__row_listed__descriptor, &reply);
    const Sluice__RowListed *listed = (const Sluice__RowListed *)(void *)reply;
    json_t *items = json_array();
    for (size_t i = 0; err == OK && i < listed->n_rows; i++)
        err = add(items, rows, &listed->rows[i]) ? OK : ERR_INTERNAL;
    if (err == OK) {
        api_answer_page(request, items, listed->next);
    } else {
        json_decref(items);
        api_fail(request, err, rows->what);
    }
    mem_free(after);
    ask_free(reply);
}

void
api_rows_answer(struct api_request *request, const struct api_rows *rows, const char *name,
                int status)
{
    Sluice__RowGet message = SLUICE__ROW_GET__INIT;
    ProtobufCMessage *reply = NULL;
    char *copy = mem_strdup(name);
    message.name = copy;
    enum err err = ask_people(request->api->upstream, rows->get, &message.base, rows->row, &reply);
    mem_free(copy);
    if (err != OK) {
        api_fail(request, err, rows->what);
        return;
    }
    json_t *json = rows->to_json(reply);
    api_set_etag(request, (uint64_t)json_integer_value(json_object_get(json, "revision")));
    api_answer(request, status, json);
    ask_free(reply);
}

void
api_rows_get(struct api_request *request, const struct api_rows *rows)
{
    api_rows_answer(request, rows, api_text(request, rows->what), 200);
}

void
api_rows_delete(struct api_request *request, const struct api_rows *rows)
{
    Sluice__RowDelete message = SLUICE__ROW_DELETE__INIT;
    char actor[CALLER_ACTOR_SIZE];
    uint64_t revision = 0;
    bool has_revision;
    if (!api_if_match(request, &revision, &has_revision))
        return;
    char *name = mem_strdup(api_text(request, rows->what));
    api_actor(request, actor);
    message.name = name;
    message.actor = actor;
    message.if_revision = revision;
    message.has_if_revision = has_revision;
    enum err err = ask_people(request->api->upstream, rows->remove, &message.base, NULL, NULL);
    mem_free(name);
    if (err == OK || (err == ERR_NOT_FOUND && !has_revision))
        api_answer_empty(request, 204);
    else
        api_fail(request, err == ERR_NOT_FOUND ? ERR_CONFLICT : err, rows->what);
}
