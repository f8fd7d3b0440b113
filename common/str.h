/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes (struct slice) and safe text: comparing, number parsing, splitting, bounded
 * formatting. It owns no memory except what slice_dup returns, and knows no locale. */
#ifndef SLUICE_COMMON_STR_H
#define SLUICE_COMMON_STR_H

#include "common/err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes, not ended by NUL. data may be NULL when len is 0. */
struct slice {
    const uint8_t *data;
    size_t len;
};

static inline struct slice
slice_of(const void *data, size_t len)
{
    return (struct slice){(const uint8_t *)data, len};
}

/* The same, for hot paths: its two words are read one by one. They were often written one by one
 * just before, and a processor that is to read both at once then waits until they are in the cache.
 */
static inline struct slice
slice_by_words(const struct slice *slice)
{
    return slice_of(slice->data, slice->len);
}

/* The bytes of text without its NUL; NULL gives the empty slice. */
static inline struct slice
slice_cstr(const char *text)
{
    return (struct slice){(const uint8_t *)text, text != NULL ? strlen(text) : 0};
}

static inline bool
slice_is_empty(struct slice s)
{
    return s.len == 0;
}

static inline bool
slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool
slice_equal_cstr(struct slice a, const char *text)
{
    return slice_equal(a, slice_cstr(text));
}

static inline bool
slice_has_prefix(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

/* Order of bytes, the shorter first: <0, 0, >0. */
int slice_compare(struct slice a, struct slice b);
/* Bytes from `from` on, at most len; what lies outside is cut off, never read. */
struct slice slice_sub(struct slice s, size_t from, size_t len);
/* Index of the byte, or s.len when absent. */
size_t slice_find(struct slice s, uint8_t byte);
/* Copies the bytes to *at, which moves behind them: for blocks that hold a struct and what it
 * points to. The result is the copy. */
struct slice slice_put(uint8_t **at, struct slice s);
/* New: the bytes followed by NUL (free with mem_free). Bytes that are NUL stay as they are. */
char *slice_dup(struct slice s);
/* Without spaces, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/* A whole decimal number, digits only. ERR_MALFORMED: not such a number; ERR_INVALID: outside
 * min..max (also when it does not fit 64 bits). */
ERR_MUST_USE enum err str_parse_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *out);
/* As str_parse_u64, with an optional leading minus. */
ERR_MUST_USE enum err str_parse_i64(struct slice s, int64_t min, int64_t max, int64_t *out);

/* Formats into out (cap > 0), always ended by NUL. ERR_TOO_LARGE when it was cut off; where a cut
 * is harmless the result may be ignored. */
enum err str_format(char *out, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
enum err str_vformat(char *out, size_t cap, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Takes the next trimmed item off *rest; false when *rest is used up. Empty items are skipped.
 *     while (str_split(&rest, ',', &item)) ... */
bool str_split(struct slice *rest, char separator, struct slice *item);

/* Length (1..4) of the valid UTF-8 character at data (len bytes there), 0 when there is none.
 * Surrogates, overlong forms and code points beyond U+10FFFF are not valid. */
size_t str_utf8_char(const uint8_t *data, size_t len);
bool str_utf8_is_valid(struct slice s);

/* ASCII only. */
bool str_equal_nocase(struct slice a, struct slice b);

#endif
