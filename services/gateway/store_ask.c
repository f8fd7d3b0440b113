/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of workers to a store, as calls: each is encoded once, waits for the store, is asked
 * again when the store was lost on the way (opens carry a request number, the others may be done
 * twice), and is answered to the worker by its deadline. */
#include "services/gateway/store_link.h"

#include "common/hash.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/mqtt_reason.h"
#include "proto/records.h"
#include "services/gateway/sign_in.h"
#include "services/gateway/store_codec.h"

/* How long the answer to an open is awaited after its client was refused, to close what it opened.
 */
#define ECHO_MS  10000u
#define AGAIN_MS 100u

/* Which store holds the session of a client id. With more than one store in the settings this is
 * where they are told apart. */
static unsigned
store_of_client(const struct store_link *link, struct slice client_id)
{
    return link->count == 1 ? 0 : (unsigned)(hash_stable(client_id) % link->count);
}

/* ---- answers to workers */

static uint8_t
refusal(enum err err)
{
    switch (err) {
    case ERR_DENIED:
        return MQTT_NOT_AUTHORIZED;
    case ERR_BUSY:
        return MQTT_SERVER_BUSY;
    case ERR_QUOTA:
        return MQTT_QUOTA_EXCEEDED;
    default:
        return MQTT_SERVER_UNAVAILABLE;
    }
}

static void
answer_open(struct hub *hub, const struct pending_call *call, enum err err, struct slice reply)
{
    struct session_opened *opened = NULL;
    if (err == OK)
        err = store_codec_opened(reply, &opened);
    if (err != OK) {
        metric_counter_add(hub->metric.opens_refused, 1);
        opened = store_codec_refused(refusal(err));
    }
    uint64_t begun_ms = call->deadline_ms - HUB_OPEN_DEADLINE_MS;
    uint64_t now_ms = loop_now_ms(hub->loop);
    metric_histogram_observe(hub->metric.open_us,
                             now_ms > begun_ms ? (now_ms - begun_ms) * 1000 : 0);
    struct post post = {.kind = POST_OPENED, .conn = call->conn, .body = opened};
    hub_post_to_conn(hub, &post);
}

static void
answer_subscribe(struct hub *hub, const struct pending_call *call, enum err err, struct slice reply)
{
    bool add = call->method == CALL_SESSION_SUBSCRIBE;
    struct subscribe_answer *answer = NULL;
    if (err == OK)
        err =
            add ? store_codec_subscribed(reply, &answer) : store_codec_unsubscribed(reply, &answer);
    struct post post = {.kind = add ? POST_SUBSCRIBED : POST_UNSUBSCRIBED,
                        .conn = call->conn,
                        .a = call->ticket,
                        .aux = (uint32_t)err,
                        .body = answer};
    hub_post_to_conn(hub, &post);
}

static void
answer_retained(struct hub *hub, const struct pending_call *call, enum err err, struct slice reply)
{
    struct retained_answer *answer = NULL;
    if (err == OK)
        err = store_codec_retained_got(reply, &answer);
    struct post post = {.kind = POST_RETAINED,
                        .conn = call->conn,
                        .a = call->ticket,
                        .aux = (uint32_t)err,
                        .body = answer};
    hub_post_to_conn(hub, &post);
}

static void
answer_auth(struct hub *hub, const struct pending_call *call, enum err err, struct slice reply)
{
    struct auth_answer *answer = NULL;
    if (err == OK)
        err = store_codec_authed(reply, &answer);
    if (err != OK) {
        const struct auth_answer refused = {.reason = refusal(err)};
        answer = auth_answer_new(&refused);
    }
    struct post post = {.kind = POST_AUTHED, .conn = call->conn, .a = call->ticket, .body = answer};
    hub_post_to_conn(hub, &post);
}

static void
answer(struct hub *hub, const struct pending_call *call, enum err err, struct slice reply)
{
    switch (call->method) {
    case CALL_SESSION_OPEN:
        answer_open(hub, call, err, reply);
        break;
    case CALL_AUTH:
        answer_auth(hub, call, err, reply);
        break;
    case CALL_SIGN_IN:
        sign_in_answered(hub->sign_in, call->ticket, err, reply);
        break;
    case CALL_RETAINED_GET:
        answer_retained(hub, call, err, reply);
        break;
    default:
        answer_subscribe(hub, call, err, reply);
        break;
    }
}

/* ---- answers of the store */

/* The store opened a session whose client was refused meanwhile: nobody will ever close it but us.
 * No will: the client never was connected. */
static void
close_late(struct store *store, struct slice reply)
{
    struct session_opened *opened = NULL;
    if (store_codec_opened(reply, &opened) != OK)
        return;
    if (opened->reason == 0) {
        const struct records_session_close record = {.session = opened->session,
                                                     .epoch = opened->epoch};
        uint8_t bytes[RECORDS_SESSION_CLOSE_BYTES];
        struct slice part = slice_of(bytes, records_session_close_encode(&record, bytes));
        store_link_send(store, FEED_SESSION_CLOSE, true, &part, 1);
    }
    session_opened_free(opened);
}

