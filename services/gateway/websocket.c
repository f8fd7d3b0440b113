/* SPDX-License-Identifier: Apache-2.0 */
/* See websocket.h. */
#include "services/gateway/websocket.h"

#include <string.h>

#define FIN     0x80u
#define RSV     0x70u
#define OPCODE  0x0fu
#define MASKED  0x80u
#define CONTROL 0x08u

struct frame_head {
    uint64_t len;
    size_t head_len;
    uint8_t mask[4];
    uint8_t opcode;
    bool is_final;
};

static uint64_t
read_be(const uint8_t *data, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | data[i];
    return v;
}

/* 32 and eight bytes at a time: the payload of every publish passes through here. `to` is `from` or
 * lies before it, so that what is read together must be read before any of it is written. */
static void
unmask(uint8_t *to, const uint8_t *from, size_t len, const uint8_t mask[4], uint8_t *mask_at)
{
    uint32_t narrow;
    unsigned turn = 8u * *mask_at;
    memcpy(&narrow, mask, sizeof(narrow));
    if (turn != 0)
        narrow = narrow >> turn | narrow << (32 - turn);
    uint64_t wide = (uint64_t)narrow << 32 | narrow;
    *mask_at = (uint8_t)((*mask_at + len) & 3);
    uint64_t words[4];
    for (; len >= sizeof(words); len -= sizeof(words), to += sizeof(words), from += sizeof(words)) {
        memcpy(words, from, sizeof(words));
        for (size_t k = 0; k < 4; k++)
            words[k] ^= wide;
        memcpy(to, words, sizeof(words));
    }
    for (; len >= 8; len -= 8, to += 8, from += 8) {
        memcpy(words, from, 8);
        words[0] ^= wide;
        memcpy(to, words, 8);
    }
    for (; len > 0; len--, wide >>= 8)
        *to++ = *from++ ^ (uint8_t)wide;
}

/* Reads a header. False: not all of it is there. A violation is told as soon as it shows. */
static bool
read_head(const struct websocket *ws, const uint8_t *data, size_t len, uint64_t frame_max,
          struct frame_head *head, uint16_t *close)
{
    if (len < 1)
        return false;
    head->opcode = data[0] & OPCODE;
    head->is_final = (data[0] & FIN) != 0;
    bool is_control = (head->opcode & CONTROL) != 0;
    *close = WEBSOCKET_PROTOCOL_ERROR;
    if ((data[0] & RSV) != 0 || head->opcode > WEBSOCKET_PONG ||
        (head->opcode > WEBSOCKET_BINARY && head->opcode < WEBSOCKET_CLOSE) ||
        (is_control && !head->is_final))
        return true;
    if (head->opcode == WEBSOCKET_TEXT) {
        *close = WEBSOCKET_UNSUPPORTED_DATA; /* [MQTT-6.0.0-1] */
        return true;
    }
    if (!is_control && (head->opcode == WEBSOCKET_CONTINUATION) != ws->is_fragmented)
        return true;
    if (len < 2) {
        *close = 0;
        return false;
    }
    uint8_t small = data[1] & (uint8_t)~MASKED;
    if (!(data[1] & MASKED) || (is_control && small > WEBSOCKET_CONTROL_MAX))
        return true;
    size_t extra = small == 126 ? 2 : small == 127 ? 8 : 0;
    if (len < 2 + extra + 4) {
        *close = 0;
        return false;
    }
    head->len = extra == 0 ? small : read_be(data + 2, extra);
    if ((extra == 2 && head->len < 126) || (extra == 8 && head->len <= UINT16_MAX) ||
        head->len >> 63 != 0)
        return true; /* the shortest form must be used (5.2) */
    if (!is_control && head->len > frame_max) {
        *close = WEBSOCKET_TOO_LARGE;
        return true;
    }
    *close = 0;
    memcpy(head->mask, data + 2 + extra, 4);
    head->head_len = 2 + extra + 4;
    return true;
}

