/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of mqload: its bytes both ways (MQTT 3.1.1). What it receives it counts in the load
 * that all clients share; it decides nothing about when to send.
 */
#ifndef TESTS_BENCH_LOAD_CLIENT_H
#define TESTS_BENCH_LOAD_CLIENT_H

#include "tests/bench/load_options.h"
#include "tests/bench/load_wire.h"

#define LOAD_SAMPLES_MAX 4000000

/* One for all clients. */
struct load {
    const struct load_options *options;
    int epoll;
    int ready;            /* clients that are connected, and subscribed if they are to be */
    long sent, expected;  /* PUBLISHes, and the deliveries they make */
    long received, acked; /* deliveries, and publishes that are acknowledged */
    uint64_t now_us;      /* when the bytes that are looked at were read */
    uint32_t *took_us;    /* of the first LOAD_SAMPLES_MAX deliveries */
    long took_count;
    long *group_subscribers;
};

struct load_client {
    struct load *load;
    struct wire wire;
    int fd, id, group;
    bool is_subscriber, waits_for_room;
    int inflight;
    uint16_t packet_id;
    uint8_t *publish; /* the packet that it sends again and again, borrowed parts filled in */
    size_t publish_len, packet_id_at, time_at;
    uint8_t *in;
    size_t in_len, in_size;
    uint8_t *out;
    size_t out_len, out_sent, out_size;
};

uint64_t load_now_us(void);

/* Dials, waits for what the transport needs, and sends CONNECT. Ends the program on failure, as
 * all that follow. */
void load_client_open(struct load_client *client, struct load *load, int id);
/* What epoll said. */
void load_client_ready(struct load_client *client, unsigned events);
/* Into its buffer: load_client_flush sends it. */
void load_client_publish(struct load_client *client);
void load_client_flush(struct load_client *client);

#endif
