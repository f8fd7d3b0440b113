/* SPDX-License-Identifier: Apache-2.0 */
/* The probes' server. One request per connection: read a head, write an answer, wait for the far
 * end to close. That leaves no state between requests and bounds every connection by one deadline,
 * which libevent's evhttp cannot promise (it has no limit on connections). */
#include "common/http.h"

#include "common/address.h"
#include "common/clock.h"
#include "common/http_request.h"
#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTP_HANDLERS_MAX 16
#define HTTP_BACKLOG      64

enum http_state { HTTP_READING, HTTP_WRITING, HTTP_CLOSING };

struct http_connection {
    struct http_connection *next;
    struct http *http;
    int fd;
    enum http_state state;
    uint64_t deadline_ms;
    struct buf in;
    struct buf out;
    struct loop_watch watch;
};

struct http_handler {
    char *path;
    http_fn fn;
    void *arg;
};

struct http {
    struct loop *loop;
    struct http_config config;
    uint64_t start_ms;
    int fd;
    uint16_t port;
    struct loop_watch watch;
    struct loop_timer timer; /* once a second while there are connections */
    struct http_connection *connections;
    size_t connection_count;
    struct http_handler handlers[HTTP_HANDLERS_MAX];
    size_t handler_count;
};

void
http_json_string(struct buf *out, struct slice text)
{
    size_t at = 0;
    buf_put_u8(out, '"');
    while (at < text.len) {
        const uint8_t *c = text.data + at;
        size_t n = str_utf8_char(c, text.len - at);
        if (n == 0)
            buf_append_cstr(out, "\xef\xbf\xbd");
        else if (*c == '"' || *c == '\\')
            buf_printf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            buf_printf(out, "\\u%04x", *c);
        else
            buf_append(out, c, n);
        at += n != 0 ? n : 1;
    }
    buf_put_u8(out, '"');
}

static int
http_livez(void *arg, const char *query, struct buf *body, const char **content_type)
{
    (void)arg;
    (void)query;
    (void)content_type;
    buf_append_cstr(body, "ok\n");
    return 200;
}

static int
http_readyz(void *arg, const char *query, struct buf *body, const char **content_type)
{
    struct http *http = arg;
    bool ready = http->config.ready == NULL || http->config.ready(http->config.arg);
    (void)query;
    (void)content_type;
    buf_append_cstr(body, ready ? "ready\n" : "not ready\n");
    return ready ? 200 : 503;
}

/* Details come first from the callback, for only it knows the status that opens the object. */
static int
http_healthz(void *arg, const char *query, struct buf *body, const char **content_type)
{
    struct http *http = arg;
    struct buf details;
    bool healthy = true;
    (void)query;
    buf_init(&details, HTTP_BODY_MAX / 2);
    if (http->config.health != NULL)
        healthy = http->config.health(http->config.arg, &details);
    *content_type = "application/json";
    buf_printf(body, "{\"status\":\"%s\",\"program\":", healthy ? "ok" : "degraded");
    http_json_string(body, slice_cstr(http->config.program));
    buf_append_cstr(body, ",\"version\":");
    http_json_string(body, slice_cstr(http->config.version));
    buf_printf(body, ",\"uptime_s\":%llu",
               (unsigned long long)((clock_monotonic_ms() - http->start_ms) / 1000));
    buf_append_slice(body, buf_slice(&details));
    buf_append_cstr(body, "}\n");
    buf_fini(&details);
    return 200;
}

static int
http_metrics(void *arg, const char *query, struct buf *body, const char **content_type)
{
    struct http *http = arg;
    (void)query;
    *content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_render(http->config.metrics, body);
    return 200;
}

static void
http_connection_free(struct http_connection *connection)
{
    struct http *http = connection->http;
    struct http_connection **link = &http->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    http->connection_count--;
    loop_watch_fini(&connection->watch);
    close(connection->fd);
    buf_fini(&connection->in);
    buf_fini(&connection->out);
    mem_free(connection);
}

