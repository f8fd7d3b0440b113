/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket frames (RFC 6455, 5) as a server sees them. Pure: bytes in, bytes out. Inbound, binary
 * frames are one stream of bytes ([MQTT-6.0.0-2]: packets need not keep to frames); outbound, one
 * frame holds one MQTT packet, because older clients read one packet per frame. It knows no HTTP
 * (websocket_upgrade.h) and no socket (transport_ws.c), and negotiates no extension.
 *
 *   byte 0: FIN 0x80, RSV 0x70 (must be 0), opcode 0x0f
 *   byte 1: MASK 0x80 (client: must be 1), length 0..125, or 126: u16 follows, or 127: u64 follows
 *   then the 4 bytes of the mask, then the payload xor mask
 *
 *   82 05 68 65 6c 6c 6f                       "hello" to a client
 *   82 85 37 fa 21 3d 5f 9f 4d 51 58           "hello" from a client
 */
#ifndef SERVICES_GATEWAY_WEBSOCKET_H
#define SERVICES_GATEWAY_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

#define WEBSOCKET_CONTROL_MAX 125u                          /* payload of a control frame */
#define WEBSOCKET_KEEP_MAX    (14u + WEBSOCKET_CONTROL_MAX) /* bytes that may have to wait */
#define WEBSOCKET_HEADER_MAX  10u                           /* ours: no mask */
#define WEBSOCKET_PACKET_HEAD 5u /* bytes of an MQTT packet that say how long it is */

enum websocket_close { /* status codes of a close frame */
                       WEBSOCKET_NORMAL = 1000,
                       WEBSOCKET_PROTOCOL_ERROR = 1002,
                       WEBSOCKET_UNSUPPORTED_DATA = 1003,
                       WEBSOCKET_NO_STATUS = 1005, /* never on the wire: the other end gave none */
                       WEBSOCKET_INVALID_DATA = 1007,
                       WEBSOCKET_TOO_LARGE = 1009
};

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10
};

/* What is kept between two reads. Zeroed is the start. */
struct websocket {
    uint64_t left; /* payload of the current data frame still to come */
    uint8_t mask[4];
    uint8_t mask_at;    /* which byte of the mask is next */
    bool is_fragmented; /* a message is under way: continuations may come */
};

/* What one call of websocket_decode found. */
struct websocket_result {
    size_t payload;    /* bytes of the stream, now at the front of data */
    size_t used;       /* bytes of data worked on; the others (< WEBSOCKET_KEEP_MAX) come again */
    struct slice ping; /* payload of the last ping, inside data behind the payload; has_ping */
    bool has_ping;
    uint16_t close;   /* 0: go on; else send this status and end. Nothing behind it was read */
    bool peer_closed; /* the close was the client's; close is what to echo */
};

/* Unmasks data in place. frame_max: a longer data frame is refused (1009). Payload that came before
 * a violation is still given. */
void websocket_decode(struct websocket *ws, uint8_t *data, size_t len, uint64_t frame_max,
                      struct websocket_result *out);

/* The header of a final frame to a client; returns its length. */
size_t websocket_header(enum websocket_opcode opcode, uint64_t len,
                        uint8_t out[WEBSOCKET_HEADER_MAX]);
/* A whole close frame; returns its length (2 for WEBSOCKET_NO_STATUS, else 4). */
size_t websocket_close_frame(uint16_t status, uint8_t out[4]);

/* Length of the MQTT packet that begins with these bytes; 0: more bytes are needed. Our own packets
 * only: a length field of five bytes counts as 0. */
size_t websocket_packet_len(const uint8_t *head, size_t len);

#endif
