/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reconnect storm: opens clients (MQTT 3.1.1, user name and password, one subscription each),
 * waits, then cuts them all and connects them again at once. It says what it did on stdout, one
 * line each, and takes commands on stdin:
 *
 *     storm PORT      cut all and connect them to PORT, as fast as the machine allows
 *     quit
 *
 * A connection that is refused or lost on its way is tried again after 500 ms to 1 s. Options:
 *   -p port  -n clients  -a at once at the beginning (later: all)  -u users (client i is user i %
 * users, "storm%d" with password "pw%d")  -e over TLS  -r resume TLS sessions  -t seconds for one
 * storm
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { OFF, DIALING, SHAKING, WAITING_CONNACK, WAITING_SUBACK, READY };

struct client {
    int fd, id;
    enum state state;
    uint64_t begun_us, retry_us;
    SSL *ssl;
    SSL_SESSION *session;
    unsigned wanted;
    uint8_t in[64];
    size_t in_len;
};

static struct client *clients;
static int n = 1000, at_once = 100, users = 100, port = 1883, ep, timeout_s = 120, resume;
static int ready, under_way, tries, refused, lost;
static uint32_t *took_us;
static size_t took_count;
static SSL_CTX *tls;

static uint64_t
now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
watch(struct client *c, unsigned wanted)
{
    struct epoll_event event = {.events = wanted, .data.ptr = c};
    if (c->wanted != wanted)
        epoll_ctl(ep, c->wanted == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, c->fd, &event);
    c->wanted = wanted;
}

static void
cut(struct client *c)
{
    if (c->state == READY)
        ready--;
    else if (c->state != OFF)
        under_way--;
    if (c->ssl != NULL)
        SSL_free(c->ssl);
    if (c->fd >= 0)
        close(c->fd);
    c->ssl = NULL;
    c->fd = -1;
    c->state = OFF;
    c->wanted = 0;
    c->in_len = 0;
}

/* On its way or ready, it was lost or refused: again after a while. */
static void
try_later(struct client *c)
{
    lost += c->state != OFF;
    cut(c);
    c->retry_us = now_us() + 500000 + (uint64_t)(rand() % 500000);
}

static size_t
put_text(uint8_t *at, const char *text)
{
    size_t len = strlen(text);
    at[0] = (uint8_t)(len >> 8);
    at[1] = (uint8_t)len;
    memcpy(at + 2, text, len);
    return len + 2;
}

static void
put(struct client *c, uint8_t type, uint8_t *packet, size_t len)
{
    packet[0] = type;
    packet[1] = (uint8_t)(len - 2); /* all are shorter than 128 bytes */
    ssize_t sent = c->ssl != NULL ? SSL_write(c->ssl, packet, (int)len)
                                  : send(c->fd, packet, len, MSG_NOSIGNAL);
    if (sent != (ssize_t)len)
        try_later(c);
}

static void
send_connect(struct client *c)
{
    uint8_t packet[128];
    char text[32];
    size_t len = 2;
    len += put_text(packet + len, "MQTT");
    memcpy(packet + len, "\x04\xc2\x02\x58", 4); /* clean, user, password, 600 s */
    len += 4;
    snprintf(text, sizeof(text), "storm-%d", c->id);
    len += put_text(packet + len, text);
    snprintf(text, sizeof(text), "storm%d", c->id % users);
    len += put_text(packet + len, text);
    snprintf(text, sizeof(text), "pw%d", c->id % users);
    len += put_text(packet + len, text);
    c->state = WAITING_CONNACK;
    put(c, 0x10, packet, len);
}

static void
send_subscribe(struct client *c)
{
    uint8_t packet[128];
    char text[32];
    size_t len = 4;
    packet[2] = 0;
    packet[3] = 1;
    snprintf(text, sizeof(text), "storm/%d", c->id);
    len += put_text(packet + len, text);
    packet[len++] = 0;
    c->state = WAITING_SUBACK;
    put(c, 0x82, packet, len);
}

static void
dial(struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        perror("socket");
        exit(2);
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->begun_us = now_us();
    c->state = DIALING;
    under_way++;
    tries++;
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)
        try_later(c);
    else
        watch(c, EPOLLOUT);
}

static void
shake(struct client *c)
{
    if (c->ssl == NULL) {
        c->ssl = SSL_new(tls);
        SSL_set_fd(c->ssl, c->fd);
        SSL_set_connect_state(c->ssl);
        if (resume && c->session != NULL)
            SSL_set_session(c->ssl, c->session);
    }
    int result = SSL_do_handshake(c->ssl);
    if (result == 1) {
        send_connect(c);
        return;
    }
    int why = SSL_get_error(c->ssl, result);
    if (why == SSL_ERROR_WANT_READ)
        watch(c, EPOLLIN);
    else if (why == SSL_ERROR_WANT_WRITE)
        watch(c, EPOLLOUT);
    else
        try_later(c);
}

