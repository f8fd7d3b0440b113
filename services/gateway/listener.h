/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A listening socket of one worker. Every worker opens its own on the same port (SO_REUSEPORT), so
 * the kernel spreads clients and nobody hands descriptors over. When descriptors run out it stops
 * asking for a moment instead of spinning; when TLS handshakes come too fast it lets the
 * clients wait in the kernel's queue. What may differ from listener to listener is in
 * struct listener_options; whoever enforces a row of it looks there by connection->listener.
 */
#ifndef SERVICES_GATEWAY_LISTENER_H
#define SERVICES_GATEWAY_LISTENER_H

#include "common/err.h"
#include "services/gateway/transport.h"

#include <stdbool.h>
#include <stdint.h>

/* Which of the gateway's listeners a connection came through; settings of one are named after it.
 */
enum listener_kind {
    LISTENER_MQTT,
    LISTENER_TLS,
    LISTENER_WS,
    LISTENER_WSS,
    LISTENER_UNIX,
    LISTENER_KINDS
};

enum listener_anonymous { LISTENER_AS_ALLOWED, LISTENER_ANONYMOUS, LISTENER_USERS };

/* What the settings say of one listener; all false or 0: nothing special. */
struct listener_options {
    bool proxy;           /* a balancer in front of it speaks the PROXY protocol */
    uint64_t connections; /* at once, in all workers */
    uint64_t
        connects; /* per second, in all workers; who comes faster waits in the kernel's queue */
    uint64_t messages;  /* PUBLISHes read per second, of all its clients together */
    uint64_t bytes;     /* per second, likewise */
    unsigned anonymous; /* enum listener_anonymous: clients without a user name */
};

struct listener;
struct worker;

/* "mqtt", "tls", "ws", "wss", "unix": as in the names of settings. */
const char *listener_name(enum listener_kind kind);
/* What its clients speak. */
const struct transport *listener_transport(enum listener_kind kind);

/* Opens bind (as address_to_sockaddr) and port (0: a free one, see listener_port). ERR_INVALID: no
 * such address; ERR_IO: errno says why. */
ERR_MUST_USE enum err listener_open(struct worker *worker, enum listener_kind kind,
                                    const char *bind, uint16_t port, struct listener **out);
/* On a descriptor that listens already (non-blocking); it is the listener's then. */
struct listener *listener_adopt(struct worker *worker, enum listener_kind kind, int fd);
/* Since every worker shares the port, another program of the same user could share it too, without
 * an error. So before the first one is opened: ERR_IO (errno) when somebody listens there already.
 */
ERR_MUST_USE enum err listener_probe(const char *bind, uint16_t port);
uint16_t listener_port(const struct listener *listener);
/* NULL is nothing. */
void listener_close(struct listener *listener);

#endif