/* Errors that say "not now" about the way to the store, not "no" to the question. DENIED comes from
 * a store that has restarted and does not know us yet: who may sign in is said in the answer, never
 * by this. */
static bool
comes_again(enum err err)
{
    return err == ERR_PEER_LOST || err == ERR_AGAIN || err == ERR_DENIED || err == ERR_UNAVAILABLE;
}

static void
on_answer(void *arg, enum err err, struct slice reply)
{
    /* A pointer across the wait: a flying call is freed by nobody else, and peers answers it once.
     */
    struct pending_call *call = arg;
    struct store_link *link = pending_arg(call->owner);
    struct store *store = &link->stores[call->store];
    struct hub *hub = link->hub;
    if (err == ERR_CLOSED) {
        pending_remove(call);
        return;
    }
    if (call->answered) {
        if (call->method == CALL_SESSION_OPEN && err == OK)
            close_late(store, reply);
        pending_remove(call);
        return;
    }
    if (comes_again(err)) {
        if (err != ERR_PEER_LOST)
            store->ask_after_ms = loop_now_ms(hub->loop) + AGAIN_MS;
        pending_land(call);
        return;
    }
    answer(hub, call, err, reply);
    pending_remove(call);
}

void
store_ask_expired(void *arg, struct pending_call *call)
{
    struct store_link *link = arg;
    struct hub *hub = link->hub;
    static struct log_limit limit;
    uint64_t suppressed = 0;
    if (log_every(&limit, 1000, &suppressed))
        log_warn("store_too_late", LOG_U64("method", call->method), LOG_U64("store", call->store),
                 LOG_BOOL("asked", call->state == PENDING_FLYING),
                 LOG_U64("suppressed", suppressed), LOG_END);
    if (call->method != CALL_SESSION_OPEN)
        metric_counter_add(hub->metric.timeouts, 1);
    answer(hub, call, ERR_TIMEOUT, slice_of(NULL, 0));
}

void
store_ask_pump(struct store *store)
{
    struct store_link *link = store->link;
    uint64_t now_ms = loop_now_ms(link->hub->loop);
    struct pending_call *call;
    if (!store_link_takes_calls(store) || now_ms < store->ask_after_ms)
        return;
    while ((call = pending_first(link->pending, store->index)) != NULL) {
        uint64_t left_ms = call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 1;
        if (call->method == CALL_SESSION_OPEN)
            left_ms += ECHO_MS;
        if (peer_call(store->peer->peer, call->method, slice_of(call->body, call->body_len),
                      (uint32_t)left_ms, on_answer, call, NULL) != OK)
            return; /* full or just lost: the next turn tries again */
        pending_fly(call);
    }
}

/* ---- questions of workers */

static uint8_t *
encode(struct store_link *link, struct post *post, uint16_t *method, unsigned *store, size_t *len)
{
    switch (post->kind) {
    case POST_OPEN: {
        struct session_open_request *request = post->body;
        request->conn = post->conn;
        *method = CALL_SESSION_OPEN;
        *store = store_of_client(link, request->client_id);
        return store_codec_open(request, len);
    }
    case POST_AUTH:
        *method = CALL_AUTH;
        *store = 0; /* it keeps the people */
        return store_codec_auth(post->body, len);
    case POST_SUBSCRIBE:
    case POST_UNSUBSCRIBE: {
        const struct subscribe_request *request = post->body;
        bool add = post->kind == POST_SUBSCRIBE;
        *method = add ? CALL_SESSION_SUBSCRIBE : CALL_SESSION_UNSUBSCRIBE;
        *store = store_link_of_session(link, request->session)->index;
        return add ? store_codec_subscribe(request, len) : store_codec_unsubscribe(request, len);
    }
    default:
        *method = CALL_RETAINED_GET;
        *store = 0; /* with several stores: each of them, the pages joined */
        return store_codec_retained(post->body, len);
    }
}

bool
store_ask_people(struct store_link *link, uint16_t method, uint64_t ticket, uint8_t *body,
                 size_t len, uint64_t deadline_ms)
{
    return pending_add(link->pending, 0, method, 0, ticket, body, len, deadline_ms) != NULL;
}

void
store_link_ask(struct store_link *link, struct post *post)
{
    struct hub *hub = link->hub;
    uint16_t method = 0;
    unsigned store = 0;
    size_t len = 0;
    uint8_t *body = encode(link, post, &method, &store, &len);
    uint64_t wait_ms = method == CALL_SESSION_OPEN || method == CALL_AUTH ? HUB_OPEN_DEADLINE_MS
                                                                          : HUB_REQUEST_DEADLINE_MS;
    uint64_t deadline_ms = loop_now_ms(hub->loop) + wait_ms;
    if (method == CALL_SESSION_OPEN)
        metric_counter_add(hub->metric.opens, 1);
    if (pending_add(link->pending, store, method, post->conn, post->a, body, len, deadline_ms) ==
        NULL) {
        const struct pending_call refused = {
            .method = method, .conn = post->conn, .ticket = post->a, .deadline_ms = deadline_ms};
        answer(hub, &refused, ERR_BUSY, slice_of(NULL, 0));
    }
}
