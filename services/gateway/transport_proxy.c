/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first bytes of a connection through a listener with a balancer in front: see transport.h for
 * what a transport is and proxy_header.h for the bytes. A trusted balancer must send a header;
 * nobody else may, and who does not send one there is served as itself. Exactly the header is taken
 * off the descriptor: what follows belongs to the transport that takes over.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "common/mem.h"
#include "services/gateway/connection.h"
#include "services/gateway/proxy_header.h"
#include "services/gateway/worker_state.h"

#define LOG_EVERY_MS 5000u

/* Part of a header. */
struct held {
    size_t len;
    uint8_t bytes[];
};

enum refusal { SPOOFED, MISSING, MALFORMED, REFUSALS };

static ssize_t
refuse(struct connection *connection, enum refusal why)
{
    static const char *const reasons[REFUSALS] = {"proxy_spoofed", "proxy_missing",
                                                  "proxy_malformed"};
    static struct log_limit limits[REFUSALS];
    char address[ADDRESS_TEXT_MAX];
    uint64_t suppressed;
    connection->worker->counts.proxy_refused[why]++;
    address_format(&connection->address, address);
    if (log_every(&limits[why], LOG_EVERY_MS, &suppressed))
        log_warn("connection_refused", LOG_STR("reason", reasons[why]),
                 LOG_STR("address", (const char *)address),
                 LOG_STR("listener", listener_name((enum listener_kind)connection->listener)),
                 LOG_U64("suppressed", suppressed), LOG_END);
    return TRANSPORT_CLOSED;
}

static void
forget(struct connection *connection)
{
    mem_free(connection->transport_state);
    connection->transport_state = NULL;
}

/* Takes len bytes off the descriptor that were looked at before. */
static bool
take(struct connection *connection, uint8_t *data, size_t len)
{
    ssize_t n;
    do {
        n = recv(connection->fd, data, len, 0);
    } while (n < 0 && errno == EINTR);
    return n >= 0 && (size_t)n == len;
}

static ssize_t
hand_over(struct connection *connection, uint8_t *data, size_t len)
{
    forget(connection);
    connection->transport = listener_transport((enum listener_kind)connection->listener);
    return connection->transport->read(connection, data, len);
}

static void
adopt(struct connection *connection, const struct proxy_header *header)
{
    if (header->has_source)
        connection->address = header->source;
    if (header->user.len > 0 && connection->worker->options.proxy_identity)
        connection->proxy_user = slice_dup(header->user);
}

static ssize_t
proxy_read(struct connection *connection, uint8_t *data, size_t len)
{
    const struct worker_options *options = &connection->worker->options;
    const struct held *held = connection->transport_state;
    size_t have = held != NULL ? held->len : 0;
    uint8_t bytes[PROXY_HEADER_MAX];
    struct proxy_header header;
    ssize_t n;
    if (have > 0)
        memcpy(bytes, held->bytes, have);
    do {
        n = recv(connection->fd, bytes + have, sizeof(bytes) - have, MSG_PEEK);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return TRANSPORT_AGAIN;
    if (n <= 0)
        return TRANSPORT_CLOSED;
    struct slice all = slice_of(bytes, have + (size_t)n);
    if (!address_is_in(&connection->address, options->trusted, options->trusted_count))
        return proxy_header_begins(all) ? refuse(connection, SPOOFED)
                                        : hand_over(connection, data, len);
    enum err err = proxy_header_decode(all, &header);
    if (err != OK && err != ERR_AGAIN)
        return refuse(connection, have == 0 && !proxy_header_begins(all) ? MISSING : MALFORMED);
    if (!take(connection, bytes + have, (err == OK ? header.len : all.len) - have))
        return TRANSPORT_CLOSED;
    if (err == OK) {
        adopt(connection, &header);
        return hand_over(connection, data, len);
    }
    struct held *more = mem_realloc(connection->transport_state, sizeof(*more) + all.len);
    memcpy(more->bytes + have, bytes + have, all.len - have);
    more->len = all.len;
    connection->transport_state = more;
    return TRANSPORT_AGAIN;
}

/* Nothing is said before it is known who listens. */
static ssize_t
proxy_writev(struct connection *connection, const struct iovec *iov, int count)
{
    (void)connection;
    (void)iov;
    (void)count;
    return TRANSPORT_AGAIN;
}

const struct transport transport_proxy = {.name = "proxy",
                                          .read = proxy_read,
                                          .writev = proxy_writev,
                                          .shutdown = forget,
                                          .fini = forget};