/* What to answer to a close frame (7.4). */
static uint16_t
close_answer(const uint8_t *payload, size_t len)
{
    if (len == 0)
        return WEBSOCKET_NO_STATUS;
    if (len == 1)
        return WEBSOCKET_PROTOCOL_ERROR;
    uint16_t status = (uint16_t)read_be(payload, 2);
    bool is_valid =
        (status >= 1000 && status <= 1014 && status != 1004 && status != 1005 && status != 1006) ||
        (status >= 3000 && status <= 4999);
    if (!is_valid)
        return WEBSOCKET_PROTOCOL_ERROR;
    return str_utf8_is_valid(slice_of(payload + 2, len - 2)) ? status : WEBSOCKET_INVALID_DATA;
}

/* A whole control frame lies at data. */
static void
take_control(const struct frame_head *head, uint8_t *data, struct websocket_result *out)
{
    uint8_t *payload = data + head->head_len;
    uint8_t at = 0;
    unmask(payload, payload, (size_t)head->len, head->mask, &at);
    if (head->opcode == WEBSOCKET_CLOSE) {
        out->close = close_answer(payload, (size_t)head->len);
        out->peer_closed = true;
    } else if (head->opcode == WEBSOCKET_PING) {
        out->has_ping = true;
        out->ping = slice_of(payload, (size_t)head->len);
    }
}

void
websocket_decode(struct websocket *ws, uint8_t *data, size_t len, uint64_t frame_max,
                 struct websocket_result *out)
{
    *out = (struct websocket_result){0};
    uint8_t ping[WEBSOCKET_CONTROL_MAX];
    size_t ping_len = 0;
    size_t at = 0;
    while (out->close == 0) {
        size_t n = len - at < ws->left ? len - at : (size_t)ws->left;
        unmask(data + out->payload, data + at, n, ws->mask, &ws->mask_at);
        out->payload += n;
        at += n;
        ws->left -= n;
        struct frame_head head = {0};
        if (ws->left > 0 || !read_head(ws, data + at, len - at, frame_max, &head, &out->close) ||
            out->close != 0)
            break;
        if (!(head.opcode & CONTROL)) {
            ws->left = head.len;
            ws->is_fragmented = !head.is_final;
            memcpy(ws->mask, head.mask, sizeof(ws->mask));
            ws->mask_at = 0;
            at += head.head_len;
            continue;
        }
        if (head.len > len - at - head.head_len)
            break;
        take_control(&head, data + at, out);
        if (head.opcode == WEBSOCKET_PING) { /* later payload is moved over the place it has */
            ping_len = out->ping.len;
            if (ping_len > 0)
                memcpy(ping, out->ping.data, ping_len);
        }
        at += head.head_len + (size_t)head.len;
    }
    out->used = at;
    /* Six bytes of header at least stood between the payload and what was used. */
    if (out->has_ping) {
        if (ping_len > 0)
            memcpy(data + out->payload, ping, ping_len);
        out->ping = slice_of(data + out->payload, ping_len);
    }
}

size_t
websocket_header(enum websocket_opcode opcode, uint64_t len, uint8_t out[WEBSOCKET_HEADER_MAX])
{
    out[0] = (uint8_t)(FIN | (unsigned)opcode);
    size_t extra = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[1] = extra == 0 ? (uint8_t)len : extra == 2 ? 126 : 127;
    for (size_t i = 0; i < extra; i++)
        out[2 + i] = (uint8_t)(len >> 8 * (extra - 1 - i));
    return 2 + extra;
}

size_t
websocket_close_frame(uint16_t status, uint8_t out[4])
{
    out[0] = FIN | WEBSOCKET_CLOSE;
    out[1] = status == WEBSOCKET_NO_STATUS ? 0 : 2;
    out[2] = (uint8_t)(status >> 8);
    out[3] = (uint8_t)status;
    return 2u + out[1];
}

size_t
websocket_packet_len(const uint8_t *head, size_t len)
{
    size_t n = 0;
    for (size_t i = 1; i < len && i < WEBSOCKET_PACKET_HEAD; i++) {
        n |= (size_t)(head[i] & 0x7f) << 7 * (i - 1);
        if (!(head[i] & 0x80))
            return 1 + i + n;
    }
    return 0;
}
