/* SPDX-License-Identifier: Apache-2.0 */
/* Call sockets over nng's req/rep (see call.h). Knows neither peers nor methods.
 *
 * The server has one REP socket with several contexts. A context receives, waits for the answer of
 * the application, sends it, and receives again; it has one operation at nng at a time, whose end
 * is posted to the mailbox as the number of the context. The client uses a raw REQ socket: it puts
 * its own number before each request and finds it before the reply; nng's own REQ would send a
 * request again after a lost connection, and a call must never be done twice.
 */
#include "common/call.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "common/nng_door.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdatomic.h>
#include <string.h>

#define CONTEXTS_DEFAULT  128u
#define CONTEXTS_MAX      4096u
#define IN_FLIGHT_DEFAULT 4096u
#define IN_FLIGHT_MAX     8192u /* nng's bound of a socket's queue */
#define DRAIN_REPLIES     256
#define SEND_MS_DEFAULT   5000u /* by then the asker has given up */
#define LINK_EVENT_CAP    1024
#define REQUEST_ID_BIT    UINT32_C(0x80000000) /* SP protocol: the last word of the header */

enum context_state {
    CONTEXT_IDLE,
    CONTEXT_RECEIVING,
    CONTEXT_ASKED, /* the application has it */
    CONTEXT_SENDING,
};

struct call_context {
    struct call_server *server;
    uint32_t slot;
    uint32_t generation;
    enum context_state state;
    nng_ctx ctx;
    nng_aio *aio;
    nng_pipe pipe; /* whom it answers */
    bool opened;
};

struct call_server {
    nng_socket rep;
    bool opened;
    bool has_tls;
    nng_duration send_ms;
    struct mailbox *mailbox;
    call_request_fn on_request;
    void *arg;
    uint16_t port;
    uint32_t count;
    struct call_context *contexts;
};

/* On a thread of nng. */
static void
on_context_done(void *arg)
{
    struct call_context *context = arg;
    /* cannot be full: it has room for every context twice, each has one operation at a time */
    if (mailbox_post(context->server->mailbox, &context->slot) != OK)
        return;
}

