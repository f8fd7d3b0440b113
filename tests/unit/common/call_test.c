/* SPDX-License-Identifier: Apache-2.0 */
/* Call sockets on one loop, over real sockets on free ports: deadlines, bounds, and strangers who
 * speak nng's protocol (SP) by hand. Who may call is peer_test.c's matter. */
#include "common/call.h"

#include "common/buf.h"
#include "common/clock.h"
#include "common/loop.h"
#include "common/mem.h"
#include "tests/unit/cunit_main.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 60000u
#define CONTEXTS    4u
#define ANSWER      (1u << 20)

/* A server that answers every request with `len` bytes, or keeps the last one. */
struct desk {
    struct loop *loop;
    struct call_server *server;
    struct call_client *client;
    struct call_request request;
    bool holds;
    int requests, links;
    size_t len;
    char address[32];
};

struct answer {
    int count;
    enum err result;
    size_t len;
};

#define UNTIL(desk, condition)                                                                     \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                      \
        while (!(condition) && clock_monotonic_ms() < until_) {                                    \
            loop_run_once((desk)->loop, true);                                                     \
            if ((desk)->client != NULL)                                                            \
                call_client_tick((desk)->client, clock_monotonic_ms());                            \
        }                                                                                          \
        CU_ASSERT_TRUE_FATAL(condition);                                                           \
    } while (0)

static void
on_request(void *arg, struct call_request request, const char *remote_ip, struct slice bytes)
{
    static uint8_t answer[ANSWER];
    struct desk *desk = arg;
    CU_ASSERT_STRING_EQUAL(remote_ip, "127.0.0.1");
    CU_ASSERT(bytes.len > 0);
    desk->requests++;
    desk->request = request;
    if (!desk->holds)
        call_server_reply(desk->server, request, slice_of(NULL, 0), slice_of(answer, desk->len));
}

static void
on_link(void *arg, bool connected)
{
    struct desk *desk = arg;
    desk->links += connected;
}

static void
on_done(void *arg, enum err result, struct slice reply)
{
    struct answer *answer = arg;
    answer->count++;
    answer->result = result;
    answer->len = reply.len;
}

/* So that the loop turns even when nothing happens. */
static void
on_timer(void *arg)
{
    (void)arg;
}

static struct loop_timer timer;

static void
desk_open(struct desk *desk, size_t len)
{
    struct call_server_config config = {
        .listen = "127.0.0.1:0", .max_bytes = 4096, .contexts = CONTEXTS, .send_ms = 100};
    memset(desk, 0, sizeof(*desk));
    desk->loop = config.loop = loop_new();
    desk->len = len;
    loop_timer_init(&timer, desk->loop, on_timer, NULL);
    loop_timer_start(&timer, 10, true);
    CU_ASSERT_EQUAL_FATAL(call_server_new(&config, on_request, desk, &desk->server), OK);
    (void)str_format(desk->address, sizeof(desk->address), "127.0.0.1:%u",
                     (unsigned)call_server_port(desk->server));
}

static void
desk_dial(struct desk *desk, uint32_t in_flight)
{
    struct call_client_config config = {.loop = desk->loop,
                                        .address = desk->address,
                                        .max_bytes = 2 * ANSWER,
                                        .max_in_flight = in_flight};
    CU_ASSERT_EQUAL_FATAL(call_client_new(&config, on_link, desk, &desk->client), OK);
    UNTIL(desk, desk->links > 0);
}

static void
desk_close(struct desk *desk)
{
    call_client_free(desk->client);
    call_server_free(desk->server);
    loop_timer_fini(&timer);
    loop_free(desk->loop);
}

static enum err
ask(struct desk *desk, uint32_t deadline_ms, struct answer *answer)
{
    return call_client_send(desk->client, slice_cstr("head"), slice_cstr("body"), deadline_ms,
                            on_done, answer, NULL);
}

