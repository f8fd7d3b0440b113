/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: the examples of RFC 6455, every split of a stream, every violation. */
#include "services/gateway/websocket.h"

#include <string.h>

#include "tests/unit/cunit_main.h"

#define MAX 100000u

struct feed { /* what came out of a stream given in pieces */
    uint8_t payload[4096];
    size_t len;
    unsigned pings;
    uint8_t ping[WEBSOCKET_CONTROL_MAX];
    size_t ping_len;
    uint16_t close;
    bool peer_closed;
};

/* Feeds bytes in pieces of step, as the transport does: what was not used comes again. */
static void
feed(struct feed *out, const uint8_t *bytes, size_t len, size_t step)
{
    struct websocket ws = {0};
    uint8_t data[4096];
    size_t held = 0;
    memset(out, 0, sizeof(*out));
    for (size_t at = 0; at < len && out->close == 0; at += step) {
        size_t n = len - at < step ? len - at : step;
        struct websocket_result result;
        memcpy(data + held, bytes + at, n);
        websocket_decode(&ws, data, held + n, MAX, &result);
        memcpy(out->payload + out->len, data, result.payload);
        out->len += result.payload;
        out->pings += result.has_ping;
        if (result.has_ping) {
            out->ping_len = result.ping.len;
            if (result.ping.len > 0)
                memcpy(out->ping, result.ping.data, result.ping.len);
        }
        out->close = result.close;
        out->peer_closed = result.peer_closed;
        held = held + n - result.used;
        CU_ASSERT_FATAL(held < WEBSOCKET_KEEP_MAX);
        memmove(data, data + result.used, held);
    }
}

/* A frame of a client, mask 37 fa 21 3d. */
static size_t
put_frame(uint8_t *to, uint8_t first, const char *payload, size_t len)
{
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t n = 0;
    to[n++] = first;
    if (len < 126) {
        to[n++] = (uint8_t)(0x80 | len);
    } else {
        to[n++] = 0x80 | 126;
        to[n++] = (uint8_t)(len >> 8);
        to[n++] = (uint8_t)len;
    }
    memcpy(to + n, mask, 4);
    n += 4;
    for (size_t i = 0; i < len; i++)
        to[n++] = (uint8_t)payload[i] ^ mask[i & 3];
    return n;
}

static void
the_examples_of_the_standard_hold(void)
{
    static const uint8_t masked[] = {0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                     0x7f, 0x9f, 0x4d, 0x51, 0x58};
    static const uint8_t ping[] = {0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d,
                                   0x7f, 0x9f, 0x4d, 0x51, 0x58};
    uint8_t header[WEBSOCKET_HEADER_MAX];
    struct feed out;
    feed(&out, masked, sizeof(masked), sizeof(masked));
    CU_ASSERT(out.len == 5 && memcmp(out.payload, "Hello", 5) == 0 && out.close == 0);
    feed(&out, ping, sizeof(ping), sizeof(ping));
    CU_ASSERT(out.len == 0 && out.pings == 1 && out.ping_len == 5 &&
              memcmp(out.ping, "Hello", 5) == 0);
    CU_ASSERT(websocket_header(WEBSOCKET_BINARY, 5, header) == 2 &&
              memcmp(header, "\x82\x05", 2) == 0);
    CU_ASSERT(websocket_header(WEBSOCKET_BINARY, 256, header) == 4 &&
              memcmp(header, "\x82\x7e\x01\x00", 4) == 0);
    CU_ASSERT(websocket_header(WEBSOCKET_BINARY, 65536, header) == 10 &&
              memcmp(header, "\x82\x7f\0\0\0\0\0\x01\0\0", 10) == 0);
}

static void
a_stream_reads_the_same_however_it_is_cut(void)
{
    char text[700];
    uint8_t bytes[2048];
    size_t len = 0;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    len += put_frame(bytes + len, 0x02, text, 5);         /* begins a message */
    len += put_frame(bytes + len, 0x89, "first", 5);      /* a ping inside it */
    len += put_frame(bytes + len, 0x00, text + 5, 0);     /* empty continuation */
    len += put_frame(bytes + len, 0x80, text + 5, 300);   /* ends it */
    len += put_frame(bytes + len, 0x8a, text, 125);       /* a pong that nobody asked for */
    len += put_frame(bytes + len, 0x82, text + 305, 120); /* short again */
    len += put_frame(bytes + len, 0x89, "last", 4);
    len += put_frame(bytes + len, 0x82, text + 425, 275);
    for (size_t step = 1; step <= len; step++) {
        struct feed out;
        feed(&out, bytes, len, step);
        CU_ASSERT(out.close == 0 && out.len == sizeof(text) &&
                  memcmp(out.payload, text, sizeof(text)) == 0);
        CU_ASSERT(out.pings >= 1 && out.ping_len == 4 && memcmp(out.ping, "last", 4) == 0);
    }
}

