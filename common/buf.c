/* SPDX-License-Identifier: Apache-2.0 */
/* The slow paths of the byte buffer: growing, moving, printing. */
#include "common/buf.h"

#include "common/mem.h"

#include <stdio.h>

#define BUF_FIRST_SIZE 128

void
buf_init(struct buf *buf, size_t cap)
{
    *buf = (struct buf){.cap = cap};
}

void
buf_fini(struct buf *buf)
{
    mem_free(buf->data);
    buf_init(buf, buf->cap);
}

uint8_t *
buf_grow(struct buf *buf, size_t n)
{
    size_t need;
    size_t size;
    if (buf->err != OK)
        return NULL;
    if (n > buf->cap - buf->len) {
        buf->err = ERR_TOO_LARGE;
        return NULL;
    }
    need = buf->len + n;
    /* Moving to the front is enough when at least half is free: so each byte moves O(1) times. */
    if (buf->data != NULL && need <= buf->size && buf->len <= buf->size / 2) {
        memmove(buf->data, buf->data + buf->start, buf->len);
        buf->start = 0;
        return buf->data + buf->len;
    }
    size = buf->size > SIZE_MAX / 2 ? need : buf->size * 2;
    if (size < BUF_FIRST_SIZE)
        size = BUF_FIRST_SIZE;
    if (size < need)
        size = need;
    if (size > buf->cap && need <= buf->cap)
        size = buf->cap != 0 ? buf->cap : 1;
    if (buf->start == 0) {
        buf->data = mem_realloc(buf->data, size);
    } else {
        uint8_t *data = mem_alloc(size);
        assert(buf->data != NULL); /* start moves only behind content */
        memcpy(data, buf->data + buf->start, buf->len);
        mem_free(buf->data);
        buf->data = data;
        buf->start = 0;
    }
    buf->size = size;
    return buf->data + buf->len;
}

uint8_t *
buf_take(struct buf *buf, size_t *len)
{
    uint8_t *data = buf->data;
    *len = buf->len;
    if (data == NULL)
        data = mem_alloc(0);
    else if (buf->start != 0)
        memmove(data, data + buf->start, buf->len);
    buf_init(buf, buf->cap);
    return data;
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
    char stack[256];
    va_list args;
    va_list again;
    int n;
    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(stack, sizeof(stack), format, args);
    if (n >= 0 && (size_t)n < sizeof(stack)) {
        buf_append(buf, stack, (size_t)n);
    } else if (n >= 0) {
        uint8_t *to = buf_reserve(buf, (size_t)n + 1);
        if (to != NULL) {
            vsnprintf((char *)to, (size_t)n + 1, format, again);
            buf->len += (size_t)n;
        }
    }
    va_end(again);
    va_end(args);
}
