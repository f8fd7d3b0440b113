/* SPDX-License-Identifier: Apache-2.0 */
/* Roles: rules under a name that users refer to. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/ask.h"

static json_t *
to_json(const Sluice__Role *role)
{
    return json_pack("{s:s, s:o, s:I}", "name", role->name, "rules", api_json_lines(role->rules),
                     "revision", (json_int_t)role->revision);
}

void
on_api_role_list(struct api_request *request)
{
    Sluice__RoleList message = SLUICE__ROLE_LIST__INIT;
    ProtobufCMessage *reply = NULL;
    const char *cursor = api_text(request, "cursor");
    char *after = mem_strdup(cursor != NULL ? cursor : "");
    message.after = after;
    message.limit = (uint32_t)api_number(request, "limit");
    enum err err = ask_people(request->api->upstream, CALL_ROLE_LIST, &message.base,
                              &sluice__role_listed__descriptor, &reply);
    mem_free(after);
    if (err != OK) {
        api_fail(request, err, "role");
        return;
    }
    const Sluice__RoleListed *listed = (const Sluice__RoleListed *)(void *)reply;
    json_t *items = json_array();
    for (size_t i = 0; i < listed->n_roles; i++)
        json_array_append_new(items, to_json(listed->roles[i]));
    api_answer_page(request, items, listed->next);
    ask_free(reply);
}

/* Answers with the role as it is. */
static void
answer(struct api_request *request, int status)
{
    Sluice__RoleGet message = SLUICE__ROLE_GET__INIT;
    ProtobufCMessage *reply = NULL;
    char *name = mem_strdup(api_text(request, "role"));
    message.name = name;
    enum err err = ask_people(request->api->upstream, CALL_ROLE_GET, &message.base,
                              &sluice__role__descriptor, &reply);
    mem_free(name);
    if (err != OK) {
        api_fail(request, err, "role");
        return;
    }
    const Sluice__Role *role = (const Sluice__Role *)(void *)reply;
    api_set_etag(request, role->revision);
    api_answer(request, status, to_json(role));
    ask_free(reply);
}

void
on_api_role_get(struct api_request *request)
{
    answer(request, 200);
}

void
on_api_role_put(struct api_request *request)
{
    Sluice__RolePut message = SLUICE__ROLE_PUT__INIT;
    ProtobufCMessage *reply = NULL;
    char actor[CALLER_NAME_MAX + 32];
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
        answer(request, ((const Sluice__RowPutDone *)(void *)reply)->created ? 201 : 200);
    else
        api_fail(request, err, "role");
    ask_free(reply);
}

void
on_api_role_delete(struct api_request *request)
{
    api_delete_row(request, CALL_ROLE_DELETE, "role");
}
