/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket over TCP or over TLS: see transport.h. The rules are websocket.c's and
 * websocket_upgrade.c's; here bytes are moved.
 *
 * Inbound: what was read is unmasked where it lies; only an incomplete header or control frame
 * (or request head) is put aside. Outbound: output is cut into packets, framed into the worker's
 * wire buffer and written in one go; what the socket does not take is kept in `rest`, which goes
 * first next time. So an idle connection holds this state and nothing else.
 */
#include <event2/event.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "services/gateway/connection.h"
#include "services/gateway/tls.h"
#include "services/gateway/websocket.h"
#include "services/gateway/worker_state.h"

#define SMALL_READ 1024u /* shorter reads go through a buffer of our own */
#define FRAME_MIN  65536u

struct bytes {
    size_t len, at;
    uint8_t data[];
};

struct ws {
    struct tls_stream *stream; /* wss */
    struct websocket in;
    struct bytes *held;  /* input that is not complete yet */
    struct bytes *rest;  /* wire bytes that the socket did not take */
    struct bytes *pong;  /* payload of a pong that must wait for the end of a frame */
    uint64_t frame_left; /* of the packet whose frame is under way */
    bool is_open;        /* the upgrade is done */
    bool is_over;        /* a close frame or a refusal has been sent */
    bool is_shut;        /* end sending when rest has gone */
};

static bool
is_secure(const struct connection *connection)
{
    return connection->transport == &transport_wss;
}

static struct bytes *
bytes_new(const void *data, size_t len)
{
    struct bytes *bytes = mem_alloc(sizeof(*bytes) + len);
    bytes->len = len;
    bytes->at = 0;
    if (len > 0)
        memcpy(bytes->data, data, len);
    return bytes;
}

static void
drop(struct bytes **bytes)
{
    mem_free(*bytes);
    *bytes = NULL;
}

/* ---- the layer below */

static ssize_t
lower_read(struct connection *connection, struct ws *ws, uint8_t *data, size_t len)
{
    return is_secure(connection) ? transport_tls_read(connection, &ws->stream, data, len)
                                 : transport_tcp_read(connection, data, len);
}

static ssize_t
lower_write(struct connection *connection, struct ws *ws, uint8_t *data, size_t len)
{
    const struct iovec iov = {data, len};
    return is_secure(connection) ? transport_tls_writev(ws->stream, &iov, 1)
                                 : transport_tcp_writev(connection, &iov, 1);
}

/* ---- output */

/* Sends rest. 1: all gone; 0: the socket is full; TRANSPORT_CLOSED. */
static int
send_rest(struct connection *connection, struct ws *ws)
{
    while (ws->rest != NULL) {
        ssize_t n = lower_write(connection, ws, ws->rest->data + ws->rest->at,
                                ws->rest->len - ws->rest->at);
        if (n == TRANSPORT_CLOSED)
            return TRANSPORT_CLOSED;
        if (n == TRANSPORT_AGAIN)
            return 0;
        ws->rest->at += (size_t)n;
        if (ws->rest->at == ws->rest->len)
            drop(&ws->rest);
    }
    return 1;
}

/* Sends wire bytes when rest is empty; what is not taken becomes rest. */
static int
send_wire(struct connection *connection, struct ws *ws, uint8_t *data, size_t len)
{
    ssize_t n = lower_write(connection, ws, data, len);
    if (n == TRANSPORT_CLOSED)
        return TRANSPORT_CLOSED;
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent == len)
        return 1;
    ws->rest = bytes_new(data + sent, len - sent);
    connection_transport_wants(connection, true);
    return 0;
}

/* The pong that waits, if a frame may begin now. */
static size_t
put_pong(struct ws *ws, uint8_t *to)
{
    if (ws->pong == NULL || ws->frame_left > 0)
        return 0;
    size_t len = ws->pong->len;
    size_t n = websocket_header(WEBSOCKET_PONG, len, to);
    memcpy(to + n, ws->pong->data, len);
    drop(&ws->pong);
    return n + len;
}