static void
a_call_is_answered_once(void)
{
    struct answer answer = {0};
    struct desk desk;
    desk_open(&desk, 7);
    desk_dial(&desk, 2);
    CU_ASSERT_EQUAL(ask(&desk, 60000, &answer), OK);
    UNTIL(&desk, answer.count == 1);
    CU_ASSERT(answer.result == OK && answer.len == 7);
    /* It was answered: this is nobody's. */
    call_server_reply(desk.server, desk.request, slice_cstr("again"), slice_of(NULL, 0));
    CU_ASSERT_EQUAL(ask(&desk, 60000, &answer), OK);
    UNTIL(&desk, answer.count == 2);
    CU_ASSERT_EQUAL(answer.len, 7);
    desk_close(&desk);
}

static void
what_is_not_answered_in_time_ends_and_its_answer_is_nobodys(void)
{
    struct answer late = {0}, next = {0};
    struct desk desk;
    desk_open(&desk, 7);
    desk_dial(&desk, 1);
    desk.holds = true;
    CU_ASSERT_EQUAL(ask(&desk, 1, &late), OK);
    CU_ASSERT_EQUAL(ask(&desk, 1, &next), ERR_BUSY); /* one in flight at most */
    UNTIL(&desk, late.count == 1 && desk.requests == 1);
    CU_ASSERT_EQUAL(late.result, ERR_TIMEOUT);
    desk.holds = false;
    call_server_reply(desk.server, desk.request, slice_cstr("late"), slice_of(NULL, 0));
    CU_ASSERT_EQUAL(ask(&desk, 60000, &next), OK); /* the same slot */
    UNTIL(&desk, next.count == 1);
    CU_ASSERT(next.result == OK && next.len == 7 && late.count == 1);
    desk_close(&desk);
}

static void
calls_end_with_the_connection(void)
{
    struct answer answer = {0};
    struct desk desk;
    desk_open(&desk, 7);
    desk_dial(&desk, 2);
    desk.holds = true;
    CU_ASSERT_EQUAL(ask(&desk, 60000, &answer), OK);
    UNTIL(&desk, desk.requests == 1);
    call_server_free(desk.server);
    desk.server = NULL;
    UNTIL(&desk, answer.count == 1);
    CU_ASSERT_EQUAL(answer.result, ERR_PEER_LOST);
    CU_ASSERT_EQUAL(ask(&desk, 60000, &answer), ERR_PEER_LOST);
    desk_close(&desk);
}

/* A REQ socket by hand: header `00 "SP" 00 00 30 00 00` both ways, then each message behind its
 * length in 8 bytes; a request begins with its number, top bit set. */
static int
stranger_dial(const struct desk *desk)
{
    static const uint8_t hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(call_server_port(desk->server))};
    int small = 4096, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_EQUAL(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
    CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    CU_ASSERT_EQUAL(send(fd, hello, sizeof(hello), MSG_NOSIGNAL), (ssize_t)sizeof(hello));
    return fd;
}

static void
stranger_ask(int fd, uint32_t number)
{
    uint8_t message[8 + 4 + 1] = {0};
    buf_store_u64(message, sizeof(message) - 8);
    buf_store_u32(message + 8, number | UINT32_C(1) << 31);
    CU_ASSERT_EQUAL(send(fd, message, sizeof(message), MSG_NOSIGNAL), (ssize_t)sizeof(message));
}

static void
who_reads_no_answers_does_not_keep_others_from_theirs(void)
{
    struct answer answer = {0};
    struct desk desk;
    int fd;
    desk_open(&desk, ANSWER);
    desk_dial(&desk, 2);
    fd = stranger_dial(&desk);
    /* More than the contexts, and far more than the kernel takes for it. */
    for (uint32_t i = 0; i < 64; i++)
        stranger_ask(fd, i);
    for (int i = 1; i <= 16; i++) {
        CU_ASSERT_EQUAL(ask(&desk, 60000, &answer), OK);
        UNTIL(&desk, answer.count == i);
        CU_ASSERT(answer.result == OK && answer.len == ANSWER);
    }
    close(fd);
    desk_close(&desk);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_call_is_answered_once),
    CUNIT_CASE(what_is_not_answered_in_time_ends_and_its_answer_is_nobodys),
    CUNIT_CASE(calls_end_with_the_connection),
    CUNIT_CASE(who_reads_no_answers_does_not_keep_others_from_theirs),
};
CUNIT_MAIN("call", cases)
