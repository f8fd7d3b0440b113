/* SPDX-License-Identifier: Apache-2.0 */
/* The heap. malloc itself is not replaced: glibc's arenas already keep threads apart. */
#include "common/mem.h"

#include "common/log.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *
mem_checked(void *ptr)
{
    if (__builtin_expect(ptr == NULL, 0))
        log_fatal("out_of_memory", "the system gave no memory");
    return ptr;
}

static size_t
mem_product(size_t count, size_t size)
{
    size_t product;
    if (__builtin_mul_overflow(count, size, &product))
        log_fatal("out_of_memory", "size overflows");
    return product;
}

void *
mem_alloc(size_t size)
{
    return mem_checked(malloc(size != 0 ? size : 1));
}

void *
mem_zalloc(size_t size)
{
    return mem_checked(calloc(1, size != 0 ? size : 1));
}

void *
mem_zalloc_array(size_t count, size_t size)
{
    return mem_zalloc(mem_product(count, size));
}

void *
mem_zalloc_aligned(size_t align, size_t size)
{
    size_t rounded = ((size != 0 ? size : 1) + align - 1) / align * align;
    void *ptr = rounded >= size ? aligned_alloc(align, rounded) : NULL;
    return memset(mem_checked(ptr), 0, rounded);
}

void *
mem_realloc(void *ptr, size_t size)
{
    return mem_checked(realloc(ptr, size != 0 ? size : 1));
}

void *
mem_realloc_array(void *ptr, size_t count, size_t size)
{
    return mem_realloc(ptr, mem_product(count, size));
}

void
mem_free(void *ptr)
{
    free(ptr);
}

void
mem_free_secret(void *ptr, size_t len)
{
    if (ptr != NULL)
        explicit_bzero(ptr, len);
    free(ptr);
}

void *
mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);
    if (len != 0)
        memcpy(copy, data, len);
    return copy;
}

char *
mem_strndup(const char *text, size_t len)
{
    size_t n = strnlen(text, len);
    char *copy = mem_alloc(n + 1);
    memcpy(copy, text, n);
    copy[n] = '\0';
    return copy;
}

char *
mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}
