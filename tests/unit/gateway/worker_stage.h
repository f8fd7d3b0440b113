/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage for tests of workers: real workers on free loopback ports, a fake hub, and clients that
 * speak bytes. Waiting is always for something, with a deadline of five seconds.
 */
#ifndef TESTS_UNIT_GATEWAY_WORKER_STAGE_H
#define TESTS_UNIT_GATEWAY_WORKER_STAGE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tests/unit/cunit_main.h"
#include "tests/unit/gateway/fake_hub.h"
#include "tests/unit/proto/mqtt_hex.h"

struct stage {
    struct fake_hub hub;
    struct worker *workers[4];
    uint16_t ports[4];
    unsigned count;
    struct worker_options options;
    bool is_started;
};

static inline void
stage_init(struct stage *stage, unsigned workers)
{
    memset(stage, 0, sizeof(*stage));
    stage->count = workers;
    fake_hub_init(&stage->hub);
    worker_options_init(&stage->options);
    stage->options.allow_anonymous = true;
}

static inline void
stage_start(struct stage *stage)
{
    for (unsigned i = 0; i < stage->count; i++) {
        stage->workers[i] = worker_new((uint8_t)i, &stage->options, NULL);
        CU_ASSERT_EQUAL_FATAL(
            worker_listen(stage->workers[i], LISTENER_MQTT, "127.0.0.1", 0, &stage->ports[i]), OK);
    }
    fake_hub_start(&stage->hub, stage->workers, stage->count);
    for (unsigned i = 0; i < stage->count; i++) {
        fake_hub_post(&stage->hub, i, &(struct post){.kind = POST_DIGEST_VALID, .flags = 1});
        CU_ASSERT_EQUAL_FATAL(worker_start(stage->workers[i]), OK);
    }
}

static inline void
stage_stop(struct stage *stage)
{
    for (unsigned i = 0; i < stage->count; i++)
        fake_hub_post(&stage->hub, i, &(struct post){.kind = POST_STOP});
    for (unsigned i = 0; i < stage->count; i++)
        worker_join(stage->workers[i]);
    fake_hub_stop(&stage->hub);
    for (unsigned i = 0; i < stage->count; i++)
        worker_free(stage->workers[i]);
}

static inline int
stage_dial(const struct stage *stage, unsigned worker)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(stage->ports[worker])};
    struct timeval limit = {5, 0};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        CU_FAIL_FATAL("no connection");
    }
    return fd;
}

static inline void
stage_send(int fd, const char *hex)
{
    struct mqtt_hex bytes;
    struct slice s = mqtt_hex_parse(&bytes, hex);
    if (send(fd, s.data, s.len, MSG_NOSIGNAL) != (ssize_t)s.len) {
        CU_FAIL("not sent");
    }
}

/* Reads exactly len bytes; how many came before the end or the deadline. */
static inline size_t
stage_read(int fd, uint8_t *data, size_t len)
{
    size_t got = 0;
    while (got < len) {
        ssize_t n = recv(fd, data + got, len - got, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    return got;
}

/* The next bytes are these. */
static inline bool
stage_expect(int fd, const char *hex)
{
    struct mqtt_hex want;
    uint8_t got[MQTT_HEX_MAX];
    struct slice s = mqtt_hex_parse(&want, hex);
    size_t n = stage_read(fd, got, s.len);
    return mqtt_hex_is(slice_of(got, n), hex);
}

/* The peer has closed; nothing more came. */
static inline bool
stage_is_closed(int fd)
{
    uint8_t byte;
    return recv(fd, &byte, 1, 0) == 0;
}

/* Reads the last packet before the end: its first byte and its reason, 0 if there was none; 1 if
 * the connection did not end. CONNACK and a DISCONNECT with a reason are what servers end with. */
static inline unsigned
stage_farewell(int fd)
{
    uint8_t head[2], body[128];
    size_t n = stage_read(fd, head, 2);
    if (n < 2)
        return 0;
    n = stage_read(fd, body, head[1] & 127);
    if (!stage_is_closed(fd))
        return 1;
    return (unsigned)head[0] << 8 | (head[0] == 0x20 ? body[1] : n > 0 ? body[0] : 0);
}

/* Connects and reads CONNACK, whatever it says. */
static inline int
stage_client(const struct stage *stage, unsigned worker, const char *connect_hex)
{
    uint8_t head[2], rest[128];
    int fd = stage_dial(stage, worker);
    stage_send(fd, connect_hex);
    if (stage_read(fd, head, 2) != 2 || head[0] != 0x20 || head[1] > 127 ||
        stage_read(fd, rest, head[1]) != head[1] || rest[1] != 0) {
        CU_FAIL_FATAL("no welcome");
    }
    return fd;
}

/* A packet goes round: all that was sent before has been handled. */
static inline bool
stage_ping(int fd)
{
    stage_send(fd, "C0 00");
    return stage_expect(fd, "D0 00");
}

/* Tells the first worker. */
static inline void
stage_tell(struct stage *stage, struct post post)
{
    fake_hub_post(&stage->hub, 0, &post);
}

/* No answers to posts of this kind (below 64), or answers again. */
static inline void
stage_mute(struct stage *stage, uint8_t kind, bool on)
{
    pthread_mutex_lock(&stage->hub.lock);
    stage->hub.mute =
        on ? stage->hub.mute | UINT64_C(1) << kind : stage->hub.mute & ~(UINT64_C(1) << kind);
    pthread_mutex_unlock(&stage->hub.lock);
}

#define CONNECT_311            "10 ?? 00 04 'MQTT' 04 02 00 3C 00 01 'a'"
#define CONNECT_31             "10 ?? 00 06 'MQIsdp' 03 02 00 3C 00 01 'a'"
#define CONNECT_5              "10 ?? 00 04 'MQTT' 05 02 00 3C 00 00 01 'a'"
#define CONNECT_311_PERSISTENT "10 ?? 00 04 'MQTT' 04 00 00 3C 00 01 'p'"
#define CONNECT_5_PERSISTENT   "10 ?? 00 04 'MQTT' 05 00 00 3C 05 11 00 00 10 00 00 01 'p'"

#endif