static void
http_answer(struct http_connection *connection, int status, const char *content_type,
            struct slice body, bool with_body)
{
    buf_printf(&connection->out,
               "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
               "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
               "Connection: close\r\n%s\r\n",
               status, http_request_reason(status), content_type, body.len,
               status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (with_body)
        buf_append_slice(&connection->out, body);
    connection->state = HTTP_WRITING;
}

static void
http_answer_error(struct http_connection *connection, int status)
{
    const char *reason = http_request_reason(status);
    char body[64];
    str_format(body, sizeof(body), "%s\n", reason);
    http_answer(connection, status, "text/plain; charset=utf-8", slice_cstr(body), true);
}

static void
http_serve(struct http_connection *connection, const struct http_request *request)
{
    struct http *http = connection->http;
    const char *content_type = "text/plain; charset=utf-8";
    bool head = slice_equal_cstr(request->method, "HEAD");
    struct buf body;
    char *query;
    size_t i;
    int status;
    if (!head && !slice_equal_cstr(request->method, "GET")) {
        http_answer_error(connection, 405);
        return;
    }
    for (i = 0; i < http->handler_count; i++) {
        if (slice_equal_cstr(request->path, http->handlers[i].path))
            break;
    }
    if (i == http->handler_count) {
        http_answer_error(connection, 404);
        return;
    }
    buf_init(&body, HTTP_BODY_MAX);
    query = slice_dup(request->query);
    status = http->handlers[i].fn(http->handlers[i].arg, query, &body, &content_type);
    if (buf_error(&body) == OK)
        http_answer(connection, status, content_type, buf_slice(&body), !head);
    else
        http_answer_error(connection, 500);
    mem_free(query);
    buf_fini(&body);
}

/* False when the connection has ended. */
static bool
http_read(struct http_connection *connection)
{
    struct http_request request;
    uint8_t chunk[4096];
    ssize_t n = recv(connection->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    if (connection->state != HTTP_READING)
        return true; /* bytes behind the head: a body nobody asked for */
    buf_append(&connection->in, chunk, (size_t)n);
    switch (http_request_decode(buf_slice(&connection->in), &request)) {
    case OK:
        http_serve(connection, &request);
        break;
    case ERR_AGAIN:
        if (buf_error(&connection->in) != OK || buf_len(&connection->in) >= HTTP_HEADERS_MAX)
            http_answer_error(connection, 431);
        break;
    case ERR_VERSION:
        http_answer_error(connection, 505);
        break;
    default:
        http_answer_error(connection, 400);
        break;
    }
    return true;
}

/* Our side is shut down after the answer, and the far end's close awaited: closing with unread
 * bytes would reset the connection and could take the answer with it. */
static bool
http_write(struct http_connection *connection)
{
    struct slice left = buf_slice(&connection->out);
    if (left.len != 0) {
        ssize_t n = send(connection->fd, left.data, left.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        buf_consume(&connection->out, (size_t)n);
    }
    if (buf_len(&connection->out) == 0) {
        connection->state = HTTP_CLOSING;
        shutdown(connection->fd, SHUT_WR);
    }
    return true;
}

static void
http_connection_ready(void *arg, unsigned ready)
{
    struct http_connection *connection = arg;
    bool alive = true;
    if ((ready & LOOP_READ) != 0)
        alive = http_read(connection);
    if (alive && connection->state == HTTP_WRITING)
        alive = http_write(connection);
    if (!alive) {
        http_connection_free(connection);
        return;
    }
    loop_watch_set(&connection->watch, connection->state == HTTP_WRITING ? LOOP_WRITE : LOOP_READ);
}

static void
http_accept(void *arg, unsigned ready)
{
    struct http *http = arg;
    struct http_connection *connection;
    int fd = accept4(http->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)ready;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
        loop_watch_set(&http->watch, 0); /* the timer tries again */
        loop_timer_start(&http->timer, 1000, true);
    }
    if (fd < 0)
        return;
    if (http->connection_count >= HTTP_CONNECTIONS_MAX) {
        close(fd);
        return;
    }
    connection = mem_zalloc(sizeof(*connection));
    connection->http = http;
    connection->fd = fd;
    connection->deadline_ms = loop_now_ms(http->loop) + HTTP_TIMEOUT_S * 1000;
    buf_init(&connection->in, HTTP_HEADERS_MAX);
    buf_init(&connection->out, HTTP_BODY_MAX + 1024);
    connection->next = http->connections;
    http->connections = connection;
    http->connection_count++;
    loop_watch_init(&connection->watch, http->loop, fd, http_connection_ready, connection);
    loop_watch_set(&connection->watch, LOOP_READ);
    if (!loop_timer_is_started(&http->timer))
        loop_timer_start(&http->timer, 1000, true);
}

static void
http_tick(void *arg)
{
    struct http *http = arg;
    struct http_connection *connection = http->connections;
    uint64_t now = loop_now_ms(http->loop);
    while (connection != NULL) {
        struct http_connection *next = connection->next;
        if (connection->deadline_ms <= now)
            http_connection_free(connection);
        connection = next;
    }
    loop_watch_set(&http->watch, LOOP_READ);
    if (http->connections == NULL)
        loop_timer_stop(&http->timer);
}

static uint16_t
http_bound_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    struct address bound;
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return 0;
    address_from_sockaddr(&bound, (const struct sockaddr *)&address, len);
    return bound.port;
}

static int
http_listen(const char *bind_address, uint16_t port)
{
    static const int one = 1, zero = 0;
    struct sockaddr_storage address;
    socklen_t len;
    int fd, failure;
    errno = EADDRNOTAVAIL;
    if (address_to_sockaddr(bind_address, port, &address, &len) != OK)
        return -1;
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (address.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, (const struct sockaddr *)&address, len) == 0 && listen(fd, HTTP_BACKLOG) == 0)
        return fd;
    failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

enum err
http_open(struct loop *loop, const struct http_config *config, struct http **out)
{
    struct http *http;
    int fd = http_listen(config->bind, config->port);
    if (fd < 0)
        return ERR_IO;
    http = mem_zalloc(sizeof(*http));
    http->loop = loop;
    http->config = *config;
    http->start_ms = clock_monotonic_ms();
    http->fd = fd;
    http->port = http_bound_port(fd);
    http_on(http, "/livez", http_livez, http);
    http_on(http, "/readyz", http_readyz, http);
    http_on(http, "/healthz", http_healthz, http);
    if (config->metrics != NULL)
        http_on(http, "/metrics", http_metrics, http);
    loop_timer_init(&http->timer, loop, http_tick, http);
    loop_watch_init(&http->watch, loop, fd, http_accept, http);
    loop_watch_set(&http->watch, LOOP_READ);
    *out = http;
    return OK;
}

void
http_close(struct http *http)
{
    size_t i;
    if (http == NULL)
        return;
    while (http->connections != NULL)
        http_connection_free(http->connections);
    for (i = 0; i < http->handler_count; i++)
        mem_free(http->handlers[i].path);
    loop_timer_fini(&http->timer);
    loop_watch_fini(&http->watch);
    close(http->fd);
    mem_free(http);
}

uint16_t
http_port(const struct http *http)
{
    return http->port;
}

void
http_on(struct http *http, const char *path, http_fn fn, void *arg)
{
    size_t i;
    for (i = 0; i < http->handler_count; i++) {
        if (strcmp(http->handlers[i].path, path) == 0)
            break;
    }
    assert(i < HTTP_HANDLERS_MAX);
    if (i == http->handler_count)
        http->handlers[http->handler_count++].path = mem_strdup(path);
    http->handlers[i].fn = fn;
    http->handlers[i].arg = arg;
}
