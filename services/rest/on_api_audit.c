/* SPDX-License-Identifier: Apache-2.0 */
/* The audit: who changed what, when. The store writes an entry with each change; what is no change
 * of its rows (a disconnect, a drain) is appended from here (api_audit). */
#include "common/log.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/ask.h"

#define TEXT_MAX 1024u /* of an entry, in the store */

#define EXPORT_PAGE 1000u

static json_t *
to_json(const Sluice__AuditEntry *entry)
{
    return json_pack("{s:I, s:o, s:s, s:s, s:s, s:s}", "number", (json_int_t)entry->number, "time",
                     api_json_time(entry->time_ms), "actor", entry->actor, "what", entry->what,
                     "subject", entry->subject, "detail", entry->detail);
}

static enum err
ask(struct upstream *upstream, bool oldest_first, uint64_t from, uint32_t limit,
    ProtobufCMessage **out)
{
    Sluice__AuditList message = SLUICE__AUDIT_LIST__INIT;
    message.oldest_first = oldest_first;
    message.from = from;
    message.limit = limit;
    return ask_people(upstream, CALL_AUDIT_LIST, &message.base, &sluice__audit_listed__descriptor,
                      out);
}

void
on_api_audit_list(struct api_request *request)
{
    ProtobufCMessage *reply = NULL;
    const char *cursor = api_text(request, "cursor");
    uint64_t from = 0;
    char next[24] = "";
    if (cursor != NULL && str_parse_u64(slice_cstr(cursor), 1, UINT64_MAX, &from) != OK) {
        api_problem(request, 400, "malformed", "The cursor is none of this list");
        return;
    }
    enum err err =
        ask(request->api->upstream, false, from, (uint32_t)api_number(request, "limit"), &reply);
    if (err != OK) {
        api_fail(request, err, "audit");
        return;
    }
    const Sluice__AuditListed *listed = (const Sluice__AuditListed *)(void *)reply;
    json_t *items = json_array();
    for (size_t i = 0; i < listed->n_entries; i++)
        json_array_append_new(items, to_json(listed->entries[i]));
    if (listed->next != 0)
        str_format(next, sizeof next, "%llu", (unsigned long long)listed->next);
    api_answer_page(request, items, next);
    ask_free(reply);
}

/* ---- export: page by page, while it is read */

struct export
{
    struct upstream *upstream;
    uint64_t from;
    bool is_last;
    struct buf lines; /* made and not sent yet */
};

/* A page more. False: none, or the store is gone (the reader sees a file without its end). */
static bool
export_more(struct export *export)
{
    ProtobufCMessage *reply = NULL;
    if (export->is_last || upstream_is_closed(export->upstream) ||
        ask(export->upstream, true, export->from, EXPORT_PAGE, &reply) != OK)
        return false;
    const Sluice__AuditListed *listed = (const Sluice__AuditListed *)(void *)reply;
    for (size_t i = 0; i < listed->n_entries; i++) {
        json_t *json = to_json(listed->entries[i]);
        api_json_dump(json, &export->lines);
        buf_put_u8(&export->lines, '\n');
    }
    export->from = listed->next;
    export->is_last = listed->next == 0;
    ask_free(reply);
    return buf_error(&export->lines) == OK;
}

static ssize_t
export_read(void *arg, char *out, size_t max)
{
    struct export *export = arg;
    while (buf_len(&export->lines) == 0)
        if (!export_more(export))
            return -1;
    struct slice part = slice_sub(buf_slice(&export->lines), 0, max);
    memcpy(out, part.data, part.len);
    buf_consume(&export->lines, part.len);
    return (ssize_t)part.len;
}

static void
export_end(void *arg)
{
    struct export *export = arg;
    buf_fini(&export->lines);
    mem_free(export);
}

void
on_api_audit_export(struct api_request *request)
{
    struct export *export = mem_zalloc(sizeof *export);
    export->upstream = request->api->upstream;
    buf_init(&export->lines, (size_t)16 << 20);
    if (!export_more(export)) {
        export_end(export);
        api_fail(request, ERR_UNAVAILABLE, "audit");
        return;
    }
    exchange_set_header(request->exchange, "Content-Disposition",
                        "attachment; filename=\"sluice-audit.jsonl\"");
    exchange_answer_stream(request->exchange, "application/x-ndjson",
                           (struct exchange_stream){export_read, export_end, export});
}

/* Strangers choose client ids and topics: nothing in them keeps an entry out of the audit. What the
 * store would refuse is cut, or replaced. */
static void
write_plain(const char *text, char out[TEXT_MAX + 1])
{
    static const char odd[] = "\xef\xbf\xbd"; /* U+FFFD */
    size_t len = strlen(text), at = 0, used = 0;
    while (at < len) {
        size_t n = str_utf8_char((const uint8_t *)text + at, len - at);
        bool is_odd = n == 0 || (unsigned char)text[at] < 0x20 || text[at] == 0x7f;
        size_t take = is_odd ? sizeof odd - 1 : n;
        if (used + take > TEXT_MAX)
            break;
        memcpy(out + used, is_odd ? odd : text + at, take);
        used += take;
        at += n != 0 ? n : 1;
    }
    out[used] = 0;
}

void
api_audit(struct api_request *request, const char *what, const char *subject, const char *detail)
{
    Sluice__AuditAppend message = SLUICE__AUDIT_APPEND__INIT;
    char actor[CALLER_ACTOR_SIZE], texts[3][TEXT_MAX + 1];
    char *name = mem_strdup(what);
    write_plain(api_actor(request, actor), texts[0]);
    write_plain(subject, texts[1]);
    write_plain(detail, texts[2]);
    message.actor = texts[0];
    message.what = name;
    message.subject = texts[1];
    message.detail = texts[2];
    enum err err = ask_people(request->api->upstream, CALL_AUDIT_APPEND, &message.base, NULL, NULL);
    mem_free(name);
    if (err != OK)
        log_warn("audit_not_written", LOG_STR("what", what), LOG_ERR(err), LOG_END);
}
