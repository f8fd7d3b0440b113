/* SPDX-License-Identifier: Apache-2.0 */
/* See load_wire.h. */
#include "tests/bench/load_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char request[] = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Protocol: mqtt\r\n\r\n";

static bool
say(const char *what)
{
    fprintf(stderr, "%s failed\n", what);
    ERR_print_errors_fp(stderr);
    return false;
}

static bool
open_tls(struct wire *wire)
{
    static SSL_CTX *context;
    if (context == NULL) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_read_ahead(context, 1);
    }
    wire->ssl = SSL_new(context);
    return (SSL_set_fd(wire->ssl, wire->fd) == 1 && SSL_connect(wire->ssl) == 1) ||
           say("TLS handshake");
}

/* What OpenSSL says, as read and write would. */
static ssize_t
answer(const struct wire *wire, int result)
{
    int error = SSL_get_error(wire->ssl, result);
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    bool is_again = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
    errno = is_again ? EAGAIN : ECONNRESET;
    ERR_clear_error();
    return -1;
}

static ssize_t
read_raw(struct wire *wire, uint8_t *data, size_t len)
{
    size_t got = 0, n;
    if (wire->ssl == NULL)
        return read(wire->fd, data, len);
    while (got < len) { /* a record each */
        int result = SSL_read_ex(wire->ssl, data + got, len - got, &n);
        if (result != 1 && got == 0)
            return answer(wire, result);
        if (result != 1) {
            ERR_clear_error();
            break;
        }
        got += n;
    }
    return (ssize_t)got;
}

/* Byte by byte, so that no frame is read with it. */
static bool
open_ws(struct wire *wire)
{
    char text[2048];
    size_t len = 0;
    wire->is_ws = true;
    if (wire_write(wire, (const uint8_t *)request, sizeof(request) - 1) !=
        (ssize_t)sizeof(request) - 1)
        return say("WebSocket request");
    while (len < sizeof(text) - 1 && (len < 4 || memcmp(text + len - 4, "\r\n\r\n", 4) != 0)) {
        if (read_raw(wire, (uint8_t *)text + len, 1) != 1)
            return say("WebSocket response");
        len++;
    }
    return strncmp(text, "HTTP/1.1 101", 12) == 0 || say("WebSocket upgrade");
}

bool
wire_open(struct wire *wire, int fd, const char *kind)
{
    memset(wire, 0, sizeof(*wire));
    wire->fd = fd;
    bool has_tls = strcmp(kind, "tls") == 0 || strcmp(kind, "wss") == 0;
    if (has_tls && !open_tls(wire))
        return false;
    if (kind[0] == 'w' && !open_ws(wire))
        return false;
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

/* True: a header is complete; *used bytes of data belong to it. */
static bool
take_head(struct wire *wire, const uint8_t *data, size_t len, size_t *used)
{
    for (*used = 0; *used < len;) {
        wire->head[wire->head_len++] = data[(*used)++];
        uint8_t small = wire->head[1] & 127;
        size_t need = wire->head_len < 2 ? 2 : small < 126 ? 2 : small == 126 ? 4 : 10;
        if (wire->head_len < need || wire->head_len < 2)
            continue;
        wire->left = need == 2 ? small : 0;
        for (size_t i = 2; i < need; i++)
            wire->left = wire->left << 8 | wire->head[i];
        wire->skips = (wire->head[0] & 15) > 2;
        wire->head_len = 0;
        return true;
    }
    return false;
}

ssize_t
wire_read(struct wire *wire, uint8_t *data, size_t len)
{
    ssize_t n = read_raw(wire, data, len);
    size_t payload = 0, used;
    if (n <= 0 || !wire->is_ws)
        return n;
    for (size_t at = 0; at < (size_t)n;) {
        if (wire->left == 0) {
            (void)take_head(wire, data + at, (size_t)n - at, &used);
            at += used;
            continue;
        }
        size_t part = (size_t)n - at < wire->left ? (size_t)n - at : (size_t)wire->left;
        if (!wire->skips) {
            memmove(data + payload, data + at, part);
            payload += part;
        }
        wire->left -= part;
        at += part;
    }
    if (payload > 0)
        return (ssize_t)payload;
    errno = EAGAIN;
    return -1;
}

bool
wire_has_more(const struct wire *wire)
{
    return wire->ssl != NULL && SSL_has_pending(wire->ssl) == 1;
}

ssize_t
wire_write(struct wire *wire, const uint8_t *data, size_t len)
{
    size_t n;
    if (wire->ssl == NULL)
        return write(wire->fd, data, len);
    int result = SSL_write_ex(wire->ssl, data, len, &n);
    return result == 1 ? (ssize_t)n : answer(wire, result);
}

size_t
wire_head(const struct wire *wire, size_t len, uint8_t head[WIRE_HEAD_MAX])
{
    if (!wire->is_ws)
        return 0;
    size_t extra = len < 126 ? 0 : len < 65536 ? 2 : 8;
    memset(head, 0, WIRE_HEAD_MAX);
    head[0] = 0x82;
    head[1] = (uint8_t)(0x80 | (extra == 0 ? len : extra == 2 ? 126 : 127));
    for (size_t i = 0; i < extra; i++)
        head[2 + i] = (uint8_t)(len >> 8 * (extra - 1 - i));
    return 2 + extra + 4;
}