static int
send_pong(struct connection *connection, struct ws *ws)
{
    uint8_t wire[WEBSOCKET_HEADER_MAX + WEBSOCKET_CONTROL_MAX];
    if (ws->rest != NULL)
        return 0;
    size_t n = put_pong(ws, wire);
    return n > 0 ? send_wire(connection, ws, wire, n) : 1;
}

/* The bytes of an iovec array, one after the other. */
struct reader {
    const struct iovec *iov;
    int count, i;
    size_t at;
};

static size_t
reader_copy(struct reader *reader, uint8_t *to, size_t len)
{
    size_t done = 0;
    while (done < len && reader->i < reader->count) {
        size_t have = reader->iov[reader->i].iov_len - reader->at;
        size_t n = have < len - done ? have : len - done;
        memcpy(to + done, (const uint8_t *)reader->iov[reader->i].iov_base + reader->at, n);
        done += n;
        reader->at += n;
        if (reader->at == reader->iov[reader->i].iov_len) {
            reader->i++;
            reader->at = 0;
        }
    }
    return done;
}

/* Frames packets into wire until it is full; returns its length, *taken the bytes of packets. */
static size_t
frame_packets(struct ws *ws, struct reader *reader, uint8_t *wire, size_t *taken)
{
    size_t len = put_pong(ws, wire);
    *taken = 0;
    while (reader->i < reader->count) {
        if (ws->frame_left == 0) {
            uint8_t head[WEBSOCKET_PACKET_HEAD];
            struct reader peek = *reader;
            size_t packet = websocket_packet_len(head, reader_copy(&peek, head, sizeof(head)));
            if (packet == 0 || WORKER_WIRE_SIZE - len < WEBSOCKET_HEADER_MAX + sizeof(head))
                break; /* its head is not all there, or there is no room for one */
            len += websocket_header(WEBSOCKET_BINARY, packet, wire + len);
            ws->frame_left = packet;
        }
        size_t room = WORKER_WIRE_SIZE - len;
        size_t n =
            reader_copy(reader, wire + len, ws->frame_left < room ? (size_t)ws->frame_left : room);
        if (n == 0)
            break;
        len += n;
        *taken += n;
        ws->frame_left -= n;
    }
    return len;
}

static ssize_t
ws_writev(struct connection *connection, const struct iovec *iov, int count)
{
    struct ws *ws = connection->transport_state;
    struct worker *worker = connection->worker;
    struct reader reader = {iov, count, 0, 0};
    ssize_t sum = 0;
    if (ws == NULL || !ws->is_open)
        return TRANSPORT_AGAIN;
    if (ws->is_over) {
        for (int i = 0; i < count; i++)
            sum += (ssize_t)iov[i].iov_len; /* nobody listens behind a close frame */
        return sum;
    }
    int state = send_rest(connection, ws);
    if (worker->wire_buffer == NULL)
        worker->wire_buffer = mem_alloc(WORKER_WIRE_SIZE);
    while (state == 1 && reader.i < reader.count) {
        size_t taken;
        size_t len = frame_packets(ws, &reader, worker->wire_buffer, &taken);
        if (len == 0)
            break;
        state = send_wire(connection, ws, worker->wire_buffer, len);
        sum += (ssize_t)taken;
    }
    /* A ping that came in the middle of a frame: now that the frame is out, nobody else asks. */
    if (state == 1)
        state = send_pong(connection, ws);
    if (state == TRANSPORT_CLOSED)
        return TRANSPORT_CLOSED;
    if (sum == 0)
        return TRANSPORT_AGAIN;
    return sum;
}

static void
end_sending(struct connection *connection, struct ws *ws)
{
    if (ws->stream != NULL)
        tls_stream_shutdown(ws->stream);
    transport_tcp.shutdown(connection);
}

static int
ws_on_writable(struct connection *connection)
{
    struct ws *ws = connection->transport_state;
    if (ws == NULL)
        return 0;
    if (ws->stream != NULL && !tls_stream_is_open(ws->stream))
        return transport_tls_on_writable(connection);
    int state = send_rest(connection, ws);
    if (state == 1)
        state = send_pong(connection, ws);
    if (state == TRANSPORT_CLOSED)
        return TRANSPORT_CLOSED;
    if (state == 1) {
        connection_transport_wants(connection, false);
        if (ws->is_shut)
            end_sending(connection, ws);
    }
    return 0;
}

