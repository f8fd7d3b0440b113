/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the probes' server over a loopback socket on a free port: the test's loop serves, the
 * test's own socket asks. */
#include "common/http.h"
#include "common/http_request.h"
#include "tests/unit/cunit_main.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop *loop;
static struct http *http;
static struct metrics *metrics;
static bool ready;
static bool healthy;
static char answer[1 << 20];

static bool
is_ready(void *arg)
{
    (void)arg;
    return ready;
}

static bool
health(void *arg, struct buf *json)
{
    (void)arg;
    buf_append_cstr(json, ",\"peers\":3");
    return healthy;
}

static int
echo(void *arg, const char *query, struct buf *body, const char **content_type)
{
    *content_type = arg;
    buf_append_cstr(body, query);
    return 200;
}

static int
too_much(void *arg, const char *query, struct buf *body, const char **content_type)
{
    (void)arg;
    (void)query;
    (void)content_type;
    while (buf_error(body) == OK)
        buf_append_cstr(body, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    return 200;
}

static int
large(void *arg, const char *query, struct buf *body, const char **content_type)
{
    unsigned i;
    (void)arg;
    (void)query;
    (void)content_type;
    for (i = 0; i < 100000; i++)
        buf_append_cstr(body, "12345678");
    return 200;
}

static void
start(void)
{
    const struct http_config config = {.bind = "127.0.0.1",
                                       .program = "test",
                                       .version = "1\"2",
                                       .metrics = metrics = metrics_new(),
                                       .ready = is_ready,
                                       .health = health};
    ready = true;
    healthy = true;
    loop = loop_new();
    CU_ASSERT_EQUAL_FATAL(http_open(loop, &config, &http), OK);
    CU_ASSERT_NOT_EQUAL(http_port(http), 0);
}

static void
stop(void)
{
    http_close(http);
    loop_free(loop);
    metrics_free(metrics);
}

static int
dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_port(http))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Turns the loop until the far end has closed; the whole answer is in `answer`. */
static const char *
finish(int fd)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0)
            len += (size_t)n;
        loop_run_once(loop, false);
    }
    answer[len] = '\0';
    close(fd);
    loop_run_once(loop, false);
    return answer;
}

