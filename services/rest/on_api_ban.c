/* SPDX-License-Identifier: Apache-2.0 */
/* Bans of users, clients and addresses. In paths a ban is called as the store calls it:
 * "user:ann", "client:c1", "address:192.0.2.0/24". */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/api_rows.h"
#include "services/rest/ask.h"

static const struct {
    const char *name;
    Sluice__BanKind kind;
} kinds[] = {{"user", SLUICE__BAN_KIND__BAN_USER},
             {"client", SLUICE__BAN_KIND__BAN_CLIENT},
             {"address", SLUICE__BAN_KIND__BAN_ADDRESS}};
#define KINDS (sizeof kinds / sizeof kinds[0])

static json_t *
to_json(const ProtobufCMessage *row)
{
    const Sluice__Ban *ban = (const Sluice__Ban *)(const void *)row;
    const char *kind = "user";
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == ban->kind)
            kind = kinds[i].name;
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:I}", "name", ban->name, "kind", kind,
                     "subject", ban->subject, "until", api_json_time(ban->until_ms), "reason",
                     ban->reason, "actor", ban->actor, "revision", (json_int_t)ban->revision);
}

static const struct api_rows rows = {
    "ban", CALL_BAN_LIST, CALL_BAN_GET, CALL_BAN_DELETE, &sluice__ban__descriptor, to_json};

void
on_api_ban_list(struct api_request *request)
{
    api_rows_list(request, &rows);
}

void
on_api_ban_get(struct api_request *request)
{
    api_rows_get(request, &rows);
}

void
on_api_ban_delete(struct api_request *request)
{
    api_rows_delete(request, &rows);
}

/* "kind:subject" of the path. False: no such kind. */
static bool
split(const char *name, Sluice__BanKind *kind, const char **subject)
{
    for (size_t i = 0; i < KINDS; i++) {
        size_t len = strlen(kinds[i].name);
        if (strncmp(name, kinds[i].name, len) != 0 || name[len] != ':')
            continue;
        *kind = kinds[i].kind;
        *subject = name + len + 1;
        return true;
    }
    return false;
}

void
on_api_ban_put(struct api_request *request)
{
    Sluice__BanPut message = SLUICE__BAN_PUT__INIT;
    ProtobufCMessage *reply = NULL;
    char actor[CALLER_ACTOR_SIZE];
    const char *subject;
    json_int_t seconds = json_integer_value(json_object_get(request->body, "seconds"));
    uint64_t revision = 0;
    bool has_revision;
    if (!split(api_text(request, "ban"), &message.kind, &subject)) {
        api_problem(request, 422, "not_valid",
                    "A ban is called user:NAME, client:ID, address:ADDRESS or address:NETWORK");
        return;
    }
    if (!api_if_match(request, &revision, &has_revision))
        return;
    message.subject = mem_strdup(subject);
    message.reason = mem_strdup(api_json_member(request->body, "reason"));
    api_actor(request, actor);
    message.actor = actor;
    message.until_ms = seconds > 0 ? clock_wall_ms() + (uint64_t)seconds * 1000 : 0;
    message.if_revision = revision;
    message.has_if_revision = has_revision;
    enum err err = ask_people(request->api->upstream, CALL_BAN_PUT, &message.base,
                              &sluice__ban_put_done__descriptor, &reply);
    mem_free(message.subject);
    mem_free(message.reason);
    if (err == OK) {
        const Sluice__BanPutDone *done = (const Sluice__BanPutDone *)(void *)reply;
        api_rows_answer(request, &rows, done->name, done->created ? 201 : 200);
    } else {
        api_fail(request, err, "ban");
    }
    ask_free(reply);
}
