/* SPDX-License-Identifier: Apache-2.0 */
/* A byte buffer that grows up to a cap given at creation, with a sticky error: write everything,
 * check buf_error() once. Does no I/O and knows no format but big-endian numbers. */
#ifndef SLUICE_COMMON_BUF_H
#define SLUICE_COMMON_BUF_H

#include "common/err.h"
#include "common/str.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Owned by whoever ran buf_init. Content is data[start .. start + len). Read the fields through
 * the functions. A buffer holds no memory until the first byte. */
struct buf {
    uint8_t *data;
    size_t start;
    size_t len;
    size_t size;  /* bytes allocated */
    size_t cap;   /* most bytes of content */
    enum err err; /* OK or ERR_TOO_LARGE */
};

void buf_init(struct buf *buf, size_t cap);
/* Frees the memory; the buffer is then as after buf_init with the same cap. */
void buf_fini(struct buf *buf);
/* Slow path of buf_reserve. */
uint8_t *buf_grow(struct buf *buf, size_t n);
/* Content as new memory (mem_free), *len its length; the buffer is empty afterwards. */
uint8_t *buf_take(struct buf *buf, size_t *len);
/* printf into the buffer. */
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Empty, error cleared, memory kept. */
static inline void
buf_reset(struct buf *buf)
{
    buf->start = 0;
    buf->len = 0;
    buf->err = OK;
}

static inline size_t
buf_len(const struct buf *buf)
{
    return buf->len;
}

/* OK, or ERR_TOO_LARGE when anything since buf_init/buf_reset did not fit (nothing of that
 * piece and of all later ones was written). */
static inline enum err
buf_error(const struct buf *buf)
{
    return buf->err;
}

/* The content, borrowed until the next change. */
static inline struct slice
buf_slice(const struct buf *buf)
{
    return slice_of(buf->len != 0 ? buf->data + buf->start : NULL, buf->len);
}

/* Room for n more bytes behind the content, NULL when the cap forbids it (sticky error). Write
 * there, then buf_commit what was written. Borrowed until the next change. */
static inline uint8_t *
buf_reserve(struct buf *buf, size_t n)
{
    if (buf->err == OK && n <= buf->size - buf->start - buf->len && n <= buf->cap - buf->len &&
        buf->data != NULL)
        return buf->data + buf->start + buf->len;
    return buf_grow(buf, n);
}

static inline void
buf_commit(struct buf *buf, size_t n)
{
    assert(n <= buf->size - buf->start - buf->len);
    buf->len += n;
}

/* Drops n bytes (at most all) from the front. */
static inline void
buf_consume(struct buf *buf, size_t n)
{
    if (n >= buf->len) {
        buf->start = 0;
        buf->len = 0;
        return;
    }
    buf->start += n;
    buf->len -= n;
}

/* Drops everything behind the first len bytes; longer is no change. Keeps the error. */
static inline void
buf_truncate(struct buf *buf, size_t len)
{
    if (len < buf->len)
        buf->len = len;
}

static inline void
buf_append(struct buf *buf, const void *data, size_t n)
{
    uint8_t *to;
    if (n == 0)
        return;
    to = buf_reserve(buf, n);
    if (to == NULL)
        return;
    memcpy(to, data, n);
    buf->len += n;
}

static inline void
buf_append_slice(struct buf *buf, struct slice s)
{
    buf_append(buf, s.data, s.len);
}

static inline void
buf_append_cstr(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

static inline void
buf_put_u8(struct buf *buf, uint8_t v)
{
    uint8_t *to = buf_reserve(buf, 1);
    if (to == NULL)
        return;
    to[0] = v;
    buf->len += 1;
}

/* Big-endian into memory: for patching and for callers without a buffer. */
static inline void
buf_store_u16(uint8_t *to, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(to, &v, sizeof(v));
}

static inline void
buf_store_u32(uint8_t *to, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(to, &v, sizeof(v));
}

static inline void
buf_store_u64(uint8_t *to, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(to, &v, sizeof(v));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "byte swaps assume little-endian");

static inline void
buf_put_u16(struct buf *buf, uint16_t v)
{
    uint8_t *to = buf_reserve(buf, 2);
    if (to == NULL)
        return;
    buf_store_u16(to, v);
    buf->len += 2;
}

static inline void
buf_put_u32(struct buf *buf, uint32_t v)
{
    uint8_t *to = buf_reserve(buf, 4);
    if (to == NULL)
        return;
    buf_store_u32(to, v);
    buf->len += 4;
}

static inline void
buf_put_u64(struct buf *buf, uint64_t v)
{
    uint8_t *to = buf_reserve(buf, 8);
    if (to == NULL)
        return;
    buf_store_u64(to, v);
    buf->len += 8;
}

/* 1 to 4 bytes of 7 bits, least significant first, top bit = more follows; values up to
 * 268,435,455 (asserted: callers check what came from outside). */
static inline void
buf_put_varint32(struct buf *buf, uint32_t v)
{
    uint8_t *to;
    size_t n = 0;
    assert(v <= 0x0fffffff);
    to = buf_reserve(buf, 4);
    if (to == NULL)
        return;
    do {
        uint8_t byte = (uint8_t)(v & 0x7f);
        v >>= 7;
        to[n++] = (uint8_t)(byte | (v != 0 ? 0x80 : 0));
    } while (v != 0);
    buf->len += n;
}

/* Overwrites bytes already in the content at offset (asserted to be inside). */
static inline void
buf_patch_u32(struct buf *buf, size_t offset, uint32_t v)
{
    assert(offset <= buf->len && 4 <= buf->len - offset);
    buf_store_u32(buf->data + buf->start + offset, v);
}

static inline void
buf_patch_u16(struct buf *buf, size_t offset, uint16_t v)
{
    assert(offset <= buf->len && 2 <= buf->len - offset);
    buf_store_u16(buf->data + buf->start + offset, v);
}

#endif
