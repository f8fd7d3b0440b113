/* SPDX-License-Identifier: Apache-2.0 */
/* Call sockets: questions with one answer and a deadline. Opaque bytes both ways; who may ask and
 * what it means is decided in peer_call.c. The asking side numbers its calls itself on a raw REQ
 * socket, so that nothing is ever sent twice; the answering side is one REP socket with several
 * contexts. Everything is called on the owner's loop thread; nng's threads touch only the mailbox.
 */
#ifndef SLUICE_COMMON_CALL_H
#define SLUICE_COMMON_CALL_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct nng_door_tls;

/* ---- answering */
struct call_server;

/* Names a request; stays safe to hold: a reply to a stale one is ignored. */
struct call_request {
    uint32_t slot;
    uint32_t generation;
};

struct call_server_config {
    struct loop *loop;
    const char *listen; /* port 0: any */
    struct nng_door_tls *tls;
    size_t max_bytes;  /* of a request */
    uint32_t contexts; /* requests in progress at once; more wait in the socket. Default 128 */
    uint32_t send_ms;  /* an answer that waits so long for its asker to read ends the connection.
                          Default 5000 */
};

/* `bytes` and `remote_ip` are borrowed for the call. Must be answered once by call_server_reply,
 * now or later. */
typedef void (*call_request_fn)(void *arg, struct call_request request, const char *remote_ip,
                                struct slice bytes);

enum err call_server_new(const struct call_server_config *config, call_request_fn on_request,
                         void *arg, struct call_server **out) ERR_MUST_USE;
void call_server_free(struct call_server *server);
uint16_t call_server_port(const struct call_server *server);
void call_server_reply(struct call_server *server, struct call_request request, struct slice head,
                       struct slice body);

/* ---- asking */
struct call_client;

struct call_client_config {
    struct loop *loop;
    const char *address;
    struct nng_door_tls *tls;
    size_t max_bytes;       /* of a reply */
    uint32_t max_in_flight; /* Default 4096 */
};

/* Exactly once per accepted call, never from within call_client_send. OK: `reply` is borrowed for
 * the call. ERR_TIMEOUT, ERR_PEER_LOST: nobody knows whether the far end did it. ERR_CLOSED: the
 * client is being freed. */
typedef void (*call_done_fn)(void *arg, enum err result, struct slice reply);
/* The connection came up or went down; when down all calls in flight have ended with ERR_PEER_LOST.
 */
typedef void (*call_link_fn)(void *arg, bool connected);

enum err call_client_new(const struct call_client_config *config, call_link_fn on_link, void *arg,
                         struct call_client **out) ERR_MUST_USE;
void call_client_free(struct call_client *client);
bool call_client_connected(const struct call_client *client);
/* Gives up the connection, or the attempt to make one, and begins anew, with the name looked up
 * again: an address from which nothing comes back holds TCP for minutes. */
void call_client_redial(struct call_client *client);
/* ERR_PEER_LOST: not connected. ERR_BUSY: too many in flight. Deadlines are kept to 50 ms. */
enum err call_client_send(struct call_client *client, struct slice head, struct slice body,
                          uint32_t deadline_ms, call_done_fn on_done, void *arg,
                          uint32_t *id) ERR_MUST_USE;
/* Forgets the call; its on_done is not called any more. Returns its arg, NULL: no such call. */
void *call_client_cancel(struct call_client *client, uint32_t id);
/* Ends what is overdue; the owner calls it every tick. */
void call_client_tick(struct call_client *client, uint64_t now_ms);

#endif
