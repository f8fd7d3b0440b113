/* SPDX-License-Identifier: Apache-2.0 */
/* A proxy between the driver and its server that cuts connections where a test says so: before the
 * n-th command, or when a COMMIT has been answered. It reads the frames of the protocol, which
 * begin with their length and a number that is 0 for commands. */
#ifndef SLUICE_TESTS_DRIVER_MYSQL_PROXY_H
#define SLUICE_TESTS_DRIVER_MYSQL_PROXY_H

#include "tests/unit/store/driver_mysql_kit.h"

#include "common/buf.h"

#include <pthread.h>
#include <stdatomic.h>

#define PROXY_PAIRS 16

struct proxy_pair {
    int client, server; /* -1: free */
    struct buf frames;  /* from the client, until they are whole */
    bool losing;        /* a COMMIT is under way whose answer will not arrive */
};

struct proxy {
    int listener;
    unsigned port;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic int cut_in;        /* the so-manieth command from now on does not arrive; 0: none */
    _Atomic bool lose_commit;  /* the next COMMIT arrives, its answer does not */
    _Atomic uint64_t commands; /* seen */
    struct proxy_pair pairs[PROXY_PAIRS];
};

static inline void
proxy_close_pair(struct proxy_pair *pair)
{
    if (pair->client < 0)
        return;
    close(pair->client);
    close(pair->server);
    pair->client = pair->server = -1;
    pair->losing = false;
    buf_fini(&pair->frames);
}

static inline bool
proxy_write(int fd, struct slice bytes)
{
    while (bytes.len != 0) {
        ssize_t n = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes = slice_sub(bytes, (size_t)n, bytes.len);
    }
    return true;
}

static inline void
proxy_accept(struct proxy *proxy)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int i = 0;
    while (i < PROXY_PAIRS && proxy->pairs[i].client >= 0)
        i++;
    if (client < 0 || i == PROXY_PAIRS ||
        connect(server, (struct sockaddr *)&at, sizeof(at)) != 0) {
        close(client);
        close(server);
        return;
    }
    proxy->pairs[i].client = client;
    proxy->pairs[i].server = server;
    buf_init(&proxy->pairs[i].frames, (size_t)64 << 20);
}

/* Whether the command may go on; false: the connection is cut here. */
static inline bool
proxy_command(struct proxy *proxy, struct proxy_pair *pair, struct slice frame)
{
    int left = atomic_load(&proxy->cut_in);
    atomic_fetch_add(&proxy->commands, 1);
    if (left > 0) {
        atomic_store(&proxy->cut_in, left - 1);
        if (left == 1)
            return false;
    }
    if (slice_equal_cstr(slice_sub(frame, 4, frame.len), "\x03"
                                                         "COMMIT") &&
        atomic_exchange(&proxy->lose_commit, false))
        pair->losing = true;
    return true;
}

static inline bool
proxy_from_client(struct proxy *proxy, struct proxy_pair *pair)
{
    uint8_t *to = buf_reserve(&pair->frames, 65536);
    ssize_t n = to != NULL ? recv(pair->client, to, 65536, 0) : -1;
    if (n <= 0)
        return false;
    buf_commit(&pair->frames, (size_t)n);
    for (;;) {
        struct slice all = buf_slice(&pair->frames);
        size_t len;
        if (all.len < 4)
            return true;
        len = 4 + ((size_t)all.data[0] | (size_t)all.data[1] << 8 | (size_t)all.data[2] << 16);
        if (all.len < len)
            return true;
        if (all.data[3] == 0 && !proxy_command(proxy, pair, slice_of(all.data, len)))
            return false;
        if (!proxy_write(pair->server, slice_of(all.data, len)))
            return false;
        buf_consume(&pair->frames, len);
    }
}

static inline bool
proxy_from_server(struct proxy_pair *pair)
{
    uint8_t bytes[65536];
    ssize_t n = recv(pair->server, bytes, sizeof(bytes), 0);
    return n > 0 && !pair->losing && proxy_write(pair->client, slice_of(bytes, (size_t)n));
}

static inline void *
proxy_main(void *arg)
{
    struct proxy *proxy = arg;
    int i;
    while (!atomic_load(&proxy->stop)) {
        struct pollfd fds[1 + 2 * PROXY_PAIRS];
        fds[0] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
        for (i = 0; i < PROXY_PAIRS; i++) {
            fds[1 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].client, .events = POLLIN};
            fds[2 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].server, .events = POLLIN};
        }
        if (poll(fds, 1 + 2 * PROXY_PAIRS, 20) <= 0)
            continue;
        for (i = 0; i < PROXY_PAIRS; i++) {
            struct proxy_pair *pair = &proxy->pairs[i];
            if (pair->client < 0)
                continue;
            if ((fds[1 + 2 * i].revents != 0 && !proxy_from_client(proxy, pair)) ||
                (fds[2 + 2 * i].revents != 0 && !proxy_from_server(pair)))
                proxy_close_pair(pair);
        }
        if (fds[0].revents != 0)
            proxy_accept(proxy);
    }
    for (i = 0; i < PROXY_PAIRS; i++)
        proxy_close_pair(&proxy->pairs[i]);
    close(proxy->listener);
    return NULL;
}

static inline void
proxy_start(struct proxy *proxy)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int i;
    memset(proxy, 0, sizeof(*proxy));
    for (i = 0; i < PROXY_PAIRS; i++)
        proxy->pairs[i].client = proxy->pairs[i].server = -1;
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(proxy->listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
             listen(proxy->listener, 16) == 0 &&
             getsockname(proxy->listener, (struct sockaddr *)&at, &len) == 0,
         "no port for the proxy");
    proxy->port = ntohs(at.sin_port);
    must(pthread_create(&proxy->thread, NULL, proxy_main, proxy) == 0, "no thread");
}

static inline void
proxy_stop(struct proxy *proxy)
{
    atomic_store(&proxy->stop, true);
    pthread_join(proxy->thread, NULL);
}

#endif
