/* SPDX-License-Identifier: Apache-2.0 */
/* Small blocks that were freed, kept for the next who wants one of their size; private to mem.c.
 *
 * Messages are made by one thread and freed by another. malloc keeps 7 blocks of a size per thread
 * and then takes the lock of the arena that the block came from, which its maker wants, too. Here
 * each thread fills and empties its own bundles of blocks; only whole bundles change hands, under a
 * lock. It keeps pointers only, nothing inside the blocks, and counts no bytes.
 *
 * Bounded: some 1 MiB per thread, MEM_CACHE_SHARED_MAX in the middle; what is more goes back to
 * malloc.
 */
#ifndef SLUICE_COMMON_MEM_CACHE_H
#define SLUICE_COMMON_MEM_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#define MEM_CACHE_SHARED_MAX ((size_t)8 << 20)

/* A block with room for size bytes; NULL: none is kept, or size is none of the small ones. Its room
 * is mem_cache_room(size). */
void *mem_cache_take(size_t size);
size_t mem_cache_room(size_t size);
/* False: it is not taken. room: what malloc_usable_size says of it. */
bool mem_cache_put(void *block, size_t room);
/* Bytes of the blocks in the middle. */
size_t mem_cache_shared(void);

#endif
