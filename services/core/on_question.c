/* SPDX-License-Identifier: Apache-2.0 */
/* See on_question.h. */
#include "services/core/on_question.h"

#include "common/clock.h"
#include "common/cursor.h"
#include "common/loop.h"
#include "common/peer.h"
#include "proto/admin_program.h"
#include "proto/feed_records.h"
#include "proto/topic.h"

#define DEADLINE_MAX_MS 60000u
#define GROUPS_ANSWER   1000u
#define SHARE_SHOWN     256 /* bytes of a group's name in a trace */

static void
reply(const struct on_question *desk, struct call_request request, enum err err, struct slice body)
{
    peers_reply(desk->peers, request, err, body);
}

static void
fail(const struct on_question *desk, struct call_request request, enum err err)
{
    reply(desk, request, err, slice_of(NULL, 0));
}

/* ---- to gateways */

static enum err
pass_on(struct on_question *desk, struct call_request request, const Sluice__AdminRelay *relay)
{
    uint8_t head[12];
    uint32_t place = router_gateway(desk->router, slice_cstr(relay->gateway));
    uint32_t deadline_ms = relay->deadline_ms;
    uint64_t id;
    if (place == ROUTER_NO_PLACE)
        return ERR_NOT_FOUND;
    if (deadline_ms == 0 || deadline_ms > DEADLINE_MAX_MS)
        deadline_ms = DEADLINE_MAX_MS;
    enum err err =
        relays_add(desk->relays, place, request, clock_monotonic_ms() + deadline_ms, &id);
    if (err != OK)
        return err;
    buf_store_u64(head, id);
    buf_store_u32(head + 8, relay->method);
    const struct slice parts[] = {slice_of(head, sizeof(head)),
                                  slice_of(relay->body.data, relay->body.len)};
    err = desk->send(desk->arg, place, FEED_ASK, parts, 2);
    if (err != OK && relays_take(desk->relays, id, place, &request) == OK)
        return err == ERR_BUSY ? ERR_BUSY : ERR_UNAVAILABLE;
    return OK;
}

enum err
on_question_answer(struct on_question *desk, uint32_t place, struct slice body)
{
    struct cursor c = cursor_of(body);
    struct call_request request;
    uint64_t id = cursor_u64(&c);
    enum err result = err_from_wire(cursor_u32(&c));
    struct slice rest = cursor_rest(&c);
    if (cursor_end(&c) != OK)
        return ERR_MALFORMED;
    if (relays_take(desk->relays, id, place, &request) == OK)
        reply(desk, request, result, rest);
    return OK; /* else it came too late */
}

void
on_question_down(struct on_question *desk, uint32_t place)
{
    struct call_request request;
    while (relays_take_of(desk->relays, place, &request) == OK)
        fail(desk, request, ERR_UNAVAILABLE);
}

void
on_question_tick(struct on_question *desk, uint64_t now_ms)
{
    struct call_request request;
    while (relays_take_due(desk->relays, now_ms, &request) == OK)
        fail(desk, request, ERR_UNAVAILABLE);
    trace_desk_tick(&desk->trace, now_ms, clock_wall_ms());
    router_watch(desk->router, desk->trace.watched != NULL);
}

void
on_question_gave(struct on_question *desk, struct slice topic, struct slice share, uint32_t place)
{
    char detail[SHARE_SHOWN + 256];
    enum router_kind kind;
    int len = (int)share.len;
    if (share.len > SHARE_SHOWN)
        for (len = SHARE_SHOWN; len > 0 && (share.data[len] & 0xc0) == 0x80;)
            len--; /* no character is cut in two */
    if (place == ROUTER_NO_PLACE)
        str_format(detail, sizeof(detail), "%.*s: no member can take it", len,
                   (const char *)share.data);
    else
        str_format(detail, sizeof(detail), "%.*s: %s", len, (const char *)share.data,
                   router_place_name(desk->router, place, &kind));
    trace_desk_tell(&desk->trace, clock_wall_ms(), slice_of(NULL, 0),
                    place == ROUTER_NO_PLACE ? "dropped" : "picked", topic, detail);
}

