/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How bytes get to and from a client: straight on the descriptor, or through TLS or WebSocket. A
 * connection holds one of these tables and a state that belongs to it. Knows nothing of MQTT.
 */
#ifndef SERVICES_GATEWAY_TRANSPORT_H
#define SERVICES_GATEWAY_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/str.h"

struct connection;

#define TRANSPORT_AGAIN  (-1) /* nothing now */
#define TRANSPORT_CLOSED (-2) /* over: end of stream or an error */

struct transport {
    const char *name; /* "tcp", "tls", "ws", "wss" */
    bool has_tls;     /* its handshakes cost: connections are taken at a pace */
    /* At most len bytes into data: how many (> 0), TRANSPORT_AGAIN or TRANSPORT_CLOSED. */
    ssize_t (*read)(struct connection *connection, uint8_t *data, size_t len);
    /* How many bytes of the pieces were taken (> 0), TRANSPORT_AGAIN or TRANSPORT_CLOSED. */
    ssize_t (*writev)(struct connection *connection, const struct iovec *iov, int count);
    /* Bytes that were read from the descriptor already and wait inside: no event will come for
     * them. NULL: never. */
    bool (*has_input)(const struct connection *connection);
    /* The descriptor takes bytes again and connection_transport_wants has asked for this: sends
     * what waits inside. OK to read afterwards: 0; else TRANSPORT_CLOSED. NULL: never asks. */
    int (*on_writable)(struct connection *connection);
    /* Says goodbye in its own way and ends sending; the descriptor stays open. */
    void (*shutdown)(struct connection *connection);
    /* Frees connection->transport_state. NULL: nothing to free. */
    void (*fini)(struct connection *connection);
    /* The user that the client's certificate names; name has room for TLS_NAME_MAX bytes. NULL:
     * never. */
    bool (*user)(const struct connection *connection, char *name, struct slice *out);
};

/* The state of a connection is made at its first byte: one that says nothing costs nothing. */
extern const struct transport transport_tcp;
extern const struct transport transport_tls;
extern const struct transport transport_ws;
extern const struct transport transport_wss;
/* Reads a PROXY header; then the connection goes on with the transport of its listener. */
extern const struct transport transport_proxy;

/* For transports that stand on plain TCP or on TLS: the state of the lower one is told. */
struct tls_stream;
ssize_t transport_tcp_read(struct connection *connection, uint8_t *data, size_t len);
ssize_t transport_tcp_writev(struct connection *connection, const struct iovec *iov, int count);
ssize_t transport_tls_read(struct connection *connection, struct tls_stream **stream, uint8_t *data,
                           size_t len);
ssize_t transport_tls_writev(struct tls_stream *stream, const struct iovec *iov, int count);
int transport_tls_on_writable(struct connection *connection);

#endif
