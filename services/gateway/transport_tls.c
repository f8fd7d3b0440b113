/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS: see transport.h; the bytes are tls.c's. Handshakes are the dear part: so many steps in a
 * turn, the others wait for the next one, so that connected clients are served in between.
 */
#include <event2/event.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "services/gateway/connection.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/tls.h"
#include "services/gateway/worker_state.h"

#define STEPS_PER_TURN 8u            /* a signature with RSA 2048 takes about a millisecond */
#define GATHER_SIZE    (16u * 1024u) /* a TLS record */

/* 0: go on reading; else what read answers. */
static ssize_t
handshake(struct connection *connection, struct tls_stream **stream)
{
    struct worker *worker = connection->worker;
    if (worker->handshake_steps >= STEPS_PER_TURN) {
        loop_again(worker->loop);
        return TRANSPORT_AGAIN; /* the descriptor stays readable */
    }
    if (*stream == NULL && worker->overload.is_late) {
        connection_limits_shed(worker, &connection->address);
        return TRANSPORT_CLOSED;
    }
    worker->handshake_steps++;
    if (*stream == NULL)
        *stream = tls_stream_new(worker->tls, connection->fd);
    if (*stream == NULL)
        return TRANSPORT_CLOSED;
    enum tls_step step = tls_stream_handshake(*stream);
    bool wants_write = step == TLS_STEP_WRITE;
    if (wants_write != (connection->transport_wants != 0))
        connection_transport_wants(connection, wants_write);
    if (step == TLS_STEP_DONE) {
        worker->counts.tls_done++;
        return 0;
    }
    if (step != TLS_STEP_FAILED)
        return TRANSPORT_AGAIN;
    char address[ADDRESS_TEXT_MAX];
    worker->counts.tls_failed++;
    address_format(&connection->address, address);
    log_debug("tls_failed", LOG_STR("address", (const char *)address),
              LOG_STR("reason", tls_stream_failure(*stream)), LOG_END);
    connection->flags |= CONNECTION_SAID_WHY; /* an alert: let the client read it */
    return TRANSPORT_CLOSED;
}

ssize_t
transport_tls_read(struct connection *connection, struct tls_stream **stream, uint8_t *data,
                   size_t len)
{
    if (*stream != NULL && tls_stream_has_failed(*stream)) {
        if (connection->state < CONNECTION_DYING)
            return TRANSPORT_CLOSED;
        ssize_t n = transport_tcp_read(connection, data, len); /* lingering */
        return n > 0 ? TRANSPORT_AGAIN : n;
    }
    if (*stream == NULL || !tls_stream_is_open(*stream)) {
        ssize_t result = handshake(connection, stream);
        if (result != 0)
            return result;
    }
    return tls_stream_read(*stream, data, len);
}

/* Small pieces are gathered, so that a record holds many packets. */
ssize_t
transport_tls_writev(struct tls_stream *stream, const struct iovec *iov, int count)
{
    uint8_t gathered[GATHER_SIZE];
    ssize_t sent = 0;
    size_t offset = 0; /* in iov[i] */
    if (stream == NULL || !tls_stream_is_open(stream))
        return TRANSPORT_AGAIN;
    for (int i = 0; i < count;) {
        const uint8_t *data = (const uint8_t *)iov[i].iov_base + offset;
        size_t len = iov[i].iov_len - offset;
        if (len < GATHER_SIZE && i + 1 < count) {
            size_t from = offset;
            len = 0;
            for (int k = i; k < count && len < GATHER_SIZE; k++, from = 0) {
                size_t n = iov[k].iov_len - from;
                n = n < GATHER_SIZE - len ? n : GATHER_SIZE - len;
                memcpy(gathered + len, (const uint8_t *)iov[k].iov_base + from, n);
                len += n;
            }
            data = gathered;
        }
        ssize_t n = tls_stream_write(stream, data, len);
        if (n < 0)
            return sent > 0 && n == TRANSPORT_AGAIN ? sent : n;
        sent += n;
        if ((size_t)n < len)
            return sent;
        for (offset += (size_t)n; i < count && offset >= iov[i].iov_len; i++)
            offset -= iov[i].iov_len;
    }
    return sent;
}

/* ---- plain TLS: the state is the stream */

static ssize_t
tls_read(struct connection *connection, uint8_t *data, size_t len)
{
    struct tls_stream *stream = connection->transport_state;
    ssize_t n = transport_tls_read(connection, &stream, data, len);
    connection->transport_state = stream;
    return n;
}

static ssize_t
tls_writev(struct connection *connection, const struct iovec *iov, int count)
{
    return transport_tls_writev(connection->transport_state, iov, count);
}

static bool
tls_has_input(const struct connection *connection)
{
    const struct tls_stream *stream = connection->transport_state;
    return stream != NULL && tls_stream_has_input(stream);
}

/* Only a handshake waits for this: the read that follows goes on with it, if it is its turn. */
int
transport_tls_on_writable(struct connection *connection)
{
    if (connection->worker->handshake_steps < STEPS_PER_TURN)
        connection_transport_wants(connection, false);
    return 0;
}

static void
tls_shutdown(struct connection *connection)
{
    if (connection->transport_state != NULL)
        tls_stream_shutdown(connection->transport_state);
    transport_tcp.shutdown(connection);
}

static void
tls_fini(struct connection *connection)
{
    struct tls_stream *stream = connection->transport_state;
    if (stream == NULL)
        return;
    tls_stream_shutdown(stream);
    tls_stream_free(stream);
    connection->transport_state = NULL;
}

static bool
tls_user(const struct connection *connection, char *name, struct slice *out)
{
    const struct tls_stream *stream = connection->transport_state;
    return stream != NULL && tls_stream_user(stream, name, out);
}

const struct transport transport_tls = {.name = "tls",
                                        .has_tls = true,
                                        .read = tls_read,
                                        .writev = tls_writev,
                                        .has_input = tls_has_input,
                                        .on_writable = transport_tls_on_writable,
                                        .shutdown = tls_shutdown,
                                        .fini = tls_fini,
                                        .user = tls_user};
