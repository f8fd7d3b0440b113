/* SPDX-License-Identifier: Apache-2.0 */
/* The heap: malloc, small blocks through mem_cache.c. */
#include "common/mem.h"

#include "common/log.h"
#include "common/mem_cache.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What is in use, counted by each thread for itself: a thread may free what another one allocated,
 * so that only the sum means something. Threads beyond the last cell share that one. */
#define MEM_CELLS 128u

struct mem_cell {
    _Alignas(64) _Atomic int64_t bytes;
};

static struct mem_cell mem_cells[MEM_CELLS];
static _Atomic unsigned mem_cells_taken;
static _Thread_local unsigned mem_cell_plus1;

static void
mem_add(int64_t n)
{
    if (__builtin_expect(mem_cell_plus1 == 0, 0)) {
        unsigned cell = atomic_fetch_add_explicit(&mem_cells_taken, 1, memory_order_relaxed);
        mem_cell_plus1 = (cell < MEM_CELLS ? cell : MEM_CELLS - 1) + 1;
    }
    _Atomic int64_t *bytes = &mem_cells[mem_cell_plus1 - 1].bytes;
    if (mem_cell_plus1 < MEM_CELLS)
        atomic_store_explicit(bytes, atomic_load_explicit(bytes, memory_order_relaxed) + n,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(bytes, n, memory_order_relaxed);
}

size_t
mem_used(void)
{
    int64_t sum = 0;
    unsigned taken = atomic_load_explicit(&mem_cells_taken, memory_order_relaxed);
    for (unsigned i = 0; i < taken && i < MEM_CELLS; i++)
        sum += atomic_load_explicit(&mem_cells[i].bytes, memory_order_relaxed);
    return sum > 0 ? (size_t)sum : 0;
}

static void *
mem_checked(void *ptr)
{
    if (__builtin_expect(ptr == NULL, 0))
        log_fatal("out_of_memory", "the system gave no memory");
    mem_add((int64_t)malloc_usable_size(ptr));
    return ptr;
}

/* Before it is freed. */
static void
mem_forget(void *ptr)
{
    if (ptr != NULL)
        mem_add(-(int64_t)malloc_usable_size(ptr));
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
    void *ptr = mem_cache_take(size);
    if (ptr != NULL) {
        mem_add((int64_t)mem_cache_room(size));
        return ptr;
    }
    return mem_checked(malloc(size != 0 ? size : 1));
}

void *
mem_zalloc(size_t size)
{
    void *ptr = mem_cache_take(size);
    if (ptr != NULL) {
        mem_add((int64_t)mem_cache_room(size));
        return memset(ptr, 0, size);
    }
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
    mem_forget(ptr);
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
    size_t room;
    if (ptr == NULL)
        return;
    room = malloc_usable_size(ptr);
    mem_add(-(int64_t)room);
    if (!mem_cache_put(ptr, room))
        free(ptr);
}

void
mem_free_secret(void *ptr, size_t len)
{
    if (ptr != NULL)
        explicit_bzero(ptr, len);
    mem_free(ptr);
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