static void
context_receive(struct call_context *context)
{
    context->state = CONTEXT_RECEIVING;
    nng_aio_set_timeout(context->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(context->ctx, context->aio);
}

static void
context_received(struct call_context *context)
{
    struct call_server *server = context->server;
    struct call_request request;
    char remote_ip[64];
    nng_msg *msg;
    int rv = nng_aio_result(context->aio);

    if (rv == NNG_ECLOSED || rv == NNG_ECANCELED) {
        context->state = CONTEXT_IDLE;
        return;
    }
    if (rv != 0) {
        context_receive(context);
        return;
    }
    msg = nng_aio_get_msg(context->aio);
    nng_aio_set_msg(context->aio, NULL);
    context->state = CONTEXT_ASKED;
    request = (struct call_request){context->slot, ++context->generation};
    context->pipe = nng_msg_get_pipe(msg);
    nng_door_remote_ip(context->pipe, remote_ip);
    server->on_request(server->arg, request, remote_ip,
                       slice_of(nng_msg_body(msg), nng_msg_len(msg)));
    nng_msg_free(msg);
}

/* An answer that nobody reads keeps its context: with enough of them anybody who can connect would
 * stop all calls. Over TLS whoever connects has shown a certificate, and nng 1.5.2 may hang when a
 * connection ends while it is sent on: there only the context is taken back. */
static void
context_sent(struct call_context *context)
{
    int rv = nng_aio_result(context->aio);
    if (rv != 0)
        nng_msg_free(nng_aio_get_msg(context->aio));
    if (rv == NNG_ETIMEDOUT && !context->server->has_tls)
        (void)nng_pipe_close(context->pipe);
    nng_aio_set_msg(context->aio, NULL);
    context_receive(context);
}

static void
on_context(void *arg, void *item)
{
    struct call_server *server = arg;
    struct call_context *context = &server->contexts[*(const uint32_t *)item];
    if (context->state == CONTEXT_RECEIVING)
        context_received(context);
    else if (context->state == CONTEXT_SENDING)
        context_sent(context);
}

static enum err
server_open(struct call_server *server, const struct call_server_config *config)
{
    char url[NNG_DOOR_URL_MAX];
    int rv;
    enum err err = nng_door_url(config->listen, config->tls != NULL, url);
    if (err != OK)
        return err;
    rv = nng_rep0_open(&server->rep);
    if (rv != 0)
        return nng_door_err(rv);
    server->opened = true;
    for (uint32_t i = 0; i < server->count; i++) {
        struct call_context *context = &server->contexts[i];
        context->server = server;
        context->slot = i;
        rv = nng_ctx_open(&context->ctx, server->rep);
        if (rv != 0)
            return nng_door_err(rv);
        context->opened = true;
        rv = nng_aio_alloc(&context->aio, on_context_done, context);
        if (rv != 0)
            return nng_door_err(rv);
    }
    return nng_door_listen(server->rep, url, config->tls, config->max_bytes, &server->port);
}

enum err
call_server_new(const struct call_server_config *config, call_request_fn on_request, void *arg,
                struct call_server **out)
{
    struct call_server *server = mem_zalloc(sizeof(*server));
    enum err err;
    server->on_request = on_request;
    server->arg = arg;
    server->has_tls = config->tls != NULL;
    server->send_ms = (nng_duration)(config->send_ms != 0 ? config->send_ms : SEND_MS_DEFAULT);
    server->count = config->contexts != 0 ? config->contexts : CONTEXTS_DEFAULT;
    if (server->count > CONTEXTS_MAX)
        server->count = CONTEXTS_MAX;
    server->contexts = mem_zalloc_array(server->count, sizeof(*server->contexts));
    server->mailbox =
        mailbox_new(config->loop, sizeof(uint32_t), 2 * (size_t)server->count, on_context, server);
    err = server_open(server, config);
    if (err != OK) {
        call_server_free(server);
        return err;
    }
    for (uint32_t i = 0; i < server->count; i++)
        context_receive(&server->contexts[i]);
    *out = server;
    return OK;
}

void
call_server_free(struct call_server *server)
{
    if (server == NULL)
        return;
    for (uint32_t i = 0; i < server->count; i++) {
        struct call_context *context = &server->contexts[i];
        if (context->aio != NULL)
            nng_aio_stop(context->aio); /* waits for its callback */
        if (context->opened)
            (void)nng_ctx_close(context->ctx);
    }
    if (server->opened)
        nng_door_close(server->rep);
    for (uint32_t i = 0; i < server->count; i++) {
        struct call_context *context = &server->contexts[i];
        int rv;
        if (context->aio == NULL)
            continue;
        rv = nng_aio_result(context->aio);
        /* received and not yet looked at, or not sent: then the message is ours */
        if ((context->state == CONTEXT_RECEIVING && rv == 0) ||
            (context->state == CONTEXT_SENDING && rv != 0))
            nng_msg_free(nng_aio_get_msg(context->aio));
        nng_aio_free(context->aio);
    }
    mailbox_free(server->mailbox);
    mem_free(server->contexts);
    mem_free(server);
}

uint16_t
call_server_port(const struct call_server *server)
{
    return server->port;
}

void
call_server_reply(struct call_server *server, struct call_request request, struct slice head,
                  struct slice body)
{
    struct call_context *context;
    nng_msg *msg;
    assert(request.slot < server->count);
    context = &server->contexts[request.slot];
    if (context->state != CONTEXT_ASKED || context->generation != request.generation)
        return;
    if (nng_msg_alloc(&msg, 0) != 0) {
        context_receive(context); /* the asker meets its deadline */
        return;
    }
    if ((head.len > 0 && nng_msg_append(msg, head.data, head.len) != 0) ||
        (body.len > 0 && nng_msg_append(msg, body.data, body.len) != 0)) {
        nng_msg_free(msg);
        context_receive(context);
        return;
    }
    context->state = CONTEXT_SENDING;
    nng_aio_set_timeout(context->aio, server->send_ms);
    nng_aio_set_msg(context->aio, msg);
    nng_ctx_send(context->ctx, context->aio);
}

/* ---- asking */

struct call_pending {
    call_done_fn on_done; /* NULL: free */
    void *arg;
    uint64_t deadline_ms;
    uint32_t id;
    uint32_t next_free;
};

struct call_client {
    nng_socket req;
    nng_aio *aio;
    bool opened, dialing;
    nng_dialer dialer;
    char url[NNG_DOOR_URL_MAX];
    struct nng_door_tls *tls; /* borrowed */
    size_t max_bytes;
    struct loop_watch watch;
    struct mailbox *mailbox;
    call_link_fn on_link;
    void *arg;
    bool connected; /* as told by on_link */
    _Atomic uint32_t pipe;
    struct call_pending *slots;
    uint32_t count, in_flight, free_head;
    uint32_t generation; /* of ids: 15 bits above the slot's 16 */
    uint64_t next_deadline_ms;
};

/* On a thread of nng. */
static void
on_client_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct call_client *client = arg;
    bool connected = event == NNG_PIPE_EV_ADD_POST;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    if (connected)
        atomic_store(&client->pipe, id);
    else if (!atomic_compare_exchange_strong(&client->pipe, &id, 0))
        return;
    /* if full, call_client_tick sees the difference */
    if (mailbox_post(client->mailbox, &connected) != OK)
        return;
}