static void
on_packet(struct client *c)
{
    if (c->in[0] == 0x20 && c->state == WAITING_CONNACK) {
        if (c->in[3] == 0) {
            send_subscribe(c);
            return;
        }
        refused++;
        try_later(c);
    } else if (c->in[0] == 0x90 && c->state == WAITING_SUBACK) {
        took_us[took_count++] = (uint32_t)(now_us() - c->begun_us);
        c->state = READY;
        under_way--;
        ready++;
        if (resume && c->ssl != NULL) {
            SSL_SESSION_free(c->session);
            c->session = SSL_get1_session(c->ssl);
        }
    }
}

static void
on_readable(struct client *c)
{
    ssize_t len = c->ssl != NULL
                      ? SSL_read(c->ssl, c->in + c->in_len, (int)(sizeof(c->in) - c->in_len))
                      : recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (len <= 0) {
        if (c->ssl != NULL ? SSL_get_error(c->ssl, (int)len) == SSL_ERROR_WANT_READ
                           : len < 0 && errno == EAGAIN)
            return;
        try_later(c);
        return;
    }
    c->in_len += (size_t)len;
    while (c->state != OFF && c->in_len >= 2 && c->in_len >= 2u + c->in[1]) {
        size_t whole = 2u + c->in[1];
        on_packet(c);
        if (c->state == OFF)
            return;
        c->in_len -= whole;
        memmove(c->in, c->in + whole, c->in_len);
    }
}

static void
on_event(struct client *c, unsigned events)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (c->state == DIALING) {
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
            try_later(c);
            return;
        }
        c->state = SHAKING;
        watch(c, EPOLLIN);
        if (tls == NULL)
            send_connect(c);
    }
    if (c->state == SHAKING)
        shake(c);
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(c);
    if (c->state > SHAKING)
        watch(c, EPOLLIN);
}

/* Turns the loop for a moment. */
static void
turn(int wait_ms)
{
    struct epoll_event events[256];
    int count = epoll_wait(ep, events, 256, wait_ms);
    for (int i = 0; i < count; i++)
        if (((struct client *)events[i].data.ptr)->state != OFF)
            on_event(events[i].data.ptr, events[i].events);
}

static int
by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Connects all that are off, so many at a time. */
static void
connect_all(const char *what, int most)
{
    uint64_t begun_us = now_us(), end_us = begun_us + (uint64_t)timeout_s * 1000000;
    tries = refused = lost = 0;
    took_count = 0;
    while (ready < n && now_us() < end_us) {
        uint64_t now = now_us();
        int dialed = 0;
        for (int i = 0; i < n && under_way < most && dialed < 500; i++) {
            if (clients[i].state != OFF || clients[i].retry_us > now)
                continue;
            dial(&clients[i]);
            dialed++;
        }
        turn(dialed == 500 ? 0 : 5);
    }
    qsort(took_us, took_count, sizeof(*took_us), by_size);
    printf(
        "%s ready %d of %d seconds %.2f tries %d refused %d lost %d p50_ms %.1f p99_ms %.1f max_ms "
        "%.1f\n",
        what, ready, n, (double)(now_us() - begun_us) / 1e6, tries, refused, lost,
        took_count ? took_us[took_count / 2] / 1e3 : 0,
        took_count ? took_us[took_count * 99 / 100] / 1e3 : 0,
        took_count ? took_us[took_count - 1] / 1e3 : 0);
    fflush(stdout);
}

static void
start_tls(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL); /* load, not trust, is what this is about */
}

int
main(int argc, char **argv)
{
    char line[64];
    int option;
    while ((option = getopt(argc, argv, "p:n:a:u:ert:")) != -1)
        switch (option) {
        case 'p':
            port = atoi(optarg);
            break;
        case 'n':
            n = atoi(optarg);
            break;
        case 'a':
            at_once = atoi(optarg);
            break;
        case 'u':
            users = atoi(optarg);
            break;
        case 'e':
            start_tls();
            break;
        case 'r':
            resume = 1;
            break;
        case 't':
            timeout_s = atoi(optarg);
            break;
        default:
            return 1;
        }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    ep = epoll_create1(0);
    clients = calloc((size_t)n, sizeof(*clients));
    took_us = calloc((size_t)n * 2, sizeof(*took_us));
    for (int i = 0; i < n; i++)
        clients[i] = (struct client){.fd = -1, .id = i};
    connect_all("first", at_once);
    for (;;) {
        struct pollfd in = {.fd = 0, .events = POLLIN};
        turn(20);
        if (poll(&in, 1, 0) == 0)
            continue;
        if (fgets(line, sizeof(line), stdin) == NULL || strncmp(line, "storm ", 6) != 0)
            return 0;
        port = atoi(line + 6);
        for (int i = 0; i < n; i++) {
            cut(&clients[i]);
            clients[i].retry_us = 0;
        }
        connect_all("storm", n);
    }
}
