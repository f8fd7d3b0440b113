/* SPDX-License-Identifier: Apache-2.0 */
/* Plain TCP: see transport.h. */
#include "services/gateway/transport.h"

#include <errno.h>
#include <sys/socket.h>

#include "services/gateway/connection.h"

ssize_t
transport_tcp_read(struct connection *connection, uint8_t *data, size_t len)
{
    ssize_t n;
    do {
        n = recv(connection->fd, data, len, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        return n;
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? TRANSPORT_AGAIN : TRANSPORT_CLOSED;
}

ssize_t
transport_tcp_writev(struct connection *connection, const struct iovec *iov, int count)
{
    ssize_t n;
    do {
        if (count == 1) {
            n = send(connection->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL);
        } else {
            union {
                const struct iovec *in;
                struct iovec *out;
            } pieces = {.in = iov}; /* struct msghdr has no const; sendmsg only reads */
            struct msghdr message = {.msg_iov = pieces.out, .msg_iovlen = (size_t)count};
            n = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
        }
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK ? TRANSPORT_AGAIN : TRANSPORT_CLOSED;
}

static void
tcp_shutdown(struct connection *connection)
{
    (void)shutdown(connection->fd, SHUT_WR);
}

const struct transport transport_tcp = {.name = "tcp",
                                        .read = transport_tcp_read,
                                        .writev = transport_tcp_writev,
                                        .shutdown = tcp_shutdown};