static void
violations_have_their_status(void)
{
    static const struct {
        uint16_t close;
        const char *bytes;
        size_t len;
    } table[] = {
        {1003, "\x81", 1},               /* text */
        {1003, "\x01", 1},               /* a part of text */
        {1002, "\xc2", 1},               /* RSV1 */
        {1002, "\x92", 1},               /* RSV3 */
        {1002, "\x83", 1},               /* reserved opcodes */
        {1002, "\x8b", 1},               /**/
        {1002, "\x09", 1},               /* a control frame in parts */
        {1002, "\x80", 1},               /* continues nothing */
        {1002, "\x82\x05", 2},           /* not masked */
        {1002, "\x89\xfe", 2},           /* a long control frame */
        {1002, "\x82\xfe\0\x7dmask", 8}, /* 125 in the longer form */
        {1002, "\x82\xff\0\0\0\0\0\0\xff\xffmask", 14},
        {1002, "\x82\xff\x80\0\0\0\0\0\0\0mask", 14},
        {1009, "\x82\xff\0\0\0\0\0\x01\x86\xa1mask", 14}, /* MAX + 1 */
        {1009, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask", 14},
        {0, "\x82\xff\0\0\0\0\0\x01\x86\xa0mask", 14},
        {1002, "\x02\x80mask\x82", 7}, /* a message in a message */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        for (size_t step = 1; step <= table[i].len; step++) {
            struct feed out;
            feed(&out, (const uint8_t *)table[i].bytes, table[i].len, step);
            CU_ASSERT_EQUAL(out.close, table[i].close);
            CU_ASSERT(!out.peer_closed);
        }
}

static void
a_close_is_echoed_if_it_is_valid(void)
{
    static const struct {
        const char *payload;
        size_t len;
        uint16_t answer;
    } table[] = {{"", 0, WEBSOCKET_NO_STATUS}, {"\x03\xe8", 2, 1000},        {"\x03\xf3", 2, 1011},
                 {"\x13\x87", 2, 4999},        {"\x03\xe8 bye", 6, 1000},    {"\x03", 1, 1002},
                 {"\x03\xe7", 2, 1002},        {"\x03\xec", 2, 1002},        {"\x03\xed", 2, 1002},
                 {"\x03\xee", 2, 1002},        {"\x03\xf7", 2, 1002},        {"\x0b\xb7", 2, 1002},
                 {"\x13\x88", 2, 1002},        {"\x03\xe8\xc0\x80", 4, 1007}};
    uint8_t frame[4];
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint8_t bytes[64];
        size_t len = put_frame(bytes, 0x82, "x", 1);
        len += put_frame(bytes + len, 0x88, table[i].payload, table[i].len);
        len += put_frame(bytes + len, 0x82, "behind", 6);
        struct feed out;
        feed(&out, bytes, len, len);
        CU_ASSERT_EQUAL(out.close, table[i].answer);
        CU_ASSERT(out.peer_closed && out.len == 1);
    }
    CU_ASSERT(websocket_close_frame(1002, frame) == 4 && memcmp(frame, "\x88\x02\x03\xea", 4) == 0);
    CU_ASSERT(websocket_close_frame(WEBSOCKET_NO_STATUS, frame) == 2 &&
              memcmp(frame, "\x88\x00", 2) == 0);
}

static void
the_length_of_a_packet_is_read_from_its_head(void)
{
    CU_ASSERT_EQUAL(websocket_packet_len((const uint8_t *)"\xd0\x00", 2), 2);
    CU_ASSERT_EQUAL(websocket_packet_len((const uint8_t *)"\x30\x7f", 2), 129);
    CU_ASSERT_EQUAL(websocket_packet_len((const uint8_t *)"\x30\x80\x01", 3), 131);
    CU_ASSERT_EQUAL(websocket_packet_len((const uint8_t *)"\x30\xff\xff\xff\x7f", 5), 268435460);
    CU_ASSERT_EQUAL(websocket_packet_len((const uint8_t *)"\x30\x80", 2), 0);
    CU_ASSERT_EQUAL(websocket_packet_len((const uint8_t *)"\x30", 1), 0);
    CU_ASSERT_EQUAL(websocket_packet_len((const uint8_t *)"\x30\xff\xff\xff\xff\x01", 6), 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_examples_of_the_standard_hold),
    CUNIT_CASE(a_stream_reads_the_same_however_it_is_cut),
    CUNIT_CASE(violations_have_their_status),
    CUNIT_CASE(a_close_is_echoed_if_it_is_valid),
    CUNIT_CASE(the_length_of_a_packet_is_read_from_its_head),
};
CUNIT_MAIN("websocket", cases)
