/* SPDX-License-Identifier: Apache-2.0 */
/* The one door to the heap. No function here returns NULL: out of memory ends the program with one
 * log line. It sets no limits: callers check every size that came from outside beforehand. */
#ifndef SLUICE_COMMON_MEM_H
#define SLUICE_COMMON_MEM_H

#include <stddef.h>

#define MEM_NEW(...) __attribute__((malloc, returns_nonnull, warn_unused_result, __VA_ARGS__))

/* New, free with mem_free. A size of 0 gives a valid pointer to nothing. */
void *mem_alloc(size_t size) MEM_NEW(alloc_size(1));
void *mem_zalloc(size_t size) MEM_NEW(alloc_size(1));
/* count * size zeroed bytes; a product that overflows ends the program. */
void *mem_zalloc_array(size_t count, size_t size) MEM_NEW(alloc_size(1, 2));
/* Zeroed, at a multiple of align (a power of two): to keep threads off each other's cache lines. */
void *mem_zalloc_aligned(size_t align, size_t size) MEM_NEW(alloc_size(2), alloc_align(1));

/* Takes ptr (may be NULL), returns the moved block. */
void *mem_realloc(void *ptr, size_t size)
    __attribute__((returns_nonnull, warn_unused_result, alloc_size(2)));
void *mem_realloc_array(void *ptr, size_t count, size_t size)
    __attribute__((returns_nonnull, warn_unused_result, alloc_size(2, 3)));

/* Takes ptr; NULL is nothing. */
void mem_free(void *ptr);
/* As mem_free, and wipes the len bytes first: for secrets. */
void mem_free_secret(void *ptr, size_t len);

/* Bytes of the heap that are in use through this door, by all threads together: what malloc gave,
 * with its rounding, without what it keeps for itself. Costs a read per thread that ever allocated.
 */
size_t mem_used(void);

/* New copies. mem_strndup copies at most len bytes and ends them with NUL. */
void *mem_dup(const void *data, size_t len) MEM_NEW(alloc_size(2));
char *mem_strdup(const char *text) MEM_NEW(nonnull(1));
char *mem_strndup(const char *text, size_t len) MEM_NEW(nonnull(1));

#endif