static const char *
ask(const char *request)
{
    int fd = dial();
    CU_ASSERT_EQUAL(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    return finish(fd);
}

static bool
has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void
probes_answer(void)
{
    start();
    CU_ASSERT(has(ask("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK\r\n"));
    CU_ASSERT(has(answer, "\r\n\r\nok\n"));
    CU_ASSERT(has(ask("GET /readyz HTTP/1.0\r\n\r\n"), " 200 OK\r\n"));
    ready = false;
    CU_ASSERT(has(ask("GET /readyz HTTP/1.1\r\n\r\n"), " 503 Service Unavailable\r\n"));
    CU_ASSERT(has(ask("GET /healthz HTTP/1.1\r\n\r\n"),
                  "{\"status\":\"ok\",\"program\":\"test\",\"version\":\"1\\\"2\",\"uptime_s\":"));
    CU_ASSERT(has(answer, ",\"peers\":3}\n"));
    CU_ASSERT(has(answer, "Content-Type: application/json\r\n"));
    healthy = false;
    CU_ASSERT(has(ask("GET /healthz HTTP/1.1\r\n\r\n"), "{\"status\":\"degraded\""));
    stop();
}

static void
metrics_are_served_and_head_has_no_body(void)
{
    start();
    metric_counter_add(metrics_counter(metrics, "x_total", "X.", NULL, 0), 5);
    CU_ASSERT(has(ask("GET /metrics HTTP/1.1\r\n\r\n"), "\nx_total 5\n"));
    CU_ASSERT(has(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    CU_ASSERT(has(ask("HEAD /metrics HTTP/1.1\r\n\r\n"), " 200 OK\r\n"));
    CU_ASSERT_FALSE(has(answer, "x_total"));
    CU_ASSERT_FALSE(has(answer, "Content-Length: 0\r\n"));
    stop();
}

static void
wrong_requests_get_their_status(void)
{
    start();
    CU_ASSERT(has(ask("GET /nothing HTTP/1.1\r\n\r\n"), " 404 Not Found\r\n"));
    CU_ASSERT(has(ask("POST /livez HTTP/1.1\r\n\r\nbody"), " 405 Method Not Allowed\r\n"));
    CU_ASSERT(has(answer, "Allow: GET, HEAD\r\n"));
    CU_ASSERT(has(ask("\x16\x03\x01 binary\r\n\r\n"), " 400 Bad Request\r\n"));
    CU_ASSERT(has(ask("GET / HTTP/2.0\r\n\r\n"), " 505 "));
    stop();
}

static void
a_request_may_come_byte_by_byte_and_may_not_be_endless(void)
{
    static char long_request[HTTP_HEADERS_MAX + 1];
    const char *request = "GET /livez HTTP/1.1\r\nA: b\r\n\r\n";
    int fd;
    start();
    fd = dial();
    for (; *request != '\0'; request++) {
        CU_ASSERT_EQUAL(send(fd, request, 1, 0), 1);
        loop_run_once(loop, false);
    }
    CU_ASSERT(has(finish(fd), "\r\n\r\nok\n"));
    memset(long_request, 'a', sizeof(long_request) - 1);
    CU_ASSERT(has(ask(long_request), " 431 "));
    stop();
}

static void
handlers_can_be_added(void)
{
    static char type[] = "text/x-test";
    start();
    http_on(http, "/echo", echo, type);
    http_on(http, "/too-much", too_much, NULL);
    http_on(http, "/large", large, NULL);
    CU_ASSERT(has(ask("GET /echo?a=b&c HTTP/1.1\r\n\r\n"), "\r\n\r\na=b&c"));
    CU_ASSERT(has(answer, "Content-Type: text/x-test\r\n"));
    CU_ASSERT(has(ask("GET /too-much HTTP/1.1\r\n\r\n"), " 500 "));
    CU_ASSERT(has(ask("GET /large HTTP/1.1\r\n\r\n"), "Content-Length: 800000\r\n"));
    CU_ASSERT(strlen(answer) > 800000);
    stop();
}

static void
connections_beyond_the_cap_are_closed_and_others_served(void)
{
    int fds[HTTP_CONNECTIONS_MAX];
    size_t i;
    start();
    for (i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        fds[i] = dial();
        loop_run_once(loop, true);
    }
    CU_ASSERT_STRING_EQUAL(ask(""), "");
    CU_ASSERT_EQUAL(send(fds[5], "GET /livez HTTP/1.1\r\n\r\n", 23, 0), 23);
    CU_ASSERT(has(finish(fds[5]), "\r\n\r\nok\n"));
    CU_ASSERT(has(ask("GET /livez HTTP/1.1\r\n\r\n"), "\r\n\r\nok\n"));
    stop();
    for (i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
        if (i != 5)
            close(fds[i]);
    }
}

static void
a_taken_port_is_an_error(void)
{
    struct http_config config = {.bind = "127.0.0.1", .program = "t", .version = "1"};
    struct http *second = NULL;
    start();
    config.port = http_port(http);
    CU_ASSERT_EQUAL(http_open(loop, &config, &second), ERR_IO);
    CU_ASSERT_EQUAL(errno, EADDRINUSE);
    config.bind = "no such address";
    CU_ASSERT_EQUAL(http_open(loop, &config, &second), ERR_IO);
    CU_ASSERT_PTR_NULL(second);
    stop();
}

static void
requests_decode_strictly(void)
{
    static const struct {
        const char *text;
        enum err err;
    } rows[] = {
        {"", ERR_AGAIN},
        {"GET / HTTP/1.1\r\n", ERR_AGAIN},
        {"GET / HTTP/1.1\r\n\r\n", OK},
        {"GET / HTTP/1.1\n\n", OK},
        {"GET  / HTTP/1.1\r\n\r\n", ERR_MALFORMED},
        {"GET / HTTP/1.1 \r\n\r\n", ERR_MALFORMED},
        {"get / HTTP/1.1\r\n\r\n", ERR_MALFORMED},
        {"GET http://x/ HTTP/1.1\r\n\r\n", ERR_MALFORMED},
        {"GET /\x01 HTTP/1.1\r\n\r\n", ERR_MALFORMED},
        {"GET /\r\n\r\n", ERR_MALFORMED},
        {"\r\n\r\n", ERR_MALFORMED},
        {"GET / HTTP/3.0\r\n\r\n", ERR_VERSION},
    };
    struct http_request request;
    size_t i;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(http_request_decode(slice_cstr(rows[i].text), &request), rows[i].err);
    CU_ASSERT_EQUAL(http_request_decode(slice_cstr("GET /a?b?c HTTP/1.1\r\n\r\n"), &request), OK);
    CU_ASSERT(slice_equal_cstr(request.path, "/a"));
    CU_ASSERT(slice_equal_cstr(request.query, "b?c"));
}

static void
json_strings_are_escaped(void)
{
    struct buf out;
    buf_init(&out, 100);
    http_json_string(&out, slice_of("a\"\\\n\x01\xff\xc3\xbc\0", 9));
    CU_ASSERT(slice_equal_cstr(buf_slice(&out),
                               "\"a\\\"\\\\\\u000a\\u0001\xef\xbf\xbd\xc3\xbc\\u0000\""));
    buf_fini(&out);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(probes_answer),
    CUNIT_CASE(metrics_are_served_and_head_has_no_body),
    CUNIT_CASE(wrong_requests_get_their_status),
    CUNIT_CASE(a_request_may_come_byte_by_byte_and_may_not_be_endless),
    CUNIT_CASE(handlers_can_be_added),
    CUNIT_CASE(connections_beyond_the_cap_are_closed_and_others_served),
    CUNIT_CASE(a_taken_port_is_an_error),
    CUNIT_CASE(requests_decode_strictly),
    CUNIT_CASE(json_strings_are_escaped),
};
CUNIT_MAIN("http", cases)