/* Behind what waits, if no frame is under way. */
static void
send_close(struct connection *connection, struct ws *ws, uint16_t status)
{
    uint8_t frame[4];
    size_t len = websocket_close_frame(status, frame);
    if (ws->is_over || !ws->is_open)
        return;
    ws->is_over = true;
    if (ws->frame_left > 0)
        return;
    if (ws->rest != NULL) {
        size_t waiting = ws->rest->len - ws->rest->at;
        struct bytes *both = bytes_new(NULL, 0);
        both = mem_realloc(both, sizeof(*both) + waiting + len);
        memcpy(both->data, ws->rest->data + ws->rest->at, waiting);
        memcpy(both->data + waiting, frame, len);
        both->len = waiting + len;
        mem_free(ws->rest);
        ws->rest = both;
    } else {
        (void)send_wire(connection, ws, frame, len);
    }
}

/* ---- input */

static ssize_t
end_with(struct connection *connection, struct ws *ws, uint16_t status)
{
    send_close(connection, ws, status);
    connection->flags |= CONNECTION_SAID_WHY;
    return TRANSPORT_CLOSED;
}

/* The request head: all of `len` bytes at data lie before what is not read yet. */
static ssize_t
upgrade(struct connection *connection, struct ws *ws, uint8_t *data, size_t len, size_t *used)
{
    struct worker *worker = connection->worker;
    struct websocket_upgrade up;
    *used = 0;
    if (websocket_upgrade_decode(slice_of(data, len), &worker->options.websocket,
                                 &connection->address, &up) != OK)
        return TRANSPORT_AGAIN;
    connection->address = up.client;
    *used = up.head_len;
    int state = send_wire(connection, ws, (uint8_t *)up.response, up.response_len);
    if (up.status == 101 && state != TRANSPORT_CLOSED) {
        worker->counts.ws_done++;
        ws->is_open = true;
        return 0;
    }
    worker->counts.ws_refused++;
    log_debug("websocket_refused", LOG_HEX("conn", connection->handle),
              LOG_U64("status", up.status), LOG_END);
    ws->is_over = true;
    connection->flags |= CONNECTION_SAID_WHY;
    return TRANSPORT_CLOSED;
}

/* Works on len bytes at data; payload lies at the front then. What is not complete is held. */
static ssize_t
decode(struct connection *connection, struct ws *ws, uint8_t *data, size_t len)
{
    size_t head = 0;
    if (!ws->is_open) {
        ssize_t result = upgrade(connection, ws, data, len, &head);
        if (result == TRANSPORT_AGAIN)
            ws->held = bytes_new(data, len);
        if (result != 0)
            return result;
        memmove(data, data + head, len - head);
        len -= head;
    }
    uint64_t max = connection->worker->options.max_packet_size;
    struct websocket_result result;
    websocket_decode(&ws->in, data, len, max < FRAME_MIN ? FRAME_MIN : max, &result);
    if (result.has_ping && result.close == 0) {
        drop(&ws->pong);
        ws->pong = bytes_new(result.ping.data, result.ping.len);
        if (send_pong(connection, ws) == TRANSPORT_CLOSED)
            return TRANSPORT_CLOSED;
    }
    if (result.close != 0 && !result.peer_closed) {
        connection->worker->counts.ws_failed++;
        log_debug("websocket_failed", LOG_HEX("conn", connection->handle),
                  LOG_U64("status", result.close), LOG_END);
    }
    if (result.close != 0) {
        (void)end_with(connection, ws, result.close);
        return result.payload > 0 ? (ssize_t)result.payload : TRANSPORT_CLOSED;
    }
    if (result.used < len)
        ws->held = bytes_new(data + result.used, len - result.used);
    return result.payload > 0 ? (ssize_t)result.payload : TRANSPORT_AGAIN;
}

