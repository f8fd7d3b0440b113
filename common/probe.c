/* SPDX-License-Identifier: Apache-2.0 */
/* The client side of http.c, for `--probe`. */
#include "common/probe.h"

#include "common/address.h"
#include "common/str.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Where a program that listens on all addresses is found from here. */
static void
probe_here(struct sockaddr_storage *address)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    if (address->ss_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY))
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (address->ss_family == AF_INET6 &&
             memcmp(&v6->sin6_addr, &in6addr_any, sizeof(in6addr_any)) == 0)
        v6->sin6_addr = in6addr_loopback;
}

/* The whole answer, until the far end closes. */
static enum err
probe_talk(int fd, const char *request, struct buf *answer)
{
    char chunk[4096];
    size_t len = strlen(request), sent = 0;
    ssize_t n;
    while (sent < len) {
        n = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return ERR_IO;
        sent += (size_t)n;
    }
    while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0 && buf_error(answer) == OK)
        buf_append(answer, chunk, (size_t)n);
    return n == 0 && buf_error(answer) == OK ? OK : ERR_IO;
}

/* "HTTP/1.1 200 OK", head, empty line, body. */
static enum err
probe_read(struct slice answer, struct buf *body)
{
    static const char version[] = "HTTP/1.1 ";
    const size_t status_at = sizeof(version) - 1;
    const uint8_t *end;
    if (answer.len < status_at + 3 || memcmp(answer.data, version, status_at) != 0)
        return ERR_MALFORMED;
    end = memmem(answer.data, answer.len, "\r\n\r\n", 4);
    if (end == NULL)
        return ERR_MALFORMED;
    buf_append_slice(body, slice_sub(answer, (size_t)(end - answer.data) + 4, answer.len));
    return memcmp(answer.data + status_at, "200", 3) == 0 ? OK : ERR_UNAVAILABLE;
}

enum err
probe_ask(const char *bind, uint16_t port, const char *path, struct buf *body)
{
    const struct timeval timeout = {.tv_sec = PROBE_TIMEOUT_MS / 1000,
                                    .tv_usec = PROBE_TIMEOUT_MS % 1000 * 1000};
    struct sockaddr_storage address;
    socklen_t address_len;
    struct buf answer;
    char request[512];
    enum err err = ERR_IO;
    int fd;
    if (path[0] != '/' || strlen(path) > 255 || strpbrk(path, " \r\n") != NULL ||
        address_to_sockaddr(bind, port, &address, &address_len) != OK)
        return ERR_MALFORMED;
    probe_here(&address);
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    str_format(request, sizeof(request),
               "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    buf_init(&answer, 8u * 1024 * 1024 + 16384);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0 &&
        connect(fd, (const struct sockaddr *)&address, address_len) == 0)
        err = probe_talk(fd, request, &answer);
    if (err == OK)
        err = probe_read(buf_slice(&answer), body);
    buf_fini(&answer);
    close(fd);
    return err;
}
