/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the probe's client against a far end in a thread of its own: the real server, and one
 * that speaks nonsense. */
#include "common/probe.h"
#include "tests/unit/cunit_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listener;
static const char *canned;

static uint16_t
listen_anywhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL(listen(listener, 4), 0);
    CU_ASSERT_EQUAL(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    return ntohs(a.sin_port);
}

/* Reads the request's head, says the canned answer, closes. */
static void *
answer_once(void *arg)
{
    char head[1024];
    size_t n = 0;
    ssize_t r;
    int fd = accept(listener, NULL, NULL);
    while (n < sizeof(head) && (r = recv(fd, head + n, sizeof(head) - n, 0)) > 0) {
        n += (size_t)r;
        if (memmem(head, n, "\r\n\r\n", 4) != NULL)
            break;
    }
    (void)arg;
    (void)send(fd, canned, strlen(canned), MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static enum err
ask(const char *answer, struct buf *body)
{
    pthread_t thread;
    uint16_t port = listen_anywhere();
    enum err err;
    canned = answer;
    CU_ASSERT_EQUAL(pthread_create(&thread, NULL, answer_once, NULL), 0);
    err = probe_ask("0.0.0.0", port, "/readyz", body);
    pthread_join(thread, NULL);
    close(listener);
    return err;
}

static void
a_200_is_well_and_gives_the_body(void)
{
    struct buf body;
    buf_init(&body, 1024);
    CU_ASSERT_EQUAL(ask("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n", &body), OK);
    CU_ASSERT(slice_equal_cstr(buf_slice(&body), "ok\n"));
    buf_fini(&body);
}

static void
another_status_is_unavailable(void)
{
    struct buf body;
    buf_init(&body, 1024);
    CU_ASSERT_EQUAL(ask("HTTP/1.1 503 Unavailable\r\n\r\nno core\n", &body), ERR_UNAVAILABLE);
    CU_ASSERT(slice_equal_cstr(buf_slice(&body), "no core\n"));
    buf_fini(&body);
}

static void
nonsense_is_malformed(void)
{
    struct buf body;
    buf_init(&body, 1024);
    CU_ASSERT_EQUAL(ask("", &body), ERR_MALFORMED);
    CU_ASSERT_EQUAL(ask("SSH-2.0-x\r\n\r\n", &body), ERR_MALFORMED);
    CU_ASSERT_EQUAL(ask("HTTP/1.1 200 OK\r\n", &body), ERR_MALFORMED);
    CU_ASSERT_EQUAL(buf_len(&body), 0);
    buf_fini(&body);
}

static void
nobody_there_is_io(void)
{
    struct buf body;
    uint16_t port = listen_anywhere();
    close(listener);
    buf_init(&body, 1024);
    CU_ASSERT_EQUAL(probe_ask("127.0.0.1", port, "/readyz", &body), ERR_IO);
    buf_fini(&body);
}

static void
bad_paths_and_addresses_are_refused(void)
{
    struct buf body;
    buf_init(&body, 1024);
    CU_ASSERT_EQUAL(probe_ask("127.0.0.1", 1, "readyz", &body), ERR_MALFORMED);
    CU_ASSERT_EQUAL(probe_ask("127.0.0.1", 1, "/a b", &body), ERR_MALFORMED);
    CU_ASSERT_EQUAL(probe_ask("127.0.0.1", 1, "/\r\nX: y", &body), ERR_MALFORMED);
    CU_ASSERT_EQUAL(probe_ask("somewhere", 1, "/readyz", &body), ERR_MALFORMED);
    buf_fini(&body);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_200_is_well_and_gives_the_body),
    CUNIT_CASE(another_status_is_unavailable),
    CUNIT_CASE(nonsense_is_malformed),
    CUNIT_CASE(nobody_there_is_io),
    CUNIT_CASE(bad_paths_and_addresses_are_refused),
};
CUNIT_MAIN("probe", cases)
