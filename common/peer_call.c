/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to and from peers in session, and the ping that asks whether the session still holds.
 * Sockets are call.c's, the handshake peer_hello.c's; what a method means is the application's. */
#include "common/peer_impl.h"

#include "common/crypt.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/mem.h"

#include <string.h>

struct peer_pending_call {
    struct peer *peer;
    struct peer_pending_call *next, **link;
    uint32_t id;
    call_done_fn on_done;
    void *arg;
};

static struct log_limit refused_limit;

/* ---- asking */

void
peer_call_fill(const struct peer *peer, uint8_t kind, uint16_t method,
               uint8_t out[CALL_FRAME_REQUEST_LEN])
{
    struct call_frame frame = {.kind = kind,
                               .method = method,
                               .caller = peer->peers->incarnation,
                               .callee = peer->up ? peer->incarnation : 0};
    if (peer->up)
        memcpy(frame.token, peer->token_calls, sizeof(frame.token));
    call_frame_encode_request(&frame, out);
}

/* Takes it off the peer's list and frees it; the caller keeps what it needs. */
static void
pending_free(struct peer_pending_call *call)
{
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    mem_free(call);
}

static void
finish(struct peer_pending_call *call, enum err result, struct slice body)
{
    call_done_fn on_done = call->on_done;
    void *arg = call->arg;
    pending_free(call);
    on_done(arg, result, body);
}

static void
on_call_done(void *arg, enum err result, struct slice reply)
{
    struct peer_pending_call *call = arg;
    struct peers *peers = call->peer->peers;
    struct slice body = slice_of(NULL, 0);
    enum err far = OK;
    if (result == ERR_TIMEOUT)
        peers->stats.calls_timeout++;
    else if (result != OK)
        peers->stats.calls_lost++;
    if (result == OK)
        result = call_frame_decode_reply(reply, &far, &body);
    finish(call, result == OK ? far : result, body);
}

enum err
peer_call(struct peer *peer, uint16_t method, struct slice body, uint32_t deadline_ms,
          call_done_fn on_done, void *arg, uint32_t *id)
{
    struct peer_pending_call *call;
    uint8_t head[CALL_FRAME_REQUEST_LEN];
    enum err err;
    if (!peer->dialed)
        return ERR_UNSUPPORTED;
    if (peer->peers->closing)
        return ERR_CLOSED;
    if (!peer->up)
        return ERR_PEER_LOST;
    if (body.len > peer->peers->config.max_call_bytes)
        return ERR_TOO_LARGE;
    call = mem_zalloc(sizeof(*call));
    call->peer = peer;
    call->on_done = on_done;
    call->arg = arg;
    peer_call_fill(peer, CALL_FRAME_CALL, method, head);
    err = call_client_send(peer->client, slice_of(head, sizeof(head)), body, deadline_ms,
                           on_call_done, call, &call->id);
    if (err != OK) {
        mem_free(call);
        return err;
    }
    peer->peers->stats.calls_out++;
    call->next = peer->calls;
    call->link = &peer->calls;
    if (call->next != NULL)
        call->next->link = &call->next;
    peer->calls = call;
    if (id != NULL)
        *id = call->id;
    return OK;
}

void
peer_call_cancel(struct peer *peer, uint32_t id)
{
    struct peer_pending_call *call;
    for (call = peer->calls; call != NULL; call = call->next) {
        if (call->id != id)
            continue;
        (void)call_client_cancel(peer->client, id);
        pending_free(call);
        return;
    }
}

void
peer_call_end_all(struct peer *peer, enum err result)
{
    while (peer->calls != NULL) {
        struct peer_pending_call *call = peer->calls;
        (void)call_client_cancel(peer->client, call->id);
        peer->peers->stats.calls_lost++;
        finish(call, result, slice_of(NULL, 0));
    }
}

