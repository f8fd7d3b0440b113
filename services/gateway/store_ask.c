/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of workers to a store, as calls: each is encoded once, waits for the store, is asked
 * again when the store was lost on the way (opens carry a request number, the others may be done
 * twice), and is answered to the worker by its deadline. */
#include "services/gateway/store_link.h"

#include <assert.h>

#include "common/log.h"
#include "common/mem.h"
#include "proto/mqtt_reason.h"
#include "proto/records.h"
#include "proto/topic.h"
#include "services/gateway/sign_in.h"
#include "services/gateway/store_codec.h"

/* How long the answer to an open is awaited after its client was refused, to close what it opened.
 */
#define ECHO_MS  10000u
#define AGAIN_MS 100u

/* A shard for a client without an id: it may come to any that serves. */
static unsigned
next_in_turn(struct store_link *link)
{
    unsigned count = store_link_count(link);
    assert(count != 0); /* else nothing is placed */
    for (unsigned i = 0; i < count; i++) {
        unsigned shard = link->turn++ % count;
        if (store_link_takes_calls(&link->stores[shard]))
            return shard;
    }
    return link->turn++ % count;
}

/* The next shard to be asked for retained messages, one that serves if there is any; ANYWHERE: all
 * are through. */
static unsigned
shard_of_retained(const struct store_link *link, uint64_t visited)
{
    unsigned count = store_link_count(link);
    unsigned away = STORE_LINK_ANYWHERE;
    for (unsigned i = 0; i < count; i++) {
        if ((visited >> i & 1) != 0)
            continue;
        if (store_link_takes_calls(&link->stores[i]))
            return i;
        if (away == STORE_LINK_ANYWHERE)
            away = i;
    }
    return away;
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

/* A page of one shard; when that one is through, the next one follows. A shard that did not answer
 * in time is left out (that was counted). */
static enum err
retained_next(const struct store_link *link, const struct pending_call *call, enum err err,
              struct retained_answer **answer)
{
    if (call->key != 0 || call->store == STORE_LINK_ANYWHERE)
        return err; /* on one topic, or nobody could be asked */
    if (err != OK)
        *answer = retained_answer_new(slice_of(NULL, 0), NULL, 0);
    (*answer)->visited = call->visited;
    (*answer)->shard = call->store;
    if ((*answer)->more)
        return OK;
    (*answer)->visited |= UINT64_C(1) << call->store;
    (*answer)->shard = (uint8_t)shard_of_retained(link, (*answer)->visited);
    (*answer)->more = (*answer)->shard != STORE_LINK_ANYWHERE;
    return OK;
}

static void
answer_retained(struct hub *hub, const struct pending_call *call, enum err err, struct slice reply)
{
    struct retained_answer *answer = NULL;
    if (err == OK)
        err = store_codec_retained_got(reply, &answer);
    err = retained_next(hub->store, call, err, &answer);
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

static unsigned
shard_of_session(struct store_link *link, uint64_t session)
{
    const struct store *store = store_link_of_session(link, session);
    return store != NULL ? store->index : STORE_LINK_ANYWHERE; /* made up: nobody answers */
}

static uint8_t *
encode(struct post *post, uint16_t *method, size_t *len)
{
    switch (post->kind) {
    case POST_OPEN: {
        struct session_open_request *request = post->body;
        request->conn = post->conn;
        *method = CALL_SESSION_OPEN;
        return store_codec_open(request, len);
    }
    case POST_AUTH:
        *method = CALL_AUTH;
        return store_codec_auth(post->body, len);
    case POST_SUBSCRIBE:
        *method = CALL_SESSION_SUBSCRIBE;
        return store_codec_subscribe(post->body, len);
    case POST_UNSUBSCRIBE:
        *method = CALL_SESSION_UNSUBSCRIBE;
        return store_codec_unsubscribe(post->body, len);
    default:
        *method = CALL_RETAINED_GET;
        return store_codec_retained(post->body, len);
    }
}

/* Says in the call whose it is, so that it can be placed later, too. */
static void
mark(struct pending_call *call, const struct post *post)
{
    const struct session_open_request *open = post->body;
    const struct retained_request *get = post->body;
    if (post->kind == POST_OPEN && open->client_id.len != 0)
        call->key = rendezvous_key(open->client_id);
    if (post->kind != POST_RETAINED_GET)
        return;
    call->visited = get->visited;
    if (!topic_filter_has_wildcard(get->filter))
        call->key = rendezvous_key(get->filter);
}

/* The shard that a call is for, when their number is known. */
static unsigned
place(struct store_link *link, const struct pending_call *call)
{
    if (call->key != 0)
        return shards_of_hash(&link->seats.shards, call->key);
    return call->method == CALL_RETAINED_GET ? shard_of_retained(link, call->visited)
                                             : next_in_turn(link);
}

static unsigned
first_place(struct store_link *link, const struct post *post, const struct pending_call *call)
{
    const struct subscribe_request *subscribe = post->body;
    const struct retained_request *get = post->body;
    switch (post->kind) {
    case POST_AUTH:
        return SHARDS_PEOPLE;
    case POST_SUBSCRIBE:
    case POST_UNSUBSCRIBE:
        return shard_of_session(link, subscribe->session);
    case POST_RETAINED_GET:
        if (call->key == 0 && get->shard < store_link_count(link))
            return get->shard; /* where the last page came from */
        break;
    default:
        break;
    }
    return store_link_count(link) == 0 ? STORE_LINK_ANYWHERE : place(link, call);
}

void
store_ask_place(struct store_link *link)
{
    struct pending_call *call;
    while ((call = pending_first(link->pending, STORE_LINK_ANYWHERE)) != NULL)
        pending_move(call, place(link, call));
}

bool
store_ask_people(struct store_link *link, uint16_t method, uint64_t ticket, uint8_t *body,
                 size_t len, uint64_t deadline_ms)
{
    return pending_add(link->pending, SHARDS_PEOPLE, method, 0, ticket, body, len, deadline_ms) !=
           NULL;
}

void
store_link_ask(struct store_link *link, struct post *post)
{
    struct hub *hub = link->hub;
    uint16_t method = 0;
    size_t len = 0;
    uint8_t *body = encode(post, &method, &len);
    uint64_t wait_ms = method == CALL_SESSION_OPEN || method == CALL_AUTH ? HUB_OPEN_DEADLINE_MS
                                                                          : HUB_REQUEST_DEADLINE_MS;
    uint64_t deadline_ms = loop_now_ms(hub->loop) + wait_ms;
    struct pending_call *call;
    if (method == CALL_SESSION_OPEN)
        metric_counter_add(hub->metric.opens, 1);
    call = pending_add(link->pending, STORE_LINK_ANYWHERE, method, post->conn, post->a, body, len,
                       deadline_ms);
    if (call == NULL) {
        const struct pending_call refused = {.method = method,
                                             .conn = post->conn,
                                             .ticket = post->a,
                                             .deadline_ms = deadline_ms,
                                             .store = STORE_LINK_ANYWHERE};
        answer(hub, &refused, ERR_BUSY, slice_of(NULL, 0));
        return;
    }
    mark(call, post);
    pending_move(call, first_place(link, post, call));
}
