/* SPDX-License-Identifier: Apache-2.0 */
/* A far end that takes connections and then says nothing any more, as an address does whose machine
 * has gone: the connection is given up and made anew. It speaks nng's greeting, nothing else. */
#include "common/call.h"
#include "common/clock.h"
#include "common/feed.h"
#include "common/loop.h"
#include "common/peer.h"
#include "tests/unit/cunit_main.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000, REDIAL_MS = 300, PROTOCOL_SUB = 0x21, PROTOCOL_REP = 0x31 };

static int
listen_somewhere(char address[64])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, 8), 0);
    CU_ASSERT_EQUAL_FATAL(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(address, 64, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
    return fd;
}

static bool
is_readable(int fd, struct loop *loop)
{
    uint64_t end = clock_monotonic_ms() + PATIENCE_MS;
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    while (poll(&poll_fd, 1, 5) == 0) {
        if (clock_monotonic_ms() > end)
            return false;
        loop_run_once(loop, false);
    }
    return true;
}

/* The next connection, greeted; -1: none came. */
static int
take_connection(int listener, uint8_t protocol, struct loop *loop)
{
    const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, protocol, 0, 0};
    uint8_t got[8];
    int fd;
    if (!is_readable(listener, loop))
        return -1;
    fd = accept(listener, NULL, NULL);
    if (write(fd, greeting, sizeof(greeting)) != sizeof(greeting) || !is_readable(fd, loop) ||
        recv(fd, got, sizeof(got), MSG_WAITALL) != sizeof(got) || memcmp(got, greeting, 4) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* What else came is read; true: the far end has closed. */
static bool
is_closed(int fd, struct loop *loop)
{
    uint8_t bytes[4096];
    ssize_t n;
    do {
        if (!is_readable(fd, loop))
            return false;
        n = read(fd, bytes, sizeof(bytes));
    } while (n > 0);
    return true;
}

static void
a_peer_that_never_answers_is_dialed_anew(void)
{
    struct loop *loop = loop_new();
    char address[64];
    int listener = listen_somewhere(address);
    const struct peers_dial dial = {.service = "core", .address = address};
    const struct peers_config config = {.service = "gateway",
                                        .name = "g",
                                        .secret = slice_cstr("a secret of the test"),
                                        .feed_listen = "127.0.0.1:0",
                                        .dial = &dial,
                                        .n_dial = 1,
                                        .redial_ms = REDIAL_MS};
    const struct peers_events events = {0};
    struct peers *peers;
    int first, second;
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, NULL, &peers), OK);
    first = take_connection(listener, PROTOCOL_REP, loop);
    CU_ASSERT_FATAL(first >= 0);
    CU_ASSERT_TRUE(is_closed(first, loop));
    second = take_connection(listener, PROTOCOL_REP, loop);
    CU_ASSERT_FATAL(second >= 0);
    peers_free(peers);
    close(first);
    close(second);
    close(listener);
    loop_free(loop);
}

static void
on_frame(void *arg, struct slice bytes)
{
    (void)arg;
    (void)bytes;
}

static void
on_link(void *arg, bool connected)
{
    *(int *)arg += connected ? 1 : 0;
}

static void
a_feed_is_dialed_anew(void)
{
    struct loop *loop = loop_new();
    char address[64];
    int listener = listen_somewhere(address);
    const struct feed_config config = {.loop = loop, .listen = "127.0.0.1:0", .max_frame = 65536};
    struct feed *feed;
    struct feed_out *out;
    int links = 0;
    int first, second;
    CU_ASSERT_EQUAL_FATAL(feed_new(&config, on_frame, NULL, &feed), OK);
    CU_ASSERT_EQUAL_FATAL(feed_out_new(feed, on_link, &links, &out), OK);
    feed_out_redial(out); /* nothing yet */
    CU_ASSERT_EQUAL_FATAL(feed_out_dial(out, address), OK);
    first = take_connection(listener, PROTOCOL_SUB, loop);
    CU_ASSERT_FATAL(first >= 0);
    CU_ASSERT_EQUAL(feed_out_dial(out, address), OK); /* it is there already */
    feed_out_redial(out);
    CU_ASSERT_TRUE(is_closed(first, loop));
    second = take_connection(listener, PROTOCOL_SUB, loop);
    CU_ASSERT_FATAL(second >= 0);
    for (int i = 0; i < 1000 && !feed_out_connected(out); i++) {
        loop_run_once(loop, false);
        (void)poll(NULL, 0, 5);
    }
    CU_ASSERT_TRUE(feed_out_connected(out));
    feed_out_free(out);
    feed_free(feed);
    close(first);
    close(second);
    close(listener);
    loop_free(loop);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_peer_that_never_answers_is_dialed_anew),
    CUNIT_CASE(a_feed_is_dialed_anew),
};

CUNIT_MAIN("peer_redial", cases)
