/* SPDX-License-Identifier: Apache-2.0 */
/* See proxy_header.h. */
#include "services/gateway/proxy_header.h"

#include "common/cursor.h"

#define LINE_MAX      107u
#define FIXED_LEN     16u
#define TLV_SSL       0x20u
#define TLV_CN        0x22u
#define SHOWED_CERT   0x06u /* PP2_CLIENT_CERT_CONN | PP2_CLIENT_CERT_SESS */
#define UNIX_LEN      216u
#define ADDRESSES_MAX 2

static const uint8_t signature[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

/* The common part of both. */
static bool
agrees(struct slice in, struct slice with)
{
    size_t n = in.len < with.len ? in.len : with.len;
    return n == 0 || memcmp(in.data, with.data, n) == 0;
}

/* ---- version 1 */

/* The next word; what follows it is one space, or the end. */
static struct slice
next_word(struct slice *rest)
{
    size_t at = slice_find(*rest, ' ');
    struct slice word = slice_sub(*rest, 0, at);
    *rest = slice_sub(*rest, at + 1, rest->len);
    return word;
}

static enum err
decode_line(struct slice line, struct proxy_header *out)
{
    struct address address[ADDRESSES_MAX];
    uint64_t port[ADDRESSES_MAX];
    (void)next_word(&line);
    struct slice family = next_word(&line);
    bool is_v4 = slice_equal_cstr(family, "TCP4");
    if (slice_equal_cstr(family, "UNKNOWN"))
        return OK;
    if (!is_v4 && !slice_equal_cstr(family, "TCP6"))
        return ERR_MALFORMED;
    for (size_t i = 0; i < ADDRESSES_MAX; i++) {
        struct slice text = next_word(&line);
        if (address_parse(text, &address[i]) != OK || (slice_find(text, ':') == text.len) != is_v4)
            return ERR_MALFORMED;
    }
    for (size_t i = 0; i < ADDRESSES_MAX; i++)
        if (str_parse_u64(next_word(&line), 0, UINT16_MAX, &port[i]) != OK)
            return ERR_MALFORMED;
    if (line.len > 0)
        return ERR_MALFORMED;
    out->has_source = true;
    out->source = address[0];
    out->source.port = (uint16_t)port[0];
    return OK;
}

static enum err
decode_v1(struct slice in, struct proxy_header *out)
{
    size_t end = slice_find(slice_sub(in, 0, LINE_MAX), '\n');
    if (end == LINE_MAX)
        return ERR_MALFORMED;
    if (end == in.len)
        return ERR_AGAIN;
    if (in.data[end - 1] != '\r')
        return ERR_MALFORMED;
    out->len = end + 1;
    return decode_line(slice_sub(in, 0, end - 1), out);
}

/* ---- version 2 */

static void
read_ssl(struct cursor *in, struct proxy_header *out)
{
    uint8_t client = cursor_u8(in);
    uint32_t verify = cursor_u32(in);
    unsigned names = 0;
    while (cursor_left(in) > 0) {
        uint8_t type = cursor_u8(in);
        struct slice value = cursor_bytes16(in);
        if (type != TLV_CN)
            continue;
        /* Two names would be two answers to the question who this is: then there is none. */
        bool is_good = ++names == 1 && verify == 0 && (client & SHOWED_CERT) != 0 &&
                       value.len <= PROXY_HEADER_USER_MAX && slice_find(value, 0) == value.len &&
                       str_utf8_is_valid(value);
        out->user = is_good ? value : slice_of(NULL, 0);
    }
}

static enum err
decode_body(uint8_t command, uint8_t family, struct slice body, struct proxy_header *out)
{
    struct cursor in = cursor_of(body);
    if (command == 0x20)
        return OK; /* LOCAL: whatever follows means nothing */
    if (command != 0x21)
        return ERR_MALFORMED;
    size_t size = family == 0x11 ? 4 : family == 0x21 ? 16 : 0;
    if (size > 0) {
        const uint8_t *source = cursor_skip(&in, size);
        (void)cursor_skip(&in, size);
        uint16_t port = cursor_u16(&in);
        (void)cursor_u16(&in);
        if (in.err != OK)
            return in.err;
        out->has_source = true;
        address_from_bytes(&out->source, source, size, port);
    } else if (family == 0x31) {
        (void)cursor_skip(&in, UNIX_LEN);
    } else if (family != 0x00) {
        return ERR_MALFORMED; /* datagrams, or what is not known */
    } else {
        return OK; /* not said; receivers ignore what follows */
    }
    bool has_ssl = false;
    while (cursor_left(&in) > 0) {
        uint8_t type = cursor_u8(&in);
        struct cursor value = cursor_of(cursor_bytes16(&in));
        if (type != TLV_SSL || in.err != OK)
            continue;
        if (has_ssl)
            return ERR_MALFORMED;
        has_ssl = true;
        read_ssl(&value, out);
        if (value.err != OK)
            return value.err;
    }
    return in.err;
}

static enum err
decode_v2(struct slice in, struct proxy_header *out)
{
    if (in.len > sizeof(signature) && in.data[sizeof(signature)] >> 4 != 2)
        return ERR_MALFORMED;
    if (in.len < FIXED_LEN)
        return ERR_AGAIN;
    size_t len = cursor_load_u16(in.data + 14);
    if (FIXED_LEN + len > PROXY_HEADER_MAX)
        return ERR_TOO_LARGE;
    if (len > in.len - FIXED_LEN)
        return ERR_AGAIN;
    out->len = FIXED_LEN + len;
    return decode_body(in.data[12], in.data[13], slice_sub(in, FIXED_LEN, len), out);
}

enum err
proxy_header_decode(struct slice in, struct proxy_header *out)
{
    struct proxy_header header = {0};
    enum err err = in.len == 0                                          ? ERR_AGAIN
                   : agrees(in, slice_of(signature, sizeof(signature))) ? decode_v2(in, &header)
                   : agrees(in, slice_cstr("PROXY "))                   ? decode_v1(in, &header)
                                                                        : ERR_MALFORMED;
    if (err == OK)
        *out = header;
    return err;
}

bool
proxy_header_begins(struct slice in)
{
    return in.len > 0 &&
           (agrees(in, slice_of(signature, sizeof(signature))) || agrees(in, slice_cstr("PROXY ")));
}
