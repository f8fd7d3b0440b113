/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as hex and base64 (RFC 4648) and back; strict readers. No cryptography. */
#include "common/crypt.h"

#include <assert.h>

void
crypt_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    size_t i;
    for (i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 0x0f];
    }
    out[2 * len] = '\0';
}

static int
crypt_hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err
crypt_hex_decode(struct slice text, uint8_t *out, size_t len)
{
    size_t i;
    if (text.len / 2 != len || text.len % 2 != 0)
        return ERR_MALFORMED;
    for (i = 0; i < text.len; i++) {
        if (crypt_hex_digit(text.data[i]) < 0)
            return ERR_MALFORMED;
    }
    for (i = 0; i < len; i++) {
        unsigned high = (unsigned)crypt_hex_digit(text.data[2 * i]);
        unsigned low = (unsigned)crypt_hex_digit(text.data[2 * i + 1]);
        out[i] = (uint8_t)(high << 4 | low);
    }
    return OK;
}

void
crypt_base64(const void *data, size_t len, char *out, size_t cap)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *bytes = data;
    size_t i;
    assert(cap >= CRYPT_BASE64_SIZE(len));
    for (i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t word = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[word & 63] : '=';
    }
    *out = '\0';
}

static int
crypt_base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Bits that the padding leaves over must be zero, so that a text has one reading and one form. */
enum err
crypt_base64_decode(struct slice text, uint8_t *out, size_t cap, size_t *len)
{
    size_t pad = 0;
    size_t n;
    size_t i;
    size_t at = 0;
    uint32_t word = 0;
    if (text.len % 4 != 0)
        return ERR_MALFORMED;
    while (pad < 2 && pad < text.len && text.data[text.len - 1 - pad] == '=')
        pad++;
    n = text.len / 4 * 3 - pad;
    for (i = 0; i < text.len - pad; i++) {
        if (crypt_base64_digit(text.data[i]) < 0)
            return ERR_MALFORMED;
    }
    if (pad != 0) {
        unsigned last = (unsigned)crypt_base64_digit(text.data[text.len - 1 - pad]);
        if ((last & (pad == 1 ? 3u : 15u)) != 0)
            return ERR_MALFORMED;
    }
    if (n > cap)
        return ERR_TOO_LARGE;
    for (i = 0; i < text.len; i++) {
        bool is_pad = i >= text.len - pad;
        word = word << 6 | (is_pad ? 0 : (uint32_t)crypt_base64_digit(text.data[i]));
        if (i % 4 == 3) {
            unsigned shift;
            for (shift = 24; shift != 0 && at < n; shift -= 8)
                out[at++] = (uint8_t)(word >> (shift - 8));
            word = 0;
        }
    }
    *len = n;
    return OK;
}