/* Reads behind what is held, into data of len bytes, and decodes. */
static ssize_t
read_into(struct connection *connection, struct ws *ws, uint8_t *data, size_t len)
{
    size_t held = ws->held != NULL ? ws->held->len : 0;
    if (held > 0)
        memcpy(data, ws->held->data, held);
    ssize_t n = lower_read(connection, ws, data + held, len - held);
    if (n < 0)
        return n;
    drop(&ws->held);
    return decode(connection, ws, data, held + (size_t)n);
}

static ssize_t
ws_read(struct connection *connection, uint8_t *data, size_t len)
{
    struct ws *ws = connection->transport_state;
    if (ws == NULL)
        ws = connection->transport_state = mem_zalloc(sizeof(*ws));
    if (ws->is_over) { /* lingering */
        ssize_t n = connection->state < CONNECTION_DYING ? TRANSPORT_CLOSED
                                                         : lower_read(connection, ws, data, len);
        return n > 0 ? TRANSPORT_AGAIN : n;
    }
    if (ws->is_open && len >= SMALL_READ)
        return read_into(connection, ws, data, len);
    if (!ws->is_open && len >= WEBSOCKET_UPGRADE_HEAD_MAX + SMALL_READ)
        return read_into(connection, ws, data, len);
    /* What is held leaves no room: no more is read than payload could fit. A request head is only
     * read into the worker's buffer, which is larger. */
    uint8_t small[WEBSOCKET_KEEP_MAX + SMALL_READ];
    size_t held = ws->held != NULL ? ws->held->len : 0;
    size_t most = len < SMALL_READ ? len : SMALL_READ;
    if (!ws->is_open || held + most > sizeof(small))
        return TRANSPORT_CLOSED;
    ssize_t n = read_into(connection, ws, small, held + most);
    if (n > 0)
        memcpy(data, small, (size_t)n);
    return n;
}

static bool
ws_has_input(const struct connection *connection)
{
    const struct ws *ws = connection->transport_state;
    if (ws == NULL)
        return false;
    return (ws->is_over && connection->state < CONNECTION_DYING) ||
           (ws->stream != NULL && tls_stream_has_input(ws->stream));
}

static void
ws_shutdown(struct connection *connection)
{
    struct ws *ws = connection->transport_state;
    if (ws == NULL)
        return;
    send_close(connection, ws, WEBSOCKET_NORMAL);
    ws->is_shut = true;
    if (ws->rest == NULL) /* else on_writable goes on */
        end_sending(connection, ws);
}

static void
ws_fini(struct connection *connection)
{
    struct ws *ws = connection->transport_state;
    if (ws == NULL)
        return;
    if (ws->rest == NULL && !ws->is_over && ws->is_open && ws->frame_left == 0) {
        uint8_t frame[4];
        (void)lower_write(connection, ws, frame, websocket_close_frame(WEBSOCKET_NORMAL, frame));
    }
    if (ws->stream != NULL)
        tls_stream_shutdown(ws->stream);
    tls_stream_free(ws->stream);
    drop(&ws->held);
    drop(&ws->rest);
    drop(&ws->pong);
    mem_free(ws);
    connection->transport_state = NULL;
}

static bool
ws_user(const struct connection *connection, char *name, struct slice *out)
{
    const struct ws *ws = connection->transport_state;
    return ws != NULL && ws->stream != NULL && tls_stream_user(ws->stream, name, out);
}

const struct transport transport_ws = {.name = "ws",
                                       .read = ws_read,
                                       .writev = ws_writev,
                                       .has_input = ws_has_input,
                                       .on_writable = ws_on_writable,
                                       .shutdown = ws_shutdown,
                                       .fini = ws_fini};
const struct transport transport_wss = {.name = "wss",
                                        .has_tls = true,
                                        .read = ws_read,
                                        .writev = ws_writev,
                                        .has_input = ws_has_input,
                                        .on_writable = ws_on_writable,
                                        .shutdown = ws_shutdown,
                                        .fini = ws_fini,
                                        .user = ws_user};
