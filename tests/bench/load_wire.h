/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mqload's packets travel in: TCP, TLS, WebSocket, or WebSocket over TLS. It verifies no
 * certificate and masks with zeros: it generates load on loopback, and measures others.
 */
#ifndef TESTS_BENCH_LOAD_WIRE_H
#define TESTS_BENCH_LOAD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define WIRE_HEAD_MAX 14 /* of a WebSocket frame of ours */

struct wire {
    struct ssl_st *ssl; /* NULL: plain */
    int fd;
    bool is_ws;
    bool skips; /* the frame under way is no data */
    uint8_t head_len;
    uint8_t head[10]; /* of a frame of the server's, while it is not complete */
    uint64_t left;    /* bytes of the frame under way */
};

/* On a connected, blocking descriptor: all that comes before the first packet, then it is
 * non-blocking. kind: "tcp", "tls", "ws", "wss". False: it failed, stderr says how. */
bool wire_open(struct wire *wire, int fd, const char *kind);
/* Payload (> 0); 0: closed; -1: errno, EAGAIN: nothing now. */
ssize_t wire_read(struct wire *wire, uint8_t *data, size_t len);
/* More lies inside for which the descriptor does not become readable. */
bool wire_has_more(const struct wire *wire);
/* Bytes taken, or -1: errno. */
ssize_t wire_write(struct wire *wire, const uint8_t *data, size_t len);
/* What goes before a packet of len bytes: its length in head, 0 if nothing does. */
size_t wire_head(const struct wire *wire, size_t len, uint8_t head[WIRE_HEAD_MAX]);

#endif
