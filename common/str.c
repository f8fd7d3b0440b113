/* SPDX-License-Identifier: Apache-2.0 */
/* Slices and safe text. strtoull and friends are not used: they take signs, spaces and locales. */
#include "common/str.h"

#include "common/mem.h"

#include <stdio.h>

int
slice_compare(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n != 0 ? memcmp(a.data, b.data, n) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

struct slice
slice_sub(struct slice s, size_t from, size_t len)
{
    if (from >= s.len)
        return slice_of(NULL, 0);
    if (len > s.len - from)
        len = s.len - from;
    return slice_of(s.data + from, len);
}

size_t
slice_find(struct slice s, uint8_t byte)
{
    const uint8_t *at = s.len != 0 ? memchr(s.data, byte, s.len) : NULL;
    return at != NULL ? (size_t)(at - s.data) : s.len;
}

struct slice
slice_put(uint8_t **at, struct slice s)
{
    struct slice copy = slice_of(*at, s.len);
    if (s.len != 0)
        memcpy(*at, s.data, s.len);
    *at += s.len;
    return copy;
}

char *
slice_dup(struct slice s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len != 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

static bool
str_is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice
slice_trim(struct slice s)
{
    while (s.len != 0 && str_is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len != 0 && str_is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

enum err
str_parse_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    bool overflow = false;
    size_t i;
    if (s.len == 0)
        return ERR_MALFORMED;
    for (i = 0; i < s.len; i++) {
        uint8_t c = s.data[i];
        if (c < '0' || c > '9')
            return ERR_MALFORMED;
        overflow = overflow || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
                   __builtin_add_overflow(value, (uint64_t)(c - '0'), &value);
    }
    if (overflow || value < min || value > max)
        return ERR_INVALID;
    *out = value;
    return OK;
}

enum err
str_parse_i64(struct slice s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = s.len != 0 && s.data[0] == '-';
    uint64_t magnitude;
    int64_t value;
    enum err err = str_parse_u64(negative ? slice_sub(s, 1, s.len) : s, 0,
                                 (uint64_t)INT64_MAX + (negative ? 1 : 0), &magnitude);
    if (err != OK)
        return err;
    value = negative ? (int64_t)(UINT64_C(0) - magnitude) : (int64_t)magnitude;
    if (value < min || value > max)
        return ERR_INVALID;
    *out = value;
    return OK;
}

enum err
str_vformat(char *out, size_t cap, const char *format, va_list args)
{
    int n = vsnprintf(out, cap, format, args);
    if (n < 0) {
        out[0] = '\0';
        return ERR_TOO_LARGE;
    }
    return (size_t)n < cap ? OK : ERR_TOO_LARGE;
}

enum err
str_format(char *out, size_t cap, const char *format, ...)
{
    enum err err;
    va_list args;
    va_start(args, format);
    err = str_vformat(out, cap, format, args);
    va_end(args);
    return err;
}

bool
str_split(struct slice *rest, char separator, struct slice *item)
{
    while (rest->len != 0) {
        size_t n = slice_find(*rest, (uint8_t)separator);
        struct slice piece = slice_trim(slice_sub(*rest, 0, n));
        *rest = slice_sub(*rest, n + 1, rest->len);
        if (piece.len != 0) {
            *item = piece;
            return true;
        }
    }
    return false;
}

static bool
str_is_tail(uint8_t c)
{
    return (c & 0xc0) == 0x80;
}

/* The table of well-formed byte sequences of the Unicode Standard, table 3-7. */
size_t
str_utf8_char(const uint8_t *data, size_t len)
{
    uint8_t c;
    if (len == 0)
        return 0;
    c = data[0];
    if (c < 0x80)
        return 1;
    if (c < 0xc2 || c > 0xf4)
        return 0;
    if (c < 0xe0)
        return len >= 2 && str_is_tail(data[1]) ? 2 : 0;
    if (c < 0xf0) {
        if (len < 3 || !str_is_tail(data[1]) || !str_is_tail(data[2]))
            return 0;
        if ((c == 0xe0 && data[1] < 0xa0) || (c == 0xed && data[1] > 0x9f))
            return 0;
        return 3;
    }
    if (len < 4 || !str_is_tail(data[1]) || !str_is_tail(data[2]) || !str_is_tail(data[3]))
        return 0;
    if ((c == 0xf0 && data[1] < 0x90) || (c == 0xf4 && data[1] > 0x8f))
        return 0;
    return 4;
}

bool
str_utf8_is_valid(struct slice s)
{
    size_t at = 0;
    while (at < s.len) {
        size_t n = str_utf8_char(s.data + at, s.len - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

static uint8_t
str_lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool
str_equal_nocase(struct slice a, struct slice b)
{
    size_t i;
    if (a.len != b.len)
        return false;
    for (i = 0; i < a.len; i++) {
        if (str_lower(a.data[i]) != str_lower(b.data[i]))
            return false;
    }
    return true;
}