/* ---- answered here */

struct group_list {
    const struct on_question *desk;
    struct admin_writer *writer;
    struct slice topic; /* empty: all groups */
    uint64_t from, at;
    uint32_t limit;
    bool is_full;
};

static bool
wants_topic(struct slice share, struct slice topic)
{
    struct slice group, filter;
    return topic_share_parse(share, &group, &filter) == TOPIC_SHARE_VALID &&
           topic_matches(filter, topic);
}

static void
put_group(void *arg, struct slice share, uint32_t place, const struct groups_members *members)
{
    struct group_list *list = arg;
    enum router_kind kind;
    if (list->is_full || (list->topic.len != 0 && !wants_topic(share, list->topic)))
        return;
    if (list->at++ < list->from)
        return;
    if (admin_count(list->writer) == list->limit || !admin_has_room(list->writer)) {
        list->is_full = true;
        list->at--;
        return;
    }
    const char *name = router_place_name(list->desk->router, place, &kind);
    admin_text(list->writer, "share", share);
    admin_text(list->writer, "place", slice_cstr(name));
    admin_text(list->writer, "service", slice_cstr(kind == ROUTER_STORE ? "store" : "gateway"));
    admin_number(list->writer, "members", members->count);
    admin_number(list->writer, "members_qos0", members->count_qos0);
    (void)admin_item_end(list->writer);
}

static enum err
list_groups(const struct on_question *desk, const Sluice__AdminAsk *ask,
            struct admin_writer *writer)
{
    struct group_list list = {
        .desk = desk, .writer = writer, .limit = admin_ask_limit(ask, GROUPS_ANSWER)};
    enum err err = admin_ask_after(ask, &list.from);
    list.topic = admin_ask_text(ask, "topic");
    if (err == OK && list.topic.len != 0 && !topic_name_is_valid(list.topic))
        err = ERR_INVALID;
    if (err != OK)
        return err;
    router_groups(desk->router, put_group, &list);
    if (list.is_full)
        admin_next_number(writer, list.at);
    return OK;
}

static enum err
answer(struct on_question *desk, uint16_t method, const Sluice__AdminAsk *ask,
       struct admin_writer *writer)
{
    const struct admin_program program = {.service = "core",
                                          .conf = desk->conf,
                                          .metrics = desk->metrics,
                                          .peers = desk->peers,
                                          .started_ms = desk->started_ms,
                                          .now_ms = clock_monotonic_ms(),
                                          .lag_us = loop_lag_us(desk->loop),
                                          .ready = router_is_serving(desk->router),
                                          .obstacle = router_obstacle(desk->router)};
    if (method == CALL_ADMIN_GROUPS)
        return list_groups(desk, ask, writer);
    if (method == CALL_ADMIN_TRACE) {
        enum err err =
            trace_desk_ask(&desk->trace, peers_name(desk->peers), ask, program.now_ms, writer);
        router_watch(desk->router, desk->trace.watched != NULL);
        return err;
    }
    return admin_program_answer(&program, method, ask, writer);
}

static void
answer_here(struct on_question *desk, struct call_request request, uint16_t method,
            struct slice body)
{
    Sluice__AdminAsk *ask = admin_ask_decode(body);
    struct admin_writer writer;
    admin_writer_init(&writer);
    enum err err = ask != NULL ? answer(desk, method, ask, &writer) : ERR_MALFORMED;
    reply(desk, request, err, err == OK ? admin_bytes(&writer) : slice_of(NULL, 0));
    admin_writer_fini(&writer);
    admin_ask_free(ask);
}

void
on_question_call(struct on_question *desk, struct call_request request, uint16_t method,
                 struct slice body)
{
    if (method != CALL_ADMIN_RELAY) {
        answer_here(desk, request, method, body);
        return;
    }
    Sluice__AdminRelay *relay = sluice__admin_relay__unpack(NULL, body.len, body.data);
    enum err err = relay != NULL ? pass_on(desk, request, relay) : ERR_MALFORMED;
    if (err != OK)
        fail(desk, request, err);
    if (relay != NULL)
        sluice__admin_relay__free_unpacked(relay, NULL);
}
