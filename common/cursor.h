/* SPDX-License-Identifier: Apache-2.0 */
/* Straight reads over borrowed bytes with a sticky error: read everything, check once with
 * cursor_end(). After an error every read gives 0 or the empty slice. Knows no format but
 * big-endian numbers. All inline: there is no cursor.c. */
#ifndef SLUICE_COMMON_CURSOR_H
#define SLUICE_COMMON_CURSOR_H

#include "common/err.h"
#include "common/str.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
    const uint8_t *pos;
    const uint8_t *end;
    enum err err; /* OK or ERR_MALFORMED, or what cursor_fail was given */
};

static inline struct cursor
cursor_of(struct slice s)
{
    static const uint8_t nothing[1] = {0};
    const uint8_t *data = s.data != NULL ? s.data : nothing;
    return (struct cursor){data, data + (s.data != NULL ? s.len : 0), OK};
}

/* Bytes not yet read; 0 after an error. */
static inline size_t
cursor_left(const struct cursor *c)
{
    return (size_t)(c->end - c->pos);
}

/* Sets the sticky error (the first one stays) and ends reading. For callers that found a value
 * which must not be. */
static inline void
cursor_fail(struct cursor *c, enum err err)
{
    if (c->err == OK)
        c->err = err;
    c->pos = c->end;
}

/* n bytes to read from, or NULL with the error set. */
static inline const uint8_t *
cursor_skip(struct cursor *c, size_t n)
{
    const uint8_t *at = c->pos;
    if (n > (size_t)(c->end - c->pos)) {
        cursor_fail(c, ERR_MALFORMED);
        return NULL;
    }
    c->pos += n;
    return at;
}

/* Big-endian from memory: for callers without a cursor. */
static inline uint16_t
cursor_load_u16(const uint8_t *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof(v));
    return __builtin_bswap16(v);
}

static inline uint32_t
cursor_load_u32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return __builtin_bswap32(v);
}

static inline uint64_t
cursor_load_u64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return __builtin_bswap64(v);
}

static inline uint8_t
cursor_u8(struct cursor *c)
{
    const uint8_t *at = cursor_skip(c, 1);
    return at != NULL ? at[0] : 0;
}

static inline uint16_t
cursor_u16(struct cursor *c)
{
    const uint8_t *at = cursor_skip(c, 2);
    return at != NULL ? cursor_load_u16(at) : 0;
}

static inline uint32_t
cursor_u32(struct cursor *c)
{
    const uint8_t *at = cursor_skip(c, 4);
    return at != NULL ? cursor_load_u32(at) : 0;
}

static inline uint64_t
cursor_u64(struct cursor *c)
{
    const uint8_t *at = cursor_skip(c, 8);
    return at != NULL ? cursor_load_u64(at) : 0;
}

/* 1 to 4 bytes of 7 bits, least significant first, top bit = more follows. A fifth byte and a
 * form longer than needed are ERR_MALFORMED. */
static inline uint32_t
cursor_varint32(struct cursor *c)
{
    uint32_t value = 0;
    unsigned shift;
    for (shift = 0; shift < 28; shift += 7) {
        const uint8_t *at = cursor_skip(c, 1);
        if (at == NULL)
            return 0;
        value |= (uint32_t)(at[0] & 0x7f) << shift;
        if ((at[0] & 0x80) == 0) {
            if (at[0] == 0 && shift != 0)
                break;
            return value;
        }
    }
    cursor_fail(c, ERR_MALFORMED);
    return 0;
}

/* n bytes, borrowed as long as the slice the cursor was made of. */
static inline struct slice
cursor_bytes(struct cursor *c, size_t n)
{
    const uint8_t *at = cursor_skip(c, n);
    return at != NULL ? slice_of(at, n) : slice_of(NULL, 0);
}

/* A u16 or u32 length, then that many bytes. */
static inline struct slice
cursor_bytes16(struct cursor *c)
{
    size_t n = cursor_u16(c);
    return cursor_bytes(c, n);
}

static inline struct slice
cursor_bytes32(struct cursor *c)
{
    size_t n = cursor_u32(c);
    return cursor_bytes(c, n);
}

/* All that is left. */
static inline struct slice
cursor_rest(struct cursor *c)
{
    return cursor_bytes(c, cursor_left(c));
}

/* The strict end check: OK only when every read succeeded and nothing is left over;
 * otherwise the sticky error or ERR_MALFORMED. */
ERR_MUST_USE static inline enum err
cursor_end(const struct cursor *c)
{
    if (c->err != OK)
        return c->err;
    return c->pos == c->end ? OK : ERR_MALFORMED;
}

#endif
