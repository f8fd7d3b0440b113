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

struct connection;

#define TRANSPORT_AGAIN  (-1) /* nothing now */
#define TRANSPORT_CLOSED (-2) /* over: end of stream or an error */

struct transport {
    const char *name; /* "tcp", "tls", "ws", "wss" */
    /* At most len bytes into data: how many (> 0), TRANSPORT_AGAIN or TRANSPORT_CLOSED. */
    ssize_t (*read)(struct connection *connection, uint8_t *data, size_t len);
    /* How many bytes of the pieces were taken (> 0), TRANSPORT_AGAIN or TRANSPORT_CLOSED. */
    ssize_t (*writev)(struct connection *connection, const struct iovec *iov, int count);
    /* Bytes that were read from the descriptor already and wait inside: no event will come for
     * them. NULL: never. */
    bool (*has_input)(const struct connection *connection);
    /* Says goodbye in its own way and ends sending; the descriptor stays open. */
    void (*shutdown)(struct connection *connection);
    /* Frees connection->transport_state. NULL: nothing to free. */
    void (*fini)(struct connection *connection);
};

extern const struct transport transport_tcp;

#endif
