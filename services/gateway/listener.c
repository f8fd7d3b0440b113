/* SPDX-License-Identifier: Apache-2.0 */
/* See listener.h. */
#include "services/gateway/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/address.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/gateway/access.h"
#include "services/gateway/connection_limits.h"
#include "services/gateway/worker_state.h"

#define BACKLOG          4096
#define ACCEPTS_PER_TURN 64
#define PAUSE_MS         100u

static const struct {
    const char *name;
    const struct transport *transport;
} kinds[LISTENER_KINDS] = {
    [LISTENER_MQTT] = {"mqtt", &transport_tcp}, [LISTENER_TLS] = {"tls", &transport_tls},
    [LISTENER_WS] = {"ws", &transport_ws},      [LISTENER_WSS] = {"wss", &transport_wss},
    [LISTENER_UNIX] = {"unix", &transport_tcp},
};

struct listener {
    struct worker *worker;
    const struct transport *transport;
    enum listener_kind kind;
    struct loop_watch watch;
    struct loop_timer pause;
    struct pace connects;
    struct log_limit limit;
    int fd;
    uint16_t port;
};

const char *
listener_name(enum listener_kind kind)
{
    return kinds[kind].name;
}

const struct transport *
listener_transport(enum listener_kind kind)
{
    return kinds[kind].transport;
}

static void
on_pause_end(void *arg)
{
    struct listener *listener = arg;
    loop_watch_set(&listener->watch, LOOP_READ);
}

/* Who comes too fast waits in the kernel's queue. */
static bool
may_accept(struct listener *listener)
{
    uint64_t now_ms = loop_now_ms(listener->worker->loop);
    uint64_t wait_ms = pace_wait_ms(&listener->connects, now_ms);
    if (listener->transport->has_tls) {
        uint64_t tls_ms = pace_wait_ms(&listener->worker->handshakes, now_ms);
        wait_ms = tls_ms > wait_ms ? tls_ms : wait_ms;
    }
    if (wait_ms == 0)
        return true;
    listener->worker->counts.accepts_paused++;
    loop_watch_set(&listener->watch, 0);
    loop_timer_start(&listener->pause, wait_ms, false);
    return false;
}

/* No descriptor or memory for it: the client stays in the kernel's queue and the watch, which would
 * fire again at once, rests. */
static void
rest(struct listener *listener, int number)
{
    uint64_t suppressed;
    if (log_every(&listener->limit, 5000, &suppressed))
        log_warn("accept_failed", LOG_STR("listener", listener_name(listener->kind)),
                 LOG_ERRNO(number), LOG_U64("suppressed", suppressed), LOG_END);
    loop_watch_set(&listener->watch, 0);
    loop_timer_start(&listener->pause, PAUSE_MS, false);
}

static void
on_ready(void *arg, unsigned ready)
{
    struct listener *listener = arg;
    (void)ready;
    for (int i = 0; i < ACCEPTS_PER_TURN && may_accept(listener); i++) {
        struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
        struct address address;
        socklen_t len = sizeof(from);
        int fd =
            accept4(listener->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if (errno != EAGAIN && errno != EWOULDBLOCK)
                rest(listener, errno);
            return;
        }
        address_from_sockaddr(&address, (struct sockaddr *)&from, len);
        if (access_is_banned_address(listener->worker, &address)) {
            listener->worker->counts.denied_address++;
            close(fd);
            continue;
        }
        if (listener->worker->overload.is_late) {
            connection_limits_shed(listener->worker, &address);
            close(fd);
            continue;
        }
        int one = 1;
        if (listener->kind != LISTENER_UNIX)
            (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (listener->transport->has_tls)
            (void)pace_take(&listener->worker->handshakes, loop_now_ms(listener->worker->loop));
        (void)pace_take(&listener->connects, loop_now_ms(listener->worker->loop));
        if (connection_open(listener->worker, fd, listener->kind, &address) == NULL)
            close(fd);
    }
}

enum err
listener_probe(const char *bind_to, uint16_t port)
{
    struct sockaddr_storage address;
    socklen_t len;
    int one = 1;
    if (address_to_sockaddr(bind_to, port, &address, &len) != OK)
        return ERR_INVALID;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    bool free_port = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
                     bind(fd, (const struct sockaddr *)&address, len) == 0;
    int number = errno;
    close(fd);
    errno = number;
    return free_port ? OK : ERR_IO;
}

struct listener *
listener_adopt(struct worker *worker, enum listener_kind kind, int fd)
{
    struct listener *listener = mem_zalloc(sizeof(*listener));
    listener->worker = worker;
    listener->kind = kind;
    listener->transport = listener_transport(kind);
    listener->fd = fd;
    uint64_t workers = worker->count > 0 ? worker->count : 1;
    pace_init(&listener->connects,
              (uint32_t)((worker->options.listeners[kind].connects + workers - 1) / workers));
    loop_watch_init(&listener->watch, worker->loop, fd, on_ready, listener);
    loop_timer_init(&listener->pause, worker->loop, on_pause_end, listener);
    loop_watch_set(&listener->watch, LOOP_READ);
    return listener;
}

enum err
listener_open(struct worker *worker, enum listener_kind kind, const char *bind_to, uint16_t port,
              struct listener **out)
{
    struct sockaddr_storage address;
    struct address bound;
    socklen_t len;
    int one = 1, zero = 0;
    if (address_to_sockaddr(bind_to, port, &address, &len) != OK)
        return ERR_INVALID;
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_IO;
    if (address.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0 ||
        bind(fd, (const struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        int number = errno;
        close(fd);
        errno = number;
        return ERR_IO;
    }
    struct listener *listener = listener_adopt(worker, kind, fd);
    address_from_sockaddr(&bound, (const struct sockaddr *)&address, len);
    listener->port = bound.port;
    *out = listener;
    return OK;
}

uint16_t
listener_port(const struct listener *listener)
{
    return listener->port;
}

void
listener_close(struct listener *listener)
{
    if (listener == NULL)
        return;
    loop_timer_fini(&listener->pause);
    loop_watch_fini(&listener->watch);
    close(listener->fd);
    mem_free(listener);
}
