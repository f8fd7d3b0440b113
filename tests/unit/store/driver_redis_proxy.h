/* SPDX-License-Identifier: Apache-2.0 */
/* Between driver and server: passes bytes on until it is told to cut, at any byte of a request or
 * before an answer. A thread of its own; sockets are UNIX ones. */
#ifndef SLUICE_TESTS_DRIVER_REDIS_PROXY_H
#define SLUICE_TESTS_DRIVER_REDIS_PROXY_H

#include "tests/unit/store/driver_redis_kit.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/un.h>

#define PROXY_PAIRS 8

struct proxy {
    char socket[80];
    const char *target;
    int listener;
    pthread_t thread;
    atomic_bool stop;
    _Atomic int64_t requests_left; /* bytes of requests that still pass, then all is cut; -1: all */
    atomic_bool lose_answer;       /* the next answer cuts instead of passing */
    atomic_int cuts;
    int pairs[PROXY_PAIRS][2]; /* client, server; -1: free */
};

static inline int
unix_connect(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)(void *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void
proxy_drop(int pair[2])
{
    if (pair[0] >= 0)
        close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
    pair[0] = pair[1] = -1;
}

static inline void
proxy_cut(struct proxy *p)
{
    size_t i;
    for (i = 0; i < PROXY_PAIRS; i++)
        proxy_drop(p->pairs[i]);
    atomic_store(&p->requests_left, -1);
    atomic_store(&p->lose_answer, false);
    atomic_fetch_add(&p->cuts, 1);
}

/* From one side to the other; side 0 is the client's. */
static inline void
proxy_pass(struct proxy *p, size_t i, int side)
{
    char bytes[16384];
    ssize_t n = read(p->pairs[i][side], bytes, sizeof(bytes));
    int64_t left = atomic_load(&p->requests_left);
    if (n <= 0) {
        proxy_drop(p->pairs[i]);
        return;
    }
    if (side == 1 && atomic_load(&p->lose_answer)) {
        proxy_cut(p);
        return;
    }
    if (side == 0 && left >= 0 && n >= left) {
        (void)!write(p->pairs[i][1], bytes, (size_t)left);
        proxy_cut(p);
        return;
    }
    if (side == 0 && left >= 0)
        atomic_store(&p->requests_left, left - n);
    if (write(p->pairs[i][1 - side], bytes, (size_t)n) != n)
        proxy_drop(p->pairs[i]);
}

static inline void
proxy_accept(struct proxy *p)
{
    int client = accept(p->listener, NULL, NULL);
    size_t i = 0;
    while (i < PROXY_PAIRS && p->pairs[i][0] >= 0)
        i++;
    if (client < 0 || i == PROXY_PAIRS) {
        if (client >= 0)
            close(client);
        return;
    }
    p->pairs[i][0] = client;
    p->pairs[i][1] = unix_connect(p->target);
    if (p->pairs[i][1] < 0)
        proxy_drop(p->pairs[i]);
}

static inline void *
proxy_run(void *arg)
{
    struct proxy *p = arg;
    while (!atomic_load(&p->stop)) {
        struct pollfd fds[1 + 2 * PROXY_PAIRS] = {{.fd = p->listener, .events = POLLIN}};
        size_t i;
        for (i = 0; i < 2 * PROXY_PAIRS; i++)
            fds[1 + i] = (struct pollfd){.fd = p->pairs[i / 2][i % 2], .events = POLLIN};
        if (poll(fds, 1 + 2 * PROXY_PAIRS, 20) <= 0)
            continue;
        if (fds[0].revents != 0)
            proxy_accept(p);
        for (i = 0; i < 2 * PROXY_PAIRS; i++) {
            if (fds[1 + i].revents != 0 && p->pairs[i / 2][i % 2] == fds[1 + i].fd &&
                fds[1 + i].fd >= 0)
                proxy_pass(p, i / 2, (int)(i % 2));
        }
    }
    return NULL;
}

static inline void
proxy_start(struct proxy *p, const struct redis *redis)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t i;
    memset(p, 0, sizeof(*p));
    snprintf(p->socket, sizeof(p->socket), "%s/proxy", redis->dir);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", p->socket);
    p->target = redis->socket;
    atomic_store(&p->requests_left, -1);
    for (i = 0; i < PROXY_PAIRS; i++)
        p->pairs[i][0] = p->pairs[i][1] = -1;
    (void)unlink(p->socket);
    p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(p->listener, (struct sockaddr *)(void *)&at, sizeof(at)) == 0 &&
             listen(p->listener, 16) == 0,
         "a proxy");
    must(pthread_create(&p->thread, NULL, proxy_run, p) == 0, "a thread");
}

static inline void
proxy_end(struct proxy *p)
{
    size_t i;
    atomic_store(&p->stop, true);
    pthread_join(p->thread, NULL);
    for (i = 0; i < PROXY_PAIRS; i++)
        proxy_drop(p->pairs[i]);
    close(p->listener);
}

#endif