static void
on_ping_done(void *arg, enum err result, struct slice reply)
{
    struct peer *peer = arg;
    struct peers *peers = peer->peers;
    struct slice body;
    enum err far;
    peer->ping_in_flight = false;
    if (!peer->up || result != OK || call_frame_decode_reply(reply, &far, &body) != OK)
        return; /* silence is the lease's business */
    if (far != OK) {
        peer_session_end(peer, ERR_PEER_LOST);
        return;
    }
    if (!peer->calls_only || body.len != 4)
        return;
    if (peer_session_lease_over(peer, peer_now_ms(peers))) {
        peer_session_end(peer, ERR_TIMEOUT);
        return;
    }
    peer->heard_ms = peer_now_ms(peers);
    if (cursor_load_u32(body.data) != peer->state) {
        peer->state = cursor_load_u32(body.data);
        if (peers->events.state != NULL)
            peers->events.state(peers->arg, peer, peer->state);
    }
}

void
peer_call_ping(struct peer *peer)
{
    uint8_t head[CALL_FRAME_REQUEST_LEN];
    uint8_t body[4];
    if (!peer->up || peer->ping_in_flight)
        return;
    peer->ping_ms = peer_now_ms(peer->peers);
    peer_call_fill(peer, CALL_FRAME_PING, 0, head);
    buf_store_u32(body, peer->peers->state);
    if (call_client_send(peer->client, slice_of(head, sizeof(head)), slice_of(body, sizeof(body)),
                         peer->lease_ms, on_ping_done, peer, NULL) == OK)
        peer->ping_in_flight = true;
}

/* ---- answering */

void
peer_call_reply(struct peers *peers, struct call_request request, enum err result,
                struct slice body)
{
    uint8_t head[CALL_FRAME_REPLY_LEN];
    call_frame_encode_reply(result, head);
    call_server_reply(peers->server, request, slice_of(head, sizeof(head)), body);
}

static void
refuse(struct peers *peers, struct call_request request, enum err result)
{
    uint64_t suppressed;
    peers->stats.calls_refused++;
    if (log_every(&refused_limit, 10000, &suppressed))
        log_info("peer_call_refused", LOG_ERR(result), LOG_U64("suppressed", suppressed), LOG_END);
    peer_call_reply(peers, request, result, slice_of(NULL, 0));
}

static void
answer_ping(struct peer *peer, struct call_request request, struct slice body)
{
    struct peers *peers = peer->peers;
    uint8_t state[4];
    buf_store_u32(state, peers->state);
    if (peer->calls_only) {
        peer->heard_ms = peer_now_ms(peers);
        if (body.len == 4 && cursor_load_u32(body.data) != peer->state) {
            peer->state = cursor_load_u32(body.data);
            if (peers->events.state != NULL)
                peers->events.state(peers->arg, peer, peer->state);
        }
    }
    peer_call_reply(peers, request, OK, slice_of(state, sizeof(state)));
}

void
peer_call_on_request(void *arg, struct call_request request, const char *remote_ip,
                     struct slice bytes)
{
    struct peers *peers = arg;
    struct call_frame frame;
    struct peer *peer;
    enum err err = call_frame_decode_request(bytes, &frame);

    if (err != OK) {
        refuse(peers, request, err);
        return;
    }
    if (frame.kind == CALL_FRAME_HELLO1 || frame.kind == CALL_FRAME_HELLO2) {
        peer_hello_answer(peers, request, remote_ip, &frame);
        return;
    }
    HASH_FIND(by_calls, peers->by_calls, frame.token, FEED_FRAME_TOKEN_LEN, peer);
    if (frame.callee != peers->incarnation || peer == NULL ||
        !crypt_equal(peer->token_calls, frame.token, FEED_FRAME_TOKEN_LEN) ||
        frame.caller != peer->incarnation) {
        refuse(peers, request, ERR_DENIED);
        return;
    }
    if (peer_session_lease_over(peer, peer_now_ms(peers))) {
        peer_session_end(peer, ERR_TIMEOUT);
        refuse(peers, request, ERR_DENIED);
        return;
    }
    if (frame.kind == CALL_FRAME_PING) {
        answer_ping(peer, request, frame.body);
        return;
    }
    if (frame.kind != CALL_FRAME_CALL || peers->events.call == NULL) {
        refuse(peers, request, ERR_UNSUPPORTED);
        return;
    }
    peers->stats.calls_in++;
    peers->events.call(peers->arg, peer, request, frame.method, frame.body);
}