static void
slot_free(struct call_client *client, uint32_t slot)
{
    client->slots[slot].on_done = NULL;
    client->slots[slot].next_free = client->free_head;
    client->free_head = slot;
    client->in_flight--;
}

static void
slot_end(struct call_client *client, uint32_t slot, enum err result, struct slice reply)
{
    call_done_fn on_done = client->slots[slot].on_done;
    void *arg = client->slots[slot].arg;
    slot_free(client, slot);
    on_done(arg, result, reply);
}

static void
end_all(struct call_client *client, enum err result)
{
    for (uint32_t i = 0; i < client->count && client->in_flight > 0; i++) {
        if (client->slots[i].on_done != NULL)
            slot_end(client, i, result, slice_of(NULL, 0));
    }
}

static void
set_connected(struct call_client *client, bool connected)
{
    if (!connected) {
        client->connected = false;
        end_all(client, ERR_PEER_LOST);
    }
    client->connected = connected;
    client->on_link(client->arg, connected);
}

static void
on_client_link(void *arg, void *item)
{
    set_connected(arg, *(const bool *)item);
}

static void
on_reply(struct call_client *client, nng_msg *msg)
{
    uint32_t id, slot;
    if (nng_msg_header_trim_u32(msg, &id) != 0)
        return;
    slot = id & 0xffff;
    if (slot >= client->count || client->slots[slot].on_done == NULL ||
        client->slots[slot].id != id)
        return;
    slot_end(client, slot, OK, slice_of(nng_msg_body(msg), nng_msg_len(msg)));
}

static void
on_client_readable(void *arg, unsigned ready)
{
    struct call_client *client = arg;
    (void)ready;
    for (int n = 0; n < DRAIN_REPLIES; n++) {
        nng_msg *msg;
        if (nng_door_receive(client->req, client->aio, &msg) != 0)
            return;
        on_reply(client, msg);
        nng_msg_free(msg);
    }
}

static enum err
client_dial(struct call_client *client)
{
    enum err err =
        nng_door_dial(client->req, client->url, client->tls, client->max_bytes, &client->dialer);
    client->dialing = err == OK;
    return err;
}

void
call_client_redial(struct call_client *client)
{
    if (client->dialing)
        (void)nng_dialer_close(client->dialer);
    if (client_dial(client) != OK)
        log_warn("redial_failed", LOG_STR("address", client->url), LOG_END);
}

static enum err
client_open(struct call_client *client, const struct call_client_config *config)
{
    int fd = -1;
    int rv;
    enum err err = nng_door_url(config->address, config->tls != NULL, client->url);
    if (err != OK)
        return err;
    client->tls = config->tls;
    client->max_bytes = config->max_bytes;
    rv = nng_req0_open_raw(&client->req);
    if (rv != 0)
        return nng_door_err(rv);
    client->opened = true;
    rv = nng_socket_set_int(client->req, NNG_OPT_SENDBUF, (int)client->count);
    if (rv == 0)
        rv = nng_socket_set_int(client->req, NNG_OPT_RECVBUF, DRAIN_REPLIES);
    if (rv == 0)
        rv = nng_pipe_notify(client->req, NNG_PIPE_EV_ADD_POST, on_client_pipe, client);
    if (rv == 0)
        rv = nng_pipe_notify(client->req, NNG_PIPE_EV_REM_POST, on_client_pipe, client);
    if (rv == 0)
        rv = nng_socket_get_int(client->req, NNG_OPT_RECVFD, &fd);
    if (rv != 0)
        return nng_door_err(rv);
    loop_watch_init(&client->watch, config->loop, fd, on_client_readable, client);
    loop_watch_set(&client->watch, LOOP_READ);
    return client_dial(client);
}

