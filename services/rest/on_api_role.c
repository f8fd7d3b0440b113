/* SPDX-License-Identifier: Apache-2.0 */
/* Roles: rules under a name that users refer to. */
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
    const Sluice__Role *role = (const Sluice__Role *)(const void *)row;
    return json_pack("{s:s, s:o, s:I}", "name", role->name, "rules", api_json_lines(role->rules),
                     "revision", (json_int_t)role->revision);
}

static const struct api_rows rows = {
    "role", CALL_ROLE_LIST, CALL_ROLE_GET, CALL_ROLE_DELETE, &sluice__role__descriptor, to_json};

void
on_api_role_list(struct api_request *request)
{
    api_rows_list(request, &rows);
}

void
on_api_role_get(struct api_request *request)
{
    api_rows_get(request, &rows);
}

void
on_api_role_delete(struct api_request *request)
{
    api_rows_delete(request, &rows);
}

void
on_api_role_put(struct api_request *request)
{
    Sluice__RolePut message = SLUICE__ROLE_PUT__INIT;
    ProtobufCMessage *reply = NULL;
    char actor[CALLER_ACTOR_SIZE];
    uint64_t revision = 0;
    bool has_revision;
    if (!api_rules_are_right(request) || !api_if_match(request, &revision, &has_revision))
        return;
    char *name = mem_strdup(api_text(request, "role"));
    char *rules = api_json_join(json_object_get(request->body, "rules"));
    api_actor(request, actor);
    message.name = name;
    message.rules = rules;
    message.actor = actor;
    message.if_revision = revision;
    message.has_if_revision = has_revision;
    enum err err = ask_people(request->api->upstream, CALL_ROLE_PUT, &message.base,
                              &sluice__row_put_done__descriptor, &reply);
    mem_free(name);
    mem_free(rules);
    if (err == OK)
        api_rows_answer(request, &rows, api_text(request, "role"),
                        ((const Sluice__RowPutDone *)(void *)reply)->created ? 201 : 200);
    else
        api_fail(request, err, "role");
    ask_free(reply);
}