enum err
call_client_new(const struct call_client_config *config, call_link_fn on_link, void *arg,
                struct call_client **out)
{
    struct call_client *client = mem_zalloc(sizeof(*client));
    enum err err;
    client->on_link = on_link;
    client->arg = arg;
    client->count = config->max_in_flight != 0 ? config->max_in_flight : IN_FLIGHT_DEFAULT;
    if (client->count > IN_FLIGHT_MAX)
        client->count = IN_FLIGHT_MAX;
    client->slots = mem_zalloc_array(client->count, sizeof(*client->slots));
    for (uint32_t i = 0; i < client->count; i++)
        client->slots[i].next_free = i + 1;
    client->next_deadline_ms = UINT64_MAX;
    atomic_init(&client->pipe, 0);
    client->mailbox =
        mailbox_new(config->loop, sizeof(bool), LINK_EVENT_CAP, on_client_link, client);
    client->aio = nng_door_aio_new();
    err = client_open(client, config);
    if (err != OK) {
        call_client_free(client);
        return err;
    }
    *out = client;
    return OK;
}

void
call_client_free(struct call_client *client)
{
    if (client == NULL)
        return;
    client->connected = false;
    end_all(client, ERR_CLOSED);
    loop_watch_fini(&client->watch);
    if (client->opened)
        nng_door_close(client->req);
    nng_door_aio_free(client->aio);
    mailbox_free(client->mailbox);
    mem_free(client->slots);
    mem_free(client);
}

bool
call_client_connected(const struct call_client *client)
{
    return client->connected;
}

enum err
call_client_send(struct call_client *client, struct slice head, struct slice body,
                 uint32_t deadline_ms, call_done_fn on_done, void *arg, uint32_t *id)
{
    struct call_pending *pending;
    uint32_t slot = client->free_head;
    nng_msg *msg;
    int rv;

    if (!client->connected)
        return ERR_PEER_LOST;
    if (slot >= client->count)
        return ERR_BUSY;
    pending = &client->slots[slot];
    client->generation = (client->generation + 1) & 0x7fff;
    pending->id = REQUEST_ID_BIT | client->generation << 16 | slot;
    rv = nng_msg_alloc(&msg, 0);
    if (rv != 0)
        return nng_door_err(rv);
    rv = nng_msg_header_append_u32(msg, pending->id);
    if (rv == 0 && head.len > 0)
        rv = nng_msg_append(msg, head.data, head.len);
    if (rv == 0 && body.len > 0)
        rv = nng_msg_append(msg, body.data, body.len);
    if (rv == 0)
        rv = nng_door_send(client->req, client->aio, msg);
    if (rv != 0) {
        nng_msg_free(msg);
        return rv == NNG_EAGAIN ? ERR_BUSY : nng_door_err(rv);
    }
    client->free_head = pending->next_free;
    client->in_flight++;
    pending->on_done = on_done;
    pending->arg = arg;
    pending->deadline_ms = clock_monotonic_ms() + deadline_ms;
    if (pending->deadline_ms < client->next_deadline_ms)
        client->next_deadline_ms = pending->deadline_ms;
    if (id != NULL)
        *id = pending->id;
    return OK;
}

void *
call_client_cancel(struct call_client *client, uint32_t id)
{
    uint32_t slot = id & 0xffff;
    if (slot >= client->count || client->slots[slot].on_done == NULL ||
        client->slots[slot].id != id)
        return NULL;
    slot_free(client, slot);
    return client->slots[slot].arg;
}

void
call_client_tick(struct call_client *client, uint64_t now_ms)
{
    bool connected = atomic_load(&client->pipe) != 0;
    if (connected != client->connected && mailbox_count(client->mailbox) == 0)
        set_connected(client, connected);
    if (now_ms < client->next_deadline_ms)
        return;
    client->next_deadline_ms = UINT64_MAX;
    for (uint32_t i = 0; i < client->count; i++) {
        struct call_pending *pending = &client->slots[i];
        if (pending->on_done == NULL)
            continue;
        if (pending->deadline_ms <= now_ms)
            slot_end(client, i, ERR_TIMEOUT, slice_of(NULL, 0));
        else if (pending->deadline_ms < client->next_deadline_ms)
            client->next_deadline_ms = pending->deadline_ms;
    }
}
